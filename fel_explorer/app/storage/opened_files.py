"""Data and models from files that the command line names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.storage.input_files import sort_out
from fel_explorer.data import TrajectorySet, open_dataset, trajectories_of
from fel_explorer.data.file_names import in_natural_order
from fel_explorer.data.trajectories import open_trajectories
from fel_explorer.errors import FelError
from fel_explorer.methods import Method, load_model
from fel_explorer.progress import Progress


@dataclass(frozen=True, eq=False)
class Opened:
    """What files hold.

    Attributes
    ----------
    dataset, trajectories
        The features and the structures, None where there are none.
    models
        {name of the file: fitted method}.
    """

    dataset: xr.Dataset | None
    trajectories: TrajectorySet | None
    models: dict[str, Method] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Remarks on the trajectory files."""
        trajs = self.trajectories
        return [] if trajs is None else [text for text in (trajs.time_note, *trajs.notes) if text]


def open_files(
    paths: Sequence[str | Path],
    *,
    topology=None,
    stride: int = 1,
    atoms: str | None = None,
    time_step: float | None = None,
    join: bool = False,
    features: Sequence[str] | None = None,
    needs_features: bool = True,
    callback: Callable[[Progress], None] | None = None,
) -> Opened:
    """Open trajectories, or one dataset (.zarr), and models (.fel).

    Parameters
    ----------
    features
        Of trajectories; by default those that the first model knows.
    needs_features
        Whether trajectories are featurized without a model too.

    Raises
    ------
    FelError
        If a file is missing or can't be read, or there are trajectories and a dataset.
    """
    models = {Path(p).stem: load_model(p) for p in paths if Path(p).suffix == ".fel"}
    datasets = [p for p in paths if Path(p).suffix == ".zarr" or Path(p, "zarr.json").is_file()]
    files = [p for p in paths if Path(p).suffix != ".fel" and p not in datasets]
    if datasets and (files or len(datasets) > 1):
        raise FelError(f"{', '.join(map(str, paths))}.", "Give trajectories, or one dataset (.zarr).")
    if datasets:
        dataset = open_dataset(datasets[0])
        return Opened(dataset, trajectories_of(dataset), models)
    if not files:
        return Opened(None, None, models)
    chosen, found = sort_out(files) if topology is None else (files, topology)
    trajs = open_trajectories(
        chosen if isinstance(found, list) else in_natural_order(chosen),
        found,
        stride=stride,
        atoms=atoms,
        time_step=time_step,
        join=join,
    )
    if not (models or features or needs_features):
        return Opened(None, trajs, models)
    if features is None:
        names = next(iter(models.values())).feature_names_ if models else None
        features = [featurize_and_train.usual_featurizer(trajs.topology, names)]
    featurizing = featurize_and_train.featurizing(trajs, list(features))
    report = (lambda progress, *_: callback(progress)) if callback is not None else (lambda *_: None)
    dataset, _ = featurizing(report, lambda: False)
    return Opened(dataset, trajs, models)
