import errno
import json
import os
import shutil
import tracemalloc

import mdtraj
import numpy as np
import pytest
import xarray as xr
from peptides import make_trajectory

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.features.featurization import FeaturizationCancelled

SPEC = ["heavy_atom_distances", "backbone_torsions"]


def kept(cache):
    return [p for p in cache.rglob("*") if p.suffix in (".zarr", ".partial")]


def test_features_of_all_frames_joined_in_order(trajs, written):
    _, parts = written
    data = fel.featurize(trajs, SPEC)
    heavy = [a.index for a in parts[0].topology.atoms if a.element.symbol != "H"]
    pairs = [(i, j) for n, i in enumerate(heavy) for j in heavy[n + 1 :]]
    distances = np.concatenate([mdtraj.compute_distances(p, pairs) for p in parts])
    psi = np.concatenate([mdtraj.compute_psi(p)[1][:, 0] for p in parts])
    assert data["features"].shape == (20, 45 + 4) and data["features"].dtype == np.float32
    np.testing.assert_allclose(data["features"][:, :45], distances, atol=1e-5)
    np.testing.assert_allclose(data["features"].sel(feature="psi ALA2 sin"), np.sin(psi), atol=1e-4)
    assert data["trajectory"].values.tolist() == [0] * 7 + [1] * 12 + [2]
    assert data["time"].values[:8].tolist() == [0, 2, 4, 6, 8, 10, 12, 0]
    assert (data.attrs["time_unit"], data.attrs["time_step"], data.attrs["stride"]) == ("ps", 2.0, 1)


def test_attributes_tell_topology_files_and_the_atoms_of_each_feature(trajs, written, tmp_path):
    _, parts = written
    attrs = fel.featurize(trajs, [*SPEC, ("coordinates", {"selection": "name CA CB C"})]).attrs
    records = json.loads(attrs["featurizers"])
    assert [(r["kind"], r["n_features"], len(r["atoms"])) for r in records] == [
        ("distance", 45, 45),
        ("torsion", 4, 2),
        ("coordinate", 15, 5),
    ]
    (tmp_path / "copy.pdb").write_text(attrs["topology"])
    reference = mdtraj.load_pdb(str(tmp_path / "copy.pdb"))
    assert [str(a) for a in reference.topology.atoms] == [str(a) for a in trajs.topology.atoms]
    np.testing.assert_allclose(reference.xyz[0], parts[0].xyz[0], atol=1e-3)
    assert [(f["n_frames"], f["path"][-8:]) for f in json.loads(attrs["files"])] == [
        (7, "run0.xtc"),
        (12, "run1.xtc"),
        (1, "run2.xtc"),
    ]


@pytest.mark.parametrize(
    "options", [{"cache": False}, {"cache": True}, {"chunk_size": 1}, {"store": "x.zarr"}]
)
def test_every_way_of_keeping_gives_the_same_dataset(trajs, tmp_path, options):
    if "store" in options:
        options = {"store": tmp_path / options["store"]}
    expected = fel.featurize(trajs, SPEC, cache=False, chunk_size=100)
    xr.testing.assert_identical(fel.featurize(trajs, SPEC, **options).compute(), expected)


def test_a_store_is_lazy_and_is_used_again(trajs, tmp_path):
    seen = []
    data = fel.featurize(trajs, SPEC, store=tmp_path / "a.zarr", callback=seen.append)
    assert data["features"].chunks is not None and len(seen) > 0
    again = fel.featurize(trajs, SPEC, store=tmp_path / "a.zarr", callback=pytest.fail)
    xr.testing.assert_identical(again.compute(), data.compute())
    with pytest.raises(FelError, match=r"a.zarr' holds other features.*another path"):
        fel.featurize(trajs, "backbone_torsions", store=tmp_path / "a.zarr")


def test_the_second_time_comes_from_the_cache(trajs):
    first = fel.featurize(trajs, SPEC)
    xr.testing.assert_identical(fel.featurize(trajs, SPEC, callback=pytest.fail), first)


