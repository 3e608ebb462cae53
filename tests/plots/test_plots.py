"""Every registered plot, drawn once in both themes; and what single plots promise."""

import inspect

import holoviews as hv
import numpy as np
import pytest
import xarray as xr

import fel_explorer as fel
from fel_explorer.plots import colours, list_plots
from fel_explorer.plots.contours import contour_levels, contour_lines
from fel_explorer.plots.landscape import NO_LANDSCAPE, plot_landscape
from fel_explorer.plots.pixels import rasterize
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
    from dataclasses import replace

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


def shown_pixels(overlay, layer):
    image = overlay.get(layer)
    return 0 if image.opts.get("style").kwargs["alpha"] == 0 else np.isfinite(image["value"]).sum()


def test_unselected_frames_turn_grey_and_never_vanish():
    many = example_landscape(50_000)
    selected = many.xy[:, 0] > 1
    overlay = plot_landscape(example_landscape(50_000, selected=selected))
    everything = shown_pixels(plot_landscape(many), 1)
    assert shown_pixels(overlay, 0) == everything  # grey underlay: all of them
    assert 0 < shown_pixels(overlay, 1) < everything
    frames = overlay.get(1)["frame"]
    assert selected[frames[frames >= 0].astype(int)].all()


def test_few_frames_in_the_window_are_drawn_as_points():
    landscape = example_landscape(50_000)
    window = ((0.0, 0.2), (0.0, 0.2))
    overlay = plot_landscape(landscape, *window)
    x, y = landscape.xy.T
    inside = (x >= 0) & (x <= 0.2) & (y >= 0) & (y <= 0.2)
    assert len(overlay.get(4)) == inside.sum()
    assert shown_pixels(overlay, 1) == 0
    assert len(plot_landscape(landscape).get(4)) == 0


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
