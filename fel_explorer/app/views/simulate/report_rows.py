"""A simulation's report in rows, for the page and as a table."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from html import escape

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.methods.latent_simulator.simulation_report import SimulationReport
from fel_explorer.plots.quantities import UNITS

NAN = float("nan")
MEMORY = "By the eigenvalues of the covariances one lag apart; errors from five blocks."
RIVALS = "Another propagator on the same map, trained on the same data."
FIT = (
    "Exponential fitted to the autocorrelation up to ten lags (Table 1 of Sidky et al. 2020); errors from "
    "five blocks."
)


@dataclass(frozen=True)
class Row:
    """One number of a report, of the data and of the simulation; NaN where there is none."""

    quantity: str
    unit: str
    md: float = NAN
    synthetic: float = NAN
    md_error: float = NAN
    synthetic_error: float = NAN
    about: str = ""


def rows_of(report: SimulationReport) -> list[Row]:
    """Rows of a report, most important first."""
    return [*_latents(report), *_rivals(report), *_structures(report), *_cost(report)]


def table_of(report: SimulationReport) -> pd.DataFrame:
    """`rows_of` as a table of numbers."""
    return pd.DataFrame([asdict(row) for row in rows_of(report)])


def as_ck_test(found: xr.Dataset) -> xr.Dataset:
    """A report's Chapman-Kolmogorov test as one of `kinetics.ck_test`: the simulation predicts.

    Only the diagonal is known.
    """
    n = found.sizes["basin"]
    off = np.where(np.eye(n, dtype=bool), 1.0, NAN)
    md, model = (found.sel(ensemble=name) for name in ("md", "synthetic"))
    values, error = md["stays"].values, md["error"].values
    rows = {"predicted": model["stays"].values, "estimated": values}
    rows |= {"lower": values - error, "upper": values + error}
    coords = {"multiple": found["multiple"].values, "from": range(n), "to": range(n)}
    table = {name: (("multiple", "from", "to"), v[:, :, None] * off) for name, v in rows.items()}
    return xr.Dataset(table, coords=coords, attrs=found.attrs)


def _latents(report) -> list[Row]:
    unit = "" if report.time_unit == "1" else report.time_unit
    rows, scales = [], report.time_scales
    for number in scales["process"].values:
        one = scales.sel(process=number)
        values = [float(one[name].sel(ensemble=e)) for name in ("time", "error") for e in ("md", "synthetic")]
        rows.append(Row(f"Time scale {number}", unit, *values, about=MEMORY))
    for number in scales["process"].values:
        one = scales.sel(process=number)
        names = ("autocorrelation_time", "autocorrelation_error")
        values = [float(one[name].sel(ensemble=e)) for name in names for e in ("md", "synthetic")]
        rows.append(Row(f"Autocorrelation time of ψ{number}", unit, *values, about=FIT))
    rows.append(
        Row("Free energy along ψ₁, RMS", "kT",
            report.free_energy.attrs["rms_of_halves"], report.free_energy.attrs["rms"],
            about="Root mean square of the difference of the two curves, where both are known; MD: of the "
            "curves of its first and second half.")
    )  # fmt: skip
    rates = [report.transitions[name] / report.time[name] for name in ("md", "synthetic")]
    counts = report.transitions
    about = (
        f"Crossings between the outermost basins along ψ₁: {counts['md']:,} in the data, "
        f"{counts['synthetic']:,} in the simulation."
    )
    rows.append(Row("Transitions", f"1/{unit}" if unit else "", *rates, about=about))
    rows.append(
        Row("Transition density, variation", "",
            synthetic=report.transition_density.attrs["total_variation"],
            about="Mean total variation distance of the transition densities along ψ₁ over one lag time: "
            "0 equal, 1 no overlap.")
    )  # fmt: skip
    rows.append(
        Row("Steps clipped to the data", "%", synthetic=100 * report.outside["clipped"],
            about="Fraction of steps that would have left the region of the data.")
    )  # fmt: skip
    rows.append(
        Row("Far from all data", "%", 0.1, 100 * report.outside["far"],
            about="Frames farther from the data than 99.9 % of the data are from each other.")
    )  # fmt: skip
    return rows


def _rivals(report) -> list[Row]:
    """The simulator's rivals, in the order of the comparison."""
    if report.propagators is None:
        return []
    unit, rows = "" if report.time_unit == "1" else report.time_unit, []
    md = report.propagators.sel(propagator="MD")
    for name in report.propagators["propagator"].values[2:].tolist():
        one = report.propagators.sel(propagator=name)
        for number in one["process"].values:
            times = [float(e.sel(process=number)[n]) for n in ("time", "error") for e in (md, one)]
            rows.append(Row(f"Time scale {number}, {name}", unit, *times, about=f"{RIVALS} {MEMORY}"))
        rms = float(md["free_energy_rms"]), float(one["free_energy_rms"])
        rows.append(Row(f"Free energy along ψ₁, RMS, {name}", "kT", *rms, about=RIVALS))
    return rows


