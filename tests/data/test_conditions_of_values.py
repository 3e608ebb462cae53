"""Frames where a condition holds, against NumPy."""

import numpy as np
import pytest

from fel_explorer import FelError
from fel_explorer.data import as_dataset, select
from fel_explorer.data.formulas import evaluate, names_in


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    made = as_dataset([rng.normal(size=(500, 2))], feature_names=["phi", "d 12"])
    made["energy"] = ("frame", rng.normal(size=500))
    return made


def columns(data):
    values = data["features"].values
    return values[:, 0], values[:, 1], data["energy"].values.astype(np.float32)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("phi < 0 and `d 12` > .5", lambda phi, d, e: (phi < 0) & (d > 0.5)),
        ("phi < 0 or `d 12` > .5 and energy < 0", lambda phi, d, e: (phi < 0) | ((d > 0.5) & (e < 0))),
        ("not phi < 0", lambda phi, d, e: phi >= 0),
        ("not (phi < 0 or not energy > 0)", lambda phi, d, e: (phi >= 0) & (e > 0)),
        ("-1 <= phi < 0.5", lambda phi, d, e: (phi >= -1) & (phi < 0.5)),
        ("(phi < 0) & ~(energy > 0)", lambda phi, d, e: (phi < 0) & ~(e > 0)),
        ("abs(phi) + energy ** 2 < 1", lambda phi, d, e: np.abs(phi) + e**2 < 1),
    ],
)
def test_conditions_select_what_numpy_selects(condition, expected, data):
    assert np.array_equal(select(data, condition), expected(*columns(data)))
    assert np.array_equal(evaluate(data, condition), select(data, condition))


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("phi + 1", "is a number"),
        ("not phi", "can't be read"),
        ("psi < 0", "has 'psi'"),
        ("phi < 0 if energy else 1", "has 'if'"),
        ("__import__('os')", "has '__import__'"),
        ("(lambda: 1)()", "has 'lambda'"),
        ("phi <", "can't be read"),
        ("", "can't be read"),
        ("phi < 9**9**9**9 and" + " not" * 70 + " phi < 0", "can't be read"),
    ],
)
def test_what_is_no_condition_is_refused(condition, words, data):
    with pytest.raises(FelError, match=words):
        select(data, condition)


def test_words_that_join_are_no_names():
    assert names_in("not phi < 0 and `d 12` > 1 or abs(energy) > 2") == ["phi", "d 12", "energy"]
