import shutil

import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data.coordinates import write_blocks
from fel_explorer.data.file_names import extension, natural_key, readable_name
from fel_explorer.errors import FelError
from fel_explorer.structures import export_frames

FORMATS = ["xtc", "trr", "dcd", "nc", "h5", "gro", "pdb", "xyz", "lammpstrj", "mdcrd", "pdb.gz"]


@pytest.mark.parametrize("name", ["läufe/a.{}", "läufe/日本.{}", "A.{}"])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_read_from_any_path(tmp_path, kind, name):
    trajectory = make_trajectory(n_frames=6)
    if kind == "lammpstrj":
        trajectory.unitcell_vectors = np.tile(9 * np.eye(3), (6, 1, 1))
    path = tmp_path / name.format(kind.upper() if name == "A.{}" else kind)
    path.parent.mkdir(exist_ok=True)
    trajectory.save(str(tmp_path / f"plain.{kind}"))
    shutil.copy(tmp_path / f"plain.{kind}", path)
    own = kind in ("gro", "pdb", "h5", "pdb.gz")
    plain = fel.load_trajectories(tmp_path / f"plain.{kind}", None if own else trajectory.topology)
    read = fel.load_trajectories(path, None if own else trajectory.topology)
    np.testing.assert_array_equal(read.frames([5, 0]).xyz, plain.frames([5, 0]).xyz)
    np.testing.assert_array_equal(next(read.chunks(10))[2].xyz, plain.frames(np.arange(6)).xyz)
    assert read.files == (path,)


@pytest.mark.parametrize("name", ["läufe/top.{}", "TOP.{}"])
@pytest.mark.parametrize("kind", ["pdb", "gro", "h5"])
def test_topologies_are_read_from_any_path(tmp_path, kind, name):
    trajectory = make_trajectory(n_frames=4)
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    path = tmp_path / name.format(kind.upper() if name == "TOP.{}" else kind)
    path.parent.mkdir(exist_ok=True)
    trajectory[0].save(str(tmp_path / f"plain.{kind}"))
    shutil.move(tmp_path / f"plain.{kind}", path)
    assert fel.load_trajectories(tmp_path / "a.xtc", path).n_atoms == trajectory.n_atoms


@pytest.mark.parametrize("name", ["läufe.{}", "OUT.{}"])
@pytest.mark.parametrize("kind", ["xtc", "pdb"])
def test_structures_are_written_to_any_path(tmp_path, kind, name):
    trajectory = make_trajectory(n_frames=4)
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    trajs = fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology)
    path = tmp_path / name.format(kind.upper() if name == "OUT.{}" else kind)
    export_frames(trajs, [3, 1], path)
    back = fel.load_trajectories(path, trajectory.topology, time_step=1.0)
    np.testing.assert_allclose(back.frames([0, 1]).xyz, trajectory.xyz[[3, 1]], atol=2e-3)


@pytest.mark.parametrize("name", ["läufe.xtc", "OUT.DCD", "läufe.dcd"])
def test_blocks_are_written_to_any_path(tmp_path, name):
    trajectory = make_trajectory(n_frames=4)
    assert write_blocks(tmp_path / name, [trajectory.xyz], trajectory.time) == 4
    back = fel.load_trajectories(tmp_path / name, trajectory.topology)
    np.testing.assert_allclose(back.frames([3]).xyz, trajectory.xyz[3:], atol=1e-3)


def test_names_that_mdtraj_knows_are_not_linked(tmp_path):
    assert readable_name(tmp_path / "a.xtc") == str(tmp_path / "a.xtc")
    assert readable_name(tmp_path / "A.XTC").endswith(".xtc")
    assert extension(tmp_path / "b.PDB.GZ") == ".pdb.gz"


def test_natural_order_counts_numbers():
    names = ["r10.xtc", "r2.xtc", "r1b.xtc", "r1.xtc", "a/r3.xtc"]
    assert sorted(names, key=natural_key) == ["a/r3.xtc", "r1.xtc", "r1b.xtc", "r2.xtc", "r10.xtc"]


JUNK = {"top.abc": "x", "top.pdb": "no atoms", "top.gro": "a\nb\n", "top.prmtop": "x", "top.psf": "x"}


@pytest.mark.parametrize("name", [*JUNK, "top.xtc"])
def test_messages_of_topologies_speak_of_topologies(tmp_path, name):
    trajectory = make_trajectory(n_frames=2)
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    (tmp_path / name).write_text(JUNK.get(name, "junk"))
    with pytest.raises(FelError, match=rf"The topology '.*{name}' cannot be read .*Topologies are") as error:
        fel.load_trajectories(tmp_path / "a.xtc", tmp_path / name)
    assert "mdtraj" not in str(error.value) and "dict_keys" not in str(error.value)


def test_an_exported_file_reads_back_by_mdtraj(tmp_path):
    trajectory = make_trajectory(n_frames=3)
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    trajs = fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology)
    export_frames(trajs, [2], tmp_path / "über.xtc")
    shutil.move(tmp_path / "über.xtc", tmp_path / "b.xtc")
    back = mdtraj.load(tmp_path / "b.xtc", top=trajectory.topology)
    np.testing.assert_allclose(back.xyz, trajectory.xyz[2:], atol=1e-3)
