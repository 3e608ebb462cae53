"""Every registered method with settings that train in no time, and data for them."""

import numpy as np

import fel_explorer as fel

SMALL = {
    "n_steps": 20,
    "hidden": [8],
    "batch_size": 32,
    "n_states": 3,
    "lag_time": 2.0,
    "lag_times": [20.0, 2.0],
    "n_threads": 1,
    "n_microstates": 12,
}
METHODS = fel.list_methods()


def small(name, **params):
    """A method with settings that train in no time; whichever of them it has."""
    names = METHODS[name].hyperparameter_names()
    return METHODS[name](**{key: value for key, value in SMALL.items() if key in names} | params)


def walks(seed=0, lengths=(150, 80, 2)):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(4, 4))
    return [np.cumsum(random.normal(size=(n, 4)), axis=0) @ mixing for n in lengths]


def walks_dataset(**options):
    """The walks as a dataset, with columns for the methods that learn from columns."""
    names = ["phi cos", "phi sin", "d A B", "d A C"]
    data = fel.as_dataset(walks(**options), time_unit="ps", feature_names=names)
    first = data["features"].values[:, 0]
    return data.assign(basin=("frame", (first > 0).astype(int)), energy=("frame", first**2))


def outputs(method, data):
    verbs = [method.transform]
    if method.has_states:
        verbs += [method.predict_proba, method.predict]
    return [verb(data).values for verb in verbs]
