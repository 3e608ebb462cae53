"""What the names of features say: which of them are parts of one quantity."""

from __future__ import annotations

from collections.abc import Iterable

WAVES = ("cos", "sin")
AXES = ("x", "y", "z")


def feature_groups(names: Iterable[str]) -> dict[str, list[int]]:
    """{quantity: places of its features}, in the order in which the quantities first come.

    "phi ALA2 cos" and "phi ALA2 sin" are parts of the torsion "phi ALA2", "x ALA2-CA" to "z ALA2-CA" of the
    place of the atom "ALA2-CA"; a part whose other parts are missing, and any other feature, stands alone.

    >>> feature_groups(["phi ALA2 cos", "phi ALA2 sin", "d ALA1-CA ALA2-CA"])
    {'phi ALA2': [0, 1], 'd ALA1-CA ALA2-CA': [2]}
    """
    place = {str(name): i for i, name in enumerate(names)}
    groups, taken = {}, set()
    for name, i in place.items():
        if i in taken:
            continue
        group, parts = _quantity(name)
        if not all(part in place for part in parts) or (group in place and group != name):
            group, parts = name, [name]
        groups[group] = [place[part] for part in parts]
        taken.update(groups[group])
    return groups


def torsion_pairs(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """{torsion: places of its cosine and its sine}."""
    names = list(map(str, names))
    pairs = {group: places for group, places in feature_groups(names).items() if len(places) == 2}
    return {group: (places[0], places[1]) for group, places in pairs.items()}


def _quantity(name: str) -> tuple[str, list[str]]:
    """The quantity that a feature may be part of, and the names of its parts."""
    stem, _, last = name.rpartition(" ")
    if stem and last in WAVES:
        return stem, [f"{stem} {wave}" for wave in WAVES]
    first, _, rest = name.partition(" ")
    if rest and first in AXES:
        return rest, [f"{axis} {rest}" for axis in AXES]
    return name, [name]
