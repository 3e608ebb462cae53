"""Certificates of methods: on processes of which every number is known, and of every registered method."""

import json

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.assessment.certificate_definitions import Measure
from fel_explorer.methods.assessment.certificate_estimates import cells_of, left_on_cells, passages_of, thin
from fel_explorer.resampling import Blocks

SEEDS = pytest.mark.parametrize("seed", range(3))
METHODS = fel.list_methods()
SLOW, FAST, LAG = 0.2, 4.0, 0.2  # rates, and the lag
SMALL = {
    "n_steps": 20,
    "hidden": [8],
    "batch_size": 32,
    "n_states": 3,
    "lag_time": 1.0,
    "lag_times": [4.0, 1.0],
    "n_threads": 1,
    "n_microstates": 12,
}


def two_processes(seed, n_frames=2000, n_walkers=10, step=0.1):
    """A slow and a fast Ornstein-Uhlenbeck process of unit variance, by their exact propagator."""
    random, rates = np.random.default_rng(seed), np.array([SLOW, FAST])
    decay, x = np.exp(-rates * step), np.empty((n_frames, n_walkers, 2))
    x[0] = random.normal(size=x[0].shape)
    for i in range(1, n_frames):
        x[i] = decay * x[i - 1] + np.sqrt(1 - decay**2) * random.normal(size=x[0].shape)
    return fel.as_dataset(list(x.swapaxes(0, 1)), time_step=step, time_unit="ps")


def projected(data, feature):
    """PCA fitted on data in which one feature is far larger: an axis along that feature."""
    scale = np.ones(data.sizes["feature"], np.float32)
    scale[feature] = 100.0
    scaled = data.assign(features=data["features"] * scale)
    return fel.PCA(n_dims=1).fit(scaled), scaled


@SEEDS
def test_measures_of_the_slow_coordinate_are_those_of_the_process(seed):
    data = two_processes(seed)
    method = fel.TICA(lag_time=LAG, n_dims=1).fit(data)
    found = fel.certify(method, data, n_folds=2, seed=seed)
    eigenvalue = np.exp(-SLOW * LAG)
    for key, exact in (("vamp2", 1 + eigenvalue**2), ("held_out_vamp2", 1 + eigenvalue**2)):
        assert abs(found[key].value - exact) < 4 * found[key].error + 0.01, key
    for key in ("timescale", "full_timescale"):
        assert found[key].lower * 0.9 < 1 / SLOW < found[key].upper * 1.1, key
        assert found[key].unit == "ps" and 0 < found[key].error < 2
    effective = found["effective_timescale"]
    assert abs(effective.value - 1 / SLOW) < 4 * effective.error
    assert found["ck_error"].value < 0.03
    assert found["unexplained_mode"].value < 0.03 and found["unexplained_committor"].value < 0.15
    assert found["unexplained_features"].value == pytest.approx(
        0.5, abs=0.06
    )  # the fast one is not on the map
    assert 0 <= found["rate_excess"].value <= found["rate_bound"].value + 1e-9 < 0.05
    test, scores = found.tables["chapman_kolmogorov"].sel(process=1), found.tables["vamp2"]
    later = np.exp(-SLOW * LAG * test["multiple"].values)
    assert test["predicted"].values == pytest.approx(later, abs=0.04)
    assert test["estimated"].values == pytest.approx(later, abs=0.04)
    assert (test["lower"] < test["estimated"]).all() and (test["estimated"] < test["upper"]).all()
    assert scores["score"].values == pytest.approx(1 + np.exp(-2 * SLOW * scores["lag_time"].values), abs=0.1)
    # 2000 ps of a process of 5 ps
    assert found["effective_samples"].value == pytest.approx(200, rel=0.35)


@SEEDS
def test_a_fast_coordinate_is_seen_to_miss_the_slow_mode(seed):
    data = two_processes(seed)
    good, bad = (
        fel.certify(*projected(data, feature), lag_time=LAG, n_folds=0, seed=seed) for feature in (0, 1)
    )
    assert bad["vamp2"].value == pytest.approx(1 + np.exp(-2 * FAST * LAG), abs=0.05)
    assert bad["timescale"].value == pytest.approx(1 / FAST, rel=0.3)
    assert bad["unexplained_mode"].value > 0.9 and bad["unexplained_committor"].value > 0.9
    exact = (np.exp(-SLOW * LAG) - np.exp(-FAST * LAG)) / LAG
    assert bad["rate_excess"].value == pytest.approx(exact, rel=0.15)
    assert bad["rate_excess"].value <= bad["rate_bound"].value + 1e-9
    assert good["rate_excess"].value < 0.1 * bad["rate_excess"].value
    assert any("held out" in limit for limit in bad.limits)
    assert good["held_out_vamp2"].note == "not asked for"


