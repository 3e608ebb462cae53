"""Old names work and warn."""

import inspect

import pytest

from fel_explorer.deprecation import deprecated
from fel_explorer.kinetics import lifetimes


def test_an_old_name_warns_and_returns_what_the_new_one_does():
    old = deprecated("fel.sort", sorted, since="0.2", removal="0.4")
    with pytest.warns(FutureWarning, match=r"fel\.sort is called builtins\.sorted .*0\.2 .*0\.4") as caught:
        assert old([3, 1, 2], reverse=True) == [3, 2, 1]
    assert caught[0].filename == __file__
    assert old.__name__ == "sort"


def test_an_old_name_keeps_the_signature():
    old = deprecated("fel.kinetics.mean_lifetimes", lifetimes, since="0.2", removal="0.4")
    assert inspect.signature(old) == inspect.signature(lifetimes)
