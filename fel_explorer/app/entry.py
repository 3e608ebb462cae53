"""Ways into the explorer: from a notebook, from the command line, on the sample data."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import panel as pn
import xarray as xr

from fel_explorer.app import tasks
from fel_explorer.app.session import Result, Session
from fel_explorer.app.shell import Explorer
from fel_explorer.errors import FelError


def explore(trajs_or_data=None, models=None, *, trajectories=None, root=".") -> Explorer:
    """Open the explorer on trajectories or a dataset.

    Parameters
    ----------
    trajs_or_data
        A `TrajectorySet`, whose heavy-atom distances are then computed; a dataset; arrays as `as_dataset`
        takes them; or nothing, to choose in the page.
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
        If models come without a dataset, or don't fit it.
    """
    load_extensions()
    trajs, dataset = trajs_or_data, None
    if trajs_or_data is not None and not hasattr(trajs_or_data, "topology"):
        from fel_explorer.data import as_dataset

        dataset = as_dataset(trajs_or_data)
        trajs = trajectories if trajectories is not None else tasks.trajectories_of(dataset)
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


def load_extensions() -> None:
    """Tell panel what the explorer's pages need; safe to call again."""
    pn.extension(notifications=True)
    pn.config.reconnect = True


@functools.cache
def demo_data() -> tuple[xr.Dataset, object, Result]:
    """Sample data, their trajectories, and a first map; computed once a process."""
    dataset, trajs = tasks.sample()(lambda *_: None, lambda: False)
    method = tasks.first_look(dataset).fit(dataset, device="cpu")
    return dataset, trajs, Result.of("TICA 1", method, dataset)


def demo_page() -> Explorer:
    """An explorer on the sample data, with a map to look at."""
    dataset, trajs, result = demo_data()
    session = Session(dataset, trajs)
    session.add_result(result)
    return Explorer(session, root=Path.cwd(), owner=page_token())


def page_token() -> str:
    """What identifies a page across reloads: the token in its address, or a new one that is put there."""
    import uuid

    location = pn.state.location
    if location is None:
        return ""
    token = location.query_params.get("page", "")
    if not token:
        token = uuid.uuid4().hex[:12]
        location.update_query(page=token)
    return str(token)


def serve(make_page: Callable[[], Explorer], *, port: int, address: str, show: bool, **options) -> None:
    """Serve a page per visitor until interrupted."""
    load_extensions()

    def page():
        return make_page().page

    pn.serve({"/": page}, title="fel_explorer", port=port, address=address, show=show, verbose=False, **options)
