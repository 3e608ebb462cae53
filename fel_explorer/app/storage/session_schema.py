"""The schema of a saved session's JSON and arrays: what each field may hold, and its default.

Sessions, autosaved pages and views for links are all read by it.
"""

from __future__ import annotations

import json
import logging
import math
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.plots.energy_units import UNITS

log = logging.getLogger("fel_explorer")

LARGEST_JSON = 64 * 2**20  # bytes
ROOM = 64 * 2**20  # bytes of arrays, apart from
PER_FRAME = 2_000  # bytes of a frame in each edit of the states
LONGEST = 20_000  # characters of a name or a description

Check = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST


def _integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31


def _count(value: Any) -> bool:
    return _integer(value) and value >= 0


def _hue(value: Any) -> bool:
    return _count(value) and value < 1000


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _any_number(value: Any) -> bool:  # also infinite and not a number
    return isinstance(value, float) or _number(value)


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _list(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _row(*checks: Check) -> Check:
    return lambda value: (
        isinstance(value, list)
        and len(value) == len(checks)
        and all(check(one) for check, one in zip(checks, value, strict=True))
    )


def _table(check: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(map(check, value.values()))


def _record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and check(value[name]) for name, check in required.items())
        and all(check(value[name]) for name, check in (optional or {}).items() if name in value)
    )


LOOKS = _record(
    {},
    {
        "representation": _text,
        "colouring": _text,
        "hydrogens": _switch,
        "count": lambda value: _integer(value) and 0 < value <= 100,
        "choice": _text,
        "opacity": lambda value: _number(value) and 0 <= value <= 1,
    },
)
RESULT = _record(
    {"label": _text, "partial": _switch},
    {"seconds": _or_none(_any_number), "features": _text, "remark": _text, "hues": _table(_hue)},
)
PAIR = _row(_text, _text)
FIELDS: dict[str, tuple[Check, Any]] = {
    "version": (_count, 1),
    "results": (_list(RESULT), []),
    "simulators": (_list(_record({"label": _text, "partial": _switch})), []),
    "columns": (_table(_text), {}),
    "active": (_text, ""),
    "levels": (_table(_integer), {}),
    "colour_by": (_text, "free energy"),
    "energy_unit": (lambda value: isinstance(value, str) and value in UNITS, "kT"),
    "temperature": (lambda value: _number(value) and 0 < value < 1e6, 300.0),
    "frame": (_count, 0),
    "names": (_list(_row(_text, _integer, _integer, _text)), []),
    "edits": (_list(_row(_text, _integer)), []),
    "edited_by": (_list(lambda value: isinstance(value, list)), []),
    "selected_by": (_text, ""),
    "axes": (PAIR, ["", ""]),
    "axes_beside": (PAIR, ["", ""]),
    "beside": (_text, ""),
    "point": (_or_none(_row(_text, _list(_number), _count, _any_number, _switch)), None),
    "looks": (LOOKS, {}),
    "route": (_or_none(_row(PAIR, _list(_row(_number, _number)))), None),
}
# fields that all versions wrote
LOST = {
    "results": "the trained models",
    "simulators": "the simulators",
    "active": "which model was shown",
    "levels": "the levels of trees of states",
    "colour_by": "the colour of the map",
    "energy_unit": "the unit of energies",
    "temperature": "the temperature",
    "frame": "the current frame",
    "names": "the names of states",
    "edits": "states that were merged or split",
    "edited_by": "how states were merged or split",
    "selected_by": "how frames were selected",
    "axes": "the axes of the map",
    "axes_beside": "the axes of the second map",
    "beside": "the second map",
    "point": "the clicked point",
    "looks": "the representation of structures",
    "route": "the anchors of the path",
}
OPTIONAL: dict[str, Check] = {
    "feature_set": _text,
    "feature_sets": _list(_record({"name": _text, "fingerprint": _text, "columns": _table(_text)})),
    "pinned": _record(
        {
            "pins": _list(_row(_integer, _text, _integer, _switch)),
            "overlaid": _list(_integer),
            "reference": _or_none(_integer),
        }
    ),
}


def read_about(path: Path) -> dict[str, Any]:
    """The validated JSON of a session; a field that is missing gets its default.

    Raises
    ------
    FelError
        If it is not JSON, too large, or a field holds something else than it should.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise damaged(path.parent, f"{path.name} can't be read") from error
    if not isinstance(about, dict):
        raise damaged(path.parent, f"{path.name} holds no fields")
    missing = [name for name in FIELDS if name not in about]
    lost = list(dict.fromkeys(LOST[name] for name in missing if name in LOST))
    if lost:
        log.warning(
            "The session '%s' is damaged. Lost: %s. Defaults are shown instead; the rest is as it was saved.",
            path.parent.name,
            ", ".join(lost),
        )
    about = {name: default for name, (_, default) in FIELDS.items() if name in missing} | about
    for name, check in {**{name: check for name, (check, _) in FIELDS.items()}, **OPTIONAL}.items():
        if name in about and not _passes(check, about[name]):
            raise damaged(path.parent, f"its '{name}' is not valid")
    return about


def _passes(check, value) -> bool:
    try:
        return check(value)
    except (TypeError, RecursionError, OverflowError):
        return False


def read_arrays(path: Path, n_frames: int, n_edits: int) -> dict[str, np.ndarray]:
    """The arrays of a session, whose sizes are checked before they are unpacked.

    Raises
    ------
    FelError
        If the file is missing or damaged, or claims more than a session of so many frames holds.
    """
    if not path.is_file():
        raise damaged(path.parent, f"{path.name} is missing")
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(entry.file_size for entry in packed.infolist())
        if size > ROOM + PER_FRAME * n_frames * (n_edits + 1):
            raise damaged(path.parent, f"{path.name} claims {size / 1e9:.3g} GB")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FelError:
        raise
    except Exception as error:  # zip, zlib and NumPy each raise their own
        raise damaged(path.parent, f"{path.name} can't be read") from error


def damaged(folder: Path, why: str) -> FelError:
    """The error for a damaged session."""
    return FelError(
        f"The session '{folder.name}' is damaged: {why}.",
        "A session is a folder that the explorer saved.",
        "Open another save, or the data and models in the folder by themselves.",
    )


def check_numbers(about: Mapping[str, Any], n_frames: int) -> None:
    """Raise a `ValueError` where a frame is not one of the data, or where numbers are not finite."""
    frames = [about["frame"]] + ([about["point"][2]] if about["point"] is not None else [])
    frames += [pin[2] for pin in about.get("pinned", {}).get("pins", [])]
    if not all(-1 <= frame < n_frames for frame in frames):
        raise ValueError(f"a frame beyond the {n_frames} of the data")
    places = [] if about["route"] is None else [x for anchor in about["route"][1] for x in anchor]
    if not all(map(math.isfinite, places)):
        raise ValueError("an anchor of the path is not finite")
