"""A `Sheet` as a live Bokeh figure: what is sent, for every plot, and what comes back from browsers."""

import gc
import weakref

import numpy as np
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.events import Tap
from bokeh.models import HoverTool, Image, MultiLine, Plot, Scatter, Text

from fel_explorer.app.widgets.bokeh_sheet import SIZE, BokehSheet, in_two_lines
from fel_explorer.plots import list_plots, sheet
from fel_explorer.plots.sheet import Sheet

SHEETS = [name for name, plot in list_plots().items() if isinstance(plot.draw, sheet.SheetPlot)]


def example(name):
    """The `Sheet` of a plot's example, as the page draws it."""
    plot, drawn = list_plots()[name].draw, []
    whole = plot.sheet
    plot.sheet = lambda *given, **named: drawn.append(whole(*given, **named)) or drawn[0]
    try:
        list_plots()[name].example()
    finally:
        plot.sheet = whole
    return drawn[0]


def on_a_page(sheet):
    """The Bokeh figure of a page that shows ``sheet``."""
    return sheet.get_root(Document()).select_one({"type": Plot})


def columns(root, glyph):
    """Columns of the first glyphs of a class."""
    found = [r for r in root.renderers if type(r.glyph) is glyph]
    return found[0].data_source.data


@pytest.mark.parametrize("name", SHEETS)
def test_every_plot_is_shown_as_its_overlay_has_it(name):
    page, figure = example(name), BokehSheet()
    root = on_a_page(figure)
    figure.show(page)
    texts = [row["text"] for row in page.words]
    assert columns(root, Text)["text"] == texts and len(columns(root, Scatter)["x"]) == len(page.dots)
    limits = [np.log10(ends) if log else ends for ends, log in zip(page.limits, page.log, strict=True)]
    shown = [(extent.start, extent.end) for extent in (root.x_range, root.y_range)]
    np.testing.assert_allclose(shown, limits)
    overlay = page.overlay()
    assert [axis.axis_label for axis in (root.below[0], root.left[0])] == list(page.labels)
    lines = [row for row in overlay.get(2).data if np.max(row["x"]) < 1e8]
    sent = columns(root, MultiLine)
    for row, x, y in zip(lines, sent["x"], sent["y"], strict=True):
        np.testing.assert_allclose([row["x"], row["y"]], [x, y])
    assert root.html_attributes["aria-label"] == page.description()


def test_axes_that_are_logarithmic_are_shown_by_their_logarithms():
    page = Sheet(((1.0, 1000.0), (0.0, 2.0)), ("lag", "F"), log=(True, False))
    page.dots = [sheet.dot(100.0, 1.0, "#000000")]
    figure = BokehSheet()
    root = on_a_page(figure)
    figure.show(page)
    assert columns(root, Scatter)["x"] == [2.0] and columns(root, Scatter)["y"] == [1.0]
    assert root.below[0].major_label_overrides == {0.0: "1", 1.0: "10", 2.0: "100", 3.0: "1,000"}


def test_rows_with_a_tip_are_hovered_and_only_those():
    root = on_a_page(BokehSheet())
    (hover,) = [tool for tool in root.toolbar.tools if isinstance(tool, HoverTool)]
    kinds = [type(renderer.glyph) for renderer in hover.renderers]
    assert kinds == [MultiLine, MultiLine, Scatter] and set(hover.filters) == {"tip"}


def test_each_page_has_its_own_figure_and_all_follow():
    figure = BokehSheet()
    first, second = on_a_page(figure), on_a_page(figure)
    page = Sheet(((0.0, 1.0), (0.0, 1.0)), ("x", "y"), words=[sheet.word(0.5, 0.5, "here", "#000000")])
    figure.show(page)
    third = on_a_page(figure)
    assert first is not second
    assert all(columns(root, Text)["text"] == ["here"] for root in (first, second, third))
    figure.change("words", {"text": ["there"]})
    assert columns(first, Text)["text"] == columns(second, Text)["text"] == ["there"]


def test_clicks_and_sizes_come_back_from_the_browser():
    clicks, sizes = [], []
    figure = BokehSheet(tap=lambda x, y: clicks.append((x, y)))
    figure.param.watch(lambda event: sizes.append(event.new), "size")
    root = on_a_page(figure)
    assert figure.size == SIZE
    root._trigger_event(Tap(root, x=0.25, y=3.0))
    for name, value in (("inner_width", 510), ("inner_height", 200)):
        root.set_from_json(name, value)
    assert clicks == [(0.25, 3.0)] and sizes == [(510, 200)]


def test_the_image_has_the_bounds_of_its_pixels():
    page = Sheet(((0.0, 1.0), (0.0, 1.0)), ("x", "y"))
    page.image = np.array([0.25, 0.75]), np.array([0.5, 1.5, 2.5]), np.zeros((3, 2)), ["#000000", "#ffffff"]
    figure = BokehSheet()
    root = on_a_page(figure)
    figure.show(page)
    sent = {name: values for name, values in columns(root, Image).items() if name != "image"}
    assert sent == {"x": [0.0], "y": [0.0], "dw": [1.0], "dh": [3.0]}
    figure.show(Sheet(((0.0, 1.0), (0.0, 1.0)), ("x", "y")))
    assert columns(root, Image)["image"] == []


def test_a_closed_page_leaves_no_figure_behind():
    figure, document = BokehSheet(), Document()
    root = figure.get_root(document)
    gone = weakref.ref(root.select_one({"type": Plot}))
    pn.state._views.pop(root.ref["id"])[0]._cleanup(root)  # as panel does
    del root, document
    gc.collect()
    figure.show(Sheet(((0.0, 1.0), (0.0, 1.0)), ("x", "y")))
    assert gone() is None and not figure.live


def test_labels_longer_than_their_axis_are_broken_near_the_middle():
    assert in_two_lines("fraction still in the state", 300) == "fraction still in the state"
    assert in_two_lines("fraction still in the state", 90) == "fraction still\nin the state"
    assert in_two_lines("probability", 20) == "probability"
