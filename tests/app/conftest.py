"""A session with a tree of states, and files of a small molecule, made by hand."""

import os
from itertools import pairwise

import mdtraj
import networkx
import numpy as np
import pytest
import xarray as xr

from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.data import as_dataset
from fel_explorer.methods import Method
from fel_explorer.structures import geometry

os.environ["FEL_EXPLORER_JOBS"] = "thread"  # worker processes have tests of their own: jobs/test_workers.py

COARSE = np.array([0, 0, 0, 0, 1, 1])
FINE = np.array([0, 0, 1, 1, 2, 2])


class Tree(Method):
    """A fitted method with a tree of states, made by hand."""

    has_states = has_tree = True
    lag_times = [20.0, 2.0]
    n_levels = 2
    graph = None

    def __init__(self):
        super().__init__()
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

    @property
    def lags(self):
        return tuple(self.lag_times)

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


@pytest.fixture(scope="session")
def hopping_chain():
    """A function that writes a.xtc, b.xtc and top.pdb: five carbons whose torsion hops between two values."""

    def write(folder, n_frames):
        top = mdtraj.Topology()
        residue = top.add_residue("BUT", top.add_chain())
        atoms = [top.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(5)]
        for first, second in pairwise(atoms):
            top.add_bond(first, second)
        base = np.array([[0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.35, 0.14, 0.03], [0.4, 0.27, 0.1]])
        rng = np.random.default_rng(0)
        for name in "ab":
            well, frames = 0, []
            for _ in range(n_frames):
                well = 1 - well if rng.random() < 0.05 else well
                xyz = base.copy()
                xyz[3:] = geometry.rotate_about(xyz[3:], xyz[1], xyz[2], rng.normal(2.0 * well, 0.2))
                frames.append(xyz + rng.normal(0, 0.003, xyz.shape))
            made = mdtraj.Trajectory(np.array(frames), top, time=np.arange(n_frames) * 500.0)
            made.save_xtc(str(folder / f"{name}.xtc"))
        made[0].save_pdb(str(folder / "top.pdb"))
        return [folder / "a.xtc", folder / "b.xtc"], folder / "top.pdb"

    return write
