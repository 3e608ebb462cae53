"""Cross-validated scores against deeptime's TICA on the same folds, and what they must prefer."""

import deeptime.covariance
import deeptime.decomposition
import numpy as np
import pytest
from spectra import relaxing

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import cross_validate
from fel_explorer.training.pairs import segments_of
from fel_explorer.training.split import folds

MIXING = np.random.default_rng(5).normal(size=(3, 6))


@pytest.fixture(scope="module")
def data():
    """Six unlike features of three processes, and noise; six trajectories."""
    random = np.random.default_rng(0)
    pieces = [relaxing([40, 10, 3], 600 + 10 * i, seed=i) @ MIXING for i in range(6)]
    return fel.as_dataset([x + 0.3 * random.normal(size=x.shape) for x in pieces], time_step=2.0)


def deeptimes_model(features, segments, lag):
    options = {"reversible": True, "remove_data_mean": True, "bessels_correction": False}
    covariance = deeptime.covariance.Covariance(lag, compute_c0t=True, **options)
    for first, end in segments:
        if end - first > lag:
            covariance.partial_fit((features[first : end - lag], features[first + lag : end]))
    tica = deeptime.decomposition.TICA(scaling=None, epsilon=1e-12)
    return tica.fit_from_covariances(covariance).fetch_model()


@pytest.mark.parametrize("n_trajectories", [6, 1])
@pytest.mark.parametrize("score", ["VAMP-1", "VAMP-2", "VAMP-E"])
def test_scores_of_tica_are_deeptimes_on_the_same_folds(data, score, n_trajectories):
    if n_trajectories == 1:
        data = fel.as_dataset(data["features"].values, time_step=2.0)
    table = cross_validate(fel.TICA(lag_time=8.0), data, n_folds=3, score=score)
    x, lag = data["features"].values.astype(float), 4
    for k, (training, test) in enumerate(folds(schema.trajectory_lengths(data), 3, lag)):
        assert len(test) == (2 if n_trajectories == 6 else 1)
        model, other = (deeptimes_model(x, segments, lag) for segments in (training, test))
        for name, on in (("score", other), ("train_score", None)):
            expected = model.score(score.replace("-", ""), on, dim=2, epsilon=1e-12)
            assert float(table[name][k]) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(table["mean"], table["score"].mean())
    np.testing.assert_allclose(table["error"], table["score"].std(ddof=1) / np.sqrt(3))


def test_vamp_r_is_the_sum_of_powers_of_what_vamp_1_sums(data):
    tica = fel.TICA(lag_time=8.0, n_dims=1)
    first, other = (cross_validate(tica, data, n_folds=3, score=s)["score"] for s in ("VAMP-1", "VAMP-3.5"))
    np.testing.assert_allclose(other - 1, (first - 1) ** 3.5)
    for score in ("VAMP-0.5", "VAMP-nan", "VAMP-inf", "VAMP-", "VAC-2"):
        with pytest.raises(FelError, match="VAMP-r with r >= 1"):
            cross_validate(tica, data, score=score)


def test_time_scales_on_test_data_do_not_depend_on_the_lag_as_scores_do(data):
    table = cross_validate(fel.TICA(n_dims=1), data, n_folds=3, parameter="lag_time", values=[8.0, 16.0])
    assert table["score"].dims == ("lag_time", "fold")
    times = table["timescale"].isel(process=0).mean("fold")
    np.testing.assert_allclose(times, 80, rtol=0.4)  # 1200 frames hold thirty relaxation times
    assert float(abs(times[1] / times[0] - 1)) < 0.15
    assert float(table["mean"][0] - table["mean"][1]) > 0.1
    fixed = cross_validate(
        fel.TICA(n_dims=1), data, n_folds=3, parameter="lag_time", values=[8.0, 16.0], lag_time=8.0
    )
    assert float(fixed["mean"][0] - fixed["mean"][1]) < 0.02


def test_features_that_know_the_slow_process_score_higher(data):
    random = np.random.default_rng(0)
    noise = data.assign(features=data["features"].copy(data=random.normal(size=data["features"].shape)))
    table = cross_validate(
        fel.TICA(lag_time=8.0), {"slow": data, "noise": noise}, n_folds=3, parameter="n_dims", values=[1, 2]
    )
    assert table["score"].dims == ("features", "n_dims", "fold")
    assert (table["mean"].sel(features="slow") > table["mean"].sel(features="noise") + 0.5).all()
    assert table["timescale"].sizes["process"] == 2
    assert table["timescale"].sel(n_dims=1, process=2).isnull().all()
    assert list(table["features"]) == ["slow", "noise"] and list(table["n_dims"]) == [1, 2]


