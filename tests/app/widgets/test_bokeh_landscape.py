"""The live figure of a map: what the browser tells it, and what it sends."""

from dataclasses import replace

import numpy as np
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.events import PanStart, RangesUpdate, Reset, SelectionGeometry, Tap

from fel_explorer.app.widgets.bokeh_landscape import BokehLandscape, Gestures, MapScene
from fel_explorer.app.widgets.colour_key import ColourKey
from fel_explorer.app.widgets.standing_figure import StandingFigure
from fel_explorer.free_energy import free_energy_surface
from fel_explorer.plots.binning import bin_frames
from fel_explorer.plots.colours import sequential_scale
from fel_explorer.plots.landscape_data import NO_LANDSCAPE
from fel_explorer.plots.landscape_layers import LandscapePainter

N = 30_000


@pytest.fixture
def heard():
    return []


@pytest.fixture
def live(heard):
    def note(name):
        return lambda *said: heard.append((name, *said))

    names = ("drag_started", "lasso", "box", "tap", "window", "size")
    return BokehLandscape(Gestures(**{name: note(name) for name in names}))


@pytest.fixture
def landscape():
    xy = np.random.default_rng(0).normal(size=(N, 2))
    x = xy[:, 0].astype(np.float32)
    surface = free_energy_surface(xy, bins=40)
    return replace(
        NO_LANDSCAPE, xy=xy, values=x, scale=sequential_scale("x", x), surface=surface, free_energy=x,
        selected=np.zeros(N, bool), limits=((-5.0, 5.0), (-5.0, 5.0)), current=(0.0, 0.0), contours=True,
        state=np.ones(N, int), state_names={1: "C7eq"}, names={"C7eq": (0.0, 0.0)}, labels=("CV 1", "CV 2"),
    )  # fmt: skip


@pytest.fixture
def scene(landscape):
    painter = LandscapePainter()
    binned = bin_frames(landscape.xy, *landscape.limits, (300, 240))

    def scene(view=0, **changes):
        shown = replace(landscape, **changes)
        return MapScene(shown, painter.paint(shown, binned), view=view)

    return scene


def test_what_the_browser_tells_becomes_gestures(live, heard):
    figure = live.figure
    polygon = {"type": "poly", "x": [0, 1, 1], "y": [0, 0, 1], "sx": [], "sy": []}
    box = {"type": "rect", "x0": 0, "y0": 1, "x1": 2, "y1": 3}
    figure._trigger_event(PanStart(figure, modifiers={"shift": True, "ctrl": False, "alt": False}))
    figure._trigger_event(SelectionGeometry(figure, geometry=polygon, final=False))
    figure._trigger_event(SelectionGeometry(figure, geometry=polygon))
    figure._trigger_event(SelectionGeometry(figure, geometry=box))
    figure._trigger_event(Tap(figure, x=1.0, y=2.0))
    figure._trigger_event(RangesUpdate(figure, x0=0.0, x1=1.0, y0=2.0, y1=3.0))
    figure._trigger_event(Reset(figure))
    assert [said[0] for said in heard] == ["drag_started", "lasso", "box", "tap", "window", "window"]
    assert heard[0][1]["shift"]
    np.testing.assert_array_equal(heard[1][1], [(0, 0), (1, 0), (1, 1)])
    assert heard[2:] == [
        ("box", (0.0, 1.0, 2.0, 3.0)),
        ("tap", 1.0, 2.0),
        ("window", ((0.0, 1.0), (2.0, 3.0))),
        ("window", None),
    ]


def test_a_moved_mark_sends_nothing_but_marks(live, scene):
    document = Document()
    document.add_root(live.figure)
    live.show(scene())
    changes = []
    document.on_change(changes.append)
    live.show(scene(current=(1.0, 1.0)))
    sent = [getattr(event, "model", None) or event.column_source for event in changes]
    assert sent == [live._sources["marks"]]
    live.show(scene(current=(1.0, 1.0)))
    assert len(changes) == 1


def test_the_window_stays_until_another_view_comes(live, scene):
    live.show(scene())
    live.figure.x_range.update(start=-1, end=1)
    live.show(scene(names={}))
    assert (live.figure.x_range.start, live.figure.x_range.end) == (-1, 1)
    live.show(scene(view=1))
    assert (live.figure.x_range.start, live.figure.x_range.end) == (-5, 5)
    assert live.figure.x_range.reset_start == -5


def test_the_tooltip_names_the_state(live, scene):
    live.show(scene())
    assert ("state", "@state{custom}") in live._hover.tooltips
    assert live._names.args == {"names": ["", "C7eq"]}
    assert live.figure.html_attributes["aria-label"].startswith("Map of 30,000 frames along CV 1 and CV 2")


def test_each_page_has_a_figure_of_its_own_and_shows_the_same(scene):
    gestures = Gestures(*[lambda *said: None] * 6)
    pane = StandingFigure(lambda: BokehLandscape(gestures), drawing=scene())
    roots = [pane.get_root(Document()) for _ in range(2)]
    first, second = pane.live
    assert first.figure is not second.figure
    pane.drawing = scene(current=(2.0, 2.0))
    assert first.shown["marks"]["x"] == second.shown["marks"]["x"] == [2.0]
    pane._cleanup(roots[0])
    assert pane.live == [second]


def test_the_key_passes_on_what_was_clicked():
    said = []
    key = ColourKey(said.append)
    assert not type(key).__name__.endswith("Legend")  # the page's theme would take it for Bokeh's
    key.show(title="state", entries=[{"key": 0, "name": "A"}])
    key._handle_msg({"act": "hide", "key": 0})
    assert said == [{"act": "hide", "key": 0}]
    assert pn.Column(key).get_root(Document()) is not None
