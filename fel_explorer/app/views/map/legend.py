"""The legend of a map: what its colours mean, and what a click on a category does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fel_explorer.app.session.selection_origin import Intervals
from fel_explorer.app.session.session import Session
from fel_explorer.app.session.tree_nodes import short_name
from fel_explorer.app.views.map.gestures import held_mode
from fel_explorer.app.widgets.colour_key import STOPS, ColourKey
from fel_explorer.plots.colours import Scale
from fel_explorer.plots.hooks import bar_ticks


class MapLegend:
    """Legend of the colours of a map; a category can be selected, hidden and, if it is a state, renamed.

    Parameters
    ----------
    on_hidden
        Called when other categories are hidden.

    Attributes
    ----------
    widget
        What is shown.
    """

    def __init__(self, session: Session, on_hidden: Callable[[], None], mode: Callable[[], str]):
        self.session, self._on_hidden, self._mode = session, on_hidden, mode
        self.widget = ColourKey(self.act)
        self._hidden: dict[str, set[str]] = {}
        self._name, self._values, self._scale = "", np.zeros(0), None

    def visible_values(self, name: str, values: np.ndarray, scale: Scale) -> np.ndarray:
        """``values`` (frame,) of the colour ``name``, NaN in the categories that are hidden."""
        hidden = [n for n, label in enumerate(scale.names) if label in self._hidden.get(name, ())]
        if not hidden:
            return values
        return np.where(np.isin(values, hidden), np.nan, values).astype(np.float32)

    def show(self, name: str, values: np.ndarray, scale: Scale) -> None:
        """Show the ``scale`` of the colour ``name`` with ``values`` (frame,), hidden categories included."""
        if (self._name, self._scale) == (name, scale) and self._values is values:
            self._show_entries()
            return
        self._name, self._values, self._scale = name, values, scale
        if scale.kind == "categorical":
            self.widget.show(title=scale.label, colours=[], ticks=[], can_rename=name == "state")
        else:
            low, high = scale.limits
            ticks = [[(at - low) / (high - low), f"{at:.6g}"] for at in bar_ticks(scale)]
            places = np.linspace(0, len(scale.palette) - 1, min(STOPS, len(scale.palette))).astype(int)
            colours = [scale.palette[place] for place in places]
            self.widget.show(title=scale.label, colours=colours, ticks=ticks, can_rename=False)
        self._show_entries()

    def _show_entries(self):
        scale, entries = self._scale, []
        if scale.kind == "categorical":
            known = self._values[np.isfinite(self._values)].astype(np.int64)
            counts = np.bincount(known, minlength=len(scale.names))
            hidden = self._hidden.get(self._name, ())
            entries = [
                {
                    "key": key,
                    "name": short_name(label),
                    "colour": colour,
                    "hidden": label in hidden,
                    "about": f"{counts[key]:,} frames",
                }
                for key, (label, colour) in enumerate(zip(scale.names, scale.palette, strict=True))
            ]
        self.widget.show(entries=entries)

    def act(self, message: dict) -> None:
        """Do what the user asked for: select, hide or rename a category."""
        key = int(message["key"])
        if self._scale is None or key >= len(self._scale.names):
            return
        if message["act"] == "hide":
            self.hide(key)
        elif message["act"] == "rename":
            self.session.name_state(self.session.result.states()[key], str(message["name"]))
        else:
            self.select(key, held_mode(message) or self._mode())

    def hide(self, key: int) -> None:
        """Draw a category in grey, or in its colour again."""
        self._hidden.setdefault(self._name, set()).symmetric_difference_update({self._scale.names[key]})
        self._on_hidden()

    def select(self, key: int, mode: str) -> None:
        """Select the frames of a category."""
        if self._name == "state":
            self.session.select_state(self.session.result.states()[key], mode)
            return
        mask = self._values == key
        origin = Intervals(self.session.active, (self._name,), ((key - 0.5, key + 0.5),))
        self.session.select(mask, f"{self._name} {self._scale.names[key]}", mode, origin)
