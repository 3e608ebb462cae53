"""Values of atoms that colour the structures, whoever computed them.

A panel sets ``session.atom_values``; the 3-D viewer then colours by it and shows its scale.  The last one who
sets it is shown; ``source`` names the panel, so that a toggle can follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.plots.colours import sequential

STOPS = 32  # colours of the scale as the browser gets it


@dataclass(frozen=True, eq=False)
class AtomValues:
    """A value for each atom.

    Attributes
    ----------
    values
        (atom,) over the topology of the data; NaN, drawn grey, where an atom has none.
    title
        What the values are, in a few words with their unit: above the scale in the viewer.
    limits
        Values of the first and the last colour; default 0, or a lower least value, and the largest.
    source
        Who set them, such as "comparison".
    """

    values: np.ndarray
    title: str
    limits: tuple[float, float] | None = None
    source: str = ""

    def __post_init__(self):
        if np.ndim(self.values) != 1 or not np.isfinite(self.values).any():
            raise FelError(
                f"Values of shape {np.shape(self.values)} to colour atoms by.",
                "One number for each atom, of which one at least is finite.",
                "Take one row of structures.atom_values.",
            )

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest value of the scale."""
        if self.limits is not None:
            return self.limits
        low, high = min(0.0, float(np.nanmin(self.values))), float(np.nanmax(self.values))
        return (low, high) if high > low else (low, low + 1.0)

    def as_dict(self, *, dark: bool = False) -> dict:
        """Message to the 3-D viewer as its ``atom_values``."""
        low, high = self.range
        palette = sequential(dark=dark)
        places = np.linspace(0, len(palette) - 1, STOPS).round().astype(int)
        return {
            "values": np.asarray(self.values, "<f4").tobytes(),
            "title": self.title,
            "low": low,
            "high": high,
            "palette": [palette[place] for place in places],
        }
