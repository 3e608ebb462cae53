"""Drift and diffusion along a collective variable, with errors."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.quantities import axis_label
from fel_explorer.plots.registry import register

QUANTITIES = ("drift", "diffusion")


def _example(draw, rng, **theme):
    z = np.linspace(-2, 2, 21)
    columns = {
        "drift": -z,
        "diffusion": np.full(21, 1.0),
        "reversible_drift": -z + 0.05,
        "drift_error": np.full(21, 0.2),
        "diffusion_error": np.full(21, 0.1),
    }
    table = xr.Dataset({k: ("bin", v) for k, v in columns.items()}, coords={"position": ("bin", z)})
    return draw(table, **theme)


@register(_example)
@sheet.SheetPlot
def plot_effective_dynamics(
    table: xr.Dataset, *, quantity: str = "drift", time_unit: str = "ps", dark: bool = False
) -> sheet.Sheet:
    """Drift or diffusion from `kinetics.effective_dynamics`, with a band of two standard errors.

    Of the drift the dashes are that of the reversible diffusion with the same density and diffusion.
    """
    if quantity not in QUANTITIES:
        raise FelError(f"quantity={quantity!r}.", f"There are {' and '.join(QUANTITIES)}.")
    x, y = table["position"].values, table[quantity].values
    error = table[f"{quantity}_error"].values
    known = np.isfinite(y)
    x, y, error = x[known], y[known], np.where(np.isfinite(error[known]), error[known], 0.0)
    low, high = y - 2 * error, y + 2 * error
    inner = (np.quantile(low, 0.02), np.quantile(high, 0.98))  # the outermost bins hold few frames
    bottom, top = (0.0 if quantity == "diffusion" else inner[0]), inner[1]
    margin = 0.08 * max(top - bottom, 1e-12)
    colour = state_colours([0], dark=dark)[0]
    limits = (float(x.min()), float(x.max())), (float(bottom - margin), float(top + margin))
    per = "time" if time_unit == "1" else time_unit
    unit = f"CV/{per}" if quantity == "drift" else f"CV²/{per}"
    page = sheet.Sheet(limits, ("CV", axis_label(quantity, unit)))
    page.areas = [drawing.band(x, low, high, colour)]
    page.lines = [sheet.line(x, y, colour, 2.5)]
    if quantity == "drift":
        page.dashes = [sheet.line(x, table["reversible_drift"].values[known], drawing.ink(dark), 1.5)]
    return page
