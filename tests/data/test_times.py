import warnings

import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data.times import describe_unevenness, fit_times
from fel_explorer.errors import FelError


@pytest.mark.parametrize("step", [0.1, 0.2, 0.25, 1.0, 2.5, 10.0, 100.0])
@pytest.mark.parametrize("start", [0.0, 50.0, 45_000.0, 1e6, 1e7])
@pytest.mark.parametrize("n", [20, 1000])
def test_step_and_start_survive_float32(step, start, n):
    times = np.float32(start + step * np.arange(n)).astype(float)
    if (n - 1) * step < 20 * np.spacing(np.float32(start)):
        n, times = 100_000, np.float32(start + step * np.arange(100_000)).astype(float)
    first, found = fit_times(times[0], times[-1], n)
    assert found == pytest.approx(step, rel=1e-12) and first == pytest.approx(start, rel=1e-12)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (np.r_[0:50, 49:100], "frame 50 repeats frame 49, both are at 490 ps"),
        (np.r_[0:30, 31:100], "a frame is missing between frame 29 at 290 ps and frame 30 at 310 ps"),
        (np.r_[0:30, 35:100], "5 frames are missing between frame 29 at 290 ps and frame 30 at 350 ps"),
        (np.r_[0:30, 0:70], "goes back from 290 ps in frame 29 to 0 ps in frame 30"),
        (np.r_[0:60, 0:10], "goes back from 590 ps in frame 59 to 0 ps in frame 60"),
        (np.r_[0:30, 30.4:100], "frames 29 and 30 are 14 ps apart, most others 10 ps"),
        (np.r_[0:30, 31, 31:100], "a frame is missing between frame 29 at 290 ps and frame 30 at 310 ps"),
        (np.arange(50), ""),
    ],
)
def test_uneven_times_are_reported_where_they_are(tmp_path, times, message):
    assert message in describe_unevenness(10.0 * times) and bool(message) == bool(
        describe_unevenness(10.0 * times)
    )
    trajectory = make_trajectory(n_frames=len(times))
    trajectory.time = 10.0 * times
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    if message:
        with pytest.raises(FelError, match=rf"a.xtc': .*{message}"):
            fel.featurize(
                fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology), "torsions", cache=False
            )
    else:
        assert fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology).time_step == 10.0


def save(folder, name, frames, everything, first=0.0, step=10.0):
    part = everything[frames]
    part.time = first + step * np.asarray(frames, float)
    part.save(str(folder / name))
    return folder / name


@pytest.mark.parametrize("extension", ["xtc", "trr", "nc", "h5"])
@pytest.mark.parametrize("stride", [1, 3])
def test_dataset_frames_and_chunks_have_the_times_of_the_files(tmp_path, extension, stride):
    everything = make_trajectory(n_frames=60)
    save(tmp_path, f"a.{extension}", np.arange(0, 40), everything, first=45_000.0)
    save(tmp_path, f"b.{extension}", np.arange(20, 60), everything, first=7.5)
    topology = everything.topology
    trajs = fel.load_trajectories(tmp_path / f"*.{extension}", topology, stride=stride)
    expected = np.concatenate([45_000 + 10 * np.arange(0, 40, stride), 7.5 + 10 * np.arange(20, 60, stride)])
    np.testing.assert_allclose(trajs.frames(np.arange(trajs.n_frames)).time, expected, atol=1e-9)
    data = fel.featurize(trajs, "heavy_atom_distances")
    np.testing.assert_allclose(data["time"], expected, atol=1e-9)
    chunks = np.concatenate([chunk.time for _, _, chunk in trajs.chunks(7)])
    np.testing.assert_allclose(chunks, expected, atol=1e-9)
    with pytest.warns(UserWarning):  # the same frames
        twice = fel.load_trajectories([trajs.files[0]] * 2, topology, time_step=2.0)
    assert twice.frames([0, 39, 40]).time.tolist() == [0, 78, 0]  # as the given step numbers them


def test_files_that_match_a_pattern_are_in_natural_order(tmp_path):
    for number in (1, 2, 10, 11, 100):
        make_trajectory(n_frames=2, seed=number).save_xtc(str(tmp_path / f"r{number}.xtc"))
    trajs = fel.load_trajectories(tmp_path / "r*.xtc", make_trajectory().topology)
    assert [file.name for file in trajs.files] == ["r1.xtc", "r2.xtc", "r10.xtc", "r11.xtc", "r100.xtc"]


def test_the_same_file_and_the_same_frames_twice_draw_a_warning(tmp_path):
    trajectory = make_trajectory()
    for name in ("a.xtc", "b.xtc"):
        trajectory.save_xtc(str(tmp_path / name))
    with pytest.warns(UserWarning, match=r"a.xtc' is given twice"):
        fel.load_trajectories([tmp_path / "a.xtc"] * 2, trajectory.topology)
    with pytest.warns(UserWarning, match=r"a.xtc' and '.*b.xtc' hold the same frames"):
        fel.load_trajectories(tmp_path / "*.xtc", trajectory.topology)


RUN1, RUN2 = ([0, 24, 20, 40, 39, 60], [0, 30, 30, 50])  # parts that overlap by 4 and 1 frames; that touch


@pytest.fixture
def parts(tmp_path):
    """Two simulations in parts, and all their frames."""
    runs = [make_trajectory(n_frames=60, seed=1), make_trajectory(n_frames=50, seed=2)]
    for run, bounds, everything in zip(("a", "b"), (RUN1, RUN2), runs, strict=True):
        for number, (start, stop) in enumerate(zip(bounds[::2], bounds[1::2], strict=True), 1):
            save(tmp_path, f"{run}.part{number:04d}.xtc", np.arange(start, stop), everything, first=100.0)
    return tmp_path, runs


