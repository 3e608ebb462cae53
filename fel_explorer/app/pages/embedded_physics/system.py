"""A system to learn from: positions of samples in a picture, their states, and exact results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import contourpy
import mdtraj
import numpy as np
import torch

from fel_explorer.methods.embedded_physics.target import GAS_CONSTANT

HOTTEST = 2.0  # times the fit's temperature: how far the page reweights
CELLS = 120  # per axis, of quadrature


@dataclass(frozen=True, eq=False)
class Subject:
    """A system to learn from, ready for `EmbeddedPhysics.fit`.

    Attributes
    ----------
    title
        For people.
    make_system
        Makes the system when it is first asked for: reading a force field takes seconds.
    temperature
        K for a molecule, else the system's kT.
    states
        Names of the states that `state` numbers.
    topology, structure
        Of a molecule: `mdtraj.Topology` and any conformation (atom, 3) in nm; None for model systems.
    choice
        What was chosen in the page.
    """

    title: str
    make_system: Callable
    temperature: float
    states: tuple[str, ...]
    topology: mdtraj.Topology | None = None
    structure: np.ndarray | None = None
    choice: str = ""

    def __getstate__(self) -> dict:
        """What another process needs; it makes the system itself."""
        return {name: value for name, value in self.__dict__.items() if name not in ("system", "exact")}

    @cached_property
    def system(self):
        """A `systems.Potential` or a `systems.ForceField`."""
        return self.make_system()

    @property
    def is_molecule(self) -> bool:
        return self.topology is not None

    @property
    def kT(self) -> float:
        """At its temperature, in its unit of energy."""
        return GAS_CONSTANT * self.temperature if self.is_molecule else self.temperature

    @property
    def axes(self) -> tuple[str, str]:
        """Names of the axes of `places`."""
        return ("φ (deg)", "ψ (deg)") if self.is_molecule else self.system.coordinate_names

    @property
    def limits(self):
        """((left, right), (bottom, top)) of the picture."""
        return ((-180.0, 180.0),) * 2 if self.is_molecule else self.system.domain

    def fit_options(self) -> dict:
        """Arguments of `EmbeddedPhysics.fit` for a molecule."""
        if not self.is_molecule:
            return {}
        bonds = np.array([(a.index, b.index) for a, b in self.topology.bonds])
        return {"structure": self.structure, "bonds": bonds}

    def energy(self, x) -> np.ndarray:
        """U / kT (sample,)."""
        return np.asarray(self.system.energy(torch.as_tensor(x)).cpu(), float) / self.kT

    def trajectory(self, x) -> mdtraj.Trajectory:
        """Conformations (sample, atom, 3) in nm as frames."""
        return mdtraj.Trajectory(np.asarray(x, np.float32), self.topology)

    def places(self, x) -> np.ndarray:
        """Positions of coordinates in the picture, (sample, 2): φ and ψ in degrees, or themselves."""
        if not self.is_molecule:
            return np.asarray(x, float)
        frames = self.trajectory(x)
        torsions = [f(frames)[1][:, 0] for f in (mdtraj.compute_phi, mdtraj.compute_psi)]
        return np.degrees(np.stack(torsions, axis=1))

    def state(self, x, places) -> np.ndarray:
        """Number of the state (sample,) of coordinates that lie at ``places``."""
        if not self.is_molecule:
            return self.system.basin(torch.as_tensor(x)).numpy()
        phi, psi = places.T
        alpha = (phi < 0) & (psi > -120) & (psi < 50)
        beta = np.where(phi < -105, 1, 2)
        return np.where(alpha, 0, np.where(phi < 0, beta, 3))

    @cached_property
    def exact(self) -> Quadrature | None:
        """Quadrature of a model system; None for molecules."""
        return None if self.is_molecule else Quadrature(self)


class Quadrature:
    """A two-dimensional model system on a grid: ``points`` (cell, 2) and U / kT ``energy`` (cell,)."""

    def __init__(self, subject: Subject):
        system = self._system = subject.system
        parameters = system.parameters() | {"kT": HOTTEST * system.kT}
        domain = type(system)(**parameters).domain  # wide enough for the hottest
        self.axes = [low + (high - low) * (np.arange(CELLS) + 0.5) / CELLS for low, high in domain]
        self.points = np.stack(np.meshgrid(*self.axes, indexing="ij"), -1).reshape(-1, 2)
        self.energy = subject.energy(self.points)
        self._shades = self._contours = None

    @cached_property
    def state(self) -> np.ndarray:
        """(cell,) number of the well."""
        return self._system.basin(self.points).numpy()

    def weights(self, ratio: float = 1.0) -> np.ndarray:
        """Boltzmann weights (cell,) of sum 1 at T, where ``ratio`` is that of the fit over T."""
        log_weight = -ratio * self.energy
        weights = np.exp(log_weight - log_weight.max())
        return weights / weights.sum()

    def shades(self, ceiling: float) -> np.ndarray:
        """U / kT above its lowest over ``ceiling`` (y, x), NaN from there on; the same array at each call."""
        if self._shades is None:
            surface = self.energy.reshape(CELLS, CELLS).T - self.energy.min()
            self._shades = np.where(surface < ceiling, surface / ceiling, np.nan)
        return self._shades

    def contours(self, ceiling: float) -> list[np.ndarray]:
        """Lines (vertex, 2) of equal energy, one a kT."""
        if self._contours is None:
            surface = np.minimum(self.energy.reshape(CELLS, CELLS).T - self.energy.min(), ceiling + 1)
            lines = contourpy.contour_generator(*self.axes, surface)
            self._contours = [line for level in np.arange(1, ceiling + 1) for line in lines.lines(level)]
        return self._contours
