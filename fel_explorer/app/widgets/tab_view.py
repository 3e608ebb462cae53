"""The base classes of the views in the tab strip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import param
from panel.viewable import Viewable, Viewer
from param.parameterized import ParameterizedABC

from fel_explorer.app.widgets.figure_export import FigureExport

if TYPE_CHECKING:
    from fel_explorer.app.page_jobs import PageJobs
    from fel_explorer.app.session.session import Session
    from fel_explorer.plots.sheet import Sheet


class TabView(Viewer):
    """A view of the tab strip; a row of `views.tabs.TABS` names it and says where there is something to show.

    It is made when it is first opened: what happened in the session before, it must find there.  It watches
    the session and, for jobs, the board, and computes only while it is ``active``.

    Parameters
    ----------
    session
        Session that is shown and changed.
    board
        Jobs of the page.

    Attributes
    ----------
    layout
        What stands next to the plot, or in its place.
    export
        The figure and the table as files.
    """

    active = param.Boolean(False, doc="Whether the tab is shown: only then it computes.")
    dark = param.Boolean(False, doc="Colours for a dark page.")

    layout: Viewable
    export: FigureExport
    train: Callable[..., None] | None = None  # trains a method by name, with hyperparameters to be set first

    def __init__(self, session: Session, board: PageJobs | None = None, **params: Any):
        super().__init__(**params)
        self.session, self.board = session, board
        self._watchers: list[tuple[param.Parameterized, Any]] = []  # with the object that each watches

    def __panel__(self) -> Viewable:
        return self.layout

    def close(self) -> None:
        """Stop watching the session and the board."""
        for source, watcher in self._watchers:
            source.param.unwatch(watcher)
        self._watchers = []


class PlotView(TabView, ParameterizedABC):
    """A view with a figure, which it draws on the plot that all views share.

    Attributes
    ----------
    ready
        Whether there is a figure; a parameter or a property where it changes.
    """

    version = param.Integer(0, doc="Counts up when the figure is another one.")

    ready = True

    @abstractmethod
    def figure(self, shape: tuple[int, int] | None = None, *, dark: bool = False) -> Sheet:
        """The figure, for a plot of ``shape`` (width, height) in screen pixels."""

    def tapped(self, x: float, y: float) -> None:
        """Handle a click on the figure at (x, y), in the units of its axes; by default do nothing."""
