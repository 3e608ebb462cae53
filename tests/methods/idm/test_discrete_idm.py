"""DiscreteIDM on a chain whose hierarchy is known: 0 and 1 exchange 40 times faster than with 2."""

import numpy as np
import pytest
from chains import nested_chain
from threadpoolctl import threadpool_limits

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.idm.lag_hierarchy import widest_range

STEP = 2.0


@pytest.fixture(scope="module")
def data():
    return fel.as_dataset([nested_chain(10_000, seed)[1] for seed in range(4)], time_step=STEP)


@pytest.fixture(scope="module")
def method(data):
    return fel.DiscreteIDM(n_microstates=100).fit(data)


def test_it_finds_what_the_scan_finds(method, data):
    scan = fel.methods.scan_lag_times(data, n_microstates=100)
    assert method.lags == tuple(scan.lag_times)
    np.testing.assert_array_equal(method.n_states, scan.n_states)
    np.testing.assert_array_equal(method.predict_microstates(data), scan.microstates)
    assert method.branches.identical(scan.branches)
    assert method.lags[method.default_level] == scan.suggested_lag_time
    for level in (0, 10, -1):
        expected = scan.predict_proba(method.lags[level])
        np.testing.assert_allclose(method.predict_proba(data, level), expected, atol=1e-6)


def test_the_number_of_threads_changes_nothing(method, data):
    with threadpool_limits(3, user_api="openmp"):
        other = fel.DiscreteIDM(n_microstates=100).fit(data)
    for name, array in method._get_arrays().items():
        np.testing.assert_array_equal(other._get_arrays()[name], array, err_msg=name)


def test_memberships_of_frames_are_looked_up_by_microstate(method, data):
    microstates = method.predict_microstates(data).values
    for level in (0, 5, method.n_levels - 1):
        chi = method.microstate_memberships(level)
        np.testing.assert_array_equal(method.predict_proba(data, level), chi[microstates])
        np.testing.assert_array_equal(method.predict(data, level), chi.argmax(axis=1)[microstates])


def test_the_graph_tells_evidence_branches_and_parents(method):
    graph, branches = method.graph, method.branches
    for node, about in graph.nodes(data=True):
        level = about["level"]
        assert about["lag_time"] == method.lags[level]
        assert about["appears"] == branches["appears"][about["branch"]] >= about["lag_time"]
        assert about["disappears"] == branches["disappears"][about["branch"]] <= about["lag_time"]
        assert about["gain"] > 1.5 * about["error"] or about["gain"] == np.inf
        above = [graph.nodes[parent]["level"] for parent in graph.predecessors(node)]
        assert above == ([level - 1] if level else [])
    at_shortest = [about for about in graph.nodes.values() if about["level"] == method.n_levels - 1]
    assert sum(about["population"] for about in at_shortest) == pytest.approx(1.0)


def test_the_default_level_is_amid_the_widest_range_of_lags_with_three_states(method):
    n = method.n_states.values
    assert n[method.default_level] == 3 and n.max() == 3
    lags = np.array(method.lags)[n == 3]
    middle = np.sqrt(lags[0] * lags[-1])
    nearest = np.abs(np.log(np.array(method.lags) / middle)).argmin()
    assert method.default_level == nearest


@pytest.mark.parametrize(
    ("n_states", "expected"),
    [
        ([1, 1, 2, 2, 2, 2, 3, 4, 4], (7, 8)),  # not the two states, whose range is wider
        ([1, 1, 1, 2, 2], (3, 4)),
        ([1, 1, 1], (0, 2)),
        ([4, 3, 3, 3, 2, 1], (1, 3)),
    ],
)
def test_the_widest_range_is_one_of_three_states_or_more(n_states, expected):
    assert widest_range(np.array(n_states), 2.0 ** -np.arange(len(n_states))) == expected


def test_lags_can_be_chosen_and_the_fit_stopped(data):
    chosen = fel.DiscreteIDM(lag_times=[4.0, 40.0, 400.0], n_microstates=50)
    assert chosen.lags == (400.0, 40.0, 4.0)
    seen = []

    def stop_after_two(progress):
        seen.append((progress.step, progress.n_steps))
        return progress.step == 2

    chosen.fit(data, callback=stop_after_two)
    assert (
        [one for one in seen if one[0]] == [(1, 3), (2, 3)]
        and chosen.n_levels == 2
        and chosen.lags == (400.0, 40.0)
    )
    with pytest.raises(FelError, match="level=2"):
        chosen.predict(data, 2)


def test_more_dimensions_than_the_features_span_are_refused():
    wave = np.sin(np.arange(500) / 20)[:, None]
    with pytest.raises(FelError, match="n_dims=1"):
        fel.DiscreteIDM(n_dims=2).fit(np.hstack([wave, 2 * wave]))
    with pytest.raises(FelError, match="positive"):
        fel.DiscreteIDM(lag_times=[-1.0]).fit(wave)


def test_a_cancel_is_heard_while_the_microstates_are_sought(data, monkeypatch):
    monkeypatch.setattr(schema, "rows_per_block", lambda n_features: 1000)  # forty blocks
    said, method = [], fel.DiscreteIDM(n_microstates=50)

    def callback(progress):
        said.append((progress.step, progress.message))
        assert np.isfinite(method.transform(data).values).all()  # what a page shows meanwhile
        assert set(method.predict(data).values) == {0}
        return len(said) == 3

    method.fit(data, callback=callback)
    assert said == [(0, "microstates")] * 3
    assert method.n_levels == 1 and len(np.unique(method.predict_microstates(data))) > 10
