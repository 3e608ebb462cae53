import shutil

import numpy as np
import pytest
import xarray as xr

import fel_explorer as fel
from fel_explorer.data import block_store, schema, store
from fel_explorer.errors import FelError


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    data = fel.as_dataset(
        [rng.normal(size=(n, 3)) for n in (50, 30)], time_step=0.5, weights=[np.ones(50), np.ones(30)]
    )
    data["energy"] = ("frame", rng.normal(size=80), {"units": "kJ/mol"})
    return data


def test_a_dataset_comes_back_equal_and_lazy(data, tmp_path):
    path = fel.save_dataset(data, tmp_path / "a.zarr")
    opened = fel.open_dataset(path)
    assert opened["features"].chunks is not None
    xr.testing.assert_identical(opened.compute(), data)
    fel.save_dataset(opened, tmp_path / "b.zarr")
    xr.testing.assert_identical(fel.open_dataset(tmp_path / "b.zarr").compute(), data)


def test_featurized_data_come_back_equal(trajs, tmp_path):
    data = fel.featurize(trajs, "torsions")
    xr.testing.assert_identical(fel.open_dataset(fel.save_dataset(data, tmp_path / "a.zarr")).compute(), data)


@pytest.mark.parametrize("atoms", [None, "element != H", [0, 4, 5, 6]])
def test_a_dataset_finds_its_trajectories_with_their_atoms_and_time_step(written, tmp_path, atoms):
    folder, _ = written
    options = {"stride": 2, "atoms": atoms, "time_step": 0.25}
    trajs = fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb", **options)
    fel.save_dataset(fel.featurize(trajs, "coordinates:selection=all"), tmp_path / "a.zarr")
    found = fel.data.trajectories_of(fel.open_dataset(tmp_path / "a.zarr"))
    assert found.time_step == 0.5 and found.time_note == trajs.time_note
    np.testing.assert_array_equal(found.frames([1, 7]).xyz, trajs.frames([1, 7]).xyz)
    assert [str(a) for a in found.topology.atoms] == [str(a) for a in trajs.topology.atoms]
    (folder / "top.pdb").unlink()
    lost = fel.data.trajectories_of(fel.open_dataset(tmp_path / "a.zarr"))
    assert (lost is None) == (atoms is not None)  # of whole files the dataset holds the topology


def test_a_part_of_the_frames_has_no_trajectories(written):
    folder, _ = written
    trajs = fel.load_trajectories(folder / "run*.xtc", folder / "top.pdb")
    data = fel.featurize(trajs, "heavy_atom_distances")
    part = data.isel(frame=np.flatnonzero(data["frame_in_trajectory"] < 5))
    assert fel.data.trajectories_of(part) is None and fel.data.trajectories_of(data) is not None
    for call in (
        lambda: fel.structures.representatives(None, part, trajs, n=1),
        lambda: fel.explore(part, trajectories=trajs),
    ):
        with pytest.raises(FelError, match=r"3 trajectories with 11 frames, the files have 3 with 20"):
            call()


def test_columns_are_written_into_a_store_beside_its_features(data, tmp_path):
    path = fel.save_dataset(data, tmp_path / "a.zarr")
    more = fel.open_dataset(path).assign(q=data["energy"] / 2, energy=data["energy"] + 1)
    fel.data.write_columns(more, path)
    xr.testing.assert_identical(fel.open_dataset(path).compute(), more.compute())


def test_datasets_are_replaced_only_when_asked_and_nothing_else_ever(data, tmp_path):
    fel.save_dataset(data, tmp_path / "a.zarr")
    with pytest.raises(FelError, match=r"exists already.*overwrite=True"):
        fel.save_dataset(data, tmp_path / "a.zarr")
    fel.save_dataset(data.assign(energy=data["energy"] + 1), tmp_path / "a.zarr", overwrite=True)
    np.testing.assert_allclose(fel.open_dataset(tmp_path / "a.zarr")["energy"], data["energy"] + 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(FelError, match=r"is not a dataset. Only datasets are replaced"):
        fel.save_dataset(data, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.tex").exists()


def test_a_lazy_dataset_can_replace_its_own_store(data, tmp_path):
    path = fel.save_dataset(data, tmp_path / "a.zarr")
    fel.save_dataset(fel.open_dataset(path), path, overwrite=True)
    xr.testing.assert_identical(fel.open_dataset(path).compute(), data)


def test_missing_and_foreign_stores_are_told(tmp_path):
    with pytest.raises(FelError, match=r"no dataset at"):
        fel.open_dataset(tmp_path / "none.zarr")
    (tmp_path / "text.zarr").write_text("hello")
    (tmp_path / "empty.zarr").mkdir()
    for name in ("text.zarr", "empty.zarr"):
        with pytest.raises(FelError, match=f"{name}' can't be opened as a dataset.*fel.save_dataset.*again"):
            fel.open_dataset(tmp_path / name)
    foreign = xr.Dataset({"temperature": ("city", np.arange(3.0))})
    foreign.to_zarr(tmp_path / "foreign.zarr", zarr_format=3, consolidated=False)
    with pytest.raises(FelError, match=r"no variable 'features'; it has .*temperature"):
        fel.open_dataset(tmp_path / "foreign.zarr")


def spoil_metadata(path):
    (path / "zarr.json").write_text("{")


def lose_a_chunk(path):
    shutil.rmtree(path / "features" / "c")


def cut_a_chunk(path):
    chunk = next(p for p in (path / "features" / "c").rglob("*") if p.is_file())
    chunk.write_bytes(chunk.read_bytes()[:20])


def lose_the_trajectories(path):
    shutil.rmtree(path / "trajectory")


@pytest.mark.parametrize("spoil", [spoil_metadata, lose_a_chunk, cut_a_chunk, lose_the_trajectories])
def test_corrupt_stores_are_told(data, tmp_path, spoil):
    path = fel.save_dataset(data, tmp_path / "a.zarr")
    spoil(path)
    with pytest.raises(FelError) as error:
        fel.open_dataset(path)
    assert error.value.remedy


def test_columns_of_many_frames_stay_on_disk_and_methods_give_the_same(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    pieces = [np.cumsum(random.normal(size=(n, 3)), axis=0) for n in (700, 3, 400)]
    weights = [random.exponential(size=len(piece)) for piece in pieces]
    data = fel.as_dataset(pieces, weights=weights)
    fel.save_dataset(data, tmp_path / "a.zarr")
    for module in (schema, block_store):
        monkeypatch.setattr(module, "COLUMN_FRAMES", 100)
    monkeypatch.setattr(store, "LOADED_FRAMES", 1000)
    opened = fel.open_dataset(tmp_path / "a.zarr")
    assert opened["time"].chunks is not None and opened["weight"].chunks is not None
    np.testing.assert_array_equal(schema.trajectory_lengths(opened), [700, 3, 400])
    tica = fel.TICA(lag_time=5.0).fit(data)
    np.testing.assert_allclose(fel.TICA(lag_time=5.0).fit(opened).eigenvalues_, tica.eigenvalues_, rtol=1e-9)
    tica.transform(opened, out=tmp_path / "z.zarr")
    again = fel.open_dataset(tmp_path / "z.zarr")
    np.testing.assert_array_equal(again["features"], tica.transform(data))
    for name in (*schema.BOOKKEEPING, "weight"):
        np.testing.assert_array_equal(again[name], data[name])
    scores = [
        fel.methods.cross_validate(fel.TICA(lag_time=5.0), d, n_folds=3)["score"] for d in (opened, data)
    ]
    np.testing.assert_allclose(*scores, rtol=1e-9)
