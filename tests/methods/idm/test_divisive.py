"""DivisiveIDM on a chain whose hierarchy is known: A = {a, b} and C; a and b interconvert 40 times faster."""

import numpy as np
import pytest
from chains import nested_chain

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.idm.divisive_tree import stability, visited_segments

SMALL = {
    "n_searches": 2,
    "n_states": 6,
    "n_steps": 400,
    "hidden": [32],
    "batch_size": 256,
    "n_restarts": 2,
}


@pytest.fixture(scope="module")
def truth_and_data():
    parts = [nested_chain(10_000, seed) for seed in range(4)]
    return np.concatenate([s for s, _ in parts]), fel.as_dataset([x for _, x in parts])


@pytest.fixture(scope="module")
def tree(truth_and_data):
    return fel.DivisiveIDM(lag_times=[200.0, 10.0], **SMALL).fit(truth_and_data[1], device="cpu")


def match(found, truth):
    """(found state,) the true state that it mostly is."""
    return np.array([np.bincount(truth[found == s], minlength=3).argmax() for s in range(found.max() + 1)])


def test_states_divide_where_the_time_scales_say(tree, truth_and_data):
    truth, data = truth_and_data
    long, short = tree.predict(data, level=0).values, tree.predict(data, level=1).values
    assert len(np.unique(long)) == 2 and len(np.unique(short)) == 3
    assert np.mean(match(short, truth)[short] == truth) > 0.99
    coarse = np.array([0, 0, 1])
    assert np.mean(coarse[match(long, truth)][long] == coarse[truth]) > 0.99


def test_the_graph_tells_lineage_population_and_lifetime(tree, truth_and_data):
    truth, data = truth_and_data
    graph, found = tree.graph, match(tree.predict(data).values, truth)
    assert {graph.nodes[n]["level"] for n in graph} == {0, 1} and graph.number_of_nodes() == 5
    parents = {
        found[graph.nodes[n]["state"]]: next(graph.predecessors(n)) for n in graph if n.startswith("2-")
    }
    assert parents[0] == parents[1] != parents[2]
    whole = next(n for n in graph if n.startswith("2-") and found[graph.nodes[n]["state"]] == 2)
    assert np.isnan(graph.nodes[whole]["stability"])  # it did not divide
    for node, about in graph.nodes(data=True):
        if node != whole:
            assert about["stability"] > 0.95
        assert tree.predict(data, about["level"])[about["representative"]] == about["state"]
    for level in (0, 1):
        shares = [about["population"] for _, about in graph.nodes(data=True) if about["level"] == level]
        assert sum(shares) == pytest.approx(1.0)
    expected = fel.kinetics.lifetimes(np.split(truth, 4), time_step=1.0)["mean_lifetime"].values
    for node, about in graph.nodes(data=True):
        if node.startswith("2-"):
            assert about["mean_lifetime"] == pytest.approx(expected[found[about["state"]]], rel=0.2)


def test_memberships_of_children_sum_to_their_parents(tree, truth_and_data):
    data = truth_and_data[1]
    parent, child = tree.predict_proba(data, 0).values, tree.predict_proba(data, 1).values
    for state in range(parent.shape[1]):
        own = [
            tree.graph.nodes[n]["state"] for n in tree.graph.successors(f"1-{state + 1}")
        ]  # fmt: skip
        np.testing.assert_allclose(child[:, own].sum(1), parent[:, state], atol=1e-6)


def test_a_state_unfolds_where_it_is(tree, truth_and_data):
    """The map of the short lag resembles that of the long one: distances are kept where nothing divides."""
    truth, data = truth_and_data
    above, below = tree.transform(data, 0).values, tree.transform(data, 1).values
    kept = truth == 2
    assert np.abs(above[kept] - below[kept]).max() < 0.2 * above.std()
    centres = [below[truth == state].mean(0) for state in range(3)]
    spread = max(below[truth == state].std(0).max() for state in (0, 1))
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * spread


def test_a_stopped_tree_keeps_its_finished_levels(truth_and_data):
    data, method = truth_and_data[1], fel.DivisiveIDM(lag_times=[200.0, 10.0], **SMALL)
    method.fit(data, device="cpu", callback=lambda progress: progress.message.startswith("Level 2"))
    assert method.n_levels == 2 and method.transform(data).shape == (40_000, 2)
    method.fit(data, device="cpu", callback=lambda progress: True)
    assert method.n_levels == 1 and set(method.graph.nodes(data="level")) >= {("1-1", 0)}


def test_progress_runs_to_its_end(truth_and_data):
    seen = []
    small = {**SMALL, "n_steps": 30}
    method = fel.DivisiveIDM(lag_times=[200.0, 10.0], **small)
    method.fit(truth_and_data[1].isel(frame=slice(0, 5000)), device="cpu", callback=lambda p: seen.append(p))
    steps = [p.step for p in seen]
    assert steps == sorted(steps) and all(p.step <= p.n_steps for p in seen)
    assert "Level 1 of 2" in {p.message for p in seen}
    trained = [p for p in seen if p.losses]
    assert all(p.eta > 0 for p in trained if p.step < p.n_steps) and trained[-1].step > 0
    assert "Level 1 of 2: search 1 of 2" in {p.message for p in seen}


@pytest.mark.parametrize("lags", [[10.0, 200.0], [10.0, 10.0], [10.0, -1.0], [10.5], [1e7]])
def test_bad_lags_are_refused(truth_and_data, lags):
    with pytest.raises(FelError, match="lag"):
        fel.DivisiveIDM(lag_times=lags).fit(truth_and_data[1], device="cpu")


def test_levels_that_are_not_there_are_refused(tree, truth_and_data):
    with pytest.raises(FelError, match="0 to 1"):
        tree.predict(truth_and_data[1], level=2)


def test_visited_segments_bridge_short_excursions_and_never_join_trajectories():
    inside = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0], bool)
    data = fel.as_dataset([np.arange(10.0)[:, None], np.arange(10.0, 18.0)[:, None]])
    part = visited_segments(data, inside, lag=2)
    parts = [part["features"].values[part["trajectory"].values == t, 0].tolist() for t in range(2)]
    assert parts == [[0, 1, 2, 3, 4, 5], [10, 11, 12, 13, 14]]
    schema.validate(part)
    assert visited_segments(data, np.arange(18) % 7 == 0, lag=2) is None


def test_stability_is_the_agreement_with_the_repetitions():
    a, b = np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])
    assert stability(a, [b]) == 1.0 and np.isnan(stability(a, []))
    assert stability(a, [b, np.array([0, 1, 0, 1])]) == pytest.approx((1.0 - 0.5) / 2)
