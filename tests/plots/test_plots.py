"""Every registered plot, drawn once in both themes; and what single plots promise."""

import inspect
from dataclasses import replace

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

import fel_explorer as fel
from fel_explorer.plots import colours, list_plots, shading
from fel_explorer.plots.binning import bin_frames, rasterize
from fel_explorer.plots.contours import contour_levels, contour_lines
from fel_explorer.plots.landscape import NO_LANDSCAPE, plot_landscape
from fel_explorer.plots.landscape_layers import LandscapePainter
from fel_explorer.plots.points import plot_points

hv.extension("bokeh")

# Machado et al. 2009, full severity, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def lab(colour_list, vision):
    rgb = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colour_list])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ VISION[vision].T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = linear @ to_xyz.T / (0.9505, 1.0, 1.089)
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.column_stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])])


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", list_plots())
def test_every_plot_draws_its_example(name, dark):
    element = list_plots()[name].example(dark=dark)
    figure = hv.render(element)
    assert any(len(column) for r in figure.renderers for column in r.data_source.data.values())


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("dark", [False, True])
def test_sixteen_states_can_be_told_apart(vision, dark):
    points = lab(list(colours.state_colours(range(16), dark=dark).values()), vision)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    assert distances[~np.eye(16, dtype=bool)].min() > 15


@pytest.mark.parametrize("vision", VISION)
def test_structures_that_are_not_of_states_are_not_taken_for_states(vision):
    others = lab(colours.APART, vision)
    states = lab(list(colours.state_colours(range(16)).values()), vision)
    assert np.linalg.norm(others[:, None] - states[None], axis=2).min() > 15


def test_a_state_keeps_its_colour_when_others_go():
    everything, few = colours.state_colours(range(16)), colours.state_colours([3, 9])
    assert few == {3: everything[3], 9: everything[9]}


