"""Free energies of collective variables by counting, F = -ln p, in kT.

F(z) = -ln p(z) + const, with p the (weighted) density of frames over z and F = 0 at the deepest point.
The density is a histogram smoothed by a Gaussian kernel; where no frame is within reach F is NaN, not
infinity, so that "never seen" is never drawn as a number.
"""

from __future__ import annotations

import holoviews as hv
import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter, map_coordinates

from fel_explorer.errors import FelError
from fel_explorer.plots.colours import FREE_ENERGY, sequential
from fel_explorer.plots.contours import contour_levels, plot_contours
from fel_explorer.plots.registry import register
from fel_explorer.plots.style import FRAME, axis_limits

PERIOD = (-180.0, 180.0)  # limits of a periodic axis: torsions in degrees


def free_energy_surface(xy, weights=None, *, bins=150, smoothing=1.5, periodic=(False, False)):
    """Free energy over two collective variables.

    Parameters
    ----------
    xy
        (frame, 2) values of the two variables.
    weights
        Optional (frame,) weights of biased sampling, not negative.
    bins
        Number of bins along each axis.
    smoothing
        Width (standard deviation) of the Gaussian kernel in bins; 0 gives the bare histogram.
    periodic
        Whether each axis is an angle in degrees, -180 to 180, so that its ends meet.

    Returns
    -------
    xarray.DataArray
        (y, x) in kT, minimum 0, NaN where there are no data; coordinates are the bins' centres.

    Raises
    ------
    FelError
        If there are no frames, shapes don't fit, or a weight is negative or all are zero.
    """
    xy, weights = _check(xy, weights, 2)
    limits = [PERIOD if p else axis_limits(column) for p, column in zip(periodic, xy.T, strict=True)]
    shape = tuple(np.broadcast_to(bins, 2))
    index = [_bin(column, limit, n) for column, limit, n in zip(xy.T, limits, shape, strict=True)]
    flat = index[1] * shape[0] + index[0]
    modes = ["wrap" if p else "constant" for p in periodic[::-1]]
    counts = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape[::-1])
    weighted = counts
    if weights is not None:
        weighted = np.bincount(flat, weights, minlength=counts.size).reshape(counts.shape)
    values = _minus_log(counts, weighted, smoothing, modes)
    centres = [_centres(limit, n) for limit, n in zip(limits, shape, strict=True)]
    return xr.DataArray(
        values,
        dims=("y", "x"),
        coords={"y": centres[1], "x": centres[0]},
        name="free energy",
        attrs={"units": "kT"},
    )


def free_energy_profile(x, weights=None, *, bins=150, smoothing=1.5, periodic=False):
    """Free energy along one collective variable; arguments as `free_energy_surface`, ``x`` is (frame,).

    Returns
    -------
    xarray.DataArray
        (x,) in kT, minimum 0, NaN where there are no data.
    """
    x, weights = _check(np.asarray(x)[:, None], weights, 1)
    limits = PERIOD if periodic else axis_limits(x[:, 0])
    index = _bin(x[:, 0], limits, bins)
    counts = np.bincount(index, minlength=bins)
    weighted = counts if weights is None else np.bincount(index, weights, minlength=bins)
    values = _minus_log(counts, weighted, smoothing, ["wrap" if periodic else "constant"])
    coords = {"x": _centres(limits, bins)}
    return xr.DataArray(values, dims="x", coords=coords, name="free energy", attrs={"units": "kT"})


def at_frames(free_energy: xr.DataArray, xy) -> np.ndarray:
    """Free energy at each frame, (frame,) kT: linear interpolation; ``xy`` is (frame, 1 or 2).

    Beside cells without data the nearest known cell stands in, as a frame always has a free energy.
    """
    axes = [free_energy[name].values for name in reversed(free_energy.dims)]
    xy = np.asarray(xy, float).reshape(-1, len(axes))
    coordinates = [(column - axis[0]) / (axis[1] - axis[0]) for column, axis in zip(xy.T, axes, strict=True)]
    linear = map_coordinates(free_energy.values, coordinates[::-1], order=1, mode="nearest")
    nearest = map_coordinates(free_energy.values, coordinates[::-1], order=0, mode="nearest")
    return np.where(np.isfinite(linear), linear, nearest).astype(np.float32)


def _check(values, weights, columns):
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != columns or len(values) == 0:
        raise FelError(
            f"An array of shape {values.shape}.",
            f"Over {columns} variable(s) the shape is (frame, {columns}), with at least one frame.",
        )
    if weights is None:
        return values, None
    weights = np.asarray(weights, float)
    if weights.shape != (len(values),):
        raise FelError(f"Weights of shape {weights.shape} for {len(values)} frames.", "One per frame.")
    if not (weights >= 0).all() or weights.sum() == 0:
        raise FelError("Weights that are negative, NaN or all zero.", "Weights are positive or zero.")
    return values, weights


def _bin(values, limits, n):
    scaled = (values - limits[0]) * (n / (limits[1] - limits[0]))
    return np.clip(scaled.astype(np.int64), 0, n - 1)


def _centres(limits, n):
    edges = np.linspace(*limits, n + 1)
    return (edges[1:] + edges[:-1]) / 2


def _minus_log(counts, weighted, smoothing, modes):
    """-ln of the smoothed density, shifted to 0; NaN beyond two kernel widths of every frame."""
    seen, density = counts.astype(float), weighted.astype(float)
    reach = 0.5
    if smoothing > 0:
        seen, density = (gaussian_filter(a, smoothing, mode=modes, truncate=4.0) for a in (seen, density))
        reach = np.exp(-2.0) / (2 * np.pi * smoothing**2) ** (counts.ndim / 2)  # one frame at two widths
    known = (seen >= reach) & (density > 0)
    values = np.full(counts.shape, np.nan)
    values[known] = -np.log(density[known])
    return values - np.nanmin(values)


def _example_surface(draw, rng, **theme):
    blobs = [rng.normal(centre, 0.4, (2000, 2)) for centre in ((-1, 0), (1, 0.5))]
    return draw(free_energy_surface(np.concatenate(blobs), bins=60), **theme)


@register(_example_surface)
def plot_free_energy(free_energy: xr.DataArray, *, xlabel="CV 1", ylabel="CV 2", dark=False):
    """Image with contour lines and a labelled colour bar of a surface from `free_energy_surface`."""
    top = float(np.nanmax(free_energy))
    image = hv.Image(free_energy.rename("F"), ["x", "y"], hv.Dimension("F", label="free energy", unit="kT"))
    image = image.opts(
        cmap=sequential(FREE_ENERGY, dark), clim=(0, top), colorbar=True, clabel="free energy (kT)"
    )
    lines = plot_contours(free_energy, contour_levels(top), dark=dark)
    return (image * lines).opts(xlabel=xlabel, ylabel=ylabel, **FRAME)


def _example_profile(draw, rng, **theme):
    x = np.concatenate([rng.normal(-1, 0.3, 3000), rng.normal(1, 0.3, 1000)])
    return draw(free_energy_profile(x, bins=60), **theme)


@register(_example_profile)
def plot_profile(profile: xr.DataArray, *, xlabel="CV 1", dark=False):
    """Curve of a profile from `free_energy_profile`."""
    kdims, vdims = hv.Dimension("x", label=xlabel), hv.Dimension("F", label="free energy", unit="kT")
    curve = hv.Curve((profile["x"].values, profile.values), kdims, vdims)
    return curve.opts(color="#8ab4f8" if dark else "#1a4fa0", line_width=2, **FRAME)
