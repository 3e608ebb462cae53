"""One umbrella window on a molecule: OpenMM drives, the CV's gradient comes from torch.

The restraint is a `PythonForce`.  Calling Python costs more than all other forces of a small molecule, so
that it acts at every few steps only (impulses, r-RESPA: M. Tuckerman, B. J. Berne and G. J. Martyna, J. Chem.
Phys. 97, 1990 (1992), doi:10.1063/1.463137), as few as its own frequency allows: sqrt(k sum_i |d xi / d
r_i|^2 / m_i), where it is largest. CV and gradient are compiled together (TorchScript), several times as fast
as autograd at each call.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from fel_explorer import parallel
from fel_explorer.features.molecular import MolecularFeatures
from fel_explorer.features.outside_kinds import load_sources
from fel_explorer.methods.base import Method, load_model
from fel_explorer.sampling.cv_function import map_of
from fel_explorer.sampling.force_fields import load_openmm, reduce_box

if TYPE_CHECKING:
    from collections.abc import Callable

    import openmm

LARGEST_ANGLE = 1.0  # between two kicks of an oscillation; that of a heavy bond in a step of 4 fs


def sample_window(common: dict, window: dict) -> dict[str, torch.Tensor]:
    """Walkers of one window, one after the other, in this process; a task of `parallel`."""
    job = common | window
    torch.set_num_threads(1)
    load_sources(job.get("kind_sources", {}))
    with tempfile.TemporaryDirectory(prefix="fel-explorer-") as folder:
        file = Path(folder) / "model.fel"
        file.write_bytes(job["model"])
        restraint = Restraint(load_model(file), job["records"], job["dimension"])
    system = load_openmm().XmlSerializer.deserialize(job["system"])
    periodic = system.usesPeriodicBoundaryConditions()
    restraint.compile(job["starts"].shape[1], job["boxes"][0] if periodic else None)
    context, integrator = _context(job, system, restraint)
    features, energies = [], []
    for walker, xyz in enumerate(job["starts"]):
        if periodic:
            context.setPeriodicBoxVectors(*reduce_box(job["boxes"][walker]))
        context.setPositions(xyz)
        context.applyConstraints(1e-6)
        context.setVelocitiesToTemperature(job["bath"][0], job["seed"] + walker)
        with torch.no_grad():
            before = float(restraint.cv(*restraint.place_of(context.getState(positions=True))))
        for frame in range(job["n_frames"]):
            if parallel.should_stop():
                return {}
            fraction = min(1.0, (frame + 1) / max(job["n_steered"], 1))
            context.setParameter("centre", before + fraction * (job["centre"] - before))
            integrator.step(job["steps"][2])
            state = context.getState(positions=True, energy=True, groups={0})
            features.append(restraint.features(*restraint.place_of(state)).float())
            energies.append(state.getPotentialEnergy()._value)
    shape = len(job["starts"]), job["n_frames"]
    return {
        "features": torch.stack(features).reshape(*shape, -1),
        "energy": torch.tensor(energies, dtype=torch.float64).reshape(shape),
    }


def steps_of(fastest: float, time_step: float, stride: int, most: int) -> tuple[float, int, int]:
    """Integration steps for a restraint of angular frequency ``fastest`` (1/ps).

    Returns
    -------
    Time step (ps), at most ``time_step``; steps between two kicks, at most ``most``; kicks in a frame, which
    lasts ``stride * time_step``.
    """
    finer = max(1, math.ceil(fastest * time_step / LARGEST_ANGLE))
    every = max(
        n
        for n in range(1, most + 1)
        if n == 1 or (stride % n == 0 and n * fastest * time_step < LARGEST_ANGLE)
    )
    return time_step / finer, every, stride * finer // every


def _context(job: dict, system, restraint: Restraint):
    """OpenMM's Context with the restraint, and its integrator."""
    openmm = load_openmm()
    time_step, every, _ = job["steps"]
    force = openmm.PythonForce(restraint, {"centre": job["centre"], "stiffness": job["stiffness"]})
    force.setForceGroup(1)
    force.setUsesPeriodicBoundaryConditions(restraint.in_box)  # its states then hold the box
    system.addForce(force)
    integrator = openmm.MTSLangevinIntegrator(*job["bath"], every * time_step, [(1, 1), (0, every)])
    integrator.setRandomNumberSeed(job["seed"])
    platform = openmm.Platform.getPlatform(job["platform"])
    return openmm.Context(system, integrator, platform), integrator


