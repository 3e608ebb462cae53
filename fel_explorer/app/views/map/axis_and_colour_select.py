"""Selects of the colour and the axes of the map; chosen observables are computed."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.name_select import NameSelect
from fel_explorer.app.views.map.observables import Observing
from fel_explorer.app.views.map.view import FREE_ENERGY, axis_choices, default_axes

SMALL = {"size": "small", "variant": "outlined", "margin": (7, 4, 2, 4)}


class MapChoices(Viewer):
    """Selects of colour and axes; ``session.axes`` are those that the map shows, or shall show.

    Parameters
    ----------
    board
        Whose jobs compute observables; without one only those that are columns are offered.
    on_axes
        Called with a pair of names when the user, or a view that was opened, chose axes that can be drawn.
    on_colour
        Called when an observable that was waited for is there, or won't be.
    """

    def __init__(self, session: Session, board: PageJobs | None, *, on_axes, on_colour):
        super().__init__()
        self.session, self.board = session, board
        self.observing = Observing(session, board)
        self._on_axes, self._on_colour = on_axes, on_colour
        self._axes = self._told = ("", "")
        self._awaited: tuple[str, str] | None = None
        self._defaults: tuple[str, str] | None = None
        self.colour = NameSelect("Colour by", self._choose_colour, width=132, **SMALL)
        self.x = NameSelect("x axis", self._choose_axes, width=112, **SMALL)
        self.y = NameSelect("y axis", self._choose_axes, width=112, **SMALL)
        self.compare = pmui.IconButton(
            icon="push_pin",
            size="small",
            margin=(7, 0),
            visible=False,
            on_click=lambda event: self.observing.compare_with(session.frame),
        )
        self.parts = [self.colour, self.compare, self.x, self.y]
        self._watchers = [
            session.param.watch(self._ask_for_colour, ["colour_by"]),
            session.param.watch(self._on_asked, ["axes"]),
            session.param.watch(self._offer_reference, ["frame", "dataset", "colour_by"]),
        ]
        self._board_watcher = board.param.watch(self._on_ended, "ended") if board is not None else None

    def __panel__(self):
        return pmui.Row(*self.parts)

    def close(self) -> None:
        """Stop watching the session and the jobs."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        if self._board_watcher is not None:
            self.board.param.unwatch(self._board_watcher)
        self._watchers, self._board_watcher = [], None

    def reset(self) -> None:
        """Data of other frames came."""
        self._awaited = None
        self.observing.reset()

    def offer(self, axes: tuple[str, str]) -> tuple[str, str]:
        """Offer what the session now has.

        ``axes`` are those shown; returned are those to show: those that the session asks for, the same while
        they are there, those that were waited for once they are, else the default.
        """
        observables = self.observing.offered
        groups = axis_choices(self.session, observables)
        known = {name for names in groups.values() for name in names} | {FREE_ENERGY}
        defaults = default_axes(self.session)
        if defaults != self._defaults or not set(axes) <= known:
            axes = defaults
        self._defaults = defaults
        if self._asked and set(self.session.axes) <= known:
            axes = self.session.axes
        if self._awaited and not any(map(self.observing.pending, self._awaited)):
            axes, self._awaited = self._awaited, None
        self._axes = axes
        x, y = self._awaited or axes
        self.x.offer(groups, observables, x)
        self.y.offer({**groups, "Profile": [FREE_ENERGY]}, observables, y)
        colours = colouring.choices(self.session, observables)
        self.colour.offer(colours, observables, self._shown_colour(colours))
        return axes

    def show_axes(self, axes: tuple[str, str]) -> None:
        """Let the session know which axes the map shows."""
        self._told = self.session.axes = axes

    @property
    def _asked(self) -> bool:
        """Whether the session's axes are others than this map set."""
        return self.session.axes not in (self._told, ("", ""))

    def _on_asked(self, _event):
        if self._asked and self.session.dataset is not None:
            self._on_axes(self.offer(self._axes))
            self.show_axes(self._axes)

    def drawable_colour(self) -> str:
        """Name of the colour: the session's choice if it is there, else the free energy."""
        self.colour.show(self._shown_colour(self.colour.groups))
        wanted = self.session.colour_by
        return wanted if wanted in self.colour.names and not self.observing.pending(wanted) else FREE_ENERGY

    def _shown_colour(self, groups) -> str:
        """The session's choice while it is there or in work, else the free energy."""
        wanted = self.session.colour_by
        offered = any(wanted in names for names in groups.values())
        absent = self.observing.pending(wanted) and not self.observing.working(wanted)
        return wanted if offered and not absent else FREE_ENERGY

    def _ask_for_colour(self, event):
        if self.session.dataset is not None:
            self.observing.ask([event.new])

    def _choose_colour(self, name):
        self.session.colour(name)
        self.observing.ask([name])  # again, where it was chosen before and stopped

    def _choose_axes(self, _name):
        wanted = (self.x.value, self.y.value)
        if any(map(self.observing.pending, wanted)):
            self._awaited = wanted
            self.observing.ask(wanted)
        else:
            self._awaited, self._axes = None, wanted
            self._on_axes(wanted)

    def _on_ended(self, event):
        """A job that was to bring an axis or a colour may have ended without: show what is there."""
        if event.new.kind != "columns" or self.session.dataset is None:
            return
        if self._awaited and any(map(self.observing.failed, self._awaited)):
            self._awaited = None
            self.x.show(self._axes[0])
            self.y.show(self._axes[1])
        self._on_colour()

    def _offer_reference(self, *_):
        """The button that compares with the current frame, where a reference structure is compared with."""
        shown = (self.session.colour_by, *self._axes)
        compares = self.session.dataset is not None and any(map(self.observing.compares, shown))
        self.compare.visible = compares and self.observing.reference != self.session.frame
        if compares:
            self.compare.description = (
                f"Compare with frame {self.session.frame:,} instead of frame {self.observing.reference:,}"
            )
