"""Hyperparameters that methods share are the same thing in each of them."""

from collections import defaultdict

import param
import pytest

from fel_explorer.methods import parameters
from fel_explorer.methods.registry import list_models

USES = defaultdict(dict)
for model, cls in list_models().items():
    for name in cls.hyperparameter_names():
        USES[name][model] = cls.param[name]
SHARED = sorted(name for name, uses in USES.items() if len(uses) > 3 and name != "seed")
FACTORY = {"hidden": parameters.layers}


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_hyperparameter_is_declared_once(name):
    factory = FACTORY.get(name) or vars(parameters)[name]
    declared = factory(doc="Text.") if name in ("n_restarts",) else factory()
    for model, used in USES[name].items():
        assert type(used) is type(declared), model
        if isinstance(declared, param.List):
            assert (used.item_type, used.bounds) == (declared.item_type, declared.bounds), model
        elif isinstance(declared, param.Number):
            assert used.bounds[0] == declared.bounds[0], model


def test_what_is_given_is_all_that_differs():
    usual, other = parameters.lag_time(), parameters.lag_time(0.0, zero=True, doc="Another.")
    assert (usual.default, usual.bounds, usual.inclusive_bounds) == (10.0, (0, None), (False, True))
    assert (other.default, other.inclusive_bounds, other.doc) == (0.0, (True, True), "Another.")
    assert (usual.label, usual.precedence) == (other.label, other.precedence) == ("Lag time", 1)
