"""Flags of the command line, made from the parameters of a method."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import param

    from fel_explorer.methods.base import Method


def train_parser(cls: type[Method]) -> argparse.ArgumentParser:
    """A parser with one flag for every hyperparameter of a method."""
    parser = argparse.ArgumentParser(
        prog=f"fel-explorer train {cls.__name__}", description=(cls.__doc__ or "").strip().split("\n\n")[0]
    )
    parser.add_argument("dataset", help="a dataset that featurize wrote")
    parser.add_argument("-o", "--output", required=True, help="model file to write (.fel)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument("--checkpoint-dir", help="folder for checkpoints; a killed run resumes from there")
    add_scheduler_flags(parser)
    if cls.takes_embedding:
        parser.add_argument(
            "--embedding", help="model file: find the states in its embedding, not in features"
        )
    for name in cls.hyperparameter_names():
        parameter = cls.param[name]
        text = f"{parameter.doc or ''} (default {parameter.default})".replace("%", "%%")
        parser.add_argument(
            f"--{name}", f"--{name.replace('_', '-')}", dest=name, help=text, **flag(parameter)
        )
    return parser


def add_scheduler_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say where tasks run."""
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes that share the work, 0 for as many as cores"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="threads, processes, or the address of a dask cluster, such as tcp://10.0.0.1:8786",
    )


def choose_scheduler(arguments: argparse.Namespace) -> None:
    """Run tasks where the flags say; without them in this process."""
    from fel_explorer.parallel import PROCESSES, set_scheduler

    if arguments.scheduler is not None or arguments.workers is not None:
        set_scheduler(arguments.scheduler or PROCESSES, workers=arguments.workers or 0)


def flag(parameter: param.Parameter) -> dict:
    """argparse's keywords for a Param: its type, its choices, or a list of values."""
    import param

    if isinstance(parameter, param.Boolean):
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(parameter, param.Selector):
        return {"choices": list(parameter.objects)}
    if isinstance(parameter, param.Integer):
        return {"type": int}
    if isinstance(parameter, param.Number):
        return {"type": float}
    if isinstance(parameter, param.List | param.Tuple):
        return {"nargs": "*", "type": type(parameter.default[0]) if parameter.default else float}
    return {"type": str}
