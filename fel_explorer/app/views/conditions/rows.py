"""Rows of the tables of conditions: plain data of cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

CHANCE = "Probability of a difference as large by chance alone"
SIGNIFICANT = (
    "Marked where significant: of what is marked, 5 % at most are expected to be due to chance (false-"
    "discovery rate). Frames that follow each other are not counted as independent."
)


def columns_of(kind: str, first: str, second: str) -> list[dict]:
    """Columns of the table of "states", "rates" or "features"."""
    titles = {"states": "State", "rates": "From, to", "features": "Quantity"}
    numbers = [("first", first, f"In {first}, with its error"), ("second", second, f"In {second}")]
    if kind == "features":
        numbers = [("effect", "Differs by", "1 - overlap of the two distributions, with its 95 % interval")]
    return [
        {"key": "name", "title": titles[kind], "number": False, "about": "Sort by name"},
        *({"key": key, "title": title, "number": True, "about": about} for key, title, about in numbers),
        {"key": "p", "title": "By chance", "number": True, "about": f"{CHANCE}. {SIGNIFICANT}"},
    ]


def state_rows(found: xr.Dataset, names: Callable[[int], str], colours: dict[int, str]) -> list[dict]:
    """A row for each state that holds frames."""
    rows = []
    for state in found["state"].values.tolist():
        values, errors = (found[key].values[:, state] for key in ("population", "population_error"))
        if state not in colours:
            continue
        cells = {"name": {"text": names(state), "value": names(state)}}
        for key, value, error in zip(("first", "second"), values, errors, strict=True):
            about = f"± {100 * error:.2g} %"
            cells[key] = {"text": f"{100 * value:.3g} %", "value": float(value), "less": about}
        cells["p"] = _chance(found, "population", state)
        rows.append({"state": state, "colour": colours[state], "cells": cells})
    return rows


def rate_rows(
    found: xr.Dataset, names: Callable[[int], str], colours: dict[int, str], unit: str
) -> list[dict]:
    """A row for each pair of states between which frames change, in one condition at least."""
    rows, per = [], "" if unit == "1" else f" / {unit}"
    for source in sorted(colours):
        for target in sorted(colours):
            values, errors = (found[key].values[:, source, target] for key in ("rate", "rate_error"))
            if source == target or not np.nansum(values) > 0:
                continue
            text = f"{names(source)} → {names(target)}"
            cells = {"name": {"text": text, "value": text}}
            for key, value, error in zip(("first", "second"), values, errors, strict=True):
                known = np.isfinite(value)
                about = f"± {error:.2g}" if known and np.isfinite(error) else ""
                shown = f"{value:.3g}{per}" if known else "never there"
                cells[key] = {"text": shown, "value": float(value) if known else None, "less": about}
            cells["p"] = _chance(found, "rate", source, target)
            rows.append({"state": len(rows), "colour": colours[source], "cells": cells})
    return rows


def feature_rows(found: xr.Dataset) -> list[dict]:
    """A row for each quantity, the largest effect first."""
    rows = []
    for i, name in enumerate(map(str, found["quantity"].values)):
        effect, low, high, p = (
            float(found[key].values[i]) for key in ("effect", "lower", "upper", "p_value")
        )
        known = np.isfinite(low + high)
        cells = {
            "name": {"text": name, "value": name},
            "effect": {
                "text": f"{effect:.2f}",
                "value": effect,
                "less": f"{low:.2f} - {high:.2f}" if known else "",
            },
            "p": _cell(p, bool(found["significant"].values[i])),
        }
        rows.append({"state": i, "colour": "transparent", "cells": cells})
    return rows


def _chance(found, quantity, *place) -> dict:
    p = float(found[f"{quantity}_difference_p_value"].values[(0, *place)])
    return _cell(p, bool(found[f"{quantity}_difference_significant"].values[(0, *place)]))


def _cell(p: float, significant: bool) -> dict:
    if not np.isfinite(p):
        return {"text": "too few visits", "value": None}
    text = "< 0.001" if p < 0.001 else f"{p:.2g}"
    return {"text": f"{text} *" if significant else text, "value": p}
