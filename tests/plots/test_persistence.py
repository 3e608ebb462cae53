"""Bars of states over lags: where they lie, what they tell, and what a click finds."""

import networkx
import numpy as np
import pytest

from fel_explorer.plots import persistence
from fel_explorer.plots.persistence import Persistence, describe_state, plot_persistence

LAGS = [100.0, 10.0, 1.0]


@pytest.fixture
def states():
    """One state at 100 ps, which divides into a and b; b divides at 1 ps."""
    graph = networkx.DiGraph(time_unit="ps")
    for level, found in enumerate([{0: 1.0}, {1: 0.7, 2: 0.3}, {1: 0.7, 3: 0.2, 4: 0.1}]):
        for state, (branch, population) in enumerate(found.items()):
            graph.add_node(
                f"{level + 1}-{state + 1}", level=level, state=state, lag_time=LAGS[level], branch=branch,
                population=population, gain=0.02 if level else np.inf, error=0.004, visits=40.0,
                mean_lifetime=200.0, appears=10.0, disappears=1.0 if branch == 1 else 10.0,
            )  # fmt: skip
    edges = [("1-1", "2-1"), ("1-1", "2-2"), ("2-1", "3-1"), ("2-2", "3-2"), ("2-2", "3-3")]
    graph.add_edges_from(edges)
    names = {node: f"state {node}" for node in graph}
    return Persistence(graph, dict.fromkeys(graph, "#0072b2"), names, 1, frozenset({"2-2"}))


@pytest.fixture
def page(states, monkeypatch):
    pages = []
    monkeypatch.setattr(persistence.sheet.Sheet, "overlay", lambda self: pages.append(self))
    plot_persistence(states, width=500)
    return pages[0]


def test_lags_lie_along_a_logarithmic_axis_long_ones_left(states):
    np.testing.assert_allclose(states.places, [-2.0, -1.0, 0.0])
    np.testing.assert_allclose(states.edges, [-2.5, -1.5, -0.5, 0.5])


def test_leaves_have_a_row_each_and_the_others_lie_amid_their_parts(states):
    assert states.rows == {1: 0.0, 3: -1.0, 4: -2.0, 2: -1.5, 0: -0.75}


def test_a_bar_spans_the_lags_at_which_its_state_is_there(states, page):
    bars = {line["tip"].split(" at ")[0]: line for line in page.lines if line["tip"]}
    assert set(bars) == set(states.names.values())
    np.testing.assert_allclose(bars["state 2-1"]["x"], [-1.5, -0.5], atol=0.005)
    np.testing.assert_allclose(bars["state 3-1"]["x"], [-0.5, 0.5], atol=0.005)  # goes on in the same row
    np.testing.assert_allclose(bars["state 2-1"]["y"], bars["state 3-1"]["y"])
    assert bars["state 2-1"]["width"] > bars["state 2-2"]["width"]


def test_the_shown_lag_and_the_selection_are_marked(page):
    [band] = page.areas
    assert (band["x"].min(), band["x"].max()) == (-1.5, -0.5)
    assert [(dot["x"], dot["y"]) for dot in page.dots] == [(-1.0, 0.0), (-1.0, -1.5)]
    assert len([dot for dot in page.dots if dot["rim"] != dot["colour"]]) == 1


def test_states_that_do_not_divide_are_named_where_there_is_room(page):
    assert [word["text"] for word in page.words] == ["state 3-1, 70 %", "state 3-2, 20 %", "state 3-3, 10 %"]
    assert all(word["x"] > 0.5 for word in page.words)


def test_a_click_finds_the_state_at_its_lag(states):
    assert states.node_at(-1.2, -1.4) == "2-2" and states.node_at(0.2, -1.9) == "3-3"
    assert states.node_at(-2.0, -0.75) == "1-1"
    assert states.node_at(-2.0, -2.0) is None and states.node_at(0.7, 0.0) is None


def test_evidence_is_told_in_a_sentence(states):
    said = describe_state(states.graph.nodes["2-1"], "helix", "ps")
    assert said == (
        "helix at 10 ps: 70 %, gain 0.02 ± 0.004 nats, 40 visits, lifetime 200 ps; "
        "appears at 10 ps, disappears at 1 ps"
    )
    assert "the only state" in describe_state(states.graph.nodes["1-1"], "all", "ps")
    assert states.table().set_index("node")["parent"].to_dict()["3-3"] == "2-2"
