import threading
import warnings

import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.errors import FelError


def test_opening_tells_lengths_times_and_atoms(trajs):
    assert trajs.lengths.tolist() == [7, 12, 1]
    assert (trajs.n_frames, trajs.n_atoms, trajs.time_step, trajs.stride) == (20, 13, 2.0, 1)
    assert [file.name for file in trajs.files] == ["run0.xtc", "run1.xtc", "run2.xtc"]
    assert "20 frames every 2 ps" in repr(trajs)


@pytest.mark.parametrize("stride", [1, 2, 5, 11])
def test_frames_are_those_of_the_files_in_any_order_with_duplicates(written, stride):
    folder, parts = written
    trajs = fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb", stride=stride)
    everything = np.concatenate([part.xyz[::stride] for part in parts])
    assert trajs.n_frames == len(everything)
    asked = np.random.default_rng(0).integers(len(everything), size=15)
    frames = trajs.frames(asked)
    np.testing.assert_allclose(frames.xyz, everything[asked], atol=1e-6)
    times = np.concatenate([np.arange(len(part.xyz[::stride])) * 2.0 * stride for part in parts])
    np.testing.assert_allclose(frames.time, times[asked])


@pytest.mark.parametrize("stride", [1, 3, 10])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_chunks_stream_every_frame_once(written, stride, size):
    folder, parts = written
    trajs = fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb", stride=stride)
    chunks = list(trajs.chunks(size))
    assert all(len(chunk) <= size for _, _, chunk in chunks)
    for index, part in enumerate(parts):
        own = [(start, chunk) for i, start, chunk in chunks if i == index]
        assert [start for start, _ in own] == list(np.cumsum([0, *(len(c) for _, c in own)])[:-1])
        np.testing.assert_allclose(np.concatenate([c.xyz for _, c in own]), part.xyz[::stride], atol=1e-6)


@pytest.mark.parametrize("extension", ["xtc", "trr", "dcd", "nc", "h5", "pdb", "xyz"])
def test_formats_agree(tmp_path, extension):
    trajectory = make_trajectory(n_frames=30)
    trajectory[0].save_pdb(str(tmp_path / "top.pdb"))
    path = tmp_path / f"run.{extension}"
    trajectory.save(str(path))
    trajs = fel.load_trajectories(path, None if extension in ("pdb", "h5") else tmp_path / "top.pdb")
    np.testing.assert_allclose(trajs.frames([29, 0, 13]).xyz, trajectory.xyz[[29, 0, 13]], atol=2e-6)
    [(_, _, chunk)] = trajs.chunks(100)
    np.testing.assert_allclose(chunk.xyz, trajectory.xyz, atol=2e-6)
    timed = extension in ("xtc", "trr", "nc", "h5")
    assert trajs.time_step == (2.0 if timed else 1.0)
    assert ("hold no times" in trajs.time_note) != timed


def test_atom_selection_cuts_topology_and_coordinates(written):
    folder, parts = written
    trajs = fel.load_trajectories(folder / "run0.xtc", folder / "top.pdb", atoms="element != H")
    heavy = [a.index for a in parts[0].topology.atoms if a.element.symbol != "H"]
    assert trajs.atoms.tolist() == heavy
    assert [a.name for a in trajs.topology.atoms][:4] == ["CH3", "C", "O", "N"]
    np.testing.assert_allclose(trajs.frames([3]).xyz[0], parts[0].xyz[3, heavy], atol=1e-6)
    [(_, _, chunk)] = trajs.chunks(100)
    np.testing.assert_allclose(chunk.xyz, parts[0].xyz[:, heavy], atol=1e-6)


def test_one_topology_per_trajectory_with_a_common_selection(tmp_path):
    for number, residues in enumerate([["ACE", "ALA", "NME"], ["ACE", "ALA", "NME", "HOH", "HOH"]]):
        part = make_trajectory(residues, n_frames=4, seed=number)
        part.save_xtc(str(tmp_path / f"{number}.xtc"))
        part[0].save_pdb(str(tmp_path / f"{number}.pdb"))
    paths, tops = ([tmp_path / f"{i}.{e}" for i in (0, 1)] for e in ("xtc", "pdb"))
    assert fel.load_trajectories(paths, tops, atoms="not water").frames([0, 5]).n_atoms == 13
    with pytest.raises(FelError, match=r"19 atoms where .* has 13 atoms.*common part with atoms="):
        fel.load_trajectories(paths, tops)
    with pytest.raises(FelError, match=r"1 topologies for 2 trajectories"):
        fel.load_trajectories(paths, tops[:1])


def test_box_vectors_are_those_of_mdtraj(tmp_path):
    trajectory = make_trajectory(n_frames=3)
    trajectory.unitcell_lengths = np.array([[3.0, 3.5, 4.0]] * 3)
    trajectory.unitcell_angles = np.array([[90.0, 90.0, 90.0], [70.5, 109.5, 70.5], [60.0, 60.0, 90.0]])
    trajectory.save_trr(str(tmp_path / "a.trr"))
    trajs = fel.load_trajectories(tmp_path / "a.trr", trajectory.topology)
    expected = mdtraj.load(str(tmp_path / "a.trr"), top=trajectory.topology).unitcell_vectors
    np.testing.assert_allclose(trajs.frames([0, 1, 2]).unitcell_vectors, expected, atol=1e-5)
    np.testing.assert_allclose(trajs.frames([2]).unitcell_angles, [[60, 60, 90]], atol=1e-3)


