"""The contract of an analytic model system, and the registry of all of them.

To add a system write one file here with one class that sets the attributes and methods listed under
`Potential`, and name it in `SYSTEMS` and in the package's ``__init__``.
"""

from __future__ import annotations

import json
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from torch import Tensor

from fel_explorer.data import schema
from fel_explorer.devices import resolve_device
from fel_explorer.errors import FelError
from fel_explorer.systems import dynamics

Box = tuple[tuple[float, float], ...]
SYSTEMS = ("PeriodicPotential", "MullerBrown", "DoubleWell", "FourWell", "MullerBrown5D", "ThreeWell5D")
PROPOSALS, MAX_PROPOSALS = 65_536, 6_553_600  # of rejection sampling: at once, and before giving up


def list_systems() -> dict[str, type[Potential]]:
    """All model systems, {name: class}."""
    from fel_explorer import systems

    return {name: getattr(systems, name) for name in SYSTEMS}


class Potential:
    """A potential energy U(x) with known answers, and Langevin dynamics in it.

    A subclass sets the class attributes below and implements `energy`, `gradient` and `basin`.
    Points are tensors, arrays or lists (..., dim); answers are tensors, float64 unless the points are
    tensors of another type.

    Attributes
    ----------
    kT
        Temperature in the potential's energy unit.
    coordinate_names
        Names of the ``dim`` coordinates.
    domain
        ((low, high), ...) per coordinate: a box outside which the Boltzmann weight is negligible, or a
        period, or the reflecting walls.
    walls
        The same box where walls reflect, else None.
    minima
        (minimum, dim) float64, the known local minima; `basin` numbers them.
    saddles, saddle_pairs
        (saddle, dim) float64 and for each the two minima it joins.
    default_time_step
        {"overdamped": ..., "langevin": ...}: integration steps at which averages are
        right within a few per cent in the stiffest direction; times the friction when overdamped.
    mass, default_friction
        Of every coordinate, in energy time^2 / length^2; in 1 / time.
    time_unit, energy_unit
        Names of the units; "1" and "" where there are none.
    n_flat
        Dimensions that the energy does not depend on: minima and saddles are one point of each manifold.
    """

    coordinate_names: ClassVar[tuple[str, ...]]
    default_time_step: dict[str, float]
    kT: float
    domain: Box
    walls: Box | None = None
    minima: Tensor
    saddles: Tensor
    saddle_pairs: list[tuple[int, int]]
    mass: ClassVar[float] = 1.0
    default_friction: ClassVar[float] = 1.0
    time_unit: ClassVar[str] = "1"
    energy_unit: ClassVar[str] = ""
    n_flat: ClassVar[int] = 0

    def __init__(self, *, kT: float) -> None:
        if not (np.isfinite(kT) and kT > 0):
            raise FelError(f"kT={kT!r}.", "The temperature is a positive number.")
        self.kT = float(kT)

    # ---- what a system implements

    def energy(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n"]:
        """Potential energy (...) at points (..., dim), differentiable."""
        raise NotImplementedError

    def gradient(self, x: Tensor | ArrayLike) -> Float[Tensor, "*n dim"]:
        """Gradient of the energy (..., dim) at points (..., dim)."""
        raise NotImplementedError

    def basin(self, x: Tensor | ArrayLike) -> Int[Tensor, "*n"]:
        """Index (...) of the minimum that steepest descent from each point (..., dim) reaches."""
        raise NotImplementedError

    def parameters(self) -> dict:
        """Arguments of `__init__`, JSON types only."""
        return {"kT": self.kT}

    # ---- what every system gets from it

    @property
    def dim(self) -> int:
        """Number of coordinates."""
        return len(self.coordinate_names)

    def barriers(self) -> Float[np.ndarray, "state state"]:
        """Energy to climb from minimum i straight to minimum j over the lowest saddle that joins them.

        Returns (minimum, minimum); infinite where no saddle joins two minima.
        """
        barrier = np.full((len(self.minima), len(self.minima)), np.inf)
        floor = self.energy(self.minima).numpy()
        for (i, j), top in zip(self.saddle_pairs, self.energy(self.saddles).tolist(), strict=True):
            barrier[i, j] = min(barrier[i, j], top - floor[i])
            barrier[j, i] = min(barrier[j, i], top - floor[j])
        return barrier

    def features(self, x: Float[Tensor, "*n dim"]) -> tuple[list[str], Float[Tensor, "*n feature"]]:
        """Feature names and values (..., feature) of points (..., dim): the coordinates themselves."""
        return list(self.coordinate_names), x

    def wrap(self, x: Float[Tensor, "*n dim"]) -> Float[Tensor, "*n dim"]:
        """Points (..., dim) brought back into the first period; the points themselves where there is none."""
        return x

    def sample(self, n_samples: int, *, seed: int = 0) -> Float[Tensor, "{n_samples} dim"]:
        """Independent draws (n_samples, dim) from the Boltzmann distribution exp(-U / kT), by rejection.

        Exact up to the weight outside `domain`.

        Raises
        ------
        FelError
            If the temperature is so low that hardly any draw is accepted.
        """
        if n_samples < 1:
            raise FelError(f"n_samples={n_samples}.", "At least one sample is drawn.")
        generator = torch.Generator().manual_seed(seed)
        low, high = torch.tensor(self.domain, dtype=torch.float64).T
        floor, kept = self.energy(self.minima).min(), []
        for _ in range(MAX_PROPOSALS // PROPOSALS):
            x = low + (high - low) * torch.rand(PROPOSALS, self.dim, generator=generator, dtype=torch.float64)
            uniform = torch.rand(PROPOSALS, generator=generator, dtype=torch.float64)
            kept.append(x[uniform < torch.exp((floor - self.energy(x)) / self.kT)])
            if sum(map(len, kept)) >= n_samples:
                return torch.cat(kept)[:n_samples]
        n_kept = sum(map(len, kept))
        raise FelError(
            f"{n_samples} samples at kT={self.kT:g}: {n_kept} of {MAX_PROPOSALS} draws accepted.",
            "Direct sampling needs a temperature at which the wells are not tiny compared with the domain.",
            "Raise kT, draw fewer, or simulate with start=system.minima[0].",
        )

    def simulate(
        self,
        n_steps: int = 100_000,
        n_walkers: int = 10,
        *,
        time_step: float | None = None,
        stride: int = 10,
        dynamics: str = "overdamped",
        friction: float | None = None,
        seed: int = 0,
        start: Tensor | ArrayLike | None = None,
        basins: bool = True,
        device: str = "auto",
    ) -> xr.Dataset:
        """Simulate walkers and return their frames, one trajectory a walker, in the dataset schema.

        Parameters
        ----------
        n_steps
            Integration steps of each walker; every ``stride``-th is a frame.
        time_step
            Integration step; default by system and dynamics.
        dynamics
            "overdamped": dx = -grad U / (m friction) dt + sqrt(2 kT / (m friction)) dW (Euler-Maruyama);
            "langevin": second order, by BAOAB (doi:10.1093/amrx/abs010).
        friction
            In 1 / time, default by system; 0 is allowed in "langevin" and conserves the energy.
        seed
            Same seed, same numbers on the same kind of device.
        start
            Positions (dim) or (n_walkers, dim); default: independent draws from the Boltzmann
            distribution, so that there is no burn-in to throw away.
        basins
            Whether the basin of each frame is found, which takes longer than the dynamics.
        device
            "auto" (CUDA when there is one), "cpu", "cuda", ...  Batches of 10^4 walkers profit from CUDA.

        Returns
        -------
        Dataset with ``features``, ``position`` (frame, coordinate), ``energy`` and ``basin`` (frame), and
        for "langevin" ``velocity`` (frame, coordinate); its time step is ``time_step * stride``.

        Raises
        ------
        FelError
            For steps or walkers < 1, a time step <= 0 or so large that the walkers diverge, a friction out
            of range, an unknown dynamics, or starts of another shape or outside the walls.
        """
        options = _checked(self, n_steps, n_walkers, time_step, stride, dynamics, friction)
        start = self._start(start, n_walkers, seed)
        positions, velocities = _run(self, start, options, n_steps, seed, device)
        run = {name: value for name, value in vars(options).items() if name != "mass"} | {"seed": seed}
        attrs = {"system": type(self).__name__, "system_parameters": json.dumps(self.parameters())}
        attrs["simulation"] = json.dumps(run)
        data = self._dataset(positions, velocities, options.time_step * stride, attrs)
        return data.assign(basin=("frame", self.basin(data["position"].values).numpy())) if basins else data

    def _start(self, start, n_walkers: int, seed: int) -> Tensor:
        if start is None:
            return self.sample(n_walkers, seed=seed)
        start = torch.as_tensor(np.asarray(start, dtype=np.float64))
        finite = bool(start.isfinite().all())
        if start.shape not in ((self.dim,), (n_walkers, self.dim)) or not finite:
            raise FelError(
                f"start has shape {tuple(start.shape)}{'' if finite else ' and is not finite'}.",
                f"It is one finite point ({self.dim},) or one per walker ({n_walkers}, {self.dim}).",
            )
        if self.walls and any(
            (column < low).any() or (column > high).any()
            for column, (low, high) in zip(start.reshape(-1, self.dim).T, self.walls, strict=True)
        ):
            raise FelError("A start lies outside the walls.", f"The walls are {self.walls}.")
        return start.expand(n_walkers, self.dim).clone()

    def _dataset(self, positions: Tensor, velocities: Tensor | None, frame_step: float, attrs) -> xr.Dataset:
        n_walkers, n_frames, _ = positions.shape
        x = self.wrap(positions.reshape(-1, self.dim))
        names, features = self.features(x)
        dataset = schema.assemble(
            features.numpy().astype(np.float32),
            names,
            [n_frames] * n_walkers,
            time_step=frame_step,
            time_unit=self.time_unit,
            attrs=attrs,
        ).assign_coords(coordinate=list(self.coordinate_names))
        dataset["position"] = (("frame", "coordinate"), x.numpy())
        if velocities is not None:
            dataset["velocity"] = (("frame", "coordinate"), velocities.reshape(-1, self.dim).numpy())
        units = {"units": self.energy_unit} if self.energy_unit else {}
        dataset["energy"] = ("frame", self.energy(x).numpy(), units)
        return dataset


def points(x: Tensor | ArrayLike, dim: int) -> Tensor:
    """``x`` as a floating tensor (..., dim), or a `FelError` that names its shape."""
    if not isinstance(x, Tensor):
        x = torch.as_tensor(np.asarray(x, dtype=np.float64))
    if x.ndim == 0 or x.shape[-1] != dim:
        raise FelError(f"Points of shape {tuple(x.shape)}.", f"The last axis holds {dim} coordinates.")
    return x if x.is_floating_point() else x.double()


def _checked(system, n_steps, n_walkers, time_step, stride, kind, friction) -> dynamics.Options:
    if kind not in dynamics.KINDS:
        raise FelError(f"dynamics={kind!r}.", f"Dynamics are {', '.join(map(repr, dynamics.KINDS))}.")
    if n_walkers < 1 or stride < 1 or n_steps < stride:
        raise FelError(
            f"n_steps={n_steps}, n_walkers={n_walkers}, stride={stride}.",
            "There is at least one walker, the stride is at least 1 and n_steps at least the stride.",
        )
    friction = system.default_friction if friction is None else friction
    if not np.isfinite(friction) or friction < 0 or (friction == 0 and kind == "overdamped"):
        raise FelError(
            f"friction={friction!r} with {kind} dynamics.",
            "The friction is positive; 'langevin' also takes 0 (constant energy).",
        )
    default = system.default_time_step[kind] * (friction if kind == "overdamped" else 1)
    time_step = default if time_step is None else time_step
    if not (np.isfinite(time_step) and time_step > 0):
        raise FelError(
            f"time_step={time_step!r}.",
            "The time step is positive.",
            f"Leave it out for the default of {default:g}.",
        )
    return dynamics.Options(kind, float(time_step), int(stride), float(friction), system.mass)


def _run(system, start, options, n_steps, seed, device):
    device = resolve_device(device)
    generator = torch.Generator(device).manual_seed(seed + 1)  # not the stream that drew the starts
    return dynamics.run(
        system.gradient,
        start.to(device),
        kT=system.kT,
        n_frames=n_steps // options.stride,
        options=options,
        walls=system.walls,
        generator=generator,
    )
