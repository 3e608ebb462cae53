"""Umbrella windows on molecules: OpenMM drives, the CV's gradient comes from torch.

The restraint is a `PythonForce`.  Calling Python costs more than all other forces of a small molecule, so
that by default it acts at every second step only (impulses, r-RESPA: Tuckerman, Berne and Martyna, J. Chem.
Phys. 97, 1990 (1992)); it changes slowly beside bond vibrations.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method
from fel_explorer.sampling.features import MolecularFeatures, map_of
from fel_explorer.sampling.windows import Windows
from fel_explorer.training.progress import Progress

BOLTZMANN = 0.00831446261815324  # kJ/mol/K
FORCE_FIELD = ("amber99sbildn.xml", "amber99_obc.xml")


def load_openmm():
    """The openmm package, or a `FelError` that says how to install it."""
    try:
        import openmm
        import openmm.app
    except ImportError as error:
        raise FelError(
            "OpenMM is not installed.",
            "Simulations of molecules and their energies need it.",
            "pip install 'fel-explorer[md]'",
        ) from error
    return openmm


def build_system(
    topology, force_field: Sequence[str], *, constrain: bool = True, hydrogen_mass: float | None = None
):
    """OpenMM's System of an mdtraj topology in vacuum or implicit solvent.

    ``constrain`` fixes bonds to hydrogen, which then have no energy; ``hydrogen_mass`` is in amu.

    Raises
    ------
    FelError
        If the force field has no template for a residue.
    """
    openmm = load_openmm()
    heavier = {} if hydrogen_mass is None else {"hydrogenMass": hydrogen_mass}
    try:
        return openmm.app.ForceField(*force_field).createSystem(
            topology.to_openmm(),
            nonbondedMethod=openmm.app.NoCutoff,
            constraints=openmm.app.HBonds if constrain else None,
            **heavier,
        )
    except ValueError as error:
        raise FelError(
            f"The force field {', '.join(force_field)} can't be applied: {error}",
            "All atoms of the molecule, hydrogens included, must be loaded and known to the force field.",
            "Name other files in force_field=.",
        ) from error


@dataclass(frozen=True)
class MolecularSystem:
    """A molecule in OpenMM, for `umbrella`.

    Attributes
    ----------
    trajs
        What `fel.load_trajectories` returns, with all atoms; windows start from its frames, so that the data
        given to `umbrella` must be featurized from it.
    temperature
        In K.
    force_field
        OpenMM's files: protein, and implicit solvent if wanted.
    friction, time_step, hydrogen_mass
        In 1/ps, ps and amu; 4 fs needs heavy hydrogens.
    bias_every
        Steps between two kicks of the restraint.
    platform
        Of OpenMM; "Reference" is the fast one for a few dozen atoms.
    """

    trajs: object
    temperature: float
    force_field: tuple[str, ...] = FORCE_FIELD
    friction: float = 5.0
    time_step: float = 0.004
    hydrogen_mass: float = 3.0
    bias_every: int = 2
    platform: str = "Reference"

    energy_unit = "kJ/mol"

    @property
    def kT(self) -> float:
        return BOLTZMANN * self.temperature

    def run_windows(
        self,
        method: Method,
        windows: Windows,
        dataset,
        starts: np.ndarray,
        *,
        dimension: int,
        n_frames: int,
        stride: int,
        time_step: float | None,
        seed: int,
        n_processes: int,
        callback,
        checkpoint,
        message: str,
    ):
        """What was sampled, and the time between frames.

        {window: {"features" (walker, frame, feature), "energy" (walker, frame)}} of the windows that were
        finished, at least one.
        """
        openmm = load_openmm()
        if dataset.sizes["frame"] != len(self.trajs):
            raise FelError(
                f"The dataset has {dataset.sizes['frame']} frames and the trajectories {len(self.trajs)}.",
                "Walkers start from the frames of the dataset, which the trajectories must hold.",
                "Give the dataset that was featurized from these trajectories.",
            )
        step, kicks = time_step or self.time_step, max(1, round(stride / self.bias_every))
        system = build_system(self.trajs.topology, self.force_field, hydrogen_mass=self.hydrogen_mass)
        done = (checkpoint.load(torch.device("cpu")) if checkpoint else None) or {}
        with tempfile.TemporaryDirectory(prefix="fel-explorer-") as folder:
            method.save(Path(folder) / "model.fel")
            common = {
                "model": str(Path(folder) / "model.fel"),
                "records": {"featurizers": dataset.attrs["featurizers"]},
                "system": openmm.XmlSerializer.serialize(system),
                "options": (self.temperature, self.friction, step, self.bias_every),
                "platform": self.platform,
                "dimension": dimension,
                "n_frames": n_frames,
                "kicks": kicks,
            }
            jobs = {
                window: common
                | {
                    "centre": float(windows.centres[window]),
                    "stiffness": float(windows.stiffness[window]),
                    "starts": self.trajs.frames(starts[window]).xyz.astype(float),
                    "seed": seed * 100_003 + window + 1,
                }
                for window in range(len(windows))
                if window not in done
            }
            _run_jobs(jobs, done, len(windows), n_processes, callback, checkpoint, message)
        return done, kicks * self.bias_every * step


def _run_jobs(jobs, done, n_windows, n_processes, callback, checkpoint, message) -> None:
    """Run the jobs in processes and put what they return into ``done``, until the callback stops."""
    started, before = time.monotonic(), len(done)
    # spawned, not forked: the page's threads hold locks
    with ProcessPoolExecutor(max(1, n_processes), mp_context=get_context("spawn")) as pool:
        pending = {pool.submit(sample_window, job): window for window, job in jobs.items()}
        while pending:
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                done[pending.pop(future)] = future.result()
            if checkpoint:
                checkpoint.save(done)
            eta = (time.monotonic() - started) / (len(done) - before) * len(pending)
            if callback is not None and callback(Progress(len(done), n_windows, eta=eta, message=message)):
                pool.shutdown(wait=True, cancel_futures=True)
                return


def sample_window(job: dict) -> dict[str, torch.Tensor]:
    """Walkers of one window, one after the other, in this process."""
    from fel_explorer.methods.model_file import load_model

    openmm = load_openmm()
    torch.set_num_threads(1)
    restraint = Restraint(load_model(job["model"]), job["records"], job["dimension"])
    system = openmm.XmlSerializer.deserialize(job["system"])
    temperature, friction, time_step, bias_every = job["options"]
    force = openmm.PythonForce(restraint, {"centre": job["centre"], "stiffness": job["stiffness"]})
    force.setForceGroup(1)
    system.addForce(force)
    integrator = openmm.MTSLangevinIntegrator(
        temperature, friction, bias_every * time_step, [(1, 1), (0, bias_every)]
    )
    integrator.setRandomNumberSeed(job["seed"])
    platform = openmm.Platform.getPlatform(job["platform"])
    context = openmm.Context(system, integrator, platform)
    features, energies = [], []
    for walker, xyz in enumerate(job["starts"]):
        context.setPositions(xyz)
        context.applyConstraints(1e-6)
        context.setVelocitiesToTemperature(temperature, job["seed"] + walker)
        for _ in range(job["n_frames"]):
            integrator.step(job["kicks"])
            state = context.getState(positions=True, energy=True, groups={0})
            features.append(restraint.features(torch.from_numpy(positions_of(state))).float())
            energies.append(state.getPotentialEnergy()._value)
    shape = len(job["starts"]), job["n_frames"]
    return {
        "features": torch.stack(features).reshape(*shape, -1),
        "energy": torch.tensor(energies, dtype=torch.float64).reshape(shape),
    }


def positions_of(state) -> np.ndarray:
    """Positions (atom, 3) in nm of an OpenMM State."""
    return np.array(state.getPositions(asNumpy=True)._value)


class Restraint:
    """k / 2 (xi - centre)^2 for a `PythonForce`, whose parameters are ``centre`` and ``stiffness``."""

    def __init__(self, method: Method, records: dict, dimension: int):
        import xarray as xr

        self.transform, self.dimension = map_of(method), dimension
        self.features = MolecularFeatures(xr.Dataset(attrs=records))

    def cv(self, positions: torch.Tensor) -> torch.Tensor:
        """The CV, 0-dimensional, at positions (atom, 3) in nm."""
        return self.transform(self.features(positions)[None].float())[0, self.dimension]

    def __call__(self, state):
        parameters = state.getParameters()
        x = torch.from_numpy(positions_of(state)).requires_grad_()
        cv = self.cv(x)
        (slope,) = torch.autograd.grad(cv, x)
        away = float(cv.detach()) - parameters["centre"]
        k = parameters["stiffness"]
        return 0.5 * k * away**2, (-k * away) * slope.numpy()