SMALL = {"lag_time": 8.0, "n_steps": 40, "batch_size": 256, "hidden": [8], "learning_rate": 2e-2}


@pytest.mark.parametrize(
    "method, of",
    [
        (fel.SRV(n_dims=2, **SMALL), "embedding"),
        (fel.Eigenfunctions(n_dims=2, **SMALL), "embedding"),
        (fel.VAMPNet(n_states=3, **SMALL), "embedding"),
        (fel.VAMPNet(n_states=3, **SMALL), "memberships"),
    ],
)
def test_trained_methods_score_near_tica_where_linear_is_best(data, method, of):
    tica = cross_validate(fel.TICA(lag_time=8.0), data, n_folds=2)
    table = cross_validate(method, data, n_folds=2, of=of, device="cpu")
    assert (table["score"] > 1 + 0.6 * (tica["score"] - 1)).all() and (table["score"] < 3).all()
    assert table.attrs["kind"] == "VAMP-2" and table.attrs["method"] == type(method).__name__


def test_a_method_that_fits_noise_scores_less_on_other_data():
    noise = np.random.default_rng(0).normal(size=(200, 4))
    over = fel.SRV(lag_time=1.0, n_steps=300, hidden=[32], learning_rate=2e-2, validation_fraction=0)
    over.batch_size, over.n_networks = 256, 1
    table = cross_validate(over, noise, n_folds=2, score="VAMP-E", device="cpu")
    assert (table["train_score"] > 1.4).all() and (
        table["score"] < 1
    ).all()  # a wrong model is worse than none


def test_weights_count(data):
    weights = np.random.default_rng(0).exponential(size=data.sizes["frame"])
    weighted = cross_validate(fel.TICA(lag_time=8.0), data.assign(weight=("frame", weights)), n_folds=2)
    assert not np.allclose(
        weighted["score"], cross_validate(fel.TICA(lag_time=8.0), data, n_folds=2)["score"]
    )


def test_progress_is_over_all_fits_and_a_stop_keeps_what_is_done(data):
    seen = []

    def callback(progress):
        seen.append(progress)
        return progress.step >= 0.6 * progress.n_steps

    srv = fel.SRV(**SMALL)
    table = cross_validate(
        srv, data, n_folds=2, parameter="n_dims", values=[1, 2], device="cpu", callback=callback
    )
    assert np.isfinite(table["score"].sel(n_dims=1)).all() and table["score"].sel(n_dims=2).isnull().all()
    steps = [progress.step for progress in seen]
    assert steps == sorted(steps) and steps[0] == 0 and "n_dims 1, fold 1 of 2" in seen[0].message


@pytest.mark.parametrize(
    "method, options, message",
    [
        (fel.TICA(lag_time=2.0), {"score": "R2"}, "Scores are VAMP-1"),
        (fel.TICA(lag_time=2.0), {"of": "memberships"}, "method with states"),
        (fel.TICA(lag_time=2.0), {"parameter": "colour", "values": [1]}, "Its parameters are"),
        (fel.TICA(lag_time=2.0), {"parameter": "n_dims"}, "at least one value"),
        (fel.TICA(lag_time=2.0), {"n_folds": 1}, "at least two folds"),
        (fel.TICA(lag_time=3.0), {}, "multiple of 2"),
        (fel.PCA(), {}, "Give lag_time"),
    ],
)
def test_what_can_not_be_validated_is_told(data, method, options, message):
    with pytest.raises(FelError, match=message):
        cross_validate(method, data, **options)


def test_features_of_other_frames_are_refused(data):
    with pytest.raises(FelError, match="different frames"):
        cross_validate(fel.TICA(lag_time=2.0), {"a": data, "b": data.isel(frame=slice(0, 600))})


def test_methods_without_a_lag_are_scored_at_the_one_given(data):
    table = cross_validate(fel.PCA(), data, n_folds=2, lag_time=8.0)
    tica = cross_validate(fel.TICA(lag_time=8.0), data, n_folds=2)
    assert (table["score"] < tica["score"]).all()
    first = folds(schema.trajectory_lengths(data), 2, 4)[0][1]
    assert np.isin(first, segments_of(schema.trajectory_lengths(data))).all()
