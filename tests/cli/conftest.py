"""Small data and models of the command line's tests."""

import numpy as np
import pytest
from chains import nested_chain

from fel_explorer import methods
from fel_explorer.data import as_dataset, save_dataset, set_conditions


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A dataset of three wells in four trajectories, and a model of its states."""
    folder = tmp_path_factory.mktemp("cli")
    parts = [nested_chain(1500, seed)[1] for seed in range(4)]
    data = as_dataset(parts, time_step=2.0, time_unit="ps", feature_names=["x", "y"])
    data = set_conditions(data, ["apo", "apo", "holo", "holo"])
    save_dataset(data, folder / "data.zarr")
    pca = methods.PCA(n_dims=2).fit(data)
    pca.save(folder / "pca.fel")
    methods.KMeans(n_states=3).fit(data, embedding=pca).save(folder / "states.fel")
    return folder


@pytest.fixture(scope="session")
def wells(files):
    """Features (frame, 2) of the dataset."""
    from fel_explorer.data import open_dataset

    return np.asarray(open_dataset(files / "data.zarr")["features"].values)
