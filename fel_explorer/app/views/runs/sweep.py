"""Sweeps: one hyperparameter of a method at several values, each a run of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import param

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import Method

MAX_RUNS = 100
EXAMPLE = {True: "2, 5, 10, 20", False: "0.1, 0.3, 1"}


@dataclass(frozen=True)
class Planned:
    """A run to come: an unfitted method, and what it differs by ("lag time 5, seed 2")."""

    method: Method
    differs: str


def sweepable(cls: type[Method]) -> dict[str, str]:
    """The numbers among the hyperparameters of the form, {label: name}."""
    shown = (name for name in cls.hyperparameter_names() if (cls.param[name].precedence or 0) >= 0)
    return {cls.param[name].label: name for name in shown if isinstance(cls.param[name], param.Number)}


def parse_values(parameter: param.Number, text: str) -> list:
    """The values of '2, 5, 10, 20', none twice, in their order.

    Raises
    ------
    FelError
        If there is none, or an entry is not a number, not a whole number where one is needed, or out of
        bounds.
    """
    whole = isinstance(parameter, param.Integer)
    valid = f"{parameter.label} takes {'whole ' if whole else ''}numbers{_bounds(parameter)}."
    remedy = f"Separate them by commas: {EXAMPLE[whole]}."
    entries = [entry for entry in text.replace(";", ",").replace(",", " ").split() if entry]
    if not entries:
        raise FelError("No values to try.", valid, remedy)
    values = []
    for entry in entries:
        try:
            value = int(entry) if whole else float(entry)
            type(parameter)(
                default=value, bounds=parameter.bounds, inclusive_bounds=parameter.inclusive_bounds
            )
        except ValueError as error:
            raise FelError(f"'{entry}' among the values.", valid, remedy) from error
        values.append(value)
    return list(dict.fromkeys(values))


def _bounds(parameter) -> str:
    low, high = parameter.bounds or (None, None)
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    return f" from {low:g}" if low is not None else f" up to {high:g}" if high is not None else ""


def plan(
    cls: type[Method], values: dict, parameter: str, swept: Sequence, *, n_seeds: int = 1, dataset=None
) -> list[Planned]:
    """The runs of a sweep, each checked before any begins.

    Parameters
    ----------
    values
        The other hyperparameters.
    n_seeds
        Runs for each value, with the seed in ``values`` and those after it.
    dataset
        What they will be trained on: a lag must fit it.

    Raises
    ------
    FelError
        If a value is not allowed, does not fit the dataset, or there are more than `MAX_RUNS` runs.
    """
    n_seeds = 1 if parameter == "seed" else n_seeds
    if len(swept) * n_seeds > MAX_RUNS:
        raise FelError(
            f"{len(swept)} values with {n_seeds} seeds are {len(swept) * n_seeds} runs.",
            f"A sweep has at most {MAX_RUNS}.",
            "Take fewer values or seeds.",
        )
    planned, label = [], cls.param[parameter].label
    for value in swept:
        for extra in range(n_seeds):
            changed = {parameter: value}
            differs = f"{label[0].lower()}{label[1:]} {value:g}"
            if n_seeds > 1:
                changed["seed"] = values.get("seed", 0) + extra
                differs += f", seed {changed['seed']}"
            method = cls(**{**values, **changed})
            if dataset is not None and method.needs_lag and method.lag_time:
                schema.lag_in_frames(dataset, method.lag_time)
            planned.append(Planned(method, differs))
    return planned
