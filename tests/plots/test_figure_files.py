"""Figures for print: every registered plot as a vector file, with what the page shows in it."""

import holoviews as hv
import numpy as np
import pytest
from matplotlib.figure import Figure

from fel_explorer.errors import FelError
from fel_explorer.plots import list_plots
from fel_explorer.plots.export import draw, figure_bytes, save
from fel_explorer.plots.sheet import Sheet

hv.extension("bokeh")


@pytest.mark.parametrize("name", list_plots())
def test_every_plot_is_written_as_a_vector_figure(name):
    svg = figure_bytes(list_plots()[name].example(), "svg").decode()
    assert svg.startswith("<?xml") and svg.count("<path") > 5
    assert "<text" in svg  # words stay words: they can be edited and searched


def test_a_figure_is_the_same_file_twice_and_its_kind_follows_its_name(tmp_path):
    element = list_plots()["survival"].example()
    first, second = (save(element, tmp_path / f"{n}.pdf").read_bytes() for n in "ab")
    assert first == second and first.startswith(b"%PDF")
    assert save(element, tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FelError, match="svg, pdf, png"):
        save(element, tmp_path / "a.jpg")


def test_axes_are_those_of_the_page():
    axes = Figure().add_subplot()
    draw(axes, hv.render(list_plots()["implied_timescales"].example()))
    assert axes.get_xlabel() == "lag time (ps)"
    assert axes.get_xlim() == pytest.approx(np.log10([1 / 1.1, 22]))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1", "2", "5", "10", "20"]
    logarithmic = Figure().add_subplot()
    draw(logarithmic, hv.render(hv.Curve([1, 10, 100]).opts(logy=True)))
    assert logarithmic.get_yscale() == "log"


def test_curves_points_and_words_are_where_the_data_are():
    overlay = hv.Curve([(0, 1), (1, 3)]) * hv.Points([(0.5, 2)]) * hv.Labels([(0.2, 2, "here")])
    axes = Figure().add_subplot()
    draw(axes, hv.render(overlay))
    line, points = axes.collections
    np.testing.assert_allclose(line.get_segments()[0], [(0, 1), (1, 3)])
    np.testing.assert_allclose(points.get_offsets(), [(0.5, 2)])
    assert [text.get_text() for text in axes.texts] == ["here"]


def test_colours_of_numbers_are_those_of_their_scale():
    points = hv.Points([(0, 0, 0.0), (1, 1, 1.0)], vdims="v").opts(color="v", cmap=["#ff0000", "#0000ff"])
    axes = Figure().add_subplot()
    draw(axes, hv.render(points))
    np.testing.assert_allclose(axes.collections[0].get_facecolors()[:, :3], [(1, 0, 0), (0, 0, 1)])


def test_an_image_lies_in_its_bounds():
    image = hv.Image(np.array([[np.nan, 1.0], [2.0, 3.0]]), bounds=(0, 10, 4, 20)).opts(colorbar=True)
    figure = Figure()
    axes = figure.add_subplot()
    draw(axes, hv.render(image))
    assert axes.images[0].get_extent() == [0, 4, 10, 20]
    assert len(figure.axes) == 2  # the second is the colour bar


def test_glyphs_that_cannot_be_drawn_are_named():
    with pytest.raises(FelError, match="glyph 'Segment'"):
        figure_bytes(hv.Segments([(0, 0, 1, 1)]), "svg")


def test_ticks_out_of_sight_do_not_widen_a_figure():
    sheet = Sheet(((0.0, 2.0), (-1.0, 1.0)), ("x", "y"), ticks={0: [(-1e6, "")], 1: [(0.0, "zero")]})
    axes = Figure().add_subplot()
    draw(axes, hv.render(sheet.overlay()))
    assert axes.get_xlim() == (0.0, 2.0) and axes.get_ylim() == (-1.0, 1.0)
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["zero"]