def test_a_reference_may_know_a_slow_mode_that_the_features_lack():
    data = two_processes(0)
    fast_only = data.isel(feature=[1])
    method = fel.PCA(n_dims=1).fit(fast_only)
    alone = fel.certify(method, fast_only, lag_time=LAG, n_folds=0)
    assert alone["full_timescale"].value < 1

    class Slow(fel.PCA):
        def transform(self, X):
            return fel.PCA(n_dims=1).fit(data).transform(data).copy(data=data["features"].values[:, :1])

    more = fel.certify(method, fast_only, lag_time=LAG, n_folds=0, reference=Slow())
    assert more["full_timescale"].value == pytest.approx(1 / SLOW, rel=0.3)
    assert more["unexplained_mode"].value > 0.9


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_with_an_embedding_has_a_certificate(name):
    random = np.random.default_rng(0)
    walks = [np.cumsum(random.normal(size=(n, 4)), axis=0) @ random.normal(size=(4, 4)) for n in (300, 250)]
    data = fel.as_dataset(walks, time_unit="ps")
    first = data["features"].values[:, 0]
    data = data.assign(basin=("frame", (first > 0).astype(int)), energy=("frame", first**2))
    names = METHODS[name].hyperparameter_names()
    method = METHODS[name](**{key: value for key, value in SMALL.items() if key in names})
    method.fit(data, device="cpu")
    found = fel.certify(method, data, lag_time=1.0, n_folds=0, n_bootstraps=10)
    for measure in found.measures[1:]:
        assert np.isfinite(measure.value) and measure.definition, measure.key
    assert {"timescale", "effective_timescale", "ck_error", "unexplained_mode"} <= set(found.to_frame().index)
    assert set(found.tables) == {"timescales", "effective_dynamics", "rates", "chapman_kolmogorov", "vamp2"}


def test_it_prints_and_becomes_plain_data():
    data = two_processes(0, n_frames=300, n_walkers=4)
    found = fel.certify(fel.TICA(lag_time=LAG, n_dims=2).fit(data), data, n_folds=0, n_bootstraps=10)
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["measures"]["held_out_vamp2"]["value"] is None
    assert plain["measures"]["timescale"]["value"] == found["timescale"].value
    assert str(found).splitlines()[0] == "TICA at a lag of 0.2 ps"
    for measure in found.measures:
        assert measure.title in str(found) and measure.title in found._repr_html_()
    assert all(limit in str(found) for limit in found.limits)
    with pytest.raises(FelError, match="There are held_out_vamp2"):
        found["beauty"]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (142.3, 9.1, "142 ± 9.1"),
        (0.01234, np.nan, "0.0123"),
        (np.nan, 1.0, "not known"),
        (np.inf, 1, "infinite"),
    ],
)
def test_numbers_are_rounded_by_their_errors(value, error, text):
    assert Measure("k", "t", value, error).text == text


def test_a_stopped_certificate_keeps_what_is_done():
    data = two_processes(0, n_frames=300, n_walkers=4)
    seen = []

    def stop(progress):
        seen.append(progress.message)
        return progress.message == "effective dynamics"

    found = fel.certify(fel.TICA(lag_time=LAG, n_dims=1).fit(data), data, callback=stop)
    assert seen == ["embedding", "time scales", "effective dynamics"]
    assert [m.key for m in found.measures][:2] == ["held_out_vamp2", "vamp2"]
    assert "unexplained_mode" not in found.to_dict()["measures"]
    assert found["held_out_vamp2"].note == "stopped"


def test_a_lag_is_needed_and_must_fit():
    data = two_processes(0, n_frames=100, n_walkers=2)
    with pytest.raises(FelError, match="PCA has no lag"):
        fel.certify(fel.PCA(n_dims=1).fit(data), data)
    with pytest.raises(FelError, match="lag_time=50"):
        fel.certify(fel.PCA(n_dims=1).fit(data), data, lag_time=50.0)


def test_frame_weights_count_as_frames_do():
    data = two_processes(1, n_frames=400, n_walkers=6)
    ones = data.assign(weight=("frame", np.full(data.sizes["frame"], 3.0)))
    method = fel.TICA(lag_time=LAG, n_dims=1).fit(data)
    plain, weighted = (fel.certify(method, one, n_folds=0, n_bootstraps=5) for one in (data, ones))
    for measure in plain.measures[1:]:
        assert weighted[measure.key].value == pytest.approx(measure.value, rel=1e-5), measure.key
    assert weighted["weight_samples"].value == pytest.approx(data.sizes["frame"])


def test_thinned_frames_are_those_of_a_longer_step(monkeypatch):
    from fel_explorer.methods.assessment import certificate_estimates

    monkeypatch.setattr(certificate_estimates, "MAX_FRAMES", 100)
    data = fel.as_dataset([np.arange(150.0)[:, None], np.arange(50.0)[:, None]], time_step=0.5)
    kept, n = thin(data, 6)
    assert n == 2 and kept.attrs["time_step"] == 1.0
    np.testing.assert_array_equal(kept["features"].values[:3, 0], [0, 2, 4])
    np.testing.assert_array_equal(kept["frame_in_trajectory"].values[-2:], [23, 24])
    assert thin(data, 7)[1] == 7 and thin(data, 1)[1] == 1


def test_passages_and_variance_within_cells_are_counted_by_hand():
    assert passages_of(np.array([0, -1, 0, 1, 1, 0, 1, -1])) == 2
    random = np.random.default_rng(0)
    cells, values, weight = (
        random.integers(0, 5, 400),
        random.normal(size=(400, 1)),
        random.uniform(1, 2, 400),
    )
    draws = Blocks.of_lengths([400]).draw(3)
    value, samples = left_on_cells(values, cells, weight, draws)

    def fraction(counts):
        w, x = weight * counts, values[:, 0]
        total = np.average((x - np.average(x, weights=w)) ** 2, weights=w)
        means = np.array([np.average(x[cells == c], weights=w[cells == c]) for c in range(5)])
        return np.average((x - means[cells]) ** 2, weights=w) / total

    assert value == pytest.approx(fraction(np.ones(400)))
    np.testing.assert_allclose(samples, [fraction(counts) for counts in draws.frame_counts()])


def test_cells_are_filled():
    z = np.random.default_rng(0).normal(size=(500, 2))
    labels = cells_of(z, 40, 0)
    assert (np.bincount(labels) > 0).all() and labels.max() < 10  # 50 frames a cell on average
