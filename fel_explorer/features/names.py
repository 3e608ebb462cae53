"""Quantities that features are parts of, read from the features' names."""

from __future__ import annotations

from collections.abc import Iterable

from fel_explorer.features.kind_base import FeatureKind, list_kinds

WAVES = ("cos", "sin")


def feature_groups(names: Iterable[str]) -> dict[str, list[int]]:
    """{quantity: positions of its features}, in the order in which the quantities first come.

    "phi ALA2 cos" and "phi ALA2 sin" are parts of the torsion "phi ALA2", "x ALA2-CA" to "z ALA2-CA" of the
    position of the atom "ALA2-CA"; a part whose other parts are missing, and any other feature, stands alone.

    >>> feature_groups(["phi ALA2 cos", "phi ALA2 sin", "d ALA1-CA ALA2-CA"])
    {'phi ALA2': [0, 1], 'd ALA1-CA ALA2-CA': [2]}
    """
    place = {str(name): i for i, name in enumerate(names)}
    kinds = [kind for kind in list_kinds().values() if len(kind.parts) > 1]
    groups, taken = {}, set()
    for name, i in place.items():
        if i in taken:
            continue
        group, parts = _quantity(name, kinds)
        if not all(part in place for part in parts) or (group in place and group != name):
            group, parts = name, [name]
        groups[group] = [place[part] for part in parts]
        taken.update(groups[group])
    return groups


def torsion_pairs(names: Iterable[str]) -> dict[str, tuple[int, int]]:
    """{torsion: positions of its cosine and its sine}."""
    names = list(map(str, names))
    return {
        group: (places[0], places[1])
        for group, places in feature_groups(names).items()
        if len(places) == 2 and tuple(names[i].rpartition(" ")[2] for i in places) == WAVES
    }


def _quantity(name: str, kinds: list[FeatureKind]) -> tuple[str, list[str]]:
    """The quantity that a feature may be part of, and the names of its parts."""
    for kind in kinds:
        first, _, rest = name.partition(" ")
        stem, _, last = name.rpartition(" ")
        quantity, part = (rest, first) if kind.parts_first else (stem, last)
        if quantity and part in kind.parts:
            return quantity, kind.feature_names([quantity])
    return name, [name]
