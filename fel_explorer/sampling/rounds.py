"""One round of umbrella sampling: all walkers of some windows, on a model system or on a molecule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fel_explorer.methods.base import Method
from fel_explorer.sampling.plan import Plan
from fel_explorer.sampling.windows import Windows, starting_frames
from fel_explorer.systems import dynamics
from fel_explorer.systems.potential import Potential
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.data import fingerprint

if TYPE_CHECKING:
    from fel_explorer.progress import Callback
    from fel_explorer.sampling.molecules import MolecularSystem


@dataclass(frozen=True)
class Sampled:
    """Windows in ascending order, arrays (window, walker, frame, ...) by name, time between frames."""

    windows: Windows
    arrays: dict[str, np.ndarray]
    step: float

    def join(self, others: Sampled) -> Sampled:
        """Both, sorted; others that were stopped amid their walkers are left out."""
        shape = self.arrays["features"].shape[1:3]
        if others.arrays["features"].shape[1:3] != shape:
            return self
        windows = self.windows.join(others.windows)
        order = np.argsort(windows.centres)
        arrays = {
            name: np.concatenate([values, others.arrays[name]])[order] for name, values in self.arrays.items()
        }
        return Sampled(windows.take(order), arrays, self.step)


class Sampler:
    """Samples rounds of windows along one dimension of a method's CV.

    Attributes
    ----------
    stopped
        Whether the callback asked to stop.
    """

    def __init__(
        self,
        method: Method,
        system: Potential | MolecularSystem,
        dataset: xr.Dataset,
        plan: Plan,
        *,
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> None:
        self.method, self.system, self.dataset, self.plan = method, system, dataset, plan
        self.cv = method.transform(dataset).values[:, plan.dimension]
        self.stopped = False
        self._callback, self._folder = callback, checkpoint_dir

    def sample(self, windows: Windows, number: int = 0) -> Sampled:
        """Round ``number``, with random numbers and a checkpoint of its own."""
        seed = int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0] >> 1)
        starts = starting_frames(self.cv, windows, self.plan.n_walkers, seed)
        message = f"Umbrella sampling in {len(windows)} windows"
        options: dict[str, Any] = {
            "seed": seed,
            "callback": self._watch if self._callback else None,
            "checkpoint": self._checkpoint(windows, number),
            "message": message if number == 0 else f"{message} more, where neighbours overlap too little",
        }
        if isinstance(self.system, Potential):
            return self._on_system(self.system, windows, starts, options)
        done, step = self.system.run_windows(
            self.method, windows, self.dataset, starts, plan=self.plan, **options
        )
        kept = sorted(done)  # fewer than all after a cancelled run
        arrays = {name: np.stack([done[w][name].numpy() for w in kept]) for name in done[kept[0]]}
        return Sampled(windows.take(kept), arrays, step)

    def _on_system(self, system: Potential, windows, starts, options) -> Sampled:
        from fel_explorer.sampling.toy import run_windows

        plan = self.plan
        step = plan.time_step or system.default_time_step["langevin"]
        integration = dynamics.Options("langevin", step, plan.stride, system.default_friction, system.mass)
        position = self.dataset["position"].values[starts]
        x = run_windows(self.method, system, windows, position, plan=plan, integration=integration, **options)
        _, features = system.features(system.wrap(x))
        arrays = {"features": features, "position": x, "energy": system.energy(x)}
        return Sampled(windows, {name: values.numpy() for name, values in arrays.items()}, step * plan.stride)

    def _watch(self, progress) -> bool:
        self.stopped = self.stopped or bool(self._callback and self._callback(progress))
        return self.stopped

    def _checkpoint(self, windows: Windows, number: int) -> Checkpoint | None:
        if self._folder is None:
            return None
        settings = {
            name: value for name, value in vars(self.plan).items() if name not in ("n_processes", "device")
        }
        settings |= {"centres": windows.centres.tolist(), "stiffness": windows.stiffness.tolist()}
        weights = [float(array.double().sum()) for array in self.method._get_arrays().values()]
        config = {"umbrella": settings, "method": weights, "data": fingerprint(self.dataset)}
        config["system"] = {"kT": self.system.kT, **self.system.parameters()}
        folder = Path(self._folder) / f"round-{number}" if number else self._folder
        return Checkpoint(folder, config)
