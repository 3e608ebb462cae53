"""Latent space simulators of the page: what is trained, what is simulated, and the jobs."""

from __future__ import annotations

import shutil
import tempfile
import time
import weakref
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import mdtraj
import numpy as np
import param
import xarray as xr
from scipy.spatial import cKDTree

from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.job import Cancelled, Report
from fel_explorer.data.coordinates import ATOM_SETS
from fel_explorer.data.file_names import readable_name
from fel_explorer.data.solvent import solvent_atoms
from fel_explorer.data.topologies import select_atoms
from fel_explorer.data.topology_text import read_topology
from fel_explorer.errors import FelError
from fel_explorer.methods import ConditionalFlowMatching, ConditionalWGAN, LatentSpaceSimulator
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator
from fel_explorer.methods.latent_simulator.simulation_report import SimulationReport
from fel_explorer.progress import Progress

DECODERS = {"flow matching": ConditionalFlowMatching, "cWGAN": ConditionalWGAN}
ATOMS = {"heavy atoms": "heavy", "backbone": "backbone", "C-alpha": "alpha", "all atoms": "all"}
FEWEST, MANY = 4, 300  # atoms that have a shape; atoms up to which a set is the first choice
PARTS = ("propagator", "decoder")


class Settings(param.Parameterized):
    """Settings of a simulator that the user chooses; everything else has the defaults of its parts."""

    lag_time = param.Number(
        10.0, bounds=(0, None), inclusive_bounds=(False, True), precedence=1, label="Lag time",
        doc=LatentSpaceSimulator.param.lag_time.doc,
    )  # fmt: skip
    atoms: param.Selector[str] = param.Selector(
        default="heavy atoms", objects=list(ATOMS), precedence=2, label="Atoms",
        doc="Atoms of the decoded structures. Fewer atoms are trained and decoded faster.",
    )  # fmt: skip
    decoder: param.Selector[str] = param.Selector(
        default="flow matching", objects=list(DECODERS), precedence=3, label="Decoder",
        doc="Decoder of structures. Flow matching works in internal coordinates and preserves bonds and "
        "angles; cWGAN is the published adversarial network in Cartesian coordinates.",
    )  # fmt: skip
    propagator_steps = param.Integer(
        MixtureDensityPropagator.param.n_steps.default, bounds=(1, 10_000_000), precedence=4,
        label="Propagator steps", doc=MixtureDensityPropagator.param.n_steps.doc,
    )  # fmt: skip
    decoder_steps = param.Integer(
        ConditionalFlowMatching.param.n_steps.default, bounds=(1, 10_000_000), precedence=5,
        label="Decoder steps", doc="Steps of training. More make structures sharper.",
    )  # fmt: skip

    @classmethod
    def hyperparameter_names(cls) -> list[str]:
        """The names of the settings, in order; what a `Form` asks for."""
        return sorted((name for name in cls.param if name != "name"), key=lambda n: cls.param[n].precedence)


@dataclass(frozen=True, eq=False)
class Trained:
    """A simulator whose encoder is the method of a result.

    Attributes
    ----------
    partial
        Whether its training was stopped before the end.
    report
        How it compares with the data, once that has been computed.
    """

    simulator: LatentSpaceSimulator
    partial: bool = False
    report: SimulationReport | None = None

    @property
    def has_decoder(self) -> bool:
        return self.simulator.decoder.feature_names_ is not None


