"""Free energy along one collective variable, with the states and the energy that a model predicts there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from fel_explorer.free_energy.grid import axis_limits
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.registry import register

RIBBON = (0.16, 0.04)  # lower and upper edge below 0, as fractions of the height
PAPER, PAPER_DARK = "#ffffffcc", "#1e1e1ecc"  # under words that may meet a curve
WIDE_ENOUGH = 0.08  # fraction of the axis above which a state's name is written


def _example(draw, rng, **theme):
    z = np.linspace(-1.5, 1.5, 60)
    membership = np.stack([1 / (1 + np.exp(8 * z)), 1 / (1 + np.exp(-8 * z))], axis=1)
    profile = xr.Dataset(
        {
            "free_energy": ("bin", 6 * (z**2 - 1) ** 2),
            "error": ("bin", 0.2 + 0.1 * rng.random(60)),
            "membership": (("bin", "state"), membership),
            "energy": ("bin", -20 + 15 * (z**2 - 1) ** 2, {"units": "kJ/mol"}),
        },
        coords={"centre": ("bin", z), "state": [0, 1]},
    )
    sampled = profile[["free_energy", "error"]] * 0.9
    return draw(profile, sampled=sampled, names={0: "left", 1: "right"}, **theme)


@register(_example)
@sheet.SheetPlot
def plot_cv_profile(
    profile: xr.Dataset,
    *,
    sampled: xr.Dataset | None = None,
    label: str = "CV 1",
    names: Mapping[int, str] | None = None,
    colours: Mapping[int, str] | None = None,
    dark: bool = False,
) -> sheet.Sheet:
    """Curve with its error; a ribbon of states below; the predicted energy dashed, on its own scale.

    Parameters
    ----------
    profile
        ``free_energy`` and ``error`` (bin) in kT over the coordinate ``centre``; ``membership`` (bin, state)
        and ``energy`` (bin) if there are.
    sampled
        ``free_energy`` and ``error`` from umbrella sampling, to compare with.
    names, colours
        {state: name} and {state: colour} of the ribbon.
    """
    x, curves = profile["centre"].values, [profile, *([] if sampled is None else [sampled])]
    tops = [float(np.nanmax(c["free_energy"] + c["error"].fillna(0.0))) for c in curves]
    top = max(1.0, 1.12 * max(tops))
    bottom = -0.2 * top if "membership" in profile else -0.05 * top
    ends = np.concatenate([c["centre"].values for c in curves])
    page = sheet.Sheet((axis_limits(ends, 0.02), (bottom, 1.1 * top)), (label, "free energy (kT)"))
    page.ticks = {1: [tick for tick in sheet.linear_ticks(page.limits[1]) if tick[0] >= 0]}
    own = state_colours([0, 5], dark=dark)
    titles = ["from the data", "umbrella sampling"]
    for curve, colour in zip(curves, own.values(), strict=False):
        _curve(page, curve, colour)
    if "membership" in profile:
        _ribbon(page, profile, names or {}, colours, top, dark)
    legend = list(zip(titles[: len(curves)], own.values(), strict=False)) if len(curves) > 1 else []
    if "energy" in profile:
        _energy(page, x, profile["energy"], top, dark)
        legend.append(("predicted energy, dashed", drawing.faint(dark)))
    _legend(page, legend)
    return page


def _curve(page, curve, colour):
    x, f, error = curve["centre"].values, curve["free_energy"].values, curve["error"].values
    known = np.isfinite(f)
    for part in _runs(known):
        e = np.where(np.isfinite(error[part]), error[part], 0.0)
        page.areas.append(drawing.band(x[part], f[part] - e, f[part] + e, colour, 0.25))
        page.lines.append(sheet.line(x[part], f[part], colour, 3.0))


def _runs(known):
    """Slices of the segments where ``known`` (bin,) is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(int), [0]])))
    return [slice(first, end) for first, end in edges.reshape(-1, 2)]


def _ribbon(page, profile, names, colours, top, dark):
    states = [int(state) for state in profile["state"].values]
    colours = colours or state_colours(states, dark=dark)
    x, membership = profile["centre"].values, profile["membership"].values
    membership = np.clip(membership / np.maximum(membership.sum(axis=1, keepdims=True), 1e-12), 0, 1)
    low, high = (-edge * top for edge in RIBBON)
    for part in _runs(np.isfinite(membership).all(axis=1)):
        height = low + (high - low) * np.cumsum(np.insert(membership[part], 0, 0.0, axis=1), axis=1)
        for i, state in enumerate(states):
            if membership[part, i].max() > 0.01:
                page.areas.append(drawing.band(x[part], height[:, i], height[:, i + 1], colours[state], 0.85))
    most = np.where(np.isfinite(membership).all(axis=1), membership.argmax(axis=1), -1)
    for i, state in enumerate(states):
        place = max(_runs(most == i), key=lambda run: run.stop - run.start, default=slice(0, 0))
        if place.stop - place.start > WIDE_ENOUGH * len(x):
            middle = float(x[place].mean())
            text = names.get(state, f"state {state + 1}")
            ink = drawing.ink_on(colours[state])
            page.words.append(sheet.word(middle, (low + high) / 2, text, ink, style="bold"))


def _energy(page, x, energy, top, dark):
    """The energy from the floor to three quarters of the height, its two limits written at the right."""
    values, unit, faint = energy.values, energy.attrs.get("units", ""), drawing.faint(dark)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scaled = 0.75 * top * (values - low) / max(high - low, 1e-12)
    for part in _runs(np.isfinite(values)):
        page.dashes.append(sheet.line(x[part], scaled[part], faint, 2.5))
    right = page.limits[0][1]
    for value, height in ((low, 0.02 * top), (high, 0.75 * top)):
        text = f"{value:.3g} {unit} ".replace("  ", " ")
        ground = PAPER_DARK if dark else PAPER
        page.words.append(
            sheet.word(right, height, text, faint, align="right", style="italic", ground=ground)
        )


def _legend(page, entries):
    (left, right), (_, top) = page.limits
    for i, (text, colour) in enumerate(entries):
        x = left + (i + 0.5) / len(entries) * (right - left)
        page.words.append(sheet.word(x, 0.95 * top, text, colour, style="bold"))
