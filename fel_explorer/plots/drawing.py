"""Rows of line drawings, areas and curves, and the colours and sizes of their text; plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

FONT_SIZES = {"labels": "13pt", "ticks": "12pt", "clabel": "12pt", "cticks": "12pt", "legend": "12pt"}
CLEAR = "#00000000"


def ink(dark: bool) -> str:
    """The colour of text and strong lines."""
    return "#e8eaed" if dark else "#202124"


def faint(dark: bool) -> str:
    """The colour of secondary lines and texts."""
    return "#9aa0a6" if dark else "#6b7075"


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on ``colour``."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#101010" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#ffffff"


def area(x: ArrayLike, y: ArrayLike, colour: str, alpha: float = 0.25) -> dict:
    """A filled outline through (x, y)."""
    return {"x": np.asarray(x, float), "y": np.asarray(y, float), "colour": colour, "alpha": alpha}


def band(x: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, alpha: float = 0.22) -> dict:
    """The region between two curves over ``x``."""
    return area(np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]]), colour, alpha)


def line(x: ArrayLike, y: ArrayLike, colour: str, width: float = 2.0, **about: Any) -> dict:
    """A curve; ``about`` are columns for its tooltip."""
    return {"x": np.asarray(x, float), "y": np.asarray(y, float), "colour": colour, "width": width, **about}
