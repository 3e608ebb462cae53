"""Explorers on the sample data, on files, on a session, and on data in memory."""

from __future__ import annotations

import functools
from collections.abc import Callable

import panel as pn
import xarray as xr

from fel_explorer.app.entry import load_extensions
from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.notices import hear_warnings
from fel_explorer.app.page_token import page_token
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.storage.input_files import allow
from fel_explorer.app.storage.opened_files import open_files
from fel_explorer.app.storage.session_folder import is_session
from fel_explorer.app.storage.session_opening import adopt, open_session
from fel_explorer.app.widgets.notifications import show_warning
from fel_explorer.data import trajectories_of
from fel_explorer.data.schema import check_same_frames
from fel_explorer.errors import FelError


def explore(trajs_or_data=None, models=None, *, trajectories=None, root=".") -> Explorer:
    """Open the explorer on trajectories or a dataset.

    Parameters
    ----------
    trajs_or_data
        A `TrajectorySet`, whose heavy-atom distances (of a large molecule: backbone torsions) are then
        computed; a dataset; arrays as `as_dataset` takes them; or nothing, to choose in the page.
    models
        A fitted method, a list of them, or {label: method}, to show on the dataset.
    trajectories
        The `TrajectorySet` behind a dataset, for structures; by default its own files, where they still are.
    root
        The folder that the page's file browser may see.

    Returns
    -------
    Explorer
        Shows itself in a notebook; ``.servable()`` in a script for `panel serve`, ``.show()`` in a new tab.
        ``explorer.session`` holds what is loaded, shown and selected.

    Raises
    ------
    FelError
        If models come without a dataset, or don't fit it, or trajectories are of other frames.
    """
    load_extensions()
    trajs, dataset = trajs_or_data, None
    from fel_explorer.data import TrajectorySet, as_dataset

    if trajs_or_data is not None and not isinstance(trajs_or_data, TrajectorySet):
        dataset = as_dataset(trajs_or_data)
        trajs = trajectories if trajectories is not None else trajectories_of(dataset)
        check_same_frames(dataset, trajs)
    allow(trajs)
    if models and dataset is None:
        raise FelError("Models without a dataset.", remedy="Give the features: fel.explore(data, models).")
    session = Session(dataset, trajs)
    for label, method in _labelled(models).items():
        session.add_result(Result.of(label, method, dataset))
    explorer = Explorer(session, root=root)
    if trajs is not None and dataset is None:
        session.open(trajs)
        explorer.features.compute()
    return explorer


def _labelled(models) -> dict:
    if models is None or isinstance(models, dict):
        return models or {}
    labelled = {}
    for method in models if isinstance(models, list | tuple) else [models]:
        name = type(method).__name__
        labelled[f"{name} {1 + sum(label.split()[0] == name for label in labelled)}"] = method
    return labelled


@functools.cache
def demo_data() -> tuple[xr.Dataset, object, Result]:
    """Sample data, their trajectories, and a first map; computed once a process."""
    dataset, trajs = featurize_and_train.sample()(lambda *_: None, lambda: False)
    method = featurize_and_train.first_look(dataset).fit(dataset, device="cpu")
    return dataset, trajs, Result.of("TICA 1", method, dataset)


def demo_page(root=".", *, remark="") -> Explorer:
    """An explorer on the sample data, with a map to look at; a ``remark`` is shown as a warning."""
    dataset, trajs, result = demo_data()
    session = Session(dataset, trajs)
    session.add_result(result)
    if remark:
        pn.state.onload(functools.partial(show_warning, remark))
    return Explorer(session, root=root, owner=page_token())


def page_on(
    paths, *, topology=None, stride=1, atoms=None, time_step=None, join=False, root="."
) -> Callable[[], Explorer]:
    """A function that makes an explorer on files: trajectories or a dataset, and models; or on a session.

    Raises
    ------
    FelError
        If a file is missing or can't be read, so that the command ends before a page opens.
    """
    if any(map(is_session, paths)):
        return _page_on_session(paths, root)
    opened = open_files(
        paths,
        topology=topology,
        stride=stride,
        atoms=atoms,
        time_step=time_step,
        join=join,
        needs_features=False,
    )
    dataset, trajs = opened.dataset, opened.trajectories
    allow(trajs)
    results = [Result.of(label, method, dataset) for label, method in opened.models.items()]

    def make() -> Explorer:
        session = Session(dataset, trajs)
        for result in results:
            session.add_result(result)
        explorer = Explorer(session, root=root, owner=page_token())
        if trajs is not None and session.dataset is None and not explorer.board.jobs:
            session.open(trajs)
            explorer.features.compute()
        return explorer

    return make


def _page_on_session(paths, root) -> Callable[[], Explorer]:
    if len(paths) > 1:
        raise FelError(f"{', '.join(map(str, paths))}.", "One session is opened, without other files.")
    notices: list[str] = []
    with hear_warnings(notices.append):
        saved = open_session(paths[0])
    allow(saved.trajectories)

    def make() -> Explorer:
        session = Session()  # each visitor's own
        adopt(session, saved)
        for text in notices:
            pn.state.onload(functools.partial(show_warning, text))
        return Explorer(session, root=root, owner=page_token())

    return make
