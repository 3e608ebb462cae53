"""The state of each trajectory over time, as ribbons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.quantities import axis_label
from fel_explorer.plots.registry import register

MAX_ROWS = 16
COLUMNS = 1200


def _example(draw, rng, **theme):
    states = [np.repeat(rng.integers(3, size=40), 25) for _ in range(3)]
    colours = {0: "#0072b2", 1: "#e69f00", 2: "#009e73"}
    return draw(states, colours, time_step=2.0, current=(1, 300), **theme)


@register(_example)
@sheet.SheetPlot
def plot_timeline(
    states: Sequence[np.ndarray],
    colours: Mapping[int, str],
    *,
    time_step: float = 1.0,
    time_unit: str = "ps",
    start: float | None = 0.0,
    current: tuple[int, int] | None = None,
    dark: bool = False,
) -> sheet.Sheet:
    """One ribbon a trajectory, the first above, `MAX_ROWS` at most; what has no colour is grey.

    Parameters
    ----------
    states
        (frame,) ints of each trajectory.
    colours
        {state: colour}.
    start
        Time of the first frame of all trajectories; None where they begin at different times, which are then
        counted from the first frame of each.
    current
        (trajectory, frame in it) to mark, or None.
    """
    rows = list(states[:MAX_ROWS])
    longest = max(len(row) for row in rows)
    n_columns = min(longest, COLUMNS)
    ground = "#3a3d41" if dark else "#e4e6e8"
    palette = ["#00000000", ground, *colours.values()]
    code = {state: i + 2 for i, state in enumerate(colours)}
    table = np.ones(max([*colours, *(int(row.max()) for row in rows)]) + 1, int)
    for state, place in code.items():
        table[state] = place
    thick = 5  # lines of pixels of a ribbon, and one between two
    image = np.zeros((len(rows) * (thick + 1), n_columns))
    for number, row in enumerate(rows):
        places = (np.arange(n_columns) * longest / n_columns).astype(int)
        known = places[places < len(row)]
        top = (len(rows) - 1 - number) * (thick + 1)
        image[top : top + thick, : len(known)] = table[row[known]]
    scale, unit = _scale(longest, time_step, time_unit)
    first, length = (start or 0.0) / scale, longest * time_step / scale
    name = "time" if start is not None else "time since the first frame"
    limits = ((first, first + length), (0.0, float(len(rows))))
    page = sheet.Sheet(limits, (axis_label(name, unit), "trajectory"))
    x = first + (np.arange(n_columns) + 0.5) * length / n_columns
    y = (np.arange(len(image)) + 0.5) / (thick + 1)
    page.image = x, y, (image + 0.5) / len(palette), palette
    page.ticks = {1: [(len(rows) - n - 0.58, str(n + 1)) for n in range(len(rows))]}
    if current is not None and current[0] < len(rows):
        low = len(rows) - 1 - current[0]
        at = first + current[1] / longest * length
        page.lines.append(sheet.line([at, at], [low - 0.05, low + 0.9], drawing.ink(dark), 3.0))
    return page


def _scale(longest: int, time_step: float, unit: str) -> tuple[float, str]:
    """What times are divided by, and their unit then."""
    return (1000.0, "ns") if unit == "ps" and longest * time_step >= 10_000 else (1.0, unit)


def place_at(
    x: float,
    y: float,
    lengths: Sequence[int],
    time_step: float = 1.0,
    time_unit: str = "ps",
    start: float | None = 0.0,
) -> tuple[int, int] | None:
    """(trajectory, frame in it) at a place of the plot, or None outside of the ribbons."""
    n_rows, longest = min(len(lengths), MAX_ROWS), max(lengths[:MAX_ROWS])
    scale, _ = _scale(longest, time_step, time_unit)
    row, frame = n_rows - 1 - int(np.floor(y)), round((x * scale - (start or 0.0)) / time_step)
    inside = 0 <= row < n_rows and 0 <= frame < lengths[row]
    return (row, frame) if inside else None
