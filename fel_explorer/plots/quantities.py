"""Readable times: "85 ps", "1.2 ns", "80 to 92 ps"."""

from __future__ import annotations

import math

UNITS = ("fs", "ps", "ns", "µs", "ms", "s")  # each a thousand of the one before


def time_text(value: float, unit: str = "ps") -> str:
    """``value`` in the data's ``unit`` with three digits, in the unit that suits it; "1" is not a unit."""
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞"
    value, unit = _suited(value, unit)
    return f"{_digits(value)}{_suffix(unit)}"


def interval_text(low: float, high: float, unit: str = "ps") -> str:
    """ "80 to 92 ps", "over 80 ps" where there is no upper end, "" where nothing is known."""
    if math.isnan(low) or math.isnan(high):
        return ""
    if math.isinf(high):
        return "" if math.isinf(low) else f"over {time_text(low, unit)}"
    _, suited = _suited(high, unit)
    factor = _suited(1.0, unit, suited)[0]
    return f"{_digits(low * factor)} to {_digits(high * factor)}{_suffix(suited)}"


def seconds_text(seconds: float) -> str:
    """'8 s', '3 min', '1 h 20 min'; '' for nan."""
    if not math.isfinite(seconds):
        return ""
    if seconds < 90:
        return f"{max(seconds, 0):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def axis_label(name: str, unit: str) -> str:
    """ "time (ps)"."""
    return name if unit in ("", "1") else f"{name} ({unit})"


def _suited(value, unit, wanted=None):
    if unit not in UNITS:
        return value, unit
    place = UNITS.index(unit)
    if wanted is None:
        thousands = math.floor(math.log10(abs(value) * 1.0005) / 3) if value else 0
        wanted = UNITS[min(max(place + thousands, 0), len(UNITS) - 1)]
    return value * 1000.0 ** (place - UNITS.index(wanted)), wanted


def _digits(value):
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    decimals = 2 - math.floor(math.log10(abs(value))) if value else 0
    text = f"{value:,.{max(decimals, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _suffix(unit):
    return "" if unit in ("", "1") else f" {unit}"
