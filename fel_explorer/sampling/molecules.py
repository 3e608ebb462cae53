"""Umbrella windows on molecules, simulated by OpenMM in other processes."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from fel_explorer import parallel
from fel_explorer.data.molecules import Molecules, arrange
from fel_explorer.errors import FelError
from fel_explorer.features.molecular import MolecularFeatures
from fel_explorer.features.outside_kinds import outside_sources
from fel_explorer.methods.base import Method
from fel_explorer.parallel import PROCESSES, Choice
from fel_explorer.sampling.force_fields import FORCE_FIELD, build_system, load_openmm, load_system
from fel_explorer.sampling.plan import Plan, SamplingStopped
from fel_explorer.sampling.restraint import Restraint, sample_window, steps_of
from fel_explorer.sampling.windows import Windows

if TYPE_CHECKING:
    import openmm
    import xarray as xr

    from fel_explorer.data.trajectories import TrajectorySet
    from fel_explorer.progress import Callback
    from fel_explorer.training.checkpoint import Checkpoint

BOLTZMANN = 0.00831446261815324  # kJ/mol/K
SAME = 1e-3  # features of the same structure, computed twice


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
        OpenMM's files: protein, and implicit solvent or a water model if wanted.
    system
        Instead of ``force_field``: an `openmm.System`, or the path of one as XML; its masses, constraints and
        barostat are used as they are.
    periodic
        Whether the molecule is in a periodic box; default: where the frames have one.  Features between
        molecules are to nearest images in it.
    friction, time_step, hydrogen_mass
        In 1/ps, ps and amu; 4 fs needs heavy hydrogens.
    bias_every
        Steps between two kicks of the restraint at most; fewer, and shorter ones, where it is stiff.
    platform
        Of OpenMM; "Reference" is the fast one for a few dozen atoms.
    """

    trajs: TrajectorySet
    temperature: float
    force_field: tuple[str, ...] = FORCE_FIELD
    system: object = None
    periodic: bool | None = None
    friction: float = 5.0
    time_step: float = 0.004
    hydrogen_mass: float = 3.0
    bias_every: int = 2
    platform: str = "Reference"

    energy_unit = "kJ/mol"

    @property
    def kT(self) -> float:
        return BOLTZMANN * self.temperature

    def parameters(self) -> dict:
        """Settings that determine the dynamics, plain values; a given ``system`` is not among them."""
        names = ("temperature", "friction", "time_step", "hydrogen_mass", "bias_every")
        return {name: getattr(self, name) for name in names} | {"force_field": list(self.force_field)}

    def run_windows(
        self,
        method: Method,
        windows: Windows,
        dataset: xr.Dataset,
        starts: np.ndarray,
        *,
        plan: Plan,
        seed: int,
        callback: Callback | None,
        checkpoint: Checkpoint | None,
        message: str,
    ) -> tuple[dict[int, dict[str, torch.Tensor]], float]:
        """Sample the windows; return the samples and the time between frames.

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
        step = plan.time_step or self.time_step
        done = (checkpoint.load(torch.device("cpu")) if checkpoint else None) or {}
        system = self.openmm_system()
        common = {
            "model": _file_of(method),
            "kind_sources": outside_sources(),
            "records": {name: dataset.attrs[name] for name in ("featurizers", "topology")},
            "system": openmm.XmlSerializer.serialize(system),
            "bath": (self.temperature, self.friction),
            "platform": self.platform,
            "dimension": plan.dimension,
            "n_frames": plan.n_frames,
            "n_steered": plan.n_steered,
        }
        left = [window for window in range(len(windows)) if window not in done]
        periodic = system.usesPeriodicBoundaryConditions()
        jobs = self._jobs(windows, dataset, starts, seed, left, periodic)
        mass = np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])
        restraint = Restraint(method, common["records"], plan.dimension)
        for job in jobs.values():
            boxes = job["boxes"] if periodic and restraint.features.needs_box() else None
            fastest = job["stiffness"] ** 0.5 * restraint.steepness(job["starts"], mass, boxes)
            job["steps"] = steps_of(fastest, step, plan.stride, self.bias_every)
        _run_jobs(jobs, common, done, len(windows), plan.n_processes, callback, checkpoint, message)
        if not done:
            raise SamplingStopped(
                "The sampling was stopped before a window ended.", remedy="Nothing was kept; start it again."
            )
        return done, plan.stride * step

    def openmm_system(self) -> openmm.System:
        """OpenMM's System that is simulated, all of its forces in group 0."""
        box = self.trajs.frames([0]).unitcell_vectors
        if self.system is None:
            periodic = box is not None if self.periodic is None else self.periodic
            system = build_system(
                self.trajs.topology,
                self.force_field,
                hydrogen_mass=self.hydrogen_mass,
                box=box[0] if periodic else None,
            )
        else:
            system = copy.deepcopy(load_system(self.system, self.trajs.topology))
            for force in system.getForces():
                force.setForceGroup(0)  # the integrator knows this group and that of the restraint
        if system.usesPeriodicBoundaryConditions() and box is None:
            raise FelError(
                "The frames have no periodic box.", "A periodic system starts from that of a frame."
            )
        return system

    def _jobs(
        self, windows: Windows, dataset, starts, seed: int, chosen: list[int], periodic: bool
    ) -> dict[int, dict]:
        """Settings of each of the ``chosen`` windows."""
        seeds = np.random.SeedSequence(seed).generate_state(len(windows)) >> 2  # OpenMM's are int32
        features, jobs = MolecularFeatures(dataset.attrs), {}
        in_box, reference = periodic and features.needs_box(), arrange(self.trajs.reference)
        for window in chosen:
            frames = self.trajs.frames(starts[window])
            atoms, molecules = np.arange(frames.n_atoms), Molecules.of(frames)
            xyz = molecules.place_near(frames, atoms, reference.xyz[0])
            box = torch.from_numpy(frames.unitcell_vectors) if in_box else None
            found = features(torch.from_numpy(xyz), box)
            away = np.abs(found.numpy() - dataset["features"][starts[window]].values).max(axis=0)
            if away.max() > SAME:
                raise FelError(
                    f"'{dataset['feature'].values[away.argmax()]}' of a starting structure is off by"
                    f" {away.max():.2g} from the dataset.",
                    "The dataset is of these trajectories, and the system has their periodic box.",
                    "Featurize again, or take features within molecules.",
                )
            jobs[window] = {
                "centre": float(windows.centres[window]),
                "stiffness": float(windows.stiffness[window]),
                "starts": xyz.astype(float),
                "boxes": frames.unitcell_vectors,
                "seed": int(seeds[window]),
            }
        return jobs


def _file_of(method: Method) -> bytes:
    """The bytes of a model's file, for processes that may not see this machine's files."""
    with tempfile.TemporaryDirectory(prefix="fel-explorer-") as folder:
        method.save(Path(folder) / "model.fel")
        return (Path(folder) / "model.fel").read_bytes()


def _run_jobs(jobs, common, done, n_windows, n_processes, callback, checkpoint, message):
    """Run the jobs as tasks and put what they return into ``done``, until the callback stops."""
    numbers, before = list(jobs), len(done)

    def keep(index, result):
        done[numbers[index]] = result
        if checkpoint:
            checkpoint.save(done)

    def watch(progress):
        step = before + progress.step
        return callback(replace(progress, step=step, n_steps=n_windows))

    own = Choice(PROCESSES, max(1, n_processes))  # OpenMM holds on to the process that it runs in
    parallel.map_tasks(
        sample_window,
        list(jobs.values()),
        shared=common,
        callback=watch if callback is not None else None,
        message=message,
        done=keep,
        where=own if parallel.scheduler() is None else None,
    )
