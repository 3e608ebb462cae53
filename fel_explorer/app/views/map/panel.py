"""The free-energy map: where the frames lie, coloured by anything, and where they are selected."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import panel as pn
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.axis_and_colour_select import MapChoices
from fel_explorer.app.views.map.gestures import MapGestures
from fel_explorer.app.views.map.legend import MapLegend
from fel_explorer.app.views.map.live_training import LiveTraining, LiveView
from fel_explorer.app.views.map.surface_settings_panel import SurfaceSettings
from fel_explorer.app.views.map.view import (
    ERROR,
    FREE_ENERGY,
    MapView,
    coloured,
    data_of,
    make_view,
    same_frames,
    with_names_apart,
)
from fel_explorer.app.widgets.after_draw import AfterDraw, AtRest
from fel_explorer.app.widgets.bokeh_landscape import BokehLandscape, Gestures, MapScene
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.standing_figure import StandingFigure
from fel_explorer.app.widgets.text import Text
from fel_explorer.app.widgets.weak_callback import weak_callback
from fel_explorer.plots.binning import bin_frames
from fel_explorer.plots.colours import banded
from fel_explorer.plots.landscape_data import NO_LANDSCAPE
from fel_explorer.plots.landscape_layers import LandscapePainter

NO_FRAMES = bin_frames(NO_LANDSCAPE.xy, *NO_LANDSCAPE.limits, (2, 2))
USUAL = (600, 440)  # pixels of a map before the page says how large it is
LARGEST = 2_500_000  # pixels of a picture
PRINTED = (1500, 1000)  # pixels of a figure for print
MARKS = [
    "point",
    "frame",
    "path_anchors",
    "path",
    "image",
    "simulation",
    "step",
]  # of the session, above the frames
FOLLOW = 25  # ms in which the turns of a wheel are drawn together
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
        self.training = None if board is None else LiveTraining(session, board)
        self._colouring: tuple | None = None
        self._visible: np.ndarray | None = None  # values of the frames whose category is not hidden
        self._painter = LandscapePainter()
        self._places: dict[int, tuple[float, float]] = {}
        self._window: tuple | None = None  # ((left, right), (bottom, top)); None for everything
        self._size = USUAL
        self._n_views = 0
        self._settling = False
        self._offer_at_rest = AtRest(self._offer)
        self._make_widgets()
        self._make_map()
        self._watchers = []
        if self.training is not None:
            self._watchers.append(self.training.param.watch(self._on_training, "view"))
        self._watchers += [
            session.param.watch(self._on_content, ["dataset", "shown"]),
            session.param.watch(self._on_colour, ["colour_by", "state_names"]),
            session.param.watch(self._refresh, ["selection"]),
            session.param.watch(self._set_view, ["energy_unit", "temperature"]),
            self.settings.param.watch(self._set_view, ["weighted", "smoothing"]),
            self.settings.param.watch(self._restyle, ["contours", "filled"]),
            session.param.watch(self._draw, MARKS),
        ]
        self._on_content()
        lay_out(self._layout, self._tools, self._message, self._pane, self._status)

    def close(self) -> None:
        """Stop watching the session."""
        for watcher in self._watchers:
            watcher.inst.param.unwatch(watcher)
        self._watchers = []
        self.choices.close()
        if self.training is not None:
            self.training.close()

    def __panel__(self):
        return self._layout

    def activate_lasso(self) -> None:
        """Make the lasso what a drag on the map does."""
        for figure in self.plot.live:
            figure.activate_lasso()

    # ---- what is built once

    def _make_widgets(self):
        self._modes = pmui.RadioButtonGroup.from_param(
            self.param.mode,
            label="",
            options={"New": "replace", "Add": "add", "Subtract": "subtract"},
            size="small",
            margin=(2, 6),
        )
        self._clear = pmui.IconButton(
            icon="close",
            size="small",
            description="Clear the selection and the clicked point",
            on_click=lambda event: self.session.clear_selection(),
            margin=(1, 0),
        )
        self._count = Text("", variant="body2", margin=(7, 8), sx={"whiteSpace": "nowrap"})
        self._follows_training = []
        if self.training is not None:
            follow = pmui.Switch.from_param(
                self.training.param.follow, label="Live map", size="small", margin=(8, 6),
                visible=self.training.param.running,
                description="Show what the training learns, for some of the frames. Off: keep the map.",
            )  # fmt: skip
            self._follows_training = [follow]
        self.export = FigureExport(self.figure, self.table, lambda: "landscape")
        next_step = pn.bind(lambda files: NO_FEATURES if files else NO_DATA, self.session.param.trajectories)
        self._message = Text(next_step, variant="body1", margin=20)

    def _make_map(self):
        self.gestures = MapGestures(self.session, lambda: self._view, lambda: self.mode, lambda: self._live)
        self.legend = MapLegend(self.session, self._on_colour, lambda: self.mode)
        self._follow, self._resize = AfterDraw(self._draw, FOLLOW), AfterDraw(self._draw)
        self.legend.widget.param.watch(self._on_resolution, "pixel_ratio")
        self.plot = StandingFigure(self._make_figure, sizing_mode="stretch_both", min_height=240)
        # in a row, which is what is shown and hidden: in panel 1.9 a plot on a page can't be
        self._pane = pmui.Row(self.plot, self.legend.widget, sizing_mode="stretch_both", margin=0)
        choices = self.choices.parts
        if self._first_tools:  # a second map takes its colour from the first
            choices = [*self._first_tools, self.choices.x, self.choices.y]
        self._tools = pmui.FlexBox(sizing_mode="stretch_width")
        lay_out(self._tools, *map(pn.panel, choices), self.settings.layout, self.export.layout)
        self._status = pmui.FlexBox(
            # in one row, whatever the number, or each selection would give the map another size
            *(self._modes, self._clear, self._count, *self._follows_training),
            sizing_mode="stretch_width",
            flex_wrap="nowrap",
        )
        self._layout = pmui.Column(sizing_mode="stretch_both")

    # ---- the session changed

    def _on_content(self, *events):
        """Another dataset or model: other choices, other axes, other colours."""
        loaded = self.session.dataset is not None
        self._message.visible = not loaded
        for part in (self._tools, self._pane, self._status):
            part.visible = loaded
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

    @param.depends("axes", watch=True)
    def _set_view(self, *_):
        """Place the frames anew and show all of them."""
        if self._settling:
            return
        before, self._view, self._colouring = self._view, None, None
        if self.session.dataset is not None:
            self._view = make_view(
                self.session, self.axes,
                weighted=self.settings.weighted, smoothing=self.settings.smoothing, unit=self.session.unit,
            )  # fmt: skip
            self._places = self._view.state_places(self.session.result)
            self._view.nearest.prepare()
            self.choices.show_axes(self.axes)
        if before is None or self._view is None or _window_of(before) != _window_of(self._view):
            self._window = None
            self._n_views += 1
        self._refresh()

    @param.depends("dark", watch=True)
    def _restyle(self, *_):
        self._colouring = None
        self._refresh()

    def _refresh(self, *events):
        """Draw the frames anew, and count the selected ones."""
        if self._view is not None:
            selection = self.session.selection
            self._count.object = f"{selection.count:,} of {len(selection.mask):,} frames selected"
            self.legend.show(*self._coloured(self._view))
        self._draw()

    @property
    def _live(self) -> LiveView | None:
        """The map of a training, where it is shown."""
        view = None if self.training is None or self._view is None else self.training.view
        fits = view is not None and view.frames[-1] < len(self._view.xy)
        return view if fits else None

    def _on_training(self, event):
        old, new = event.old, event.new
        if old is None or new is None or old.limits != new.limits:
            self._window = None
            self._n_views += 1
        self._draw()

    # ---- drawing

    def _make_figure(self):
        """A figure for one more page."""
        names = ("drag_started", "lasso", "box", "tap")
        acts = {name: weak_callback(getattr(self.gestures, name)) for name in names}
        window, size = weak_callback(self.set_window), weak_callback(self.set_size)
        if not self.plot.live:
            self.plot.drawing = self._scene()
        return BokehLandscape(Gestures(**acts, window=window, size=size))

    def _draw(self, *events):
        """Show the session on the pages that there are."""
        if self.plot.live:
            with pn.io.hold():
                self.plot.drawing = self._scene()

    def _scene(self) -> MapScene:
        """Everything that the map shows; layers are kept while they stay the same."""
        landscape, binned = NO_LANDSCAPE, NO_FRAMES
        if self._view is not None:
            name, _, scale = self._coloured(self._view)
        if self._live is not None:
            landscape = self._live.landscape(self.session, self._visible, scale)
            binned = bin_frames(self._live.xy, *self._live.limits, self._shape())
        elif self._view is not None:
            landscape = self._landscape(name, self._visible, scale)
            landscape = with_names_apart(landscape, self._window or (None, None), self._size)
            binned = self._in_window()
        layers = self._painter.paint(landscape, binned, dark=self.dark)
        self.legend.widget.show(note=self._what_dots_are(layers, binned))
        return MapScene(landscape, layers, self.dark, self._n_views)

    def _what_dots_are(self, layers, binned) -> str:
        if self._live is not None:
            return self._live.note
        if self._view is None or (layers.hover is not None and layers.hover.of_surface):
            return ""
        many = layers.crowded or (self._view.is_profile and len(binned.frames) > len(layers.points["x"]))
        return "Each dot holds many frames." if many else "Each point is a frame."

    def _landscape(self, name, values, scale):
        return self._view.landscape(
            self.session, name, values, scale, self._places, contours=self.settings.contours
        )

    def set_window(self, window) -> None:
        """Take ((left, right), (bottom, top)) for what is shown, or None for everything."""
        if self._live is not None:
            return  # of the axes of a training, which change
        if window is not None and not np.isfinite(np.array(window, float)).all():
            window = None
        self._window = window
        self._follow()

    def set_size(self, size) -> None:
        """Take (width, height) in screen pixels for the size of the map."""
        if None not in size and min(size) > 0 and tuple(size) != self._size:
            self._size = tuple(size)
            self._resize()

    def _on_resolution(self, *_):
        self._resize()

    def _in_window(self):
        """The frames in the pixels of the shown window."""
        return self._view.binned(*(self._window or (None, None)), self._shape())

    def _shape(self) -> tuple[int, int]:
        """Device pixels of the map."""
        size = np.array(self._size) * np.clip(self.legend.widget.pixel_ratio, 1.0, 2.0)
        size *= min(1.0, np.sqrt(LARGEST / size.prod()))
        width, height = np.maximum(size, 50).astype(int).tolist()
        return width, height

    def _coloured(self, view):
        """Name of the colour, the frames' values and their scale; kept until one of them changes."""
        if self._colouring is None:
            self._colouring = self._colours(view, self.dark)
            self._visible = self.legend.visible_values(*self._colouring)
        return self._colouring

    def _colours(self, view, dark):
        name = self.choices.drawable_colour()
        values, scale = coloured(view, self.session, name, dark=dark)
        if self.settings.filled and name in (FREE_ENERGY, ERROR):
            scale = banded(scale, view.unit.step(scale.limits[1]))
        return name, values, scale

    # ---- export

    def figure(self):
        """The map in its window as a figure for print, in light colours."""
        from fel_explorer.plots.landscape import plot_landscape  # HoloViews is not needed before

        name, values, scale = self._colours(self._view, False)
        landscape = self._landscape(name, self.legend.visible_values(name, values, scale), scale)
        window = self._window or (None, None)
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


def _window_of(view: MapView) -> tuple:
    return view.axes, view.limits