def _structures(report) -> list[Row]:
    found, numbers, rows = report.structures, report.numbers, []
    if "bonds" in found:
        mean, spread = (np.asarray(found["bonds"][name].values, float) for name in ("mean", "spread"))
        rows += [
            Row("Bond lengths, largest error", "%", synthetic=_largest(mean),
                about="Of each bond the mean over the frames."),
            Row("Bond spreads, median error", "%", synthetic=_median(spread),
                about="Of each bond the standard deviation over the frames."),
            Row("Torsions, variation", "", synthetic=float(found["torsions"]["total_variation"].mean()),
                about="Mean total variation distance of the distributions: 0 equal, 1 no overlap."),
            Row("Structures with clashes", "%", 100 * numbers["clashes_md"], 100 * numbers["clashes"],
                about="Structures with two atoms clearly closer than in the data; MD: one half of the "
                "frames against the other."),
            Row("RMSD to the frame", "nm", numbers["rmsd_floor"], numbers["rmsd_to_frame"],
                about="Of frames drawn again from their place on the map; MD: of the nearest other frame."),
        ]  # fmt: skip
    for name, title in (("gyration", "Radius of gyration"), ("native", "RMSD to the native frame")):
        if name in found:
            columns = ((found[name][c], e) for c in ("mean", "spread") for e in ("md", "synthetic"))
            values = [float(column.sel(ensemble=e)) for column, e in columns]
            rows.append(Row(title, "nm", *values, about="Mean and standard deviation."))
    for basin in found["basins"]["basin"].values if "basins" in found else ():
        one = found["basins"].sel(basin=basin)
        about = "Between random structures of a basin along ψ₁: two of MD; one drawn and one of MD."
        values = float(one["floor"]), float(one["rmsd"])
        rows.append(Row(f"RMSD in basin {basin + 1}", "nm", *values, about=about))
    if "tica" in found:
        about = "Of distances between the drawn atoms, over the two slowest TICA coordinates."
        rms = found["tica"].attrs["rms"]
        rows.append(Row("Free energy in TICA, RMS", "kT", synthetic=rms, about=about))
    return rows


def _cost(report) -> list[Row]:
    rows = [
        Row(f"Training of the {name.removeprefix('train ')}", "s", synthetic=seconds)
        for name, seconds in report.cost.items()
        if name.startswith("train ")
    ]
    speed = report.cost["latent steps per second"] * report.memory.attrs["lag_time"]
    unit = "" if report.time_unit == "1" else report.time_unit
    rows.append(Row("Simulated in a second", unit, synthetic=speed, about="100 trajectories at once."))
    if "structures per second" in report.cost:
        rows.append(Row("Structures in a second", "", synthetic=report.cost["structures per second"]))
    return rows


def _largest(values):
    return float(100 * np.abs(values[1] / values[0] - 1).max())


def _median(values):
    return float(100 * np.median(np.abs(values[1] / values[0] - 1)))


# ---- as text


def value_text(value: float, error: float, unit: str) -> str:
    """ "142 ± 7 ps", "0.35 kT", "1.2 /ns"; "" for NaN."""
    if math.isnan(value):
        return ""
    value, error, unit = _suited(value, error, unit)
    if math.isnan(error):
        text = f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
        return f"{text} {unit}".strip()
    decimals = _decimals(error)
    return f"{value:,.{decimals}f} ± {error:,.{decimals}f} {unit}".strip()


def _decimals(error):
    """So many that the error has one digit, or two that begin with 1 or 2."""
    if not error > 0:
        return 2
    power = math.floor(math.log10(error))
    return min(max(-power + (error < 2.95 * 10.0**power), 0), 4)


def _suited(value, error, unit):
    """In a unit of time in which the value lies between 1 and 1000; rates likewise."""
    name, rate = unit.removeprefix("1/"), unit.startswith("1/")
    if name not in UNITS or name == "s" or not value or not math.isfinite(value):
        return value, error, unit
    place, power = UNITS.index(name), math.floor(math.log10(abs(value) * 1.0005) / 3)
    new = int(np.clip(place - power if rate else place + power, 0, len(UNITS) - 1))
    factor = 1000.0 ** (new - place if rate else place - new)
    return value * factor, error * factor, f"per {UNITS[new]}" if rate else UNITS[new]


def as_html(rows: list[Row]) -> str:
    """The rows as an HTML table, with tooltips."""
    lines = []
    for row in rows:
        md, synthetic = (
            value_text(*values, row.unit)
            for values in ((row.md, row.md_error), (row.synthetic, row.synthetic_error))
        )
        lines.append(
            f'<tr title="{escape(row.about)}"><td>{escape(row.quantity)}</td>'
            f'<td class="number">{escape(md)}</td><td class="number">{escape(synthetic)}</td></tr>'
        )
    head = '<tr><th></th><th class="number">MD</th><th class="number">synthetic</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"
