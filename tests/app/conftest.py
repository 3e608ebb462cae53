"""A session with a tree of states, made by hand."""

import networkx
import numpy as np
import pytest
import xarray as xr

from fel_explorer.app.results import Result
from fel_explorer.app.session import Session
from fel_explorer.data import as_dataset

COARSE = np.array([0, 0, 0, 0, 1, 1])
FINE = np.array([0, 0, 1, 1, 2, 2])


class Tree:
    """A fitted method with a tree of states, made by hand."""

    has_states = True
    lag_times = [20.0, 2.0]
    n_levels = 2

    def __init__(self):
        self.graph = networkx.DiGraph(time_unit="ps")
        for level, states in enumerate((COARSE, FINE)):
            for state in np.unique(states):
                self.graph.add_node(
                    f"{level + 1}-{state + 1}",
                    level=level,
                    state=int(state),
                    lag_time=self.lag_times[level],
                    population=float(np.mean(states == state)),
                    mean_lifetime=10.0,
                    stability=1.0,
                    representative=0,
                )
        self.graph.add_edges_from([("1-1", "2-1"), ("1-1", "2-2"), ("1-2", "2-3")])

    def transform(self, dataset):
        return dataset["features"]

    def predict_proba(self, dataset, level=-1):
        states = (COARSE, FINE)[level]
        return xr.DataArray(np.eye(states.max() + 1, dtype=np.float32)[states], dims=("frame", "state"))


@pytest.fixture
def tree_method():
    """States 1-1 = {0, 1, 2, 3} and 1-2 = {4, 5}; 1-1 divides into 2-1 = {0, 1} and 2-2 = {2, 3}."""
    return Tree()


@pytest.fixture
def tree_session(tree_method):
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(6, 2)), time_unit="ps"))
    session.add_result(Result.of("tree", tree_method, session.dataset))
    return session
