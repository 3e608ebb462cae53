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