def positions_of(state: openmm.State) -> np.ndarray:
    """Positions (atom, 3) in nm of an OpenMM State."""
    return np.array(state.getPositions(asNumpy=True)._value)


class Restraint:
    """k / 2 (xi - centre)^2 for a `PythonForce`, whose parameters are ``centre`` and ``stiffness``."""

    def __init__(self, method: Method, records: dict, dimension: int) -> None:
        self.transform, self.dimension = map_of(method), dimension
        self.features = MolecularFeatures(records)
        self._compiled: Callable[..., tuple[torch.Tensor, torch.Tensor]] | None = None
        self.in_box = False

    def place_of(self, state: openmm.State) -> tuple[torch.Tensor, ...]:
        """Positions (atom, 3) of an OpenMM State in nm, and its box (3, 3) where the features need it."""
        positions = torch.from_numpy(positions_of(state))
        if not self.in_box:
            return (positions,)
        return positions, torch.from_numpy(np.array(state.getPeriodicBoxVectors(asNumpy=True)._value))

    def cv(self, positions: torch.Tensor, box: torch.Tensor | None = None) -> torch.Tensor:
        """The CV, 0-dimensional, at positions (atom, 3) in nm of whole molecules, in a box (3, 3)."""
        return self.transform(self.features(positions, box)[None].float())[0, self.dimension]

    def steepness(self, positions: np.ndarray, mass: np.ndarray, boxes: np.ndarray | None = None) -> float:
        """Largest sqrt(sum_i |d xi / d r_i|^2 / m_i) of structures (structure, atom, 3), masses in amu.

        ``boxes`` (structure, 3, 3) are those that features between molecules need.
        """
        x = torch.from_numpy(positions).requires_grad_()
        box = None if boxes is None else torch.from_numpy(boxes).to(x)
        cv = self.transform(self.features(x, box).float())[:, self.dimension]
        (slope,) = torch.autograd.grad(cv.sum(), x)
        heavy = mass > 0  # virtual sites have none
        return float((slope.square().sum(-1).numpy()[:, heavy] / mass[heavy]).sum(1).max() ** 0.5)

    def value_and_slope(
        self, positions: torch.Tensor, box: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The CV at positions (atom, 3) in a box (3, 3), and its gradient (atom, 3)."""
        with torch.enable_grad():
            x = positions.detach().requires_grad_()
            value = self.cv(x, box)
            (slope,) = torch.autograd.grad(value, x)
        return value.detach(), slope

    def compile(self, n_atoms: int, box: np.ndarray | None = None) -> None:
        """Make calls fast, for positions of ``n_atoms`` atoms; ``box`` (3, 3) in nm of a periodic system."""
        self.in_box = box is not None and self.features.needs_box()
        example = [0.1 * torch.arange(3.0 * n_atoms, dtype=torch.float64).sin().reshape(n_atoms, 3)]
        if self.in_box:
            example.append(torch.from_numpy(np.asarray(box, float)))
        graph = make_fx(lambda *place: self.value_and_slope(*place))(*example)
        with warnings.catch_warnings():
            # deprecated since torch 2.11; torch.compile, its heir, needs a C++ compiler
            warnings.filterwarnings("ignore", r".*torch\.jit\..* is deprecated", DeprecationWarning)
            self._compiled = torch.jit.freeze(
                torch.jit.trace(graph, tuple(example), check_trace=False).eval()
            )

    def __call__(self, state):
        parameters = state.getParameters()
        with torch.no_grad():
            cv, slope = (self._compiled or self.value_and_slope)(*self.place_of(state))
        away, k = float(cv) - parameters["centre"], parameters["stiffness"]
        return 0.5 * k * away**2, (-k * away) * slope.numpy()