@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated trajectories, all of the same length, one after another.

    Attributes
    ----------
    latents
        Dataset of the schema, (frame, psi).
    nearest
        (frame,) the frame of the data nearest to each, in the latents as spread as the data.
    file
        XTC file of the decoded structures, one trajectory after another; None without a decoder.  It goes
        with this object.
    """

    trained: Trained
    latents: xr.Dataset
    nearest: np.ndarray
    n_trajectories: int
    seed: int
    file: Path | None = None

    @property
    def n_frames(self) -> int:
        return self.latents.sizes["frame"]

    @property
    def n_steps(self) -> int:
        """Frames of each trajectory."""
        return self.n_frames // self.n_trajectories

    @property
    def length(self) -> float:
        """Time that each trajectory lasts."""
        return self.n_steps * float(self.latents.attrs["time_step"])

    def number_at(self, step: int) -> int:
        """Number of the trajectory, from 1, of the frame ``step``."""
        return min(step, self.n_frames - 1) // self.n_steps + 1

    def trajectory_at(self, step: int) -> tuple[int, int]:
        """First and last frame, exclusive, of the trajectory that the frame ``step`` belongs to."""
        first = (self.number_at(step) - 1) * self.n_steps
        return first, first + self.n_steps

    def structures(self, first: int, last: int) -> mdtraj.Trajectory:
        """The decoded structures of frames ``first`` to ``last``, exclusive."""
        with mdtraj.formats.XTCTrajectoryFile(readable_name(Path(self.file))) as opened:
            opened.seek(first)
            xyz, times, _, _ = opened.read(last - first)
        return mdtraj.Trajectory(
            xyz, chain_atoms(read_topology(self.trained.simulator.topology_)), time=times
        )


def shown_simulator(session) -> Trained | None:
    """The simulator that moves in the embedding of the shown result, if it was trained."""
    return None if session.shown is None else simulator_of(session, session.shown.method)


def simulator_of(session, method) -> Trained | None:
    """The simulator whose encoder is ``method``, if it was trained."""
    return next((one for one in session.simulators if one.simulator.encoder is method), None)


def shown_simulation(session) -> Simulation | None:
    """The session's simulation, if it runs in the embedding of the shown result."""
    trained, simulation = shown_simulator(session), session.simulation
    if simulation is None or trained is None or simulation.trained.simulator is not trained.simulator:
        return None
    return simulation


def can_encode(result) -> bool:
    """Whether a simulator can move in the embedding of ``result``: one map, not one pieced together."""
    return result is not None and result.method.is_fitted and result.tree is None


def chain_atoms(topology: mdtraj.Topology) -> mdtraj.Topology:
    """With bonds between the C-alphas of a chain where there are no bonds at all."""
    if topology.n_bonds == 0:
        for chain in topology.chains:
            for first, second in pairwise(list(chain.atoms)):
                topology.add_bond(first, second)
    return topology


def selection_of(choice: str, topology: mdtraj.Topology) -> str:
    """``choice`` of `ATOMS` as the simulator's ``atoms``, without water."""
    name = ATOMS[choice]
    has_solvent = solvent_atoms(topology).any()
    return f"({ATOM_SETS[name]}) and not solvent" if has_solvent and name in ("heavy", "all") else name


def atom_choices(topology: mdtraj.Topology) -> list[str]:
    """The sets of `ATOMS` that have a shape, the one to begin with first: large molecules by fewer atoms."""
    counts = {}
    for choice in ATOMS:
        try:
            index = select_atoms(topology, ATOM_SETS.get(s := selection_of(choice, topology), s))
        except FelError:  # there are none
            continue
        if len(index) >= FEWEST:
            counts[choice] = len(index)
    few = [choice for choice, n in counts.items() if n <= MANY] or sorted(counts, key=counts.get)
    return few[:1] + [choice for choice in counts if choice not in few[:1]]


def simulator_for(method, topology, settings: dict) -> LatentSpaceSimulator:
    """An untrained simulator on the fitted ``method``; ``settings`` are those of `Settings`."""
    lag_time, seed = settings["lag_time"], method.seed
    propagator = MixtureDensityPropagator(
        lag_time=lag_time, n_steps=settings["propagator_steps"], reversible=True, seed=seed
    )
    decoder = DECODERS[settings["decoder"]](n_steps=settings["decoder_steps"], seed=seed)
    return LatentSpaceSimulator(
        method, propagator, decoder, seed=seed, lag_time=lag_time, n_dims=method.n_dims,
        atoms=selection_of(settings["atoms"], topology),
    )  # fmt: skip


