import tarfile

import numpy as np
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data import samples
from fel_explorer.errors import FelError


@pytest.fixture
def archive(tmp_path, monkeypatch):
    source, folder = tmp_path / "source", tmp_path / "archives"
    source.mkdir()
    folder.mkdir()
    rows = []
    for number in (0, 1, 2, 10):
        trajectory = make_trajectory(n_frames=4, seed=number, step=1.0)
        trajectory.save_xtc(str(source / f"trajectory-{number}.xtc"))
    trajectory[0].save_pdb(str(source / "topology.pdb"))
    rows = [f"{t},{f},{10 * t + f}.5" for t in range(4) for f in range(4)]
    (source / "energies.csv").write_text("trajectory,frame_in_trajectory,energy\n" + "\n".join(rows) + "\n")
    with tarfile.open(folder / "tiny.tar.xz", "w:xz") as packed:
        for path in sorted(source.iterdir()):
            packed.add(path, path.name)
    monkeypatch.setattr(samples, "FOLDERS", (tmp_path / "missing", folder))
    return folder / "tiny.tar.xz"


def test_a_sample_is_unpacked_once_and_its_energies_attach(archive, cache):
    trajs = fel.sample_data("tiny")
    assert [f.name for f in trajs.files] == [f"trajectory-{n}.xtc" for n in (0, 1, 2, 10)]
    data = fel.featurize(trajs, "heavy_atom_distances")
    assert data["energy"].values.tolist() == [10 * t + f + 0.5 for t in range(4) for f in range(4)]
    assert data["energy"].attrs["units"] == "kJ/mol"
    np.testing.assert_allclose(trajs.frames([12]).xyz, make_trajectory(seed=10).xyz[:1], atol=1e-5)
    changed = trajs.files[0].stat().st_mtime_ns
    assert fel.sample_data("tiny").files[0].stat().st_mtime_ns == changed
    assert len(list((cache / "samples").iterdir())) == 1


def test_an_unknown_sample_names_those_there_are(archive, monkeypatch):
    with pytest.raises(FelError, match=r"no sample data 'water'. There are: tiny"):
        fel.sample_data("water")
    monkeypatch.setattr(samples, "FOLDERS", ())
    with pytest.raises(FelError, match=r"none .*make_alanine_dipeptide.py"):
        fel.sample_data("alanine-dipeptide")


def test_a_truncated_archive_leaves_nothing_behind(archive, cache):
    archive.write_bytes(archive.read_bytes()[:-400])
    with pytest.raises(FelError, match=r"can't be unpacked.*install the package again"):
        fel.sample_data("tiny")
    assert not list((cache / "samples").iterdir())


def test_the_sample_knows_its_temperature():
    trajs = fel.sample_data("alanine-dipeptide")
    assert trajs.temperature == 450.0
    some = fel.load_trajectories(trajs.files[:1], trajs.topology_source, stride=500)
    assert "temperature" not in fel.featurize(some, ["backbone_torsions"], cache=False).attrs
    some.temperature = 310.0
    assert fel.featurize(some, ["backbone_torsions"], cache=False).attrs["temperature"] == 310.0
