"""What the plots of lifetimes and rates show, from the data that they draw."""

import holoviews as hv
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from fel_explorer import kinetics
from fel_explorer.plots import (
    Network,
    Survival,
    plot_ck_test,
    plot_implied_timescales,
    plot_network,
    plot_spectrum,
    plot_survival,
    survival_table,
)
from fel_explorer.plots.arrangement import Labels, names_apart, spread
from fel_explorer.plots.quantities import axis_label, interval_text, time_text
from fel_explorer.plots.sheet import linear_ticks, log_ticks

hv.extension("bokeh")

# of the bold numbers of 9 pt on the map, as a browser draws them
LETTER_WIDTH, PADDING, LINE_HEIGHT = 6.7, 3, 20


def drawn(overlay, kind, place=0):
    """The rows of the ``place``-th layer of a kind, without the two unseen ones."""
    layer = [layer for layer in overlay if type(layer) is kind][place]
    return layer.data[2:] if isinstance(layer.data, list) else layer.data.iloc[2:]


@pytest.fixture(scope="module")
def chain():
    rng = np.random.default_rng(0)
    draws, states = rng.random(20_000), np.zeros(20_000, int)
    for t in range(1, len(states)):
        states[t] = states[t - 1] ^ (draws[t] < (0.05, 0.02)[states[t - 1]])
    return [states[:10_000], states[10_000:]]


def survival_of(chain, state, label="A"):
    row = kinetics.lifetimes(chain).sel(state=state)
    curve = kinetics.survival(kinetics.dwells(chain).of(state))
    numbers = (float(row[name]) for name in ("mean_lifetime", "lower", "upper"))
    return Survival(label, "#0072b2", curve, *numbers)


def test_survival_starts_at_one_and_the_fit_is_a_straight_line_on_the_log_axis(chain):
    one = survival_of(chain, 0)
    plot = plot_survival([one])
    steps, fit = drawn(plot, hv.Contours)[0], drawn(plot, hv.Contours, 1)[0]
    assert (steps["x"][0], steps["y"][0]) == (0, 0)  # a share of one, as a logarithm
    middle = np.searchsorted(steps["x"], 20.0)
    assert 10 ** steps["y"][middle] == pytest.approx(0.95**20, abs=0.05)
    slope = np.log(10) * np.diff(fit["y"]) / np.diff(fit["x"])
    assert_allclose(slope, -1 / one.mean_lifetime, rtol=1e-6)
    words = list(drawn(plot, hv.Labels)["text"])
    assert words[0].startswith("A: 1") or words[0].startswith("A: 2")
    assert " to " in words[0] and words[-1] == "dashed: exponential"
    assert hv.render(plot).yaxis[0].major_label_overrides[-1.0] == "0.1"


def test_a_state_that_is_left_at_once_falls_at_once():
    visits = kinetics.dwells([0, 1, 0, 1, 0, 1, 0], time_step=2.0).of(1)
    one = Survival("A", "#0072b2", kinetics.survival(visits), 0.0, 0.0, 1.0)
    assert np.isfinite(drawn(plot_survival([one]), hv.Contours, 1)[0]["y"]).all()
    assert (survival_table([one])["exponential"] == 0).all()


def test_survival_of_nobody_draws_an_empty_frame():
    empty = kinetics.survival(kinetics.dwells(np.zeros(10, int)).of(0))
    plot = plot_survival([Survival("A", "#0072b2", empty, np.inf, 10.0, np.inf)])
    assert len(drawn(plot, hv.Contours)) == 0
    assert np.isfinite(hv.render(plot).y_range.start)


def test_survival_table_holds_every_curve_with_its_exponential(chain):
    curves = [survival_of(chain, 0), survival_of(chain, 1, "B")]
    table = survival_table(curves)
    assert set(table["state"]) == {"A", "B"}
    assert len(table) == sum(one.curve.sizes["time"] for one in curves)
    b = table[table["state"] == "B"]
    assert_allclose(b["exponential"], np.exp(-b["time"] / curves[1].mean_lifetime))
    assert survival_table([]).empty


def test_implied_timescales_leave_out_what_is_unknown_and_grey_what_is_too_fast():
    values = np.array([[50.0, 5.0], [60.0, np.nan], [62.0, np.nan]])
    dims = ("lag_time", "process")
    table = xr.Dataset(
        {"timescale": (dims, values), "lower": (dims, 0.9 * values), "upper": (dims, 1.1 * values)},
        coords={"lag_time": [1.0, 5.0, 20.0], "process": [1, 2]},
    )
    plot = plot_implied_timescales(table, lag_time=5.0)
    curves = drawn(plot, hv.Contours)
    assert [len(curve["x"]) for curve in curves] == [3, 1]
    assert_allclose(10 ** curves[0]["y"], [50, 60, 62])
    grey = drawn(plot, hv.Polygons)[0]
    assert_allclose(grey["y"][50:], grey["x"][50:])  # its upper edge: as slow as the lag
    assert_allclose(10 ** drawn(plot, hv.Contours, 1)[0]["x"], [5, 5])


