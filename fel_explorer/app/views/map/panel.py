"""The free-energy map: where the frames lie, coloured by anything, and where they are selected."""

from __future__ import annotations

from contextlib import contextmanager

import holoviews as hv
import holoviews.plotting.bokeh
import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from bokeh.models import LassoSelectTool, Toolbar

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.selection_origin import Intervals, Region
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.axis_and_colour_select import MapChoices
from fel_explorer.app.views.map.surface_settings_panel import SurfaceSettings
from fel_explorer.app.views.map.view import (
    MapView,
    coloured,
    data_of,
    finite,
    make_view,
    same_frames,
    with_names_apart,
)
from fel_explorer.app.widgets.after_draw import AtRest
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.text import Text
from fel_explorer.app.widgets.weak_callback import weak_callback
from fel_explorer.plots import hooks
from fel_explorer.plots.landscape import (
    NO_LANDSCAPE,
    description,
    drawn_as_points,
    frame_layers,
    overlay,
    plot_landscape,
)
from fel_explorer.plots.landscape_marks import mark_layers
from fel_explorer.plots.pixels import bin_frames

hv.Store.set_current_backend("bokeh")  # hv.extension would load a front end from a CDN in notebooks

Redraw = hv.streams.Stream.define("Redraw", version=0)
NO_FRAMES = bin_frames(NO_LANDSCAPE.xy, *NO_LANDSCAPE.limits, (2, 2))
PRINTED = (900, 600)  # pixels of a figure for print
MARKS = [
    "point",
    "frame",
    "path_anchors",
    "path",
    "image",
    "simulation",
    "step",
]  # of the session, above the frames
PIXEL = 2  # screen pixels along each side of a drawn pixel
NO_DATA = "Load trajectories to see their landscape."
NO_FEATURES = "Compute features of these trajectories (2, on the left) to see their landscape."


