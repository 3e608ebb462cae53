"""Numbers of a learned model at temperatures nearby, and their reliability."""

from __future__ import annotations

from dataclasses import dataclass

import mdtraj
import numpy as np

from fel_explorer.app.pages.embedded_physics.training import ModelSnapshot, effective_fraction
from fel_explorer.structures import geometry

MIN_EFFECTIVE_SAMPLES = 100  # effective samples below which numbers are rough
RARE = 0.0005  # of the weight: states below are not listed


@dataclass(frozen=True)
class Row:
    """One quantity: as the model draws it, weighted by energies, and exactly where that is known.

    ``error`` is the standard error of ``weighted`` that the finite number of samples leaves.
    """

    name: str
    about: str
    drawn: float
    weighted: float
    error: float
    exact: float | None
    unit: str = ""

    def text(self, value: float | None) -> str:
        """ "12.3 %", "-2.53", "" for None."""
        if value is None:
            return ""
        if self.unit == "%":
            return f"{100 * value:.2g} %" if value < 0.1 else f"{100 * value:.1f} %"
        return f"{value:.2f}{' ' + self.unit if self.unit else ''}"


def table(snapshot: ModelSnapshot, temperature: float) -> list[Row]:
    """Populations of the states, then averages, at a temperature (K, or kT of a model system)."""
    subject, drawn = snapshot.subject, snapshot.samples
    ratio = subject.temperature / temperature
    by_model, by_energy = drawn.weights(ratio, "model"), drawn.weights(ratio)
    exact = subject.exact.weights(ratio) if subject.exact else None
    rows = []
    for number, name in enumerate(subject.states):
        of_grid = exact @ (subject.exact.state == number) if exact is not None else None
        row = _row(
            name, "Population of this state.", drawn.state == number, by_model, by_energy, of_grid, "%"
        )
        if max(row.drawn, row.weighted, row.exact or 0.0) > RARE:
            rows.append(row)
    for name, about, values, of_grid, unit in _averages(snapshot):
        known = None if of_grid is None else exact @ of_grid
        rows.append(_row(name, about, values, by_model, by_energy, known, unit))
    return rows


def _row(name, about, values, by_model, by_energy, exact, unit) -> Row:
    values = np.asarray(values, float)
    weighted = by_energy @ values
    error = float(np.sqrt(by_energy**2 @ (values - weighted) ** 2))
    known = None if exact is None else float(exact)
    return Row(name, about, float(by_model @ values), float(weighted), error, known, unit)


def _averages(snapshot: ModelSnapshot) -> list[tuple]:
    """(name, about, values (sample,), values (cell,) of the quadrature or None, unit)."""
    subject, drawn = snapshot.subject, snapshot.samples
    if subject.is_molecule:
        frames = subject.trajectory(drawn.x)
        masses = np.array([atom.element.mass for atom in subject.topology.atoms])
        heavy = [atom.index for atom in subject.topology.atoms if atom.element.symbol != "H"]
        length = mdtraj.compute_distances(frames, [[heavy[0], heavy[-1]]])[:, 0] * 10
        compact = "Radius of gyration: how compact the molecule is, mass-weighted."
        return [
            ("Rg", compact, geometry.radius_of_gyration(frames.xyz, masses) * 10, None, "Å"),
            ("end to end", "Distance of the first heavy atom from the last.", length, None, "Å"),
        ]
    grid = subject.exact
    found = [("energy", "Average energy.", drawn.energy * subject.kT, grid.energy * subject.kT, "")]
    for axis, name in enumerate(subject.axes):
        found.append((f"⟨{name}⟩", f"Average of {name}.", drawn.x[:, axis], grid.points[:, axis], ""))
    return found


def effective_samples(snapshot: ModelSnapshot, temperature: float) -> float:
    """Effective number of independent samples at a temperature."""
    weights = snapshot.samples.weights(snapshot.subject.temperature / temperature)
    return effective_fraction(weights) * len(weights)


def verdict(snapshot: ModelSnapshot) -> tuple[str, str]:
    """ "success", "info" or "warning", and a text on the reliability of the model."""
    model = snapshot.model
    if snapshot.beta < 1:
        return "warning", (
            f"Stopped at a high temperature, {snapshot.temperature_text}: its weighted numbers are rough."
        )
    if model.coverage_ < model.coverage_needed:
        return "warning", (
            f"A mode may be missing: the model covers {model.coverage_:.1%} of the weight that its hot "
            "samples found. Take *Careful* or another seed."
        )
    worth = effective_samples(snapshot, snapshot.subject.temperature)
    fraction = worth / len(snapshot.samples.state)
    effective = f"{worth:,.0f} of {len(snapshot.samples.state):,} samples are effective ({fraction:.0%})."
    if worth < MIN_EFFECTIVE_SAMPLES:
        return "warning", f"{effective} Too few for the weighted numbers: take *Careful*."
    if np.isnan(model.coverage_):
        return "info", (f"{effective} Whether a state is missing does not show here: compare another seed.")
    return "success", f"{effective} It covers {model.coverage_:.1%} of the weight that its hot samples found."
