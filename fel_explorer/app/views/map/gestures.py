"""What a lasso, a box and a click on a map do to the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fel_explorer.app.session.selection_origin import Intervals, Region
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.live_training import LiveView
from fel_explorer.app.views.map.view import MapView


class MapGestures:
    """Selections and clicks on a map.

    Parameters
    ----------
    view
        Returns the view that is shown, or None.
    mode
        Returns how a selection changes the present one where no key is held, one of `selection.MODES`.
    live
        Returns the map of a training, where that is shown instead.
    """

    def __init__(
        self,
        session: Session,
        view: Callable[[], MapView | None],
        mode: Callable[[], str],
        live: Callable[[], LiveView | None] = lambda: None,
    ):
        self.session, self._view, self._mode, self._live = session, view, mode, live
        self._held: str | None = None

    def drag_started(self, keys: Mapping[str, bool]) -> None:
        """Notice the keys held when a drag starts, which the event of the selection does not name."""
        self._held = held_mode(keys)

    def lasso(self, vertices: np.ndarray) -> None:
        """Select the frames inside a polygon (vertex, 2)."""
        if len(vertices) >= 3:
            self._select("lasso", vertices)

    def box(self, bounds: tuple[float, float, float, float]) -> None:
        """Select the frames inside (left, bottom, right, top)."""
        self._select("box", bounds)

    def _select(self, shape, vertices):
        mode, self._held = self._held or self._mode(), None
        model, view, live = self.session.active, self._view(), self._live()
        if live is not None:
            inside = Region.drawn("", live.axes, shape, vertices).holds(live.xy)
            mask = live.mask(inside, len(self.session.selection.mask))
            self.session.select(mask, f"{shape} on a map in training", mode)
            return
        if view is None:
            return
        drawn = Region.drawn(model, view.axes, shape, vertices)
        mask = drawn.holds(view.xy)
        origin = Intervals.around(model, view.axes[0], view.xy[:, 0], mask) if view.is_profile else drawn
        how = f"{shape} on {model or 'the map'} ({', '.join(view.axes)})"
        self.session.select(mask, how, mode, origin)

    def tap(self, x: float | None, y: float | None) -> None:
        """Pick the frame nearest to a click, or set an anchor of a path there."""
        view, live = self._view(), self._live()
        if x is None or y is None or view is None:
            return
        if live is not None:
            self.session.pick(live.point_at(x, y))
            return
        if self.session.drawing:
            self.session.add_anchor(x, y, view.axes)
        else:
            self.session.pick(view.point_at(self.session, x, y))


def held_mode(keys: Mapping[str, bool]) -> str | None:
    """How a selection changes the present one by the ``keys`` held: Shift and Ctrl add, Alt subtracts."""
    if keys.get("alt"):
        return "subtract"
    return "add" if keys.get("shift") or keys.get("ctrl") else None
