"""A latent space simulator compared with the data: transitions of psi_1 in a lag, structures in TICA."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.plots import sheet
from fel_explorer.plots.colours import FREE_ENERGY, sequential
from fel_explorer.plots.registry import register
from fel_explorer.plots.simulation import ENSEMBLES, ensemble_colours

GAP = 0.15  # between the pictures, of their width
HIGHEST = 10.0  # kT
TICKS = (0.12, 0.5, 0.88)  # where, on each axis of a picture


def _example_transitions(draw, rng, **theme):
    psi = np.linspace(-2, 2, 30)
    density = np.exp(-8 * (psi[:, None] - psi) ** 2)
    density /= density.sum(axis=1, keepdims=True)
    coords = {"ensemble": list(ENSEMBLES), "psi_1": psi, "psi_1_later": psi}
    dims = ("ensemble", "psi_1", "psi_1_later")
    array = xr.DataArray(np.stack([density, density.T]), dims=dims, coords=coords)
    return draw(array.assign_attrs(total_variation=0.05), **theme)


@register(_example_transitions)
@sheet.SheetPlot
def plot_simulated_transitions(density: xr.DataArray, *, dark: bool = False) -> sheet.Sheet:
    """P(psi_1 a lag later | psi_1), of the data on the left and of the simulation on the right.

    ``density`` (ensemble, psi_1, psi_1_later); attrs ``total_variation``, which is shown.
    """
    values = np.sqrt(np.swapaxes(density.values, 1, 2))  # wide and narrow places in one picture
    axes, labels = (density["psi_1"].values, density["psi_1_later"].values), ("ψ₁", "ψ₁ one lag later")
    said = f"total variation {density.attrs['total_variation']:.3f}"
    return _side_by_side(values / np.nanmax(values), axes, labels, said, sequential(FREE_ENERGY, dark), dark)


def _example_tica(draw, rng, **theme):
    x, y = np.linspace(-1, 1, 30), np.linspace(-1, 2, 30)
    surface = 3 * (x[:, None] ** 2 + y**2)
    coords = {"ensemble": list(ENSEMBLES), "tic_1": x, "tic_2": y}
    table = {"free_energy": (("ensemble", "tic_1", "tic_2"), np.stack([surface, 1.1 * surface]))}
    return draw(xr.Dataset(table, coords=coords, attrs={"rms": 0.4}), **theme)


@register(_example_tica)
@sheet.SheetPlot
def plot_simulated_tica(projection: xr.Dataset, *, dark: bool = False) -> sheet.Sheet:
    """Free energies of the structures over two TICA coordinates, of the data and of the simulation.

    ``free_energy`` (ensemble, tic_1, tic_2) in kT; attrs ``rms`` of their difference.
    """
    values = np.swapaxes(projection["free_energy"].values, 1, 2) / HIGHEST
    axes, said = (projection["tic_1"].values, projection["tic_2"].values), projection.attrs["rms"]
    palette = sequential(FREE_ENERGY, dark)
    return _side_by_side(values, axes, ("TICA 1", "TICA 2"), f"RMS difference {said:.2f} kT", palette, dark)


def _side_by_side(values, axes, labels, said, palette, dark):
    """Pictures ``values`` (ensemble, y, x) between 0 and 1, NaN where nothing is known."""
    x, y = axes
    n, gap = len(x), max(1, round(GAP * len(x)))
    empty = np.full((len(y), gap), np.nan)
    picture = np.concatenate([values[0], empty, values[1]], axis=1)
    columns, top = np.arange(picture.shape[1], dtype=float), 1.16 * (len(y) - 0.5)
    limits = (-0.5, len(columns) - 0.5), (-0.5, top)
    page = sheet.Sheet(limits, (f"{labels[0]}   ({said})", labels[1]))
    page.image = columns, np.arange(len(y), dtype=float), np.clip(picture, 0.0, 1.0), palette
    across, up = ([round(place * (len(axis) - 1)) for place in TICKS] for axis in axes)
    starts = 0, n + gap
    page.ticks[0] = [(float(start + m), f"{x[m]:.2g}") for start in starts for m in across]
    page.ticks[1] = [(float(m), f"{y[m]:.2g}") for m in up]
    height = len(y) - 0.5 + 0.5 * (top - len(y) + 0.5)
    for start, (name, colour) in zip(starts, ensemble_colours(dark).items(), strict=True):
        page.words.append(
            sheet.word(start - 0.5, height, f" {ENSEMBLES[name]}", colour, align="left", style="bold")
        )
    return page
