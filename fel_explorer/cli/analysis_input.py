"""Flags of the commands that analyse data with a trained model, and what they open."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from fel_explorer.cli.featurize import feature_specs
from fel_explorer.cli.file_flags import add_file_flags, file_options
from fel_explorer.cli.method_flags import add_scheduler_flags, choose_scheduler
from fel_explorer.cli.output import meter, note
from fel_explorer.errors import FelError

if TYPE_CHECKING:
    from fel_explorer.app.session.session import Session

DATA = "a dataset (.zarr) or trajectories, and a model (.fel); or a saved session"


def add_input_flags(parser: argparse.ArgumentParser, *, level: bool = True) -> None:
    """Add the data, the model, and the flags that all analyses have."""
    parser.add_argument("paths", nargs="*", help=DATA)
    add_file_flags(parser)
    parser.add_argument(
        "-f", "--features", action="append",
        help="features of trajectories, as of fel-explorer featurize (default: those that the model knows)",
    )  # fmt: skip
    if level:
        parser.add_argument(
            "--level", type=int, metavar="N",
            help="level of a tree of states, 1 for the longest lag (default: the one that the page shows)",
        )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default 0)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no remarks")
    add_scheduler_flags(parser)


def open_session(arguments: argparse.Namespace, *, states: bool = False, model: bool = True) -> Session:
    """The data and the model of a command as a session that shows it.

    Parameters
    ----------
    states
        Whether the model must have states.
    model
        Whether a model is needed.

    Raises
    ------
    FelError
        If there are no data, more than one model, or not what is needed.
    """
    choose_scheduler(arguments)
    from fel_explorer.app.session.session import Result, Session
    from fel_explorer.app.storage import session_opening
    from fel_explorer.app.storage.opened_files import open_files
    from fel_explorer.app.storage.session_folder import is_session

    paths = arguments.paths
    if any(map(is_session, paths)):
        if len(paths) > 1:
            raise FelError(f"{', '.join(paths)}.", "One session is opened, without other files.")
        session = session_opening.open_session(paths[0])
    else:
        opened = open_files(
            paths,
            **file_options(arguments),
            features=feature_specs(arguments.features) if arguments.features else None,
            callback=meter(arguments.quiet),
        )
        if len(opened.models) > 1:
            raise FelError(f"The models {', '.join(opened.models)}.", "One is analysed at a time.")
        for text in opened.notes:
            note(f"Note: {text}", quiet=arguments.quiet)
        if opened.dataset is None:
            raise FelError("No data.", f"An analysis takes {DATA}.")
        session = Session(opened.dataset, opened.trajectories)
        for label, method in opened.models.items():
            session.add_result(Result.of(label, method, opened.dataset))
    if (model or states) and session.shown is None:
        raise FelError("No model.", f"An analysis takes {DATA}.", "Train one: fel-explorer train.")
    if states and session.shown.state is None:
        raise FelError(
            f"{type(session.shown.method).__name__} has no states.",
            "A model with states is needed, such as IDM, VAMPNet or KMeans.",
            "Train one, or find states in this embedding: fel-explorer train KMeans --embedding model.fel.",
        )
    if "level" in arguments and arguments.level is not None:
        session.show_level(arguments.level - 1)
    return session


def about(session: Session, command: str) -> dict:
    """What a table of a session is of: command, model, data."""
    shown, dataset = session.shown, session.dataset
    found = {"command": command, "frames": dataset.sizes["frame"], "weighted": "weight" in dataset}
    if shown is not None:
        found |= {"model": shown.label, "method": type(shown.method).__name__}
        found |= {"lag_time": shown.lag_time, "level": shown.level + 1} if shown.state is not None else {}
    return found | {"time_unit": dataset.attrs["time_unit"]}
