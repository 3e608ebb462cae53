"""Base of the decoders: learning structures given latents, and drawing them in blocks."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import param
import torch
import xarray as xr
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.data import schema
from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.methods.latent_simulator.clashes import clashing, closest_allowed
from fel_explorer.methods.network_method import NetworkModel
from fel_explorer.progress import Callback, Progress
from fel_explorer.training.loop import REPORT_INTERVAL, threads
from fel_explorer.training.random import random_generator

BLOCK = 1000  # structures at once; part of what a seed means
MAX_FITTED = 20_000  # structures from which means and scales are taken


class Representation(Protocol):
    """The map between structures (frame, atom, 3) in nm and features (frame, feature)."""

    @classmethod
    def of(cls, xyz: Tensor, bonds: Sequence[Sequence[int]] | np.ndarray) -> Self: ...
    @classmethod
    def from_arrays(cls, arrays: dict[str, Tensor]) -> Self: ...
    @property
    def n_features(self) -> int: ...
    @property
    def reference(self) -> Tensor: ...  # (atom, 3) on which decoded structures are laid
    def encode(self, xyz: Tensor) -> Tensor: ...
    def decode(self, features: Tensor) -> Tensor: ...
    def to(self, device: str | torch.device) -> Self: ...
    def arrays(self) -> dict[str, Tensor]: ...


class Decoder(NetworkModel):
    """Base of models of p(structure | latents); not a model itself.

    A subclass sets ``representation``, implements `_build`, `_losses`, `_figure_of_merit` and `_draw`, and
    finds `_n_latents` standardised latents in the first columns of each batch, standardised features of the
    structure in the others.
    """

    representation: type[Representation]
    _structure: Representation

    redraws = param.Integer(
        10,
        bounds=(0, 1000),
        precedence=10.8,
        label="Redraws",
        doc="How often at most a structure is drawn again whose atoms come closer than any in the data. 0 "
        "keeps structures as they are drawn first.",
    )

    def fit(  # type: ignore[override]  # it learns structures, so that they are an argument
        self,
        Z: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        xyz: ArrayLike,
        *,
        bonds: Sequence[Sequence[int]] | np.ndarray = (),
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> Self:
        """Learn structures ``xyz`` (frame, atom, 3) in nm at latents ``Z``: a dataset or (frame, cv).

        Parameters
        ----------
        bonds
            (bond, 2) indices of bonded atoms; atoms without bonds among them, as C-alphas, form a chain.
        device, callback, checkpoint_dir
            As `Model.fit`.

        Raises
        ------
        FelError
            If frames, atoms or values don't fit.
        """
        latents = schema.as_dataset(Z)
        xyz = check_structures(xyz, latents.sizes["frame"])
        some = torch.from_numpy(xyz[:: len(xyz) // MAX_FITTED + 1])
        self._structure, self._allowed = self.representation.of(some, bonds), closest_allowed(some, bonds)
        names = [str(name) for name in latents["feature"].values]
        targets = [f"structure {i}" for i in range(self._structure.n_features)]
        both = np.concatenate([latents["features"].values, self._encoded(xyz)], axis=1)
        joint = latents.drop_dims("feature").assign_coords(feature=[*names, *targets])
        joint["features"] = (("frame", "feature"), both)
        self._n_latents = len(names)
        super().fit(joint, device=device, callback=callback, checkpoint_dir=checkpoint_dir)
        self.feature_names_ = names
        return self

    def _encoded(self, xyz) -> np.ndarray:
        blocks = [
            self._structure.encode(torch.from_numpy(part)).numpy()
            for part in np.array_split(xyz, len(xyz) // 5000 + 1)
        ]
        return np.concatenate(blocks)

    @property
    def n_atoms(self) -> int:
        """Atoms of the structures."""
        self._check_fitted()
        return len(self._structure.reference)

    def _lag(self, dataset) -> int:
        return 0

    def _latents_and_structure(self, batch) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised latents and features of a batch, and weights; with lag 0 its halves are the same."""
        frames, _ = batch.halves(batch.frames)
        n_kept = self._scaling.n_kept_of(self._n_latents)
        return frames[:, :n_kept], frames[:, n_kept:], batch.weight

    def _sizes(self, n_features: int) -> tuple[int, int]:
        """Number of latents and of features of the structure that are not constant."""
        n_kept = self._scaling.n_kept_of(self._n_latents)
        return n_kept, n_features - n_kept

    def _draw(self, network, latents: Tensor, generator: torch.Generator) -> Tensor:
        """Standardised features of structures (frame, feature) at standardised latents (frame, cv)."""
        raise NotImplementedError

    # ---- drawing

    def sample(
        self,
        Z: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        seed: int | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
    ) -> np.ndarray:
        """One structure at each point: (frame, atom, 3) float32 in nm, laid on the first one of the data.

        Parameters
        ----------
        Z
            Latents: a dataset, such as a simulation, or (frame, cv).
        seed
            Default the decoder's own.
        callback
            Called with `progress.Progress`; returning True stops, with the structures so far.
        """
        return np.concatenate(list(self.blocks(Z, seed=seed, device=device, callback=callback)))

    def blocks(
        self,
        Z: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        seed: int | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
    ) -> Iterator[np.ndarray]:
        """As `sample`, a block (frame, atom, 3) at a time: memory does not grow with the number of frames."""
        self._check_fitted()
        values = self._checked_latents(Z)
        device = resolve_device(device)
        generator = random_generator(device, self.seed if seed is None else seed, 6)
        network, structure = copy.deepcopy(self._network).to(device), self._structure.to(device)
        scaling, allowed, n = self._scaling.to(device), self._allowed.to(device), self._n_latents

        def made(latents):
            drawn = self._draw(network, latents, generator)
            return structure.decode(scaling.inverse(torch.cat([latents, drawn], dim=1))[:, n:])

        began = reported = time.monotonic()
        for start in range(0, len(values), BLOCK):
            block = np.array(values[start : start + BLOCK], np.float32)
            with torch.no_grad(), threads(self.n_threads if device.type == "cpu" else 0):
                padded = scaling.mean.expand(len(block), -1).clone()
                padded[:, :n] = torch.from_numpy(block).to(device)
                latents = scaling(padded)[:, : scaling.n_kept_of(n)]
                xyz = self._sound(made, latents, allowed).cpu().numpy()
            yield xyz
            done, now = start + len(block), time.monotonic()
            if callback is not None and (now - reported > REPORT_INTERVAL or done == len(values)):
                reported = now
                eta = (now - began) / done * (len(values) - done)
                if callback(Progress(done, len(values), {}, eta, "Decoding structures")):
                    return

    def _sound(self, made, latents, allowed) -> Tensor:
        """Structures ``made(latents)``, those with clashes made again."""
        xyz = made(latents)
        for _ in range(self.redraws):
            again = clashing(xyz, allowed).nonzero()[:, 0]
            if not len(again):
                break
            xyz[again] = made(latents[again])
        return xyz

    def _checked_latents(self, Z):
        values = Z["features"] if isinstance(Z, xr.Dataset) else np.atleast_2d(np.asarray(Z, np.float32))
        if values.ndim != 2 or values.shape[1] != self._n_latents or not len(values):
            raise FelError(
                f"Latents of shape {values.shape}.",
                f"This {type(self).__name__} was fitted at {self._n_latents} latents a frame.",
            )
        return values

    # ---- the file

    def _get_arrays(self):
        own = {f"structure.{name}": tensor for name, tensor in self._structure.arrays().items()}
        return super()._get_arrays() | own | {"allowed": self._allowed}

    def _set_arrays(self, arrays):
        prefix = "structure."
        self._structure = self.representation.from_arrays(
            {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
        )
        self._n_latents, self._allowed = len(self.fitted_feature_names()), arrays["allowed"]
        super()._set_arrays(arrays)

    def _describe(self, dataset, frames, lag):
        return


def check_structures(xyz: ArrayLike, n_frames: int) -> np.ndarray:
    """``xyz`` as (frame, atom, 3) float32, or a `FelError` that says what does not fit."""
    xyz = np.asarray(xyz, np.float32)
    if xyz.ndim != 3 or xyz.shape[2] != 3 or len(xyz) != n_frames:
        raise FelError(
            f"Structures of shape {xyz.shape} for latents of {n_frames} frames.",
            f"They are ({n_frames}, atom, 3), in nm.",
        )
    if not np.isfinite(xyz).all():
        raise FelError("A coordinate is not a number.", remedy="Remove broken frames.")
    return xyz
