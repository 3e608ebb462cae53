"""How `DivisiveIDM` trains the division of one state: from discrete states, or from several random starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.methods.idm.discrete import Criteria
from fel_explorer.methods.idm.division_progress import Report
from fel_explorer.methods.idm.divisive_tree import stability
from fel_explorer.methods.idm.method import IDM
from fel_explorer.methods.idm.parameters import MIN_POPULATION, IDMParameters
from fel_explorer.methods.idm.schedule import DiscreteSchedule
from fel_explorer.methods.idm.start import StartFinder
from fel_explorer.training.data import Scaling

OWN = {"lag_times", "min_population", "n_restarts", "seed"}  # hyperparameters that an IDM does not take over


def steps_of_division(method: IDMParameters) -> int:
    """Steps of training of a division at most, all repetitions together."""
    if method.start == "discrete":
        return DiscreteSchedule.within(method.n_steps).n_steps
    return method.n_steps * method.n_restarts


class DivisionTrainer:
    """Trains one IDM after the other inside states.

    Parameters
    ----------
    method
        The `DivisiveIDM`, for its hyperparameters.
    show
        Called with each model before it is trained.
    """

    def __init__(
        self, method: IDMParameters, report: Report, device: torch.device, show: Callable[[IDM], None]
    ) -> None:
        self.method, self.report, self.device, self.show = method, report, device, show

    def train(
        self, part: xr.Dataset, n_frames: int, lag_time: float, folder: Path | None
    ) -> tuple[IDM | None, float]:
        """The IDM of the frames of a state, and its stability.

        Parameters
        ----------
        part
            The frames of the state.
        n_frames
            Number of all frames.
        folder
            For checkpoints.

        Returns
        -------
        model
            None if the state does not divide; never at the first level, when ``part`` is everything.
        stability
            Mean adjusted Rand index of the states of the repetitions with those kept; nan if there is one.
        """
        if self.method.start == "discrete":
            return self._from_discrete_states(part, n_frames, lag_time, folder)
        models, labels = [], []
        for restart in range(self.method.n_restarts):
            model = self._fit(self._model(lag_time, restart), part, restart, folder)
            models.append(model)
            labels.append(model.predict(part).values)
            if self.report.stopped:
                break
        best = int(np.argmax([model.objective_ for model in models]))
        return models[best], stability(labels[best], labels[:best] + labels[best + 1 :])

    def _from_discrete_states(self, part, n_frames, lag_time, folder):
        method, lag = self.method, schema.lag_in_frames(part, lag_time)
        smallest = method.hyperparameters()["min_population"]
        least = max(MIN_POPULATION, smallest * n_frames / part.sizes["frame"])
        criteria = Criteria(method.beta_end, method.min_evidence, method.min_visits, least, method.n_states)
        model = self._model(lag_time, 0)
        model._prepare(Scaling.of(part), torch.Generator())
        self.show(model)  # untrained, while the states are searched for
        start = StartFinder(part, lag, Scaling.of(part)).find(
            criteria, method.n_microstates, method.seed, method.n_searches, self._report_search
        )
        agreement = stability(start.states, start.searches)
        if len(start) < 2 and part.sizes["frame"] < n_frames:
            return None, agreement
        model._given_start = start
        return self._fit(model, part, 0, folder), agreement

    def _report_search(self, number: int) -> bool:
        return self.report.search(number, self.method.n_searches)

    def _model(self, lag_time, restart) -> IDM:
        shared = {name: value for name, value in self.method.hyperparameters().items() if name not in OWN}
        return IDM(lag_time=lag_time, **shared, n_restarts=1, seed=self.method.seed + restart)

    def _fit(self, model, part, number, folder) -> IDM:
        """Fit ``model`` to ``part`` as the repetition of that number."""
        self.show(model)
        n = 1 if self.method.start == "discrete" else self.method.n_restarts
        return model.fit(
            part,
            device=self.device,
            callback=self.report.restart(number, steps_of_division(self.method) // n),
            checkpoint_dir=folder and folder / str(number),
        )
