"""Drawings of free energies: surfaces as images with contour lines, profiles as curves."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr

# documented as `fel.plots.free_energy_surface`, `free_energy_profile` and `free_energy_error`
from fel_explorer.free_energy import (  # noqa: F401
    free_energy_error,
    free_energy_profile,
    free_energy_surface,
)
from fel_explorer.plots.colours import FREE_ENERGY, sequential
from fel_explorer.plots.contours import contour_levels, plot_contours
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME


def _example_surface(draw, rng, **theme):
    blobs = [rng.normal(centre, 0.4, (2000, 2)) for centre in ((-1, 0), (1, 0.5))]
    return draw(free_energy_surface(np.concatenate(blobs), bins=60), **theme)


@register(_example_surface)
def plot_free_energy(
    free_energy: xr.DataArray, *, xlabel: str = "CV 1", ylabel: str = "CV 2", dark: bool = False
) -> hv.Overlay:
    """Image with contour lines and a labelled colour bar of a surface from `free_energy_surface`."""
    top, unit = float(np.nanmax(free_energy)), free_energy.attrs.get("units", "kT")
    image = hv.Image(free_energy.rename("F"), ["x", "y"], hv.Dimension("F", label="free energy", unit=unit))
    label = f"free energy ({unit})"
    image = image.opts(cmap=sequential(FREE_ENERGY, dark), clim=(0, top), colorbar=True, clabel=label)
    lines = plot_contours(free_energy, contour_levels(top), dark=dark)
    return (image * lines).opts(xlabel=xlabel, ylabel=ylabel, **FRAME)


def _example_profile(draw, rng, **theme):
    x = np.concatenate([rng.normal(-1, 0.3, 3000), rng.normal(1, 0.3, 1000)])
    return draw(free_energy_profile(x, bins=60), **theme)


@register(_example_profile)
def plot_profile(profile: xr.DataArray, *, xlabel: str = "CV 1", dark: bool = False) -> hv.Curve:
    """Curve of a profile from `free_energy_profile`."""
    unit = profile.attrs.get("units", "kT")
    kdims, vdims = hv.Dimension("x", label=xlabel), hv.Dimension("F", label="free energy", unit=unit)
    curve = hv.Curve((profile["x"].values, profile.values), kdims, vdims)
    return curve.opts(color="#8ab4f8" if dark else "#1a4fa0", line_width=2, **FRAME)