def test_the_cache_does_not_care_where_files_are_but_tells_where(trajs, written, tmp_path):
    folder, _ = written
    fel.featurize(trajs, SPEC)
    moved = [p.rename(tmp_path / f"moved{p.name}") for p in sorted(folder.glob("run*.xtc"))]
    again = fel.featurize(fel.load_trajectories(moved, folder / "top.pdb"), SPEC, callback=pytest.fail)
    assert json.loads(again.attrs["files"])[0]["path"].endswith("movedrun0.xtc")


def reload(folder, **options):
    return fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb", **options)


def change_one_byte_late_in_a_file(folder):
    path = folder / "run1.xtc"
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)
    return reload(folder), SPEC


@pytest.mark.parametrize(
    "change",
    [
        change_one_byte_late_in_a_file,
        lambda folder: (reload(folder, stride=2), SPEC),
        lambda folder: (reload(folder, atoms="not name H"), SPEC),
        lambda folder: (reload(folder, time_step=3.0), SPEC),
        lambda folder: (reload(folder), [("heavy_atom_distances", {"periodic": False}), "backbone_torsions"]),
        lambda folder: (reload(folder), SPEC[::-1]),
    ],
)
def test_any_change_misses_the_cache(trajs, written, change):
    fel.featurize(trajs, SPEC)
    changed, spec = change(written[0])
    seen = []
    fel.featurize(changed, spec, callback=seen.append)
    assert seen


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(p.read_bytes()[:20]), lambda p: p.unlink()])
def test_a_damaged_cache_is_made_anew(trajs, cache, damage):
    first = fel.featurize(trajs, SPEC)
    damage(next(p for p in cache.rglob("features/c/**/*") if p.is_file()))
    xr.testing.assert_identical(fel.featurize(trajs, SPEC), first)
    xr.testing.assert_identical(fel.featurize(trajs, SPEC, callback=pytest.fail), first)


def test_progress_counts_frames(trajs):
    seen = []
    fel.featurize(trajs, "backbone_torsions", chunk_size=5, callback=seen.append)
    assert [p.step for p in seen] == [5, 7, 12, 17, 19, 20]
    assert all(p.n_steps == 20 and p.eta >= 0 and "backbone_torsions" in p.message for p in seen)
    assert seen[-1].eta == 0


@pytest.mark.parametrize("store", [None, "a.zarr"])
def test_stopping_keeps_nothing(trajs, cache, tmp_path, store):
    store = store and tmp_path / store
    with pytest.raises(FeaturizationCancelled, match=r"stopped at frame 12 of 20"):
        fel.featurize(trajs, SPEC, chunk_size=5, store=store, callback=lambda p: p.step >= 10)
    assert not kept(cache) and not list(tmp_path.glob("*.zarr")) and not list(tmp_path.glob(".*.partial"))
    assert fel.featurize(trajs, SPEC).sizes["frame"] == 20


def test_a_coordinate_that_is_not_a_number_names_file_and_frame(tmp_path, cache):
    for number in range(2):
        trajectory = make_trajectory(n_frames=10, seed=number)
        if number == 1:
            trajectory.xyz[6, 5, 2] = np.nan
        trajectory.save_trr(str(tmp_path / f"{number}.trr"))
    trajs = fel.load_trajectories(tmp_path / "*.trr", trajectory.topology, stride=2)
    with pytest.raises(
        FelError, match=r"1.trr': atom ALA2-CA has .* not a number in frame 6.*finite"
    ) as error:
        fel.featurize(trajs, SPEC)
    assert error.value.remedy and not kept(cache)


@pytest.mark.parametrize("frame", [0, 6])
def test_a_frame_of_zeros_is_refused_with_its_number(tmp_path, frame):
    trajectory = make_trajectory(n_frames=10)
    trajectory.xyz[frame] = 0
    trajectory.save_trr(str(tmp_path / "a.trr"))
    trajs = fel.load_trajectories(tmp_path / "a.trr", trajectory.topology)
    with pytest.raises(FelError, match=rf"a.trr': all coordinates are zero in frame {frame}"):
        fel.featurize(trajs, SPEC)


