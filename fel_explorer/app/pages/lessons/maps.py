"""The maps of the lessons: an energy in colour with its contour lines, and dots on it."""

from __future__ import annotations

import contourpy
import numpy as np

from fel_explorer.app.pages.lessons.models.grid import Grid
from fel_explorer.plots import sheet
from fel_explorer.plots.colours import sequential

WALKER = "#ffffff"
RIM = "#202124"


def energy_map(grid: Grid, *, ceiling: float, dark: bool, labels=("x", "y")) -> sheet.Sheet:
    """A sheet with the energy up to ``ceiling`` above its lowest value in colour, and a line every unit."""
    energy = grid.energy.reshape(grid.shape) - grid.energy.min()
    values = np.minimum(energy / ceiling, 1.0)
    page = sheet.Sheet(grid.domain, labels, image=(grid.x, grid.y, values, sequential(dark=dark)))
    lines = contourpy.contour_generator(grid.x, grid.y, energy)
    colour = "#ffffff70" if dark else "#20202060"
    page.lines = [
        sheet.line(*line.T, colour, 1.0) for level in np.arange(1, ceiling + 1) for line in lines.lines(level)
    ]
    return page


def label(x: float, y: float, text: str, size="16pt") -> dict:
    """A name on a map, readable on every colour."""
    return sheet.word(x, y, text, "#ffffff", size=size, style="bold", ground="#202124c0")


def walkers(xy) -> list[dict]:
    """Rows of dots at ``xy`` (walker, 2) for a sheet."""
    return [sheet.dot(x, y, WALKER, 7.0, rim=RIM) for x, y in xy]


def blend(first: str, second: str, fraction: float) -> str:
    """A colour between two, ``fraction`` of the distance to the second."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + fraction * (b - a)):02x}" for a, b in pairs)
