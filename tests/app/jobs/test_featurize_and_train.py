"""What the app's jobs compute, on a few frames of the sample data."""

import mdtraj
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.manager import Cancelled
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map import colouring
from fel_explorer.errors import FelError


@pytest.fixture(scope="module")
def trajectories():
    whole = fel.sample_data("alanine-dipeptide")
    topology = next(whole.files[0].parent.glob("*.pdb"))
    return fel.load_trajectories(whole.files[:2], topology, stride=500)


@pytest.fixture(scope="module")
def dataset(trajectories):
    job = featurize_and_train.featurizing(trajectories, ["heavy_atom_distances"])
    return job(lambda *_: None, lambda: False)[0]


def test_small_peptides_get_phi_and_psi_as_colours_and_axes(dataset, trajectories):
    frames = trajectories.frames([0, 7, 60])
    for name, angles in (("phi ALA2", mdtraj.compute_phi(frames)), ("psi ALA2", mdtraj.compute_psi(frames))):
        np.testing.assert_allclose(dataset[name].values[[0, 7, 60]], np.degrees(angles[1][:, 0]), atol=1e-3)
    session = Session(dataset, trajectories)
    assert colouring.choices(session)["Torsions"] == ["phi ALA2", "psi ALA2"]
    assert colouring.colouring(session, "phi ALA2")[1].kind == "cyclic"


def test_a_dataset_finds_its_trajectories_again_while_they_are_there(dataset, trajectories):
    again = fel.data.trajectories_of(dataset)
    assert again.n_frames == trajectories.n_frames and again.stride == 500
    np.testing.assert_array_equal(again.frames([3]).xyz, trajectories.frames([3]).xyz)
    moved = dataset.assign_attrs(files=dataset.attrs["files"].replace("trajectory-", "gone-"))
    assert fel.data.trajectories_of(moved) is None


def test_featurizing_stops_when_asked(trajectories, tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))
    with pytest.raises(Cancelled):
        featurize_and_train.featurizing(trajectories, ["heavy_atom_distances"])(lambda *_: None, lambda: True)


def test_the_first_look_fits_long_and_short_trajectories():
    rng = np.random.default_rng(0)
    long, short = (fel.as_dataset(rng.normal(size=(n, 3)), time_step=2.0) for n in (100, 2))
    look = featurize_and_train.first_look(long)
    assert (type(look).__name__, look.lag_time) == ("TICA", 20.0)
    assert type(featurize_and_train.first_look(short)).__name__ == "PCA"
    for data in (long, short):
        assert featurize_and_train.first_look(data).fit(data).transform(data).shape[1] == 2


def test_the_same_training_has_the_same_checkpoint_folder():
    folders = [
        featurize_and_train.checkpoint_folder(key, fel.IDM(n_steps=steps, seed=seed))
        for key, steps, seed in (("a", 10, 0), ("a", 10, 0), ("a", 10, 1), ("a", 11, 0), ("b", 10, 0))
    ]
    assert folders[0] == folders[1] and len(set(folders)) == 4


def test_the_generator_of_a_molecule_reads_its_positions_from_the_trajectories(dataset, trajectories):
    settings = {"operator": "generator", "n_dims": 1, "n_steps": 2, "hidden": [4], "batch_size": 64}
    job = featurize_and_train.training(
        fel.Eigenfunctions(**settings), dataset, "Eigenfunctions 1", device="cpu"
    )
    found = job(lambda *_: None, lambda: False)
    positions = trajectories.frames(np.arange(trajectories.n_frames)).xyz
    same = fel.Eigenfunctions(**settings).fit(dataset, positions=positions, device="cpu")
    np.testing.assert_array_equal(found.embedding, same.transform(dataset).values)
    gone = dataset.assign_attrs(files=dataset.attrs["files"].replace("trajectory-", "gone-"))
    with pytest.raises(FelError, match="read from the trajectory files"):
        featurize_and_train.training(fel.Eigenfunctions(**settings), gone, "none", device="cpu")(
            lambda *_: None, lambda: False
        )
    transfer = fel.Eigenfunctions(**settings | {"operator": "transfer"})
    assert not transfer.needs_positions(dataset) and not fel.PCA().needs_positions(dataset)
