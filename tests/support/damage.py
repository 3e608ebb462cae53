"""JSON with one entry that is wrong or gone, as in a damaged file."""

import copy

WRONG = [None, "x", -1, 10**18, 1e308, float("nan"), [], {}, [[[]]], True, "GONE"]


def places(value, path=()):
    """Paths to all entries of JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def damage(about, place, wrong):
    """A copy of ``about`` whose entry at ``place`` is ``wrong``, or is not there for "GONE"."""
    about = copy.deepcopy(about)
    parent = about
    for key in place[:-1]:
        parent = parent[key]
    if wrong == "GONE":
        del parent[place[-1]]
    else:
        parent[place[-1]] = wrong
    return about
