"""Commands that fit a method, and that list the methods."""

from __future__ import annotations

import argparse
from typing import Any

from fel_explorer.cli.method_flags import choose_scheduler, train_parser
from fel_explorer.cli.output import bar
from fel_explorer.errors import FelError

TRAIN = (
    "Write fel-explorer train METHOD data.zarr -o model.fel; fel-explorer train METHOD --help lists its "
    "parameters."
)


def add(commands: Any) -> None:
    """Add the commands to argparse's ``commands``."""
    train = commands.add_parser(
        "train",
        help="fit a method to a dataset",
        description="Fit a method to a dataset. `fel-explorer train METHOD --help` lists its parameters.",
        add_help=False,
    )
    train.add_argument("method", nargs="?", help="see fel-explorer methods")
    train.set_defaults(run=_train)

    methods = commands.add_parser("methods", help="list the methods")
    methods.set_defaults(run=_methods)


def _methods(_arguments):
    from fel_explorer.methods import list_methods

    for name, cls in sorted(list_methods().items()):
        print(f"{name:12} {cls.__doc__.strip().splitlines()[0]}")


def _train(arguments: argparse.Namespace):
    from fel_explorer.data import open_dataset, positions_of
    from fel_explorer.methods import list_methods, load_model
    from fel_explorer.training import ranks

    if arguments.method is None and {"-h", "--help"} & set(arguments.rest):
        print(f"Fit a method to a dataset.\n{TRAIN}\n\nmethods:")
        return _methods(arguments)
    methods = list_methods()
    if arguments.method not in methods:
        named = (
            "No method is named." if arguments.method is None else f"There is no method {arguments.method}."
        )
        raise FelError(
            named,
            f"There are {', '.join(sorted(methods))}.",
            TRAIN,
        )
    cls = methods[arguments.method]
    given = train_parser(cls).parse_args(arguments.rest)
    choose_scheduler(given)
    method = cls(
        **{n: v for n, v in vars(given).items() if n in cls.hyperparameter_names() and v is not None}
    )
    dataset, options = open_dataset(given.dataset), {}
    if method.needs_positions(dataset):
        options["positions"] = positions_of(dataset)
    if cls.takes_embedding and given.embedding:
        options["embedding"] = load_model(given.embedding)
    with ranks.joined(given.device) as device:
        _check_ranks(cls)
        first = ranks.rank() == 0
        callback = bar if first else None
        method.fit(dataset, device=device, callback=callback, checkpoint_dir=given.checkpoint_dir, **options)
        if first:
            method.save(given.output)
            print(f"{given.output}: {arguments.method} on {given.dataset}")


def _check_ranks(cls):
    from fel_explorer.methods import list_methods
    from fel_explorer.training import ranks

    if ranks.n_ranks() > 1 and not cls.trains_on_ranks:
        able = [name for name, other in sorted(list_methods().items()) if other.trains_on_ranks]
        raise FelError(
            f"{cls.__name__} on {ranks.n_ranks()} processes of torchrun.",
            f"{', '.join(able)} train on several.",
            "Start it without torchrun.",
        )
