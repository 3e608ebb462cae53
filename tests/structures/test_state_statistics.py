"""Means, spreads and standard errors of observables in states, and the frames nearest to their centroids."""

import numpy as np
import pytest
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.structures import geometry, state_observables, state_representatives


def columns(rng, lengths, **more):
    n = sum(lengths)
    return xr.Dataset(
        {"rmsd": ("frame", rng.normal(size=n), {"units": "nm"}), **more},
        coords={"trajectory": ("frame", np.repeat(np.arange(len(lengths)), lengths))},
    )


def test_means_and_spreads_are_weighted():
    rng = np.random.default_rng(0)
    data = columns(rng, [40] * 6)
    states, weights = rng.integers(-1, 3, 240), rng.uniform(0, 2, 240)
    data["weight"] = ("frame", weights)
    table = state_observables(states, data)
    assert table["rmsd"].dims == ("state", "statistic") and table["rmsd"].attrs["units"] == "nm"
    assert table["state"].values.tolist() == [0, 1, 2] and "weight" not in table
    for state in range(3):
        own, w = data["rmsd"].values[states == state], weights[states == state]
        mean = np.average(own, weights=w)
        std = np.sqrt(np.average((own - mean) ** 2, weights=w))
        np.testing.assert_allclose(table["rmsd"].sel(state=state)[:2], [mean, std])
        assert float(table["population"].sel(state=state)) == pytest.approx(w.sum() / weights.sum())
    plain = state_observables(states, data, weights=np.ones(240))
    assert float(plain["rmsd"].sel(state=1, statistic="mean")) == pytest.approx(
        data["rmsd"].values[states == 1].mean()
    )


def test_memberships_weigh_frames_softly():
    rng = np.random.default_rng(1)
    data, chi = columns(rng, [30] * 5), rng.dirichlet([1, 1], 150)
    table = state_observables(chi, data)
    for state in range(2):
        assert float(table["rmsd"].sel(state=state, statistic="mean")) == pytest.approx(
            np.average(data["rmsd"], weights=chi[:, state])
        )
    hard = np.eye(2)[chi.argmax(axis=1)]
    assert state_observables(hard, data).equals(state_observables(chi.argmax(axis=1), data))


def test_the_standard_error_covers_the_spread_between_repeats():
    """Trajectories with levels of their own: the error over frames would be five times too small."""
    rng = np.random.default_rng(2)

    def one():
        levels = np.repeat(rng.normal(size=20), 50)
        data = columns(rng, [50] * 20)
        data["rmsd"] = ("frame", 0.5 * data["rmsd"].values + levels)
        row = state_observables((rng.random(1000) < 0.3).astype(int), data)["rmsd"].sel(state=1)
        return row.values[[0, 2]]

    means, errors = np.array([one() for _ in range(300)]).T
    assert errors.mean() == pytest.approx(means.std(), rel=0.15)


def test_few_trajectories_are_divided_into_twenty_blocks():
    rng = np.random.default_rng(3)
    data = columns(rng, [500, 500])
    error = state_observables(np.zeros(1000, int), data)["rmsd"].sel(state=0, statistic="sem")
    blocks = data["rmsd"].values.reshape(20, 50).mean(axis=1)
    assert float(error) == pytest.approx(blocks.std(ddof=1) / np.sqrt(20))
    once = np.zeros(1000, int)
    once[:50] = 1
    assert np.isnan(state_observables(once, data)["rmsd"].sel(state=1, statistic="sem"))


def test_angles_are_averaged_on_the_circle():
    angles = np.array([170.0, -170.0, 180.0, -180.0])
    data = columns(np.random.default_rng(4), [4], phi=("frame", angles, {"units": "deg"}))
    row = state_observables(np.zeros(4, int), data)["phi"].sel(state=0)
    assert abs(float(row.sel(statistic="mean"))) == pytest.approx(180)
    assert float(row.sel(statistic="std")) == pytest.approx(np.sqrt((10**2 + 10**2) / 4))


@pytest.mark.parametrize(
    ("states", "message"),
    [
        (np.zeros(9, int), "States of 9 frames and observables of 10"),
        (np.full(10, -1), "No frame belongs"),
        (np.zeros(10), "States of type float64"),
    ],
)
def test_states_that_do_not_fit_are_told(states, message):
    data = columns(np.random.default_rng(5), [10])
    with pytest.raises(FelError, match=message):
        state_observables(states, data)
    with pytest.raises(FelError, match="one number per frame"):
        state_observables(np.zeros(10, int), data.drop_vars("rmsd"))
    with pytest.raises(FelError, match="Weights of shape"):
        state_observables(np.zeros(10, int), data, weights=np.ones(3))


def test_each_state_is_represented_by_the_frames_nearest_its_centroid(dataset, trajs, peptide):
    embedding = np.random.default_rng(6).normal(size=(40, 2))
    states = np.repeat([-1, 0, 3], [4, 20, 16])
    found = state_representatives(embedding, dataset, states, trajs, n=3)
    assert list(found) == [0, 3]
    for state, chosen in found.items():
        own = np.flatnonzero(states == state)
        distance = np.linalg.norm(embedding[own] - embedding[own].mean(axis=0), axis=1)
        assert chosen.frames.tolist() == own[np.argsort(distance)[:3]].tolist()
        assert geometry.rmsd(chosen.trajectory.xyz[0], peptide.xyz[chosen.frames[0]]) < 1e-4


def test_the_nearest_of_many_frames_is_found_exactly(dataset):
    embedding = np.random.default_rng(7).normal(size=(5000, 2))
    data = xr.Dataset({"features": (("frame", "feature"), np.zeros((5000, 1), np.float32))})
    found = state_representatives(embedding, data, np.zeros(5000, int), n=1)[0]
    assert found.frames[0] == np.linalg.norm(embedding - embedding.mean(axis=0), axis=1).argmin()


def test_a_method_is_asked_for_its_embedding(dataset):
    class Doubled:
        def transform(self, X):
            return 2 * X["features"].values[:, :1]

    states = np.arange(40) % 2
    values = dataset["features"].values[:, 0]
    for state, chosen in state_representatives(Doubled(), dataset, states, n=1).items():
        own = np.flatnonzero(states == state)
        assert chosen.frames[0] == own[np.abs(values[own] - values[own].mean()).argmin()]
    with pytest.raises(FelError, match="One state per frame"):
        state_representatives(Doubled(), dataset, states[:5])