@process_job
def training_simulator(
    report: Report, should_stop: ShouldStop, simulator, dataset, trajectories, *, device="auto"
):
    """The job that trains propagator and decoder one after the other; its result is a `Trained`.

    Asked to stop, it keeps what has been trained: without a decoder the simulator moves on the map only.
    """
    simulator.fit_encoder(dataset)
    for number, part in enumerate(PARTS, 1):
        name = f"{part}, part {number} of {len(PARTS)}"
        report(Progress(0, 0, message=name))

        def callback(progress, part=part, name=name):
            losses = {part: progress.losses["loss"]} if "loss" in progress.losses else {}
            report(replace(progress, losses=losses, message=name))
            return should_stop()

        more = (trajectories,) if part == "decoder" else ()
        getattr(simulator, f"fit_{part}")(dataset, *more, device=device, callback=callback)
        if should_stop():
            break
    return Trained(simulator, partial=should_stop())


def simulating(
    trained: Trained, embedding, n_steps: int, n_trajectories: int, seed: int, *, device="auto"
) -> Call[Simulation]:
    """The job that simulates and decodes all frames into a file; its result is a `Simulation`.

    ``embedding`` (frame, cv) is that of the data, among which the nearest frames are looked for.
    """
    job = _simulating(trained, embedding, n_steps, n_trajectories, seed, device=device)
    return replace(job, finish=_with_its_file)


@process_job
def _simulating(
    report: Report,
    should_stop: ShouldStop,
    trained: Trained,
    embedding,
    n_steps: int,
    n_trajectories: int,
    seed: int,
    *,
    device,
) -> Simulation:
    def callback(message):
        def on_progress(progress):
            report(replace(progress, losses={}, message=message))
            return should_stop()

        return on_progress

    simulator, options = trained.simulator, {"seed": seed, "device": device}
    latents = simulator.simulate(n_steps, n_trajectories, callback=callback("simulating"), **options)
    if should_stop():
        raise Cancelled
    nearest = nearest_frames(latents["features"].values, embedding)
    if not trained.has_decoder:
        return Simulation(trained, latents, nearest, n_trajectories, seed)
    folder = Path(tempfile.mkdtemp(prefix="fel-simulation-"))
    try:
        file = folder / "synthetic.xtc"
        simulator.decode_to(file, latents, callback=callback("drawing structures"), **options)
        if should_stop():
            raise Cancelled
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Simulation(trained, latents, nearest, n_trajectories, seed, file)


def _with_its_file(simulation: Simulation) -> Simulation:
    """The simulation, with which its file goes."""
    if simulation.file is not None:
        weakref.finalize(simulation, shutil.rmtree, simulation.file.parent, ignore_errors=True)
    return simulation


def nearest_frames(points, embedding) -> np.ndarray:
    """(point,) the row of ``embedding`` (frame, cv) nearest to each of ``points`` (point, cv).

    Distances are in units of the embedding's spread along each of its axes.
    """
    spread = np.asarray(embedding, float).std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return cKDTree(embedding / spread).query(points / spread)[1]


@process_job
def reporting(
    report: Report,
    should_stop: ShouldStop,
    trained: Trained,
    dataset,
    trajectories,
    *,
    rivals: bool = False,
    native: int | None = None,
    device="auto",
):
    """The job that compares simulations with the data; its result is ``trained`` with the report."""
    began = time.monotonic()

    def callback(progress):
        done = progress.step / progress.n_steps
        eta = (time.monotonic() - began) / done * (1 - done) if done > 0 else float("nan")
        message = progress.message.removeprefix("Report: ")
        report(replace(progress, eta=eta, message=message))
        return should_stop()

    report(Progress(0, 0, message="simulating"))
    try:
        with_structures = trajectories if trained.has_decoder else None
        found = trained.simulator.report(
            dataset, with_structures, rivals=rivals, native=native, device=device, callback=callback
        )
    except FelError as stopped:
        if should_stop():
            raise Cancelled from stopped
        raise
    return replace(trained, report=found)