def test_ck_plot_compares_predictions_with_estimates_state_by_state(chain):
    test = kinetics.ck_test(chain, 2.0, n_bootstraps=5)
    plot = plot_ck_test(test, {0: "fast", 1: "slow"})
    lines, points = drawn(plot, hv.Contours)[:2], drawn(plot, hv.Points)
    stays = test["predicted"].sel({"from": 1, "to": 1}).values
    assert_allclose(lines[1]["y"], [1, *stays])
    assert_allclose(points["y"].to_numpy(float)[4:], test["estimated"].sel({"from": 1, "to": 1}))
    assert list(drawn(plot, hv.Labels)["text"]) == ["fast", "slow"]
    assert lines[0]["x"].max() < lines[1]["x"].min()
    assert list(drawn(plot_ck_test(test, {1: "slow"}, states=[1]), hv.Labels)["text"]) == ["slow"]


def test_spectrum_marks_the_gap_only_where_there_is_one():
    def spectrum(values):
        values = np.array(values)
        return xr.Dataset({name: ("process", values) for name in ("timescale", "lower", "upper")})

    marked = plot_spectrum(spectrum([900.0, 60.0, 40.0]))
    assert list(drawn(marked, hv.Labels)["text"]) == ["900 ps", "60 ps", "40 ps", "gap: 15 times slower"]
    assert drawn(marked, hv.Contours, 1)[0]["x"].tolist() == [1.5, 1.5]
    smooth = plot_spectrum(spectrum([50.0, 40.0, 30.0]))
    assert list(drawn(smooth, hv.Labels)["text"]) == ["50 ps", "40 ps", "30 ps"]


@pytest.fixture
def network():
    rate = np.array([[0, 0.01, 0.002], [0.02, 0, 0.04], [0.0, 0.05, 0]])
    dims, states = ("to", "from"), [0, 3, 7]
    rates = xr.Dataset(
        {
            "rate": (dims, rate),
            "lower": (dims, 0.5 * rate),
            "upper": (dims, 2 * rate),
            "significant": (dims, rate > 0.005),
            "stationary_distribution": ("from", [0.5, 0.3, 0.2]),
        },
        coords={"to": states, "from": states},
    )
    places = np.array([[0.2, 0.2], [0.8, 0.2], [0.5, 0.8]])
    limits = ((0.0, 1.0), (0.0, 1.0))
    return Network(
        states, ["A", "B", "C"], places, np.array([0.6, 0.3, 0.1]), rates, None, limits, ("x", "y")
    )


def arrows_of(plot):
    """{"A to B": row}."""
    return {row["tip"].split(":")[0]: row for row in drawn(plot, hv.Contours)}


def test_network_draws_only_significant_rates_with_their_times(network):
    plot = plot_network(network)
    arrows = arrows_of(plot)
    assert set(arrows) == {"A to B", "B to A", "B to C", "C to B"}
    assert arrows["A to B"]["tip"] == "A to B: 1 / 50 ps, 25 to 100 ps"
    assert arrows["B to C"]["width"] > arrows["A to B"]["width"] > arrows["B to A"]["width"]
    assert {"1 / 50 ps", "1 / 100 ps", "1 / 25 ps", "1 / 20 ps", "A", "B", "C"} == set(
        drawn(plot, hv.Labels)["text"]
    )
    table = network.arrows()
    assert_allclose(table["flux"].max(), 0.015)
    assert table["flux"].is_monotonic_decreasing


def test_opposite_arrows_bend_apart_and_end_at_the_rims(network):
    plot = plot_network(network, shape=(690, 670))  # 600 x 600 pixels of frame
    arrows = arrows_of(plot)
    there, back = arrows["A to B"], arrows["B to A"]
    assert (there["y"][1:-1] > 0.2).all() and (back["y"][1:-1] < 0.2).all()
    radius = (18 + 38 * np.sqrt(0.6)) / 2 / 600
    start = np.hypot(there["x"][0] - 0.2, there["y"][0] - 0.2)
    assert radius < start < radius + 0.02
    heads = drawn(plot, hv.Polygons, 1)
    tips = np.array([[head["x"][0], head["y"][0]] for head in heads])
    to_b = np.hypot(*(tips - [0.8, 0.2]).T).min()
    assert to_b == pytest.approx((18 + 38 * np.sqrt(0.3)) / 2 / 600, abs=0.02)


def test_nodes_grow_with_population_and_the_selected_one_is_ringed(network):
    nodes = drawn(plot_network(network, selected=3), hv.Points)
    area = (nodes["size"].to_numpy(float) - 18) ** 2
    assert_allclose(area / area[0], [1, 0.5, 1 / 6])
    assert list(nodes["rim"] == nodes["colour"]) == [True, False, True]


