"""Data of a session: the files that are open, their feature sets, and data that were opened before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import param
import xarray as xr

from fel_explorer.app.session.feature_sets import (
    are_same_features,
    are_same_frames,
    feature_set_name,
    frame_columns,
    free_name,
    with_columns_of,
)
from fel_explorer.app.session.history import History, Loaded
from fel_explorer.app.session.snapshot import Snapshot
from fel_explorer.data import TrajectorySet
from fel_explorer.errors import FelError

STAYING = "name shown representation energy_unit refine".split()  # with other data; `shown` follows by itself
OF_ALL_DATA = "can_undo can_redo data_name earlier_data".split()


class SessionData(param.Parameterized):
    """Feature sets lie side by side: each model belongs to one, and the shown model's is the dataset.

    Data that were opened before stay, with all that was made of them.
    """

    trajectories = param.Parameter(None, doc="TrajectorySet behind the dataset, or None for arrays.")
    dataset = param.ClassSelector(
        class_=xr.Dataset, default=None, allow_None=True, doc="The feature set that is shown."
    )
    feature_sets = param.Dict({}, doc="{name: dataset} of the same frames, in order of their computation.")
    feature_set = param.String("", doc="Name of the shown one; '' without features.")
    features_of = param.Dict({}, doc="{label of a result: name of the feature set that it was trained on}.")
    data_name = param.String("", doc="Name of the data that are shown, for people.")
    earlier_data = param.Dict({}, doc="{name: `Loaded`}: other data that were opened.")

    def open(self, trajectories, name: str = "") -> None:
        """Take other trajectories, of which no features are known yet."""
        self._take(trajectories, None, name)

    def load(self, dataset: xr.Dataset, trajectories=None, name: str = "") -> None:
        """Take another dataset; what was loaded before stays in ``earlier_data``, and undo brings it back."""
        self._take(trajectories, dataset, name)

    def _take(self, trajectories, dataset, name):
        only_features = self.dataset is None and trajectories is self.trajectories and self.data_name
        name = name or (self.data_name if only_features else data_name(trajectories, dataset))
        if self.dataset is None:
            history, kept = History(self._history.before), self.earlier_data
        else:
            history = History(self.data_name)
            kept = {**self.earlier_data, self.data_name: self._loaded()}
        self._history = history
        name = free_name(name, kept)
        self.param.update(earlier_data=kept, data_name=name, **self._usual(trajectories, dataset))
        self.param.update(**history.flags)

    def _loaded(self) -> Loaded:
        """What is loaded now, with all that was made of it."""
        left_out = {*STAYING, *OF_ALL_DATA}
        values = {name: getattr(self, name) for name in self.param if name not in left_out}
        return Loaded(self.data_name, values, self._history)

    def add_earlier(self, others: Sequence[SessionData]) -> None:
        """Take over what other sessions show, as data that were opened before."""
        kept = dict(self.earlier_data)
        for other in others:
            name = free_name(other.data_name, [*kept, self.data_name])
            kept[name] = replace(other._loaded(), name=name)
        self.earlier_data = kept

    def show_data(self, name: str) -> None:
        """Go back to data that were opened before, with their models, selection and history."""
        if name == self.data_name:
            return
        there, others = self.earlier_data[name], dict(self.earlier_data)
        del others[name]
        if self.dataset is not None:
            others[self.data_name] = self._loaded()
        self._history = there.history
        self.param.update(earlier_data=others, data_name=name, **there.values, **self._history.flags)

    def close_data(self, name: str) -> None:
        """Close data that were opened before, with their models; this can't be undone.

        Raises
        ------
        FelError
            If no data of this name were opened before those that are shown.
        """
        if name not in self.earlier_data:
            raise FelError(
                f"'{name}' can't be closed.", "Only data that are not shown can be.", "Show other data first."
            )
        kept = {key: there for key, there in self.earlier_data.items() if key != name}
        for history in (self._history, *(there.history for there in kept.values())):
            history.forget(name)
        self.param.update(earlier_data=kept, **self._history.flags)

    def attach(self, dataset: xr.Dataset) -> None:
        """Take the same frames with other columns, in all feature sets; results and history stay."""
        if self.dataset is None or dataset.sizes["frame"] != self.dataset.sizes["frame"]:
            raise FelError(
                "Columns for other frames than the loaded ones.",
                remedy="Use session.load(dataset) for another dataset.",
            )
        sets = {name: with_columns_of(other, dataset) for name, other in self.feature_sets.items()}
        self.param.update(feature_sets={**sets, self.feature_set: dataset}, dataset=dataset)

    def add_features(self, dataset: xr.Dataset, name: str = "") -> None:
        """Show other features of the same frames; the columns of the frames carry over, models stay.

        Features that are there already are shown, and not added again.

        Raises
        ------
        FelError
            If the dataset has other frames.
        """
        if self.dataset is None or not are_same_frames(self.dataset, dataset):
            raise FelError(
                "Features of other frames than the loaded ones.",
                remedy="Use session.load(dataset) for another dataset.",
            )
        known = [key for key, other in self.feature_sets.items() if are_same_features(other, dataset)]
        if known:
            self._show_features(known[0], self.last_model(known[0]))
            return
        own = {name: dataset[name].variable for name in frame_columns(dataset)}
        dataset = with_columns_of(dataset, self.dataset).assign(own)
        name = free_name(name, self.feature_sets) if name else feature_set_name(dataset, self.feature_sets)
        # torsions that come with these features are columns of the others too
        sets = {key: other.assign(own) for key, other in self.feature_sets.items()}
        self.feature_sets = {**sets, name: dataset}
        self._show_features(name, "")

    def show_features(self, name: str) -> None:
        """Show a feature set with its model that was trained last."""
        if name != self.feature_set:
            self._show_features(name, self.last_model(name))

    def _show_features(self, name, model):
        self._history.remember(Snapshot.of(self, model=True))
        self.param.update(
            feature_set=name,
            dataset=self.feature_sets[name],
            active=model,
            point=None,
            **self._history.flags,
        )

    def last_model(self, name: str) -> str:
        """Label of the model of a feature set that was trained last; '' where there is none."""
        return next((label for label in reversed(self.features_of) if self.features_of[label] == name), "")

    @param.depends("dataset", watch=True)
    def _keep_features(self):
        """Keep a dataset that was set from outside as the feature set that is shown."""
        if self.dataset is None or self.feature_sets.get(self.feature_set) is self.dataset:
            return
        name = self.feature_set or feature_set_name(self.dataset)
        self.param.update(feature_sets={**self.feature_sets, name: self.dataset}, feature_set=name)


def data_name(trajectories, dataset) -> str:
    """Name of data for people: of their file, or of the first of them, or what they are."""
    files = (
        [Path(file).name for file in trajectories.files] if isinstance(trajectories, TrajectorySet) else []
    )
    if files:
        return files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
    return "" if dataset is None and trajectories is None else "arrays"
