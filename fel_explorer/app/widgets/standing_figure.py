"""Pane of a Bokeh figure that stays on the page and is shown something else by changing its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import panel as pn
import param
from bokeh.plotting import figure


class LiveFigure(Protocol):
    """A figure that can show one drawing after another."""

    figure: figure

    def show(self, drawing) -> None:
        """Change the figure's data to those of ``drawing``."""


class StandingFigure(pn.pane.Bokeh):
    """A live figure; each page that shows the pane has one of its own.

    Parameters
    ----------
    make
        Makes a `LiveFigure`.
    """

    drawing = param.Parameter(None, doc="What is shown, see `LiveFigure.show`; None shows nothing.")

    _rename: ClassVar = {"drawing": None}
    _manual_params: ClassVar = ["drawing"]  # panel passes them to `_manual_update` on each page's own thread

    def __init__(self, make: Callable[[], LiveFigure], **params):
        self._make, self._live, self._documents = make, {}, {}
        super().__init__(None, **params)

    @property
    def live(self) -> list[LiveFigure]:
        """The figures, one of each page."""
        return list(self._live.values())

    def _get_model(self, doc, root=None, parent=None, comm=None):
        if root is None:
            return self.get_root(doc, comm)
        live, ref = self._make(), root.ref["id"]
        if self.drawing is not None:
            live.show(self.drawing)
        if comm and self.autodispatch:
            self._wrap_bokeh_callbacks(root, live.figure, doc, comm)
        self._live[ref], self._documents[ref] = live, doc
        self._models[ref] = (live.figure, parent)
        self._design.apply_bokeh_theme_to_model(live.figure, self.theme)
        return live.figure

    def _manual_update(self, events, model, doc, root, parent, comm):
        live = self._live.get(root.ref["id"])
        if live is not None and self.drawing is not None:
            live.show(self.drawing)

    def leave(self, document) -> set[str]:
        """Drop the figures of a page that was closed; returns the references of their roots."""
        refs = {ref for ref, shown_in in self._documents.items() if shown_in is document}
        for ref in refs:
            self._drop(ref)
        return refs

    def _drop(self, ref):
        self._live.pop(ref, None)
        self._documents.pop(ref, None)

    def _cleanup(self, root=None):
        super()._cleanup(root)
        if root is not None:
            self._drop(root.ref["id"])