class Faulty(fel.list_featurizers()["ca_distances"]):
    """Says that it measures all pairs of C, and gives what it is told to."""

    name = "faulty"
    result = None

    def selection_of(self):
        return "name C"

    def compute(self, trajectory):
        return self.result(len(trajectory))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            lambda n: np.full((n, 1), np.nan),
            r"faulty computed a value of 'd ACE1-C ALA2-C' that is not finite",
        ),
        (
            lambda n: np.full((n, 1), 1.8446743e19),
            r"faulty computed a value of 'd ACE1-C ALA2-C' that is not finite",
        ),
        (lambda n: np.ones((n, 2)), r"faulty computed an array of shape \(7, 2\). It describes 1 features"),
    ],
)
def test_a_faulty_featurizer_is_told(written, result, message):
    folder, _ = written
    faulty = Faulty()
    faulty.result = result
    trajs = fel.load_trajectories(folder / "run0.xtc", folder / "top.pdb", atoms="resid 0 1")
    with pytest.raises(FelError, match=message):
        fel.featurize(trajs, faulty)


def test_a_first_frame_that_is_not_a_number_is_told(tmp_path):
    trajectory = make_trajectory(n_frames=3)
    trajectory.xyz[0, 0] = np.nan
    trajectory.save_trr(str(tmp_path / "a.trr"))
    with pytest.raises(FelError, match=r"not a number in frame 0"):
        fel.featurize(fel.load_trajectories(tmp_path / "a.trr", trajectory.topology), SPEC)


def test_one_frame_is_told(written):
    folder, _ = written
    with pytest.raises(FelError, match=r"one frame in all. At least two.*Load more"):
        fel.featurize(fel.load_trajectories(folder / "run2.xtc", folder / "top.pdb"), SPEC)


def test_constant_features_are_told(tmp_path, cache):
    trajectory = mdtraj.join([make_trajectory(n_frames=1)] * 5)
    trajectory.time = np.arange(5.0)
    trajectory.save_xtc(str(tmp_path / "a.xtc"))
    trajs = fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology)
    with pytest.raises(FelError, match=r"All 49 features are constant over 5 frames.*must change.*repeated"):
        fel.featurize(trajs, SPEC)
    assert not kept(cache)


def test_a_feature_that_comes_twice_is_told(trajs):
    with pytest.raises(
        FelError, match=r"'phi ALA2 cos' comes from both torsions and backbone_torsions.*Leave"
    ):
        fel.featurize(trajs, ["torsions", "backbone_torsions"])


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(schema, "BLOCK_BYTES", 2**19)

    def peak(n_frames):
        trajectory = make_trajectory(["ALA"] * 8, n_frames=n_frames, step=1.0)
        trajectory.save_xtc(str(tmp_path / f"{n_frames}.xtc"))
        trajs = fel.load_trajectories(tmp_path / f"{n_frames}.xtc", trajectory.topology)
        del trajectory
        tracemalloc.start()
        fel.featurize(trajs, "heavy_atom_distances", store=tmp_path / f"{n_frames}.zarr", chunk_size=100)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(100)  # imports
    small, large = peak(600), peak(1600)
    assert large - small < 0.4 * 1000 * 780 * 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_features_are_computed_where_the_cache_cannot_be_written(trajs, cache, monkeypatch, caplog, code):
    expected = fel.featurize(trajs, SPEC, cache=False)

    def fails(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fel_explorer.features.featurization.to_store", fails)
    found = fel.featurize(trajs, SPEC)
    np.testing.assert_array_equal(found["features"].values, expected["features"].values)
    assert "not cached" in caplog.text and not kept(cache)


def test_an_entry_of_the_cache_that_is_a_file_is_made_anew(trajs, cache):
    expected = fel.featurize(trajs, SPEC)
    [entry] = [p for p in (cache / "features").iterdir()]
    shutil.rmtree(entry)
    entry.write_text("not a folder")
    np.testing.assert_array_equal(fel.featurize(trajs, SPEC)["features"].values, expected["features"].values)
    assert entry.is_dir()
