"""Units of free energies: kT, or per mole at a temperature."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fel_explorer.data.columns import BOLTZMANN
from fel_explorer.errors import FelError

UNITS = ("kT", "kJ/mol", "kcal/mol")
KILOJOULES = {"kJ/mol": 1.0, "kcal/mol": 4.184}


@dataclass(frozen=True)
class EnergyUnit:
    """A unit of free energies.

    Attributes
    ----------
    name
        One of `UNITS`.
    kT
        What 1 kT is in it.
    """

    name: str = "kT"
    kT: float = 1.0

    @property
    def label(self) -> str:
        """Of axes and colour bars."""
        return f"free energy ({self.name})"

    @property
    def decimals(self) -> int:
        """Digits after the point of a number in it."""
        return 2 if self.name == "kcal/mol" else 1

    def text(self, energy: float, error: float = float("nan")) -> str:
        """``energy`` in kT as text, with its error where it has one: "3.2 kT", "8.0 ± 0.4 kJ/mol"."""
        known = f" ± {error * self.kT:.{self.decimals}f}" if error > 0 else ""
        return f"{energy * self.kT:.{self.decimals}f}{known} {self.name}"

    def step(self, top: float) -> float:
        """A round step of contour lines up to ``top`` (in this unit): some ten, at least 1 kT apart."""
        if self.name == "kT":
            return max(1.0, np.ceil(top / 10))
        least = max(top / 10, 1e-6)
        decade = 10.0 ** np.floor(np.log10(least))
        return next(float(n * decade) for n in (1, 2, 5, 10) if n * decade >= least * (1 - 1e-9))


KT = EnergyUnit()


def energy_unit(name: str, temperature: float = 300.0) -> EnergyUnit:
    """The unit ``name`` at ``temperature`` (K), which kT doesn't need.

    Raises
    ------
    FelError
        If there is no such unit, or the temperature is not positive.
    """
    if name == "kT":
        return KT
    if name not in UNITS:
        raise FelError(f"The unit '{name}'.", f"Free energies are in {', '.join(UNITS)}.", "Choose one.")
    if not temperature > 0:
        raise FelError(f"temperature={temperature:g}.", "A temperature is in K and positive.")
    return EnergyUnit(name, BOLTZMANN * temperature / KILOJOULES[name])