def test_pixels_count_as_a_histogram_does():
    rng = np.random.default_rng(0)
    xy, values = rng.normal(size=(20_000, 2)), rng.normal(size=20_000).astype(np.float32)
    window = {"x_range": (-1.0, 2.0), "y_range": (-2.0, 1.0), "shape": (30, 20)}
    edges = np.linspace(-1, 2, 31), np.linspace(-2, 1, 21)
    counts, *_ = np.histogram2d(*xy.T, bins=edges)
    sums, *_ = np.histogram2d(*xy.T, bins=edges, weights=values)
    ours = rasterize(xy, **window)
    np.testing.assert_array_equal(np.nan_to_num(ours.values), counts.T)
    filled = ours.frame >= 0
    means = rasterize(xy, values, **window).values
    np.testing.assert_allclose(means[filled], sums.T[filled] / counts.T[filled], rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(filled, counts.T > 0)
    columns = np.floor((xy[ours.frame[filled], 0] + 1) * 10).astype(int)
    np.testing.assert_array_equal(columns, np.nonzero(filled)[1])


def test_a_pixel_shows_its_most_frequent_state_and_its_mean_direction():
    xy = np.array([[0.5, 0.5]] * 5 + [[1.5, 0.5]] * 2)
    grid = {"x_range": (0, 2), "y_range": (0, 1), "shape": (2, 1)}
    states = np.array([2.0, 7, 7, 7, 2, 4, np.nan])
    np.testing.assert_array_equal(rasterize(xy, states, kind="categorical", **grid).values, [[7, 4]])
    angles = np.array([170.0, -170, 175, -175, 180, 10, 20])
    mean = rasterize(xy, angles, kind="cyclic", **grid).values
    assert abs(abs(mean[0, 0]) - 180) < 1e-3 and mean[0, 1] == pytest.approx(15, abs=1e-3)


def test_contours_of_a_bowl_are_circles():
    axis = np.linspace(-2, 2, 81)
    bowl = xr.DataArray(axis[:, None] ** 2 + axis**2, dims=("y", "x"), coords={"y": axis, "x": axis})
    radius = np.linalg.norm(contour_lines(bowl, [2.25]), axis=1)
    assert np.nanmax(np.abs(radius - 1.5)) < 0.01
    np.testing.assert_array_equal(contour_levels(3.5), [1, 2, 3])
    assert len(contour_levels(35.0)) <= 10


def test_points_without_a_value_are_left_out():
    scale = colours.cyclic_scale("phi")
    points = plot_points(np.zeros((3, 2)), np.array([0.0, np.nan, 90.0]), scale)
    np.testing.assert_array_equal(points["value"], [0, 90])
    assert points.opts.get("plot").kwargs["clim"] == (-180, 180)


def test_nothing_loaded_draws_an_empty_map():
    figure = hv.render(plot_landscape(NO_LANDSCAPE))
    for renderer in figure.renderers:
        columns = renderer.data_source.data
        if "image" in columns:
            assert not np.nan_to_num(columns["image"][0]).any()
        else:
            assert not any(np.isfinite(np.asarray(c, float)).any() for c in columns.values()), columns


def example_landscape(n, **changes):
    from fel_explorer.plots.free_energy import free_energy_surface

    xy = np.random.default_rng(0).normal(size=(n, 2))
    x = xy[:, 0].astype(np.float32)
    base = replace(
        NO_LANDSCAPE,
        xy=xy,
        values=x,
        scale=colours.sequential_scale("x", x),
        surface=free_energy_surface(xy, bins=40),
        free_energy=x,
        selected=np.zeros(n, bool),
        limits=((-5.0, 5.0), (-5.0, 5.0)),
    )
    return replace(base, **changes)


def painted(landscape, window=((-5.0, 5.0), (-5.0, 5.0)), shape=(300, 240)):
    return LandscapePainter().paint(landscape, bin_frames(landscape.xy, *window, shape))


def test_unselected_frames_turn_grey_and_never_vanish():
    many = example_landscape(50_000)
    selected = many.xy[:, 0] > 1
    everything = painted(many).picture.colours
    some = painted(example_landscape(50_000, selected=selected)).picture.colours
    seen, seen_too = everything[..., 3] > 60, some[..., 3] > 60
    assert not (seen & ~seen_too).any()
    colourful = np.ptp(some[..., :3].astype(int), axis=-1) > 20
    x = np.linspace(-5, 5, 301)[:-1] + 1 / 60
    assert not (colourful & seen)[:, x < 0.9].any()
    assert (colourful & seen)[:, x > 1.1].sum() > 0.9 * seen[:, x > 1.1].sum()


def test_few_frames_in_the_window_are_drawn_as_points():
    landscape = example_landscape(50_000)
    layers = painted(landscape, ((0.0, 0.2), (0.0, 0.2)))
    x, y = landscape.xy.T
    inside = (x >= 0) & (x <= 0.2) & (y >= 0) & (y <= 0.2)
    assert len(layers.points["x"]) == inside.sum() and layers.picture is None
    assert len(painted(landscape).points["x"]) == 0


def test_layers_that_did_not_change_are_the_same_objects():
    painter, landscape = LandscapePainter(), example_landscape(50_000, contours=True)
    binned = bin_frames(landscape.xy, *landscape.limits, (300, 240))
    first = painter.paint(landscape, binned)
    moved = painter.paint(replace(landscape, current=(1.0, 1.0)), binned)
    assert moved.marks != first.marks
    for name in ("picture", "hover", "lines", "points"):
        assert getattr(moved, name) is getattr(first, name)
    selected = painter.paint(replace(landscape, selected=landscape.values > 0), binned)
    assert selected.picture is not first.picture and selected.hover is first.hover


def test_the_hover_tool_names_a_frame_that_is_there():
    landscape = example_landscape(50_000)
    hover = painted(landscape).hover
    frame, value = hover.columns["frame"], hover.columns["value"]
    row, column = np.nonzero(np.isfinite(value))
    left, bottom, right, top = hover.bounds
    cell = np.array([(right - left) / frame.shape[1], (top - bottom) / frame.shape[0]])
    corner = np.column_stack([column, row]) * cell + (left, bottom)
    places = landscape.xy[frame[row, column]] - corner
    assert ((places >= -1e-9) & (places <= cell + 1e-9)).all()
    np.testing.assert_allclose(value[row, column], landscape.values[frame[row, column]])


def test_a_smooth_surface_passes_through_the_values_of_its_cells():
    axis = np.linspace(-1, 1, 41)
    bowl = xr.DataArray(axis[:, None] ** 2 + axis**2, dims=("y", "x"), coords={"y": axis, "x": axis})
    bowl = bowl.where(bowl < 1.2)
    fine = shading.refine(bowl)
    values, known = fine.sample((-1.0, -1.0, 1.0, 1.0), (500, 400))
    x, y = ((np.arange(n) + 0.5) / n * 2 - 1 for n in (500, 400))
    radius = x**2 + y[:, None] ** 2
    inner = radius < 1.0
    assert np.abs(values - radius)[inner].max() < 0.01
    assert (known[inner] > 0.5).all() and (known[radius > 1.4] < 0.5).all()
    outside, there = fine.sample((2.0, 2.0, 3.0, 3.0), (5, 5))
    assert np.isfinite(outside).all() and not there.any()


def test_a_category_is_the_more_opaque_the_denser_it_is_and_keeps_its_hue():
    rng = np.random.default_rng(0)
    xy = np.concatenate([rng.normal((-2, 0), 0.3, (40_000, 2)), rng.normal((2, 0), 1.0, (4_000, 2))])
    state = np.repeat([0.0, 1.0], [40_000, 4_000]).astype(np.float32)
    scale = colours.categorical_scale("state", {0: "#0072b2", 1: "#e69f00"}, ["A", "B"])
    binned = bin_frames(xy, (-5.0, 5.0), (-5.0, 5.0), (200, 200))
    picture = shading.frames_picture(binned, state, scale).colours
    seen = picture[..., 3] > 0
    assert {tuple(colour) for colour in picture[seen][:, :3]} == {(0, 0x72, 0xB2), (0xE6, 0x9F, 0)}
    dense, thin = picture[98:102, 58:62, 3].mean(), picture[98:102, 138:142, 3].mean()
    assert dense > 240 and 30 < thin < 0.8 * dense


def test_bands_have_one_colour_between_two_contour_lines():
    scale = colours.banded(colours.sequential_scale("F", np.zeros(0), limits=(0.0, 7.5)), 2.0)
    numbers = shading.colour_numbers(np.array([0.1, 1.9, 2.1, 3.9, 4.1, 7.4]), scale)
    shown = [scale.palette[number] for number in numbers]
    assert shown[0] == shown[1] != shown[2] == shown[3] != shown[4]
    assert len(set(scale.palette)) == 4


def test_every_plot_is_a_documented_name_of_the_package():
    for name, plot in list_plots().items():
        assert getattr(fel.plots, f"plot_{name}") is plot.draw
        assert f"plot_{name}" in fel.plots.__all__
        assert inspect.getdoc(plot.draw) and inspect.signature(plot.draw).parameters


def test_the_overlay_and_the_sheet_of_a_plot_are_of_the_same_drawing():
    given = {"label": "CV 1"}
    histograms = xr.Dataset(
        {"density": (("window", "bin"), np.eye(3))},
        coords={"centre": ("bin", np.arange(3.0)), "place": ("window", np.arange(3.0))},
    )
    page, overlay = (
        fel.plots.plot_windows.sheet(histograms, **given),
        fel.plots.plot_windows(histograms, **given),
    )
    assert [row["tip"] for row in overlay.get(2).data[2:]] == [row["tip"] for row in page.lines]