@pytest.mark.parametrize("stride", [1, 4])
def test_parts_of_simulations_are_joined_without_their_overlaps(parts, stride):
    folder, runs = parts
    topology = runs[0].topology
    trajs = fel.load_trajectories(folder / "*.xtc", topology, stride=stride, join=True)
    assert trajs.raw_lengths.tolist() == [60, 50] and len(trajs.files) == 5
    expected = np.concatenate([run.xyz[::stride] for run in runs])
    times = np.concatenate([100 + 10.0 * np.arange(0, n, stride) for n in (60, 50)])
    everything = trajs.frames(np.arange(trajs.n_frames))
    np.testing.assert_allclose(everything.xyz, expected, atol=1e-5)
    np.testing.assert_allclose(everything.time, times)
    np.testing.assert_allclose(np.concatenate([c.xyz for _, _, c in trajs.chunks(7)]), expected, atol=1e-5)
    data = fel.featurize(trajs, "heavy_atom_distances")
    np.testing.assert_allclose(data["time"], times)
    again = fel.data.trajectories_of(data)
    np.testing.assert_allclose(again.frames(np.arange(trajs.n_frames)).xyz, expected, atol=1e-5)
    if stride == 1:
        assert trajs.file_of(0, 21)[0].name == "a.part0002.xtc" and trajs.file_of(0, 21)[1] == 1
        rows = {"q": np.arange(110)}
        assert fel.attach_columns(data, rows)["q"].values.tolist() == list(range(110))
    else:
        rows = {"q": np.concatenate([np.arange(60), 1000 + np.arange(50)])}
        assert fel.attach_columns(data, rows)["q"].values[[0, 1, 15, 16]].tolist() == [0, 4, 1000, 1004]


def test_frames_of_the_later_part_count_where_parts_overlap(tmp_path):
    old, new = make_trajectory(n_frames=30, seed=1), make_trajectory(n_frames=30, seed=2)
    save(tmp_path, "a1.xtc", np.arange(0, 20), old)
    save(tmp_path, "a2.xtc", np.arange(15, 30), new)
    trajs = fel.load_trajectories(tmp_path / "*.xtc", old.topology, join=True)
    expected = np.concatenate([old.xyz[:15], new.xyz[15:]])
    np.testing.assert_allclose(trajs.frames(np.arange(30)).xyz, expected, atol=1e-5)


def test_joining_is_suggested_where_times_fit_and_only_there(parts):
    folder, runs = parts
    with pytest.warns(UserWarning, match=r"part0002.xtc' goes on in time .*join=True"):
        trajs = fel.load_trajectories(folder / "*.xtc", runs[0].topology)
    assert len(trajs.lengths) == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fel.load_trajectories([folder / "a.part0001.xtc", folder / "b.part0001.xtc"], runs[0].topology)
    with pytest.warns(UserWarning, match="nothing was joined"):
        fel.load_trajectories(folder / "a.part0001.xtc", runs[0].topology, join=True)


def test_parts_with_a_gap_between_them_stay_apart(tmp_path):
    everything = make_trajectory(n_frames=60)
    for name, frames in (
        ("a1.xtc", np.arange(20)),
        ("a2.xtc", np.arange(20, 40)),
        ("a3.xtc", np.arange(42, 60)),
    ):
        save(tmp_path, name, frames, everything)
    trajs = fel.load_trajectories(tmp_path / "*.xtc", everything.topology, join=True)
    assert trajs.lengths.tolist() == [40, 18] and trajs.start_times.tolist() == [0, 420]


def test_joining_files_without_times_is_refused(tmp_path):
    for name in "ab":
        make_trajectory(seed=ord(name)).save(str(tmp_path / f"{name}.dcd"))
    with pytest.raises(FelError, match=r"join=True, but the files hold no times"):
        fel.load_trajectories(tmp_path / "*.dcd", make_trajectory().topology, join=True)


def test_exported_frames_have_the_times_of_the_file(tmp_path):
    from fel_explorer.structures import export_frames

    everything = make_trajectory(n_frames=30)
    trajs = fel.load_trajectories(
        save(tmp_path, "a.xtc", np.arange(30), everything, 45_000.0), everything.topology
    )
    export_frames(trajs, [5, 9], tmp_path / "out.xtc")
    assert mdtraj.load(tmp_path / "out.xtc", top=everything.topology).time.tolist() == [45_050, 45_090]
    export_frames(trajs, [5], tmp_path / "out.pdb")
    assert "FRAME 5, 45050 PS" in (tmp_path / "out.pdb").read_text()


def test_lifetimes_do_not_change_with_the_time_of_the_first_frame(tmp_path):
    everything = make_trajectory(n_frames=60)
    states = np.random.default_rng(0).integers(2, size=60)
    results = []
    for name, first in (("early", 0.0), ("late", 45_000.0)):
        path = save(tmp_path, f"{name}.xtc", np.arange(60), everything, first)
        data = fel.featurize(fel.load_trajectories(path, everything.topology), "heavy_atom_distances")
        series = data["trajectory"].copy(data=states)
        results.append(fel.kinetics.lifetimes(series)["mean_lifetime"].values)
    np.testing.assert_allclose(*results, rtol=1e-9)