def test_nodes_that_would_touch_move_apart_and_stay_inside():
    sizes, frame = np.array([40.0, 40.0, 30.0]), np.array([600.0, 200.0])
    places = spread([[300, 190], [300, 190], [20, 20]], sizes, frame)
    distance = np.linalg.norm(places[0] - places[1])
    assert distance > 60
    assert_allclose(places[2], [20, 20], atol=0.2)
    assert (places >= sizes[:, None] / 2 - 0.1).all() and (places <= frame - sizes[:, None] / 2 + 0.1).all()


def test_labels_avoid_nodes_and_each_other():
    labels, curve = (
        Labels([(100.0, 50.0)], [20.0]),
        np.column_stack([np.linspace(0, 200, 101), np.full(101, 50.0)]),
    )
    first, second = labels.find(curve, "1 / 5"), labels.find(curve, "1 / 6")
    assert abs(first[0] - 100) > 10 + 17 and abs(first[0] - second[0]) > 35
    crowded = Labels([(100.0, 50.0)], [400.0])
    assert crowded.find(curve, "1 / 5") is None


def test_ticks_are_round_numbers_within_the_axis():
    assert [word for _, word in linear_ticks((-0.52, 0.41))] == ["-0.4", "-0.2", "0", "0.2", "0.4"]
    assert log_ticks((0.0, 3.0)) == [(0.0, "1"), (1.0, "10"), (2.0, "100"), (3.0, "1,000")]
    assert [word for _, word in log_ticks((0.2, 1.1))] == ["2", "5", "10"]


def test_times_are_written_in_the_unit_that_suits_them():
    assert (
        time_text(0.0123) == "12.3 fs" and time_text(85.123) == "85.1 ps" and time_text(1234.0) == "1.23 ns"
    )
    assert time_text(999.96) == "1 ns" and time_text(np.inf) == "∞" and time_text(85.0, "1") == "85"
    assert time_text(0.0, "ns") == "0 ns" and time_text(np.nan) == "unknown"
    assert interval_text(800.0, 1200.0) == "0.8 to 1.2 ns"
    assert interval_text(80.0, np.inf) == "over 80 ps" and interval_text(np.nan, 1.0) == ""
    assert axis_label("lag", "1") == "lag" and axis_label("lag", "ps") == "lag (ps)"


def test_names_move_to_the_nearest_free_place():
    names = {"state 1": (5.0, 5.0), "state 2": (5.1, 5.2), "state 3": (5.0, 4.8), "state 4": (9.0, 5.0)}
    apart = names_apart(names, ((0.0, 10.0), (0.0, 10.0)), (400, 400))
    assert apart["state 1"] == names["state 1"] and apart["state 4"] == names["state 4"]
    assert apart["state 2"][1] > 5.5 and apart["state 3"][1] < 4.5  # each to its own side
    places = 40 * np.array(list(apart.values()))
    across, up = np.abs(places[:, None] - places[None]).transpose(2, 0, 1)
    free = (across >= 56) | (up >= 26) | np.eye(4, dtype=bool)
    assert free.all() and np.linalg.norm(places - 40 * np.array(list(names.values())), axis=1).max() < 40
    rim = names_apart({"state 1": (0.5, 0.2), "state 2": (0.6, 0.1)}, ((0.0, 10.0), (0.0, 10.0)), (400, 400))
    assert all(34 <= 40 * x and 13 <= 40 * y for x, y in rim.values())  # off the rim, which would cut them
    beyond = names_apart({"state 1": (-3.0, 0.2)}, ((0.0, 10.0), (0.0, 10.0)), (400, 400))
    assert beyond["state 1"] == (-3.0, 0.2)  # what the window does not show stays there
    crowd = {f"state {i}": (5.0, 5.0) for i in range(100)}
    shown = names_apart(crowd, ((0.0, 10.0), (0.0, 10.0)), (400, 400))
    assert (
        list(shown) == list(crowd)[: len(shown)] and 15 < len(shown) < 35
    )  # the first, a quarter of the map


@pytest.mark.parametrize("size", [(280, 320), (430, 600), (1100, 1200)])
def test_numbers_of_26_states_lie_apart_within_the_map(size):
    rng = np.random.default_rng(1)
    places = {str(n + 1): tuple(0.15 * rng.normal(size=2) + rng.integers(2, size=2)) for n in range(26)}
    limits = np.array([[-0.6, 1.6], [-0.6, 1.6]])
    shown = names_apart(places, limits, size)
    assert list(shown) == list(places)  # each state has its number on the map
    scale = np.array(size) / 2.2
    centres = (np.array(list(shown.values())) + 0.6) * scale
    sizes = np.array([(LETTER_WIDTH * len(name) + 2 * PADDING, LINE_HEIGHT) for name in shown])
    across, up = np.abs(centres[:, None] - centres[None]).transpose(2, 0, 1)
    widths, heights = ((side[:, None] + side[None]) / 2 for side in sizes.T)
    assert ((across >= widths) | (up >= heights) | np.eye(26, dtype=bool)).all()
    assert (centres >= sizes / 2).all() and (centres <= size - sizes / 2).all()
