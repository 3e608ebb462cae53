"""Latent space simulators: an encoder, a propagator and a decoder in one estimator."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import param
import torch
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method, Model
from fel_explorer.methods.latent_simulator.decoder import Decoder
from fel_explorer.methods.latent_simulator.flow_matching import ConditionalFlowMatching
from fel_explorer.methods.latent_simulator.propagator import MixtureDensityPropagator
from fel_explorer.methods.registry import register_model
from fel_explorer.methods.slow_modes.srv import SRV
from fel_explorer.progress import Callback

if TYPE_CHECKING:
    from fel_explorer.data.trajectories import TrajectorySet
    from fel_explorer.methods.latent_simulator.simulation_report import SimulationReport

MAX_STRUCTURES = 100_000  # that the decoder learns from, evenly over the data
KINDS = {"encoder": Method, "propagator": MixtureDensityPropagator, "decoder": Decoder}
VERBS = {name: f"fit_{name}" for name in KINDS}


@register_model
class LatentSpaceSimulator(Model):
    """Learns slow modes of a molecule, simulates along them, and generates the structures.

    The parts are trained one after another by `fit`, or each by its own verb, and can be used alone.

    Parameters
    ----------
    encoder
        A method class, made with ``lag_time``, ``n_dims`` and ``seed`` where it has them, or an instance; one
        that is fitted is kept as it is.
    propagator, decoder
        Likewise: `MixtureDensityPropagator`, made reversible as SRV takes the data to be at equilibrium;
        `ConditionalFlowMatching` or `ConditionalWGAN`.

    Source: H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, Eq. 1.

    Attributes
    ----------
    encoder, propagator, decoder
        The parts.
    seconds_
        {part: seconds of its training}.
    topology_
        PDB text of the atoms that are decoded; empty without a decoder.

    Examples
    --------
    >>> data = fel.as_dataset(np.cumsum(np.random.default_rng(0).normal(size=(800, 2)), axis=0) % 7)
    >>> propagator = MixtureDensityPropagator(lag_time=2.0, n_steps=10)
    >>> simulator = fel.LatentSpaceSimulator(fel.TICA, propagator, lag_time=2.0, n_dims=1).fit(data)
    >>> simulator.simulate(50, n_trajectories=10).sizes["frame"]
    500
    """

    lag_time = parameters.lag_time(
        doc="Time of a simulated step, in the data's time unit. Long enough that slow modes have no memory."
    )
    n_dims = parameters.n_dims(3, doc="Dimensions of the latent space.", label="Slow modes")
    atoms = param.String(
        "heavy",
        precedence=1.2,
        label="Atoms",
        doc="Atoms of the decoded structures: alpha, backbone, heavy, all, or an mdtraj selection.",
    )

    def __init__(
        self,
        encoder: Method | type[Method] = SRV,
        propagator: MixtureDensityPropagator | type[MixtureDensityPropagator] = MixtureDensityPropagator,
        decoder: Decoder | type[Decoder] = ConditionalFlowMatching,
        **params: Any,
    ) -> None:
        super().__init__(**params)
        self.encoder, self.propagator, self.decoder = (
            self._made(name, part) for name, part in zip(KINDS, (encoder, propagator, decoder), strict=True)
        )
        self.seconds_: dict[str, float] = {}
        self.topology_ = ""

    def _made(self, name, part):
        kind: type[Model] = part if isinstance(part, type) else type(part)
        if not issubclass(kind, KINDS[name]):
            raise FelError(f"{name}={part!r}.", f"It is a {KINDS[name].__name__}, as a class or an instance.")
        if not isinstance(part, type):
            return part
        own = {"lag_time": self.lag_time, "n_dims": self.n_dims, "seed": self.seed, "reversible": True}
        return kind(**{key: value for key, value in own.items() if key in kind.hyperparameter_names()})

    # ---- training

    def fit(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        trajectories: TrajectorySet | Any | None = None,
        *,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> LatentSpaceSimulator:
        """Train encoder, propagator and, with ``trajectories``, the decoder.

        Parameters
        ----------
        X
            Dataset, array or list of arrays, as for every method.
        trajectories
            `TrajectorySet`, or ``mdtraj.Trajectory``, of the frames of ``X``.
        callback
            Called with the `progress.Progress` of each part; returning True stops that part with what it has
            and leaves the further ones untrained.
        device, checkpoint_dir
            As `Model.fit`; each part has a folder of its own in ``checkpoint_dir``.
        """
        stopped = False

        def watch(progress):
            nonlocal stopped
            stopped = (callback is not None and bool(callback(progress))) or stopped
            return stopped

        for part in KINDS:
            if stopped or (part == "decoder" and trajectories is None):
                break
            folder = None if checkpoint_dir is None else f"{checkpoint_dir}/{part}"
            more = (trajectories,) if part == "decoder" else ()
            getattr(self, VERBS[part])(X, *more, device=device, callback=watch, checkpoint_dir=folder)
        return self

    def fit_encoder(
        self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], **options: Any
    ) -> LatentSpaceSimulator:
        """Train the encoder, unless it is fitted; ``options`` as `Model.fit`."""
        dataset = schema.as_dataset(X)
        if self.encoder.feature_names_ is None:
            self._timed("encoder", lambda: self.encoder.fit(dataset, **options))
        self.feature_names_, self.time_unit_ = self.encoder.feature_names_, dataset.attrs["time_unit"]
        return self

    def fit_propagator(
        self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray], **options: Any
    ) -> LatentSpaceSimulator:
        """Train the propagator on the embedding of ``X``; the encoder comes first."""
        latents = self.latents(X)
        if self.propagator.lag_time != self.lag_time:
            raise FelError(
                f"The propagator's lag_time={self.propagator.lag_time:g}, the simulator's {self.lag_time:g}.",
                "They are the same.",
                f"Make the propagator with lag_time={self.lag_time:g}.",
            )
        self._timed("propagator", lambda: self.propagator.fit(latents, **options))
        return self

    def fit_decoder(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        trajectories: TrajectorySet | Any,
        **options: Any,
    ) -> LatentSpaceSimulator:
        """Train the decoder on the structures behind ``X``; the encoder comes first."""
        from fel_explorer.data.coordinates import read_coordinates

        dataset = schema.as_dataset(X)
        frames = self._evenly(dataset, trajectories, MAX_STRUCTURES)
        xyz, self.topology_, bonds = read_coordinates(trajectories, frames, self.atoms)
        latents = self.latents(dataset)["features"].values[frames]
        names, unit = self._latent_names(), dataset.attrs["time_unit"]
        latents = schema.as_dataset(latents, feature_names=names, time_unit=unit)
        self._timed("decoder", lambda: self.decoder.fit(latents, xyz, bonds=bonds, **options))
        return self

    def _timed(self, part, train):
        began = time.perf_counter()
        train()
        self.seconds_[part] = time.perf_counter() - began

    def _evenly(self, dataset, trajectories, at_most) -> np.ndarray:
        n_frames = dataset.sizes["frame"]
        if len(trajectories) != n_frames:
            raise FelError(
                f"Trajectories of {len(trajectories)} frames for a dataset of {n_frames}.",
                "They are the trajectories that the dataset was featurized from.",
                "Load them with the same stride.",
            )
        return np.unique(np.linspace(0, n_frames - 1, min(n_frames, at_most)).astype(int))

    # ---- the verbs

    def latents(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> xr.Dataset:
        """The embedding of ``X`` as a dataset: features "psi 1", "psi 2", ... (frame, cv)."""
        dataset = schema.as_dataset(X)
        embedding = self.encoder.transform(dataset)
        latents = dataset.drop_dims("feature").assign_coords(feature=self._latent_names())
        latents["features"] = (("frame", "feature"), embedding.values)
        return latents

    def _latent_names(self) -> list[str]:
        return [f"psi {i + 1}" for i in range(self.encoder.n_dims)]

    def simulate(
        self, n_steps: int, n_trajectories: int = 1, *, start: ArrayLike | None = None, **options: Any
    ) -> xr.Dataset:
        """Trajectories in the latent space; see `MixtureDensityPropagator.simulate`."""
        return self.propagator.simulate(n_steps, n_trajectories, start=start, **options)

    def decode(
        self,
        Z: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        seed: int | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
    ) -> Any:
        """Structures at latents ``Z``: a simulation, or an array (frame, cv).

        Returns
        -------
        mdtraj.Trajectory
            A structure a frame, laid on the first one of the data; see `Decoder.sample`.  Structures of
            consecutive frames are drawn independently of each other.
        """
        from fel_explorer.data.coordinates import as_trajectory

        self._require_decoder()
        xyz = self.decoder.sample(Z, seed=seed, device=device, callback=callback)
        return as_trajectory(xyz, self.topology_, self._times(Z)[: len(xyz)])

    def decode_to(
        self,
        path: str | Path,
        Z: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        seed: int | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
    ) -> int:
        """`decode` into an XTC or DCD file, a block at a time: memory does not grow with the frames.

        Returns the number of frames written, fewer than asked for where the callback stopped it.
        """
        from fel_explorer.data.coordinates import write_blocks

        self._require_decoder()
        blocks: Iterator = self.decoder.blocks(Z, seed=seed, device=device, callback=callback)
        return write_blocks(path, blocks, self._times(Z))

    def report(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        trajectories: TrajectorySet | Any | None = None,
        **options: Any,
    ) -> SimulationReport:
        """Comparison of the simulations with molecular dynamics; see `simulation_report.report`."""
        from fel_explorer.methods.latent_simulator.simulation_report import report

        return report(self, X, trajectories, **options)

    def _times(self, Z) -> np.ndarray:
        if isinstance(Z, xr.Dataset):
            return Z["time"].values
        return np.arange(len(np.atleast_2d(Z))) * float(self.lag_time)

    def _require_decoder(self):
        if self.decoder.feature_names_ is None:
            raise FelError(
                "The decoder is not trained.",
                "Structures are learnt from trajectories.",
                "Call fit(data, trajectories) or fit_decoder(data, trajectories).",
            )

    # ---- the file

    def _get_parts(self):
        return {name: getattr(self, name) for name in KINDS if getattr(self, name).feature_names_ is not None}

    def _set_parts(self, parts):
        for name, part in parts.items():
            if name not in KINDS or not isinstance(part, KINDS[name]):
                raise FelError(f"A {type(part).__name__} as '{name}' in the file.", f"Parts are {KINDS}.")
            setattr(self, name, part)

    def _get_arrays(self):
        text = torch.from_numpy(np.frombuffer(self.topology_.encode(), np.uint8).copy())
        seconds = {f"seconds.{name}": torch.tensor(value) for name, value in self.seconds_.items()}
        return {"topology": text} | seconds

    def _set_arrays(self, arrays):
        self.topology_ = bytes(arrays["topology"].numpy()).decode()
        prefix = "seconds."
        self.seconds_ = {n.removeprefix(prefix): float(a) for n, a in arrays.items() if n.startswith(prefix)}