def test_frames_from_several_threads_are_right(written, monkeypatch):
    monkeypatch.setattr("fel_explorer.data.trajectories.OPEN_FILES", 1)
    folder, parts = written
    trajs = fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb")
    everything, wrong = np.concatenate([p.xyz for p in parts]), []

    def look(seed):
        for indices in np.random.default_rng(seed).integers(20, size=(40, 3)):
            if not np.allclose(trajs.frames(indices).xyz, everything[indices], atol=1e-5):
                wrong.append(indices)

    threads = [threading.Thread(target=look, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_frame_of_a_long_file_is_not_found_by_reading_it_all(tmp_path):
    import time

    trajectory = mdtraj.join([make_trajectory(n_frames=1000, seed=s) for s in range(5)] * 5)
    trajectory.time = np.arange(25_000)
    trajectory.save_xtc(str(tmp_path / "long.xtc"))
    trajs = fel.load_trajectories(tmp_path / "long.xtc", trajectory.topology)
    trajs.frames([0])
    began = time.perf_counter()
    for index in (24_999, 3, 12_345, 20_000, 7):
        np.testing.assert_allclose(trajs.frames([index]).xyz[0], trajectory.xyz[index], atol=1e-5)
    assert (time.perf_counter() - began) / 5 < 0.1


@pytest.mark.parametrize("extension", ["xtc", "trr", "dcd", "nc", "pdb", "gro", "xyz", "lammpstrj"])
@pytest.mark.parametrize("cut", [1, 130, 400, 1300])
def test_a_file_that_ends_within_a_frame_is_opened_up_to_the_last_complete_one(tmp_path, extension, cut):
    trajectory, path = make_trajectory(n_frames=20), tmp_path / f"run.{extension}"
    if extension == "lammpstrj":
        trajectory.unitcell_lengths, trajectory.unitcell_angles = (
            np.full((20, 3), 6.0),
            np.full((20, 3), 90.0),
        )
    trajectory.save(str(path))
    content = path.read_bytes()
    path.write_bytes(content[:-cut])
    topology = None if extension in ("pdb", "gro") else trajectory.topology
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trajs = fel.load_trajectories(path, topology)
    lines = {"gro": 3, "xyz": 2, "lammpstrj": 9}  # of a frame, besides those of atoms
    sizes = {"dcd": 3 * (4 * 13 + 8), "nc": 4 + 12 * 13, "trr": len(content) // 20}  # bytes of a frame
    if extension == "pdb":
        expected = content[:-cut].count(b"ENDMDL")
    elif extension in lines:
        expected = content[:-cut].count(b"\n") // (13 + lines[extension])
    else:  # frames of XTC differ in size
        expected = 20 - -(-cut // sizes[extension]) if extension in sizes else trajs.n_frames
    assert 5 < trajs.n_frames == expected
    noted = any("complete frames are used" in str(one.message) for one in caught)
    assert noted == (trajs.n_frames < 20)
    read = trajs.frames(np.arange(trajs.n_frames))
    whole = trajectory[: trajs.n_frames]
    tolerance = 6.0 if extension == "lammpstrj" else 1e-3  # which holds positions in its box
    np.testing.assert_allclose(read.xyz, whole.xyz, atol=tolerance)
    assert len(np.concatenate([chunk.xyz for _, _, chunk in trajs.chunks(3)])) == trajs.n_frames


def test_complete_frames_of_netcdf_are_counted_by_bytes(tmp_path):
    trajectory, path = make_trajectory(n_frames=20), tmp_path / "run.nc"
    trajectory.save(str(path))
    content = path.read_bytes()
    record = 4 + 4 * 3 * trajectory.n_atoms  # the time and the positions, all float32
    for lost, left in ((1, 19), (record, 19), (record + 1, 18), (3 * record, 17)):
        path.write_bytes(content[:-lost])
        with pytest.warns(UserWarning, match=f"its {left} complete frames"):
            assert fel.load_trajectories(path, trajectory.topology).n_frames == left


def test_a_cut_hdf5_file_and_one_without_a_complete_frame_are_refused(tmp_path):
    trajectory = make_trajectory(n_frames=20)
    trajectory.save(str(tmp_path / "run.h5"))
    trajectory[0].save(str(tmp_path / "one.trr"))
    for name in ("run.h5", "one.trr"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(FelError, match=rf"{name}' (cannot be read|holds no complete frame)") as error:
            fel.load_trajectories(path, trajectory.topology)
        assert error.value.remedy


def test_missing_files_and_empty_patterns_are_told(written):
    folder, _ = written
    with pytest.raises(FelError, match=r"'.*other.xtc' does not exist. The folder has run0.xtc, run1.xtc"):
        fel.load_trajectories(folder / "other.xtc", folder / "top.pdb")
    with pytest.raises(FelError, match=r"No file matches '.*\*.dcd'.*Check the folder"):
        fel.load_trajectories(str(folder / "*.dcd"), folder / "top.pdb")
    with pytest.raises(FelError, match=r"nowhere.pdb' does not exist"):
        fel.load_trajectories(folder / "run0.xtc", folder / "nowhere.pdb")
    with pytest.raises(FelError, match=r"No trajectory file was given"):
        fel.load_trajectories([])


def test_a_file_of_junk_and_an_unknown_format_are_told(written):
    folder, _ = written
    for name in ("junk.xtc", "junk.pdb", "junk.abc"):
        (folder / name).write_text("not a trajectory\n" * 20)
        with pytest.raises(FelError, match=rf"{name}' cannot be read .*Check that the file is not truncated"):
            fel.load_trajectories(folder / name, folder / "top.pdb")


def test_another_molecule_or_no_topology_is_told(written):
    folder, _ = written
    make_trajectory(["ACE", "ALA", "ALA", "NME"])[0].save_pdb(str(folder / "long.pdb"))
    with pytest.raises(
        FelError, match=r"has 13 atoms and its topology has 20. .*same atoms.*Give the topology"
    ):
        fel.load_trajectories(folder / "run0.xtc", folder / "long.pdb")
    with pytest.raises(FelError, match=r"names no atoms.*Give the topology too"):
        fel.load_trajectories(folder / "run0.xtc")


def test_selections_that_match_nothing_or_make_no_sense_are_told(written):
    folder, _ = written
    with pytest.raises(
        FelError, match=r"'resname TRP' matches no atom. The topology has 13 atoms in residues ACE1"
    ):
        fel.load_trajectories(folder / "run0.xtc", folder / "top.pdb", atoms="resname TRP")
    with pytest.raises(FelError, match=r"selection 'blah blah' is not understood"):
        fel.load_trajectories(folder / "run0.xtc", folder / "top.pdb", atoms="blah blah")
    with pytest.raises(FelError, match=r"Atom indices from 3 to 13. The topology has atoms 0 to 12"):
        fel.load_trajectories(folder / "run0.xtc", folder / "top.pdb", atoms=[3, 13])


def test_frames_out_of_range_and_empty_requests_are_told(trajs):
    with pytest.raises(FelError, match=r"No frame was requested"):
        trajs.frames([])
    with pytest.raises(FelError, match=r"Frame 20. Frames go from 0 to 19"):
        trajs.frames([3, 20])
    with pytest.raises(FelError, match=r"numpy.flatnonzero"):
        trajs.frames(np.ones(20, bool))


def test_files_of_different_time_steps_are_told_and_can_be_overruled(written):
    folder, _ = written
    make_trajectory(n_frames=5, step=5.0).save_xtc(str(folder / "slow.xtc"))
    paths = [folder / "run0.xtc", folder / "slow.xtc"]
    with pytest.raises(FelError, match=r"run0.xtc' has a frame every 2 ps and .*slow.xtc' every 5 ps"):
        fel.load_trajectories(paths, folder / "top.pdb")
    trajs = fel.load_trajectories(paths, folder / "top.pdb", time_step=4.0, stride=2)
    assert trajs.time_step == 8.0 and "given" in trajs.time_note


def test_uneven_times_are_told(tmp_path):
    trajectory = make_trajectory(n_frames=10)
    early, late = trajectory.time.copy(), trajectory.time.copy()
    early[1:] += 5.0
    late[5] += 1.0
    for time, name in ((early, "early.xtc"), (late, "late.xtc")):
        trajectory.time = time
        trajectory.save_xtc(str(tmp_path / name))
    with pytest.raises(FelError, match=r"frames 0 and 1 are 7 ps apart, most others 2 .*give the time step"):
        fel.load_trajectories(tmp_path / "early.xtc", trajectory.topology)
    assert fel.load_trajectories(tmp_path / "early.xtc", trajectory.topology, time_step=2.0).n_frames == 10
    with pytest.raises(FelError, match=r"late.xtc': frames 4 and 5 are 3 ps apart, most others 2 ps"):
        list(fel.load_trajectories(tmp_path / "late.xtc", trajectory.topology).chunks())


def test_times_survive_float32_far_from_zero(tmp_path):
    trajectory = make_trajectory(n_frames=50, first_time=2_000_000.0, step=0.5)
    trajectory.save_xtc(str(tmp_path / "late.xtc"))
    trajs = fel.load_trajectories(tmp_path / "late.xtc", trajectory.topology)
    assert trajs.time_step == 0.5
    assert sum(len(chunk) for _, _, chunk in trajs.chunks()) == 50


def test_a_bad_stride_is_told(written):
    folder, _ = written
    with pytest.raises(FelError, match=r"stride=0. The stride is a whole number from 1 up"):
        fel.load_trajectories(folder / "run0.xtc", folder / "top.pdb", stride=0)
