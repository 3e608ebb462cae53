"""A training as it goes: the loss terms over the steps, and the embedding of a few frames."""

from __future__ import annotations

import holoviews as hv
import numpy as np

from fel_explorer.plots.registry import register
from fel_explorer.plots.style import axis_limits

SMALL = {
    "responsive": True,
    "height": 150,
    "fontsize": {"labels": "10pt", "ticks": "9pt", "legend": "9pt"},
    "toolbar": None,
    "default_tools": [],
}
LIGHT = ("#1a4fa0", "#c2410c", "#15803d", "#7e22ce")
DARK = ("#8ab4f8", "#fb923c", "#4ade80", "#c084fc")


def _example_losses(draw, rng, **theme):
    steps = np.arange(1, 200, 5)
    return draw({"loss": [(int(s), float(np.exp(-s / 50))) for s in steps]}, **theme)


@register(_example_losses)
def plot_losses(losses: dict, *, dark=False) -> hv.Overlay:
    """Curves of ``{term: [(step, value), ...]}``, at most four terms, the loss first."""
    colours = DARK if dark else LIGHT
    curves = [
        hv.Curve(values or [(0, np.nan)], "step", "value", label=term).opts(color=colour, line_width=1.5)
        for (term, values), colour in zip(list(losses.items()) or [("loss", [])], colours, strict=False)
    ]
    return hv.Overlay(curves).opts(
        xlabel="step", ylabel="", show_legend=len(curves) > 1, legend_position="top_right", **SMALL
    )


def _example_preview(draw, rng, **theme):
    return draw(rng.normal(size=(300, 2)), rng.integers(0, 3, 300), **theme)


@register(_example_preview)
def plot_preview(points, state=None, *, dark=False) -> hv.Points:
    """Points (frame, cv) of an embedding in the making, coloured by state; a third axis and more are not shown."""
    points = np.asarray(points, float)
    second = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    state = np.zeros(len(points), int) if state is None else np.asarray(state)
    cloud = hv.Points((points[:, 0], second, state), ["CV 1", "CV 2"], "state")
    limits = {"xlim": axis_limits(points[:, 0]), "ylim": axis_limits(second)} if len(points) else {}
    return cloud.opts(
        color="state",
        cmap="Category20" if state.any() else [LIGHT[0] if not dark else DARK[0]],
        clim=(0, 19),
        size=2,
        alpha=0.6,
        framewise=True,
        **limits,
        **SMALL,
    )
