"""Opening files in the page: parts joined, notes shown."""

from pathlib import Path

import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory

from fel_explorer.app.codegen import data as data_code
from fel_explorer.app.jobs.featurize_and_train import opening
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.data.panel import DataPanel, describe
from fel_explorer.data.trajectories import open_trajectories
from fel_explorer.errors import FelError


@pytest.fixture
def parts(tmp_path):
    everything = make_trajectory(n_frames=30)
    everything[0].save_pdb(str(tmp_path / "top.pdb"))
    for number, start, stop in ((1, 0, 12), (2, 10, 20), (10, 20, 30)):
        everything[start:stop].save_xtc(str(tmp_path / f"part{number}.xtc"))
    return tmp_path, everything


def test_parts_are_joined_by_the_option_of_the_dialog_and_suggested_without_it(parts, monkeypatch):
    folder, everything = parts
    session, jobs = Session(), []
    board = PageJobs(session, JobManager(workers=0))
    monkeypatch.setattr(board, "submit", lambda label, job, kind: jobs.append(job(None, None)[1]))
    panel = DataPanel(session, board, root=folder)
    names = sorted(path.name for path in folder.iterdir())
    panel._browse(None)
    assert panel.join.visible and not panel.join.value
    panel.files.value = [str(folder / name) for name in names]
    panel.join.value = True
    panel._confirm(None)
    panel.open(names)
    joined, apart = jobs
    np.testing.assert_allclose(joined.frames(np.arange(30)).xyz, everything.xyz, atol=1e-5)
    assert "3 files, part1.xtc to part10.xtc joined to 1" in describe(joined, None)
    assert "join" not in " ".join(joined.notes)
    assert "goes on in time" in describe(apart, None) and apart.lengths.tolist() == [12, 10, 10]
    panel._browse_columns(None)
    assert not panel.join.visible
    panel.close()
    board.close()


def test_a_folder_is_chosen_by_one_click_or_by_a_star(parts, monkeypatch):
    folder, _ = parts
    (folder / "notes.txt").write_text("not a trajectory")
    board, opened = PageJobs(Session(), JobManager(workers=0)), []
    panel = DataPanel(board.session, board, root=folder)
    monkeypatch.setattr(panel, "open", lambda paths, **options: opened.append([Path(p).name for p in paths]))
    panel._browse(None)
    panel.choose_all.clicks += 1
    panel._confirm(None)
    panel._browse(None)
    for pattern in ("*.xtc, top.pdb", f"{folder}/*.xtc, top.pdb"):
        panel.typed.value = pattern
        panel._confirm(None)
    names = ["part1.xtc", "part2.xtc", "part10.xtc", "top.pdb"]
    assert opened == [names] * 3
    for pattern in ("*.dcd", "../*/*.xtc", "/*/*.xtc"):
        panel.typed.value = pattern
        with pytest.raises(FelError, match="There is no file"):
            panel._confirm(None)
    panel.close()
    board.close()


def test_a_box_that_is_not_used_is_said_in_the_page(tmp_path):
    trajectory = make_trajectory(n_frames=3)
    trajectory.unitcell_vectors = np.tile(0.1 * np.eye(3), (3, 1, 1))
    trajectory.save(str(tmp_path / "a.nc"))
    _, opened = opening([tmp_path / "a.nc"], trajectory.topology, 1, None)(None, None)
    assert "without a periodic box" in describe(opened, None)


def test_the_printed_code_joins_what_was_joined(parts):
    import fel_explorer as fel

    folder, _ = parts
    files = [folder / f"part{number}.xtc" for number in (1, 2, 10)]
    trajs = open_trajectories(files, folder / "top.pdb", join=True)
    again = eval(data_code.opening(trajs), {"fel": fel})
    assert again.lengths.tolist() == trajs.lengths.tolist() == [30]
    assert mdtraj.Trajectory(again.frames([29]).xyz, again.topology).n_atoms == trajs.n_atoms
