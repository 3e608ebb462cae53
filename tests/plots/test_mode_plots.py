"""What the plots of modes, scores and sensitivities show, from the data that they draw."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods import cross_validate, mode_spectrum, sensitivity
from fel_explorer.plots import plot_modes, plot_score, plot_sensitivity

hv.extension("bokeh")


def drawn(overlay, kind, place=0):
    """The rows of the ``place``-th layer of a kind, without the two unseen ones."""
    layer = [layer for layer in overlay if type(layer) is kind][place]
    return layer.data[2:] if isinstance(layer.data, list) else layer.data.iloc[2:]


def words(plot):
    return list(drawn(plot, hv.Labels)["text"])


def spectrum(values, error=0.0):
    values = np.array(values)
    columns = {"timescale": values, "lower": values * (1 - error), "upper": values * (1 + error)}
    return xr.Dataset({name: ("process", column) for name, column in columns.items()})


def test_sticks_are_time_scales_with_errors_and_the_band_is_the_largest_gap():
    plot = plot_modes(spectrum([900.0, 60.0, 40.0], 0.2), lag_time=50.0)
    assert words(plot) == ["900 ps", "60 ps", "40 ps", "gap: 15 times "]
    sticks, whiskers = drawn(plot, hv.Contours)[::2], drawn(plot, hv.Contours)[1::2]
    assert_allclose([10 ** stick["y"][1] for stick in sticks], [900, 60, 40])
    assert_allclose(10 ** whiskers[0]["y"], [720, 1080])
    assert sticks[0]["colour"] == sticks[1]["colour"] != sticks[2]["colour"]  # faster than the lag
    (band,) = drawn(plot, hv.Polygons)
    assert_allclose([10 ** band["y"].min(), 10 ** band["y"].max()], [60, 900])


def test_rates_are_the_inverse_and_without_a_gap_nothing_is_marked():
    plot = plot_modes(spectrum([50.0, 40.0, np.inf, np.nan, -1.0]), show="rate", lag_time=45.0)
    assert words(plot) == ["0.02/ps", "0.025/ps"] and not len(drawn(plot, hv.Polygons))
    sticks = drawn(plot, hv.Contours)[::2]
    assert_allclose([10 ** stick["y"][1] for stick in sticks], [0.02, 0.025])
    assert sticks[0]["colour"] != sticks[1]["colour"]
    assert hv.render(plot).yaxis[0].axis_label == "rate (1/ps)"


@pytest.fixture(scope="module")
def walks():
    random = np.random.default_rng(0)
    return [np.cumsum(random.normal(size=(200, 3)), axis=0) * [1.0, 2.0, 0.1] for _ in range(4)]


def test_the_spectrum_of_a_method_has_the_errors_that_it_tells(walks):
    tica = fel.TICA(lag_time=2.0).fit(walks)
    table = mode_spectrum(tica)
    assert_allclose(table["timescale"][:2], tica.implied_timescales_)
    whole = fel.TICA(lag_time=2.0, n_dims=3).fit(walks)
    assert_allclose(table["timescale"], whole.implied_timescales_)  # the third, which is not kept, too
    assert table["lower"].isnull().all() and table.attrs["time_unit"] == "1"
    modes = fel.Eigenfunctions(lag_time=2.0, n_dims=2, n_steps=20, hidden=[4]).fit(walks, device="cpu")
    table, rate, error = mode_spectrum(modes), modes.eigenvalues_, 2 * modes.eigenvalue_errors_
    assert_allclose(1 / table["lower"], rate + error)
    assert_allclose(table["upper"], np.where(rate > error, 1 / (rate - error), np.inf))
    assert len(words(plot_modes(table, time_unit="1"))) >= 2
    with pytest.raises(FelError, match="no time scales"):
        mode_spectrum(fel.PCA().fit(walks))


def test_scores_stand_over_their_parameter_with_errors_and_the_best_is_ringed(walks):
    table = cross_validate(
        fel.TICA(n_dims=1), walks, n_folds=2, parameter="lag_time", values=[1.0, 5.0, 20.0]
    )
    plot = plot_score(table)
    curve, *bars = drawn(plot, hv.Contours)
    assert_allclose(10 ** curve["x"], [1, 5, 20])  # a logarithmic axis
    assert_allclose(curve["y"], table["mean"])
    low, high = bars[0]["y"]
    assert_allclose([high - low, (high + low) / 2], [2 * table["error"][0], table["mean"][0]])
    dots = drawn(plot, hv.Points)
    assert (dots["size"] == 4).sum() == 6  # each fold
    ring = dots[dots["size"] == 20]
    assert_allclose(float(ring["y"].iloc[0]), table["mean"].max())
    figure = hv.render(plot)
    assert figure.xaxis[0].axis_label == "lag time" and "VAMP-2" in figure.yaxis[0].axis_label


def test_features_are_named_and_two_dimensions_give_a_curve_each(walks):
    datasets = {"all": fel.as_dataset(walks), "first": fel.as_dataset([w[:, :1] for w in walks])}
    tica = fel.TICA(lag_time=2.0, n_dims=1)
    names = plot_score(cross_validate(tica, datasets, n_folds=2))
    assert list(hv.render(names).xaxis[0].major_label_overrides.values()) == ["all", "first"]
    both = cross_validate(tica, datasets, n_folds=2, parameter="lag_time", values=[2.0, 3.0])
    plot = plot_score(both, label="lag")
    assert words(plot) == ["all", "first"] and hv.render(plot).xaxis[0].axis_label == "lag"
    curves = [row for row in drawn(plot, hv.Contours) if list(row["x"]) == [2.0, 3.0]]
    assert_allclose([row["y"] for row in curves], both["mean"])


def test_one_score_and_scores_that_were_not_reached_can_be_drawn(walks):
    table = cross_validate(fel.TICA(lag_time=2.0), walks, n_folds=2)
    assert len(hv.render(plot_score(table)).renderers)
    unknown = cross_validate(fel.TICA(), walks, n_folds=2, parameter="lag_time", values=[2.0, 3.0])
    unknown = unknown.where(unknown["lag_time"] < 3.0)
    assert_allclose(drawn(plot_score(unknown), hv.Contours)[0]["x"], [2.0])


def test_bars_are_ranked_shares_and_the_rest_is_told(walks):
    table = sensitivity(fel.PCA(n_dims=2).fit(walks), walks)
    plot = plot_sensitivity(table, of=1, n_bars=2)
    share = np.sort(100 * table["share"].isel(cv=1).values)[::-1]
    bars = drawn(plot, hv.Polygons)
    assert_allclose([bar["x"].max() for bar in bars], share[:2], rtol=1e-6)
    assert bars[0]["y"].min() > bars[1]["y"].max()  # the largest on top
    assert words(plot)[-1] == f"1 others together: {share[2]:.2g} %"
    figure = hv.render(plot)
    names = figure.yaxis[0].major_label_overrides
    order = table["group"].values[np.argsort(-table["share"].isel(cv=1).values)]
    assert [names[2.0], names[1.0]] == list(order[:2])
    assert figure.xaxis[0].axis_label == "contribution to variable 2 (%)"