class MapPanel(pn.viewable.Viewer):
    """Map of the shown model's embedding, or of two torsions or features before there is a model.

    Lasso, box and click act on the session: a region selects frames, a click picks the nearest frame.
    """

    session = param.ClassSelector(class_=Session)
    dark = param.Boolean(False, doc="Colours for a dark page.")
    axes = param.Tuple(("", ""), length=2, doc="Names of the x and y axes.")
    mode: param.Selector[str] = param.Selector(
        default="replace",
        objects=["replace", "add", "subtract"],
        doc="How a lasso or box changes the selection. Shift or Ctrl adds, Alt subtracts in any mode.",
    )

    def __init__(self, session: Session, board: PageJobs | None = None, *, instead_of_colour=(), **params):
        super().__init__(session=session, **params)
        self._first_tools = instead_of_colour
        self.settings = SurfaceSettings(session)
        self.choices = MapChoices(session, board, on_axes=self._place_along, on_colour=self._on_colour)
        self._view: MapView | None = None
        self._colouring: tuple | None = None
        self._layers: tuple = (None, [])
        self._places: dict[int, tuple[float, float]] = {}
        self._settling = False
        self._drag_mode: str | None = None
        self._listening: set = set()
        self._toolbar: Toolbar | None = None
        self._offer_at_rest = AtRest(self._offer)
        self._make_widgets()
        self._make_map()
        self._watchers = [
            session.param.watch(self._on_content, ["dataset", "shown"]),
            session.param.watch(self._on_colour, ["colour_by", "state_names"]),
            session.param.watch(self._refresh, ["selection"]),
            session.param.watch(self._set_view, ["energy_unit", "temperature"]),
            self.settings.param.watch(self._set_view, ["weighted", "smoothing"]),
            self.settings.param.watch(self._restyle, ["contours"]),
            session.param.watch(self._on_marks, MARKS),
        ]
        self._on_content()

    def close(self) -> None:
        """Stop watching the session."""
        for watcher in self._watchers:
            watcher.inst.param.unwatch(watcher)
        self._watchers = []
        self.choices.close()

    def __panel__(self):
        return self._layout

    def activate_lasso(self) -> None:
        """Make the lasso what a drag on the map does."""
        for tool in self._toolbar.tools if self._toolbar is not None else ():
            if isinstance(tool, LassoSelectTool):
                self._toolbar.active_drag = tool

    # ---- what is built once

    def _make_widgets(self):
        self._modes = pmui.RadioButtonGroup.from_param(
            self.param.mode,
            label="",
            options={"New": "replace", "Add": "add", "Subtract": "subtract"},
            size="small",
            margin=(8, 6),
        )
        self._clear = pmui.IconButton(
            icon="close",
            size="small",
            description="Clear the selection and the clicked point",
            on_click=lambda event: self.session.clear_selection(),
            margin=(8, 0),
        )
        self._count = Text("", variant="body2", margin=(14, 8), sx={"whiteSpace": "nowrap"})
        self._drawn = Text("", variant="body2", color="textSecondary", margin=(14, 4))
        self.export = FigureExport(self.figure, self.table, lambda: "landscape")
        next_step = pn.bind(lambda files: NO_FEATURES if files else NO_DATA, self.session.param.trajectories)
        self._message = Text(next_step, variant="body1", margin=20)

    def _make_map(self):
        self._redraw = Redraw()
        self._window = hv.streams.RangeXY()
        self._size = hv.streams.PlotSize()
        self.map = hv.DynamicMap(self._draw, streams=[self._redraw, self._window, self._size])
        self.streams = {
            "window": self._window,
            "lasso": hv.streams.Lasso(source=self.map),
            "box": hv.streams.BoundsXY(source=self.map),
            "tap": hv.streams.SingleTap(source=self.map),
        }
        for name, react in (
            ("lasso", self._lasso),
            ("box", self._box),
            ("tap", self._tap),
            ("window", self._tell),
        ):
            self.streams[name].add_subscriber(react)
        # in a column, which is what is shown and hidden: in panel 1.9 a plot on a page can't be
        # nor may panel link its axes with those of the second map, which have the same names
        plot = pn.pane.HoloViews(self.map, sizing_mode="stretch_both", min_height=320, linked_axes=False)
        self._pane = pmui.Column(plot, sizing_mode="stretch_both", margin=0)
        choices = self.choices.parts
        if self._first_tools:  # a second map takes its colour from the first
            choices = [*self._first_tools, self.choices.x, self.choices.y]
            self._drawn.visible = False
        self._tools = pmui.FlexBox(
            *choices,
            self.settings,
            self.export,
            self._drawn,
            sizing_mode="stretch_width",
        )
        self._status = pmui.FlexBox(
            # in one row, whatever the number, or each selection would give the map another size
            *(self._modes, self._clear, self._count),
            sizing_mode="stretch_width",
            flex_wrap="nowrap",
        )
        # of a second map only the plot is there when the page opens: each widget would delay that
        parts = [self._pane] if self._first_tools else [self._tools, self._message, self._pane, self._status]
        self._layout = pmui.Column(*parts, sizing_mode="stretch_both")

    # ---- the session changed

    def _on_content(self, *events):
        """Another dataset or model: other choices, other axes, other colours."""
        loaded = self.session.dataset is not None
        self._message.visible = not loaded
        for part in (self._tools, self._pane, self._status):
            part.visible = loaded
        if loaded and self._tools not in self._layout:
            self._layout.insert(0, self._tools)
            self._layout.append(self._status)
        if any(event.name == "dataset" and not same_frames(event.old, event.new) for event in events):
            self.choices.reset()
        if loaded and events and all(map(self._is_other_level, events)):
            self._offer_at_rest()  # what there is to choose takes longer to find than the map to draw
        elif loaded:
            self._offer()
        if self._view is not None and all(self._spares_the_view(event) for event in events):
            self._places = self._view.state_places(self.session.result)
            self._on_colour()
        else:
            self._set_view()

    def _offer(self):
        if self.session.dataset is not None:
            with self._settle():
                self.axes = self.choices.offer(self.axes)

    def _is_other_level(self, event) -> bool:
        """Whether only the time resolution is another, and the colour is not of one of its states."""
        if event.name != "shown" or None in (event.old, event.new):
            return False
        own = self.session.colour_by.startswith(("membership", "mode "))
        return event.old.method is event.new.method and self._spares_the_view(event) and not own

    def _spares_the_view(self, event) -> bool:
        """Whether only columns that the map is not made of, or states, are others: the window then stays."""
        if event.name == "shown":
            same = None not in (event.old, event.new) and event.old.embedding is event.new.embedding
            return same and self._view.axes == self.axes
        used = ("weight", *self.axes)
        return (
            event.name == "dataset"
            and self._view.axes == self.axes
            and same_frames(event.old, event.new)
            and all(data_of(event.old, name) is data_of(event.new, name) for name in used)
        )

    @contextmanager
    def _settle(self):
        """While the page itself sets the axes, no view is made of them yet."""
        self._settling = True
        try:
            yield
        finally:
            self._settling = False

    def _place_along(self, axes):
        self.axes = axes

    def _on_colour(self, *events):
        self._colouring = None
        self._refresh()

    def _on_marks(self, *events):
        self._redraw.event(version=self._redraw.version + 1)

    @param.depends("axes", watch=True)
    def _set_view(self, *_):
        """Place the frames anew and show all of them."""
        if self._settling:
            return
        self._view, self._colouring = None, None
        if self.session.dataset is not None:
            self._view = make_view(
                self.session, self.axes,
                weighted=self.settings.weighted, smoothing=self.settings.smoothing, unit=self.session.unit,
            )  # fmt: skip
            self._places = self._view.state_places(self.session.result)
            self._view.nearest.prepare()
            self.choices.show_axes(self.axes)
        self._window.update(x_range=None, y_range=None)
        self._refresh()

    @param.depends("dark", watch=True)
    def _restyle(self, *_):
        self._colouring = None
        self._refresh()

    def _refresh(self, *events):
        """Draw the frames anew, and count the selected ones."""
        self._layers = (None, [])
        if self._view is not None:
            self._coloured(self._view)
        self._redraw.event(version=self._redraw.version + 1)
        self._tell()

    def _tell(self, **window):
        """Say how many frames are selected, and what a dot on the map is."""
        if self._view is None:
            return
        selection = self.session.selection
        self._count.object = f"{selection.count:,} of {len(selection.mask):,} frames selected"
        few = drawn_as_points(self._view.surface, self._in_window().frames)
        single = few and not self._view.is_profile
        self._drawn.object = "Each point is a frame." if single else "Each dot holds many frames."

    # ---- drawing

    def _draw(self, version, x_range, y_range, width, height, scale):
        """The map's overlay; the layers of frames are kept while only marks move."""
        if self._view is None:
            landscape, binned = NO_LANDSCAPE, NO_FRAMES
        else:
            landscape = self._view.landscape(
                self.session, *self._coloured(self._view), self._places, contours=self.settings.contours
            )
            binned = self._in_window()
            landscape = with_names_apart(landscape, (x_range, y_range), (width, height))
        if self._layers[0] is not binned:
            self._layers = binned, frame_layers(landscape, binned, dark=self.dark)
        drawn = overlay(landscape, [*self._layers[1], *mark_layers(landscape, dark=self.dark)])
        description_hook = hooks.describe(description(landscape))
        return drawn.opts(hooks=[hooks.selection_is_ours, description_hook, weak_callback(self._listen)])

    def _in_window(self):
        """The frames in the pixels of the shown window."""
        sizes = ((self._size.width, 800), (self._size.height, 600))
        shape = tuple(int(np.clip((size or default) / PIXEL, 50, 800)) for size, default in sizes)
        return self._view.binned(finite(self._window.x_range), finite(self._window.y_range), shape)

    def _coloured(self, view):
        """Name of the colour, the frames' values and their scale; kept until one of them changes."""
        if self._colouring is None:
            self._colouring = self._colours(view, self.dark)
        return self._colouring

    def _colours(self, view, dark):
        name = self.choices.drawable_colour()
        return name, *coloured(view, self.session, name, dark=dark)

    # ---- export

    def figure(self):
        """The map in its window as a figure for print, in light colours."""
        landscape = self._view.landscape(
            self.session, *self._colours(self._view, False), self._places, contours=self.settings.contours
        )
        window = finite(self._window.x_range), finite(self._window.y_range)
        return plot_landscape(with_names_apart(landscape, window), *window, shape=PRINTED)

    def table(self):
        """The free energy on the map's grid, one row per known cell, with its error where that is known."""
        surface, error, unit = (
            self._view.surface,
            self._view.error,
            self._view.unit.name.replace("/", "_per_"),
        )
        table = surface.rename(f"free_energy_{unit}").to_dataframe().reset_index()
        if error is not None:
            table[f"error_{unit}"] = error.values.ravel()
        return table.dropna(subset=[f"free_energy_{unit}"])

    # ---- the user acts

    def _listen(self, plot, element):
        """Notice the keys held when a drag starts, which the selection's own event does not hold.

        And hear of another window at once: the page waits for the last turn of the wheel.
        """
        if plot.state.id not in self._listening:
            self._listening.add(plot.state.id)
            plot.state.on_event("panstart", self._drag_started)
            self._toolbar = plot.state.toolbar
            for callback in plot.callbacks:
                callback.debounce = None

    def _drag_started(self, event):
        keys = event.modifiers or {}
        adds = keys.get("shift") or keys.get("ctrl")
        self._drag_mode = "subtract" if keys.get("alt") else "add" if adds else None

    def _lasso(self, geometry):
        if geometry is not None and len(geometry) >= 3 and self._view is not None:
            self._select("lasso", geometry)

    def _box(self, bounds):
        if bounds is not None and self._view is not None:
            self._select("box", bounds)

    def _select(self, shape, vertices):
        mode, self._drag_mode = self._drag_mode or self.mode, None
        model, view = self.session.active, self._view
        drawn = Region.drawn(model, view.axes, shape, vertices)
        mask = drawn.holds(view.xy)
        origin = Intervals.around(model, view.axes[0], view.xy[:, 0], mask) if view.is_profile else drawn
        how = f"{shape} on {model or 'the map'} ({', '.join(view.axes)})"
        self.session.select(mask, how, mode, origin)

    def _tap(self, x, y):
        if x is None or y is None or self._view is None:
            return
        if self.session.drawing:
            self.session.add_anchor(x, y, self.axes)
        else:
            self.session.pick(self._view.point_at(self.session, x, y))
