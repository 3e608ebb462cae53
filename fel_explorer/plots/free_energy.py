"""Free energies of collective variables by counting, F = -ln p, in kT.

F(z) = -ln p(z) + const, with p the (weighted) density of frames over z and F = 0 at the deepest point.
The density is a histogram smoothed by a Gaussian kernel; where no frame is within reach F is NaN, not
infinity, so that "never seen" is never drawn as a number.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Grid:
    """Bins over one or two variables.

    Attributes
    ----------
    limits, shape, periodic
        Of each variable: (low, high), number of bins, whether its ends meet.
    """

    limits: tuple[tuple[float, float], ...]
    shape: tuple[int, ...]
    periodic: tuple[bool, ...]

    @classmethod
    def of(cls, values, bins, periodic) -> Grid:
        """Over all of ``values`` (frame, variable); an angle has 360 degrees."""
        n = values.shape[1]
        periodic, shape = np.broadcast_to(periodic, n).tolist(), np.broadcast_to(bins, n).tolist()
        limits = [PERIOD if p else axis_limits(column) for p, column in zip(periodic, values.T, strict=True)]
        return cls(tuple(limits), tuple(shape), tuple(periodic))

    @property
    def modes(self) -> list[str]:
        """How a filter continues each axis of an array."""
        return ["wrap" if p else "constant" for p in self.periodic[::-1]]

    def cells(self, values) -> np.ndarray:
        """Flat index (frame,) of the bin of each frame."""
        flat = np.zeros(len(values), np.int64)
        for column, limits, n in reversed(list(zip(values.T, self.limits, self.shape, strict=True))):
            scaled = (column - limits[0]) * (n / (limits[1] - limits[0]))
            flat = flat * n + np.clip(scaled.astype(np.int64), 0, n - 1)
        return flat

    def counts(self, values, weights):
        """Frames in each bin, and the sum of their weights; arrays of the grid."""
        cells, shape = self.cells(values), self.shape[::-1]
        counts = np.bincount(cells, minlength=np.prod(shape)).reshape(shape)
        if weights is None:
            return counts, counts
        return counts, np.bincount(cells, weights, minlength=counts.size).reshape(shape)

    def array(self, values, name="free energy") -> xr.DataArray:
        """``values`` (y, x) or (x,) in kT over the bins' centres."""
        names = ("x", "y")[: len(self.shape)]
        centres = {
            n: _centres(limits, bins) for n, limits, bins in zip(names, self.limits, self.shape, strict=True)
        }
        return xr.DataArray(values, dims=names[::-1], coords=centres, name=name, attrs={"units": "kT"})


def _centres(limits, n):
    edges = np.linspace(*limits, n + 1)
    return (edges[1:] + edges[:-1]) / 2


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
    xy, weights = check(xy, weights, 2)
    grid = Grid.of(xy, bins, periodic)
    return grid.array(_minus_log(*grid.counts(xy, weights), smoothing, grid.modes))


def free_energy_profile(x, weights=None, *, bins=150, smoothing=1.5, periodic=False):
    """Free energy along one collective variable; arguments as `free_energy_surface`, ``x`` is (frame,).

    Returns
    -------
    xarray.DataArray
        (x,) in kT, minimum 0, NaN where there are no data.
    """
    x, weights = check(np.asarray(x)[:, None], weights, 1)
    grid = Grid.of(x, bins, periodic)
    return grid.array(_minus_log(*grid.counts(x, weights), smoothing, grid.modes))


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


def check(values, weights, columns):
    """Positions (frame, columns) and weights (frame,) or None as arrays, or a `FelError`."""
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
