"""Paths over the map of a session."""

import mdtraj
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.paths import landscape_path
from fel_explorer.app.views.paths.panel import PathPanel


@pytest.fixture
def session():
    """Two wells along phi that are joined over 180 degrees."""
    rng = np.random.default_rng(0)
    phi = np.where(rng.random(20_000) < 0.5, 150, -150) + rng.normal(scale=18, size=20_000)
    data = fel.as_dataset([rng.normal(size=(20_000, 2)).astype("f4")])
    data["phi"] = ("frame", ((phi + 180) % 360 - 180).astype("f4"), {"units": "deg"})
    data["psi"] = ("frame", rng.normal(scale=20, size=20_000).astype("f4"), {"units": "deg"})
    return Session(data)


def test_anchors_make_a_way_and_undo_takes_them_back(session):
    panel = PathPanel(session, active=True)
    session.add_anchor(150, 0, ("phi", "psi"))
    assert session.path is None and not panel.ready
    session.add_anchor(-150, 0, ("phi", "psi"))
    path = session.path
    assert panel.ready and path.n_images == 40
    assert (np.abs(path.curve.points[:, 0]) > 120).all()  # over 180 degrees, not over 0
    assert len(path.pieces) == 2
    highest = path.barrier
    assert 0 < highest.left < 4 and 0 < highest.right < 4 and 5 < highest.index < 35
    assert 0 < highest.left_error < 0.5 and "±" in panel.text.object
    panel.tapped(path.curve.length[7], 0)
    assert session.image == 7
    assert {"phi", "psi", "free_energy_kT", "frame"} <= set(panel._table().columns)
    session.undo()
    assert session.path is None and len(session.path_anchors.anchors) == 1
    session.redo()
    assert session.path is not None
    session.clear_path()
    assert session.path_anchors is None and session.path is None
    panel.close()


def test_ends_move_to_the_minima_of_their_basins_and_the_panel_says_so(session):
    panel = PathPanel(session, active=True)
    session.add_anchor(120, 25, ("phi", "psi"))
    session.add_anchor(-120, -25, ("phi", "psi"))
    path = session.path
    assert "Both ends were moved" in panel.text.object and path.moved == (True, True)
    for (phi, psi), centre in zip((path.through[0], path.through[-1]), (150, -150), strict=True):
        assert abs(phi - centre) < 12 and abs(psi) < 12
    assert path.free_energy[0] < 0.3 and path.free_energy[-1] < 0.3
    moved = path.barrier
    panel.to_minima.value = False
    assert session.path.through == session.path_anchors.anchors and "as they" not in panel.text.object
    assert "where they were clicked" in panel.text.object and session.path.barrier.left < moved.left
    panel.close()


def test_two_ends_in_one_basin_stay_where_they_were_clicked(session):
    session.add_anchor(130, 0, ("phi", "psi"))
    session.add_anchor(150, 20, ("phi", "psi"))
    assert landscape_path.find_landscape_path(session).moved == (False, False)


def test_other_axes_start_another_path(session):
    session.add_anchor(0, 0, ("phi", "psi"))
    session.add_anchor(1, 1, ("feature 1", "feature 2"))
    assert session.path_anchors.axes == ("feature 1", "feature 2") and len(session.path_anchors.anchors) == 1


def test_way_on_a_profile_says_what_to_do(session):
    panel = PathPanel(session, active=True)
    session.add_anchor(0, 0, ("phi", "free energy"))
    session.add_anchor(9, 1, ("phi", "free energy"))
    assert session.path is None and "y axis" in panel.text.object
    panel.close()


def test_comparison_ranks_what_differs(session):
    from fel_explorer.app.views.comparison.panel import ComparisonPanel

    manager = JobManager(workers=0)
    board = PageJobs(session, manager)
    panel = ComparisonPanel(session, board, active=True)
    session.select(session.dataset["phi"].values > 0, "test")
    while manager.work():
        pass
    board.tick()
    assert panel.ready and panel.quantity == "phi"
    first = panel.table.rows[0]["cells"]
    assert first["quantity"]["text"] == "phi" and first["effect"]["value"] > 0.95
    panel.figure()
    assert panel._frame()["quantity"][0] == "phi"
    panel._on_keep(None)
    assert "kept 1" in panel.first.options
    session.invert_selection()
    assert not panel.ready and not panel.table.rows  # nothing of the comparison before
    while manager.work():
        pass
    board.tick()
    inverted = panel.table.rows[0]["cells"]
    assert inverted["first"]["value"] == pytest.approx(first["second"]["value"])
    panel.close()
    board.close()


def test_unbroken_splits_at_the_period():
    points = np.array([[170.0, 0], [178, 0], [-175, 0], [-170, 0]])
    assert [len(piece) for piece in landscape_path.unbroken(points, (360.0, None))] == [2, 2]
    assert [len(piece) for piece in landscape_path.unbroken(points, (None, None))] == [4]


def test_files_of_a_path_say_which_frames_they_hold_and_have_ordered_times(tmp_path, hopping_chain):
    files, topology = hopping_chain(tmp_path, 300)
    trajs = fel.load_trajectories(files, topology=topology)
    data = fel.featurize(trajs, ["coordinates"], cache=False)
    session = Session(data, trajs)
    names = [str(name) for name in data["feature"].values]
    panel = PathPanel(session, active=True)
    first, last = (tuple(data["features"].values[frame, [9, 10]]) for frame in (0, 299))
    session.add_anchor(*first, (names[9], names[10]))
    session.add_anchor(*last, (names[9], names[10]))
    panel.kind = "straight"
    text = panel.file("pdb").getvalue().decode()
    frames = session.path.curve.frames
    remarks = "".join(line[11:79].ljust(68) for line in text.splitlines() if line.startswith("REMARK"))
    assert f"MODEL 1 IS FRAME {frames[0]:,}" in remarks and f"MODEL {len(frames)} IS FRAME" in remarks
    assert "straight path of" in remarks and "KT" in remarks
    (tmp_path / "path.pdb").write_text(text)
    (tmp_path / "path.xtc").write_bytes(panel.file("xtc").getvalue())
    models = mdtraj.load(str(tmp_path / "path.pdb"))
    images = mdtraj.load(str(tmp_path / "path.xtc"), top=str(topology))
    assert models.n_frames == images.n_frames == len(frames)
    assert np.allclose(models.xyz, images.xyz, atol=2e-3)
    assert np.array_equal(images.time, np.arange(1, len(frames) + 1))
    panel.close()
