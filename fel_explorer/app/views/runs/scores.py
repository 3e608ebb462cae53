"""The trained models as a table: how each was made, what it cost, and how good its landscape is.

Scores are computed by a job and kept for as long as their `Result` lives.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.app.jobs.call import Call, ShouldStop, process_job
from fel_explorer.app.jobs.job import Report
from fel_explorer.app.session.certificates import known_measure
from fel_explorer.app.session.recipe import Recipe, recipe_of
from fel_explorer.app.session.result import Result
from fel_explorer.methods.koopman.of_functions import koopman_model
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.progress import Progress

LAST_PART = 0.05  # of the steps, over which the final loss is averaged
MEASURES = {
    "states_vamp2": "VAMP-2, states",
    "map_vamp2": "VAMP-2, map",
    "timescale": "Slowest time",
    "held_out_vamp2": "VAMP-2, held out",
    "unexplained_mode": "Slowest mode not explained",
    "unexplained_committor": "Committor not explained",
    "ck_error": "Chapman-Kolmogorov error",
    "effective_timescale": "Slowest time, effective dynamics",
    "full_timescale": "Slowest time, all features",
    "n_states": "States",
    "held_out_loss": "Held-out loss",
    "loss": "Final loss",
    "seconds": "Training time",
}

# from certificates, NaN without
CERTIFIED = ("held_out_vamp2", "unexplained_mode", "unexplained_committor", "ck_error", "effective_timescale")
CERTIFIED += ("full_timescale",)
MODELS = "model"  # what a measure is drawn against where no hyperparameter is chosen

_kept: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Scores:
    """Scores of a landscape as a prediction of later frames, at one lag; NaN where not defined.

    Attributes
    ----------
    map_vamp2, states_vamp2
        VAMP-2 scores of the axes of the embedding and of the memberships.
    timescale
        Slowest implied time scale of the memberships, or of the embedding where there are no states.
    """

    map_vamp2: float
    states_vamp2: float
    timescale: float


def score(result: Result, dataset: xr.Dataset, lag_time: float) -> Scores:
    """The scores of a result at a lag, by all frames and with detailed balance assumed."""

    def sigma(values):
        return koopman_model(values, dataset, lag_time).singular_values.numpy()

    of_map = sigma(result.embedding)
    of_states = sigma(result.membership[:, result.states()]) if result.state is not None else None
    slow = of_map if of_states is None else of_states
    times = implied_timescales([1.0, *slow], lag_time)
    return Scores(
        map_vamp2=1.0 + float((of_map**2).sum()),
        states_vamp2=np.nan if of_states is None else 1.0 + float((of_states**2).sum()),
        timescale=float(times[0]) if len(times) else np.nan,
    )


def known_scores(result: Result, lag_time: float) -> Scores | None:
    """The scores of a result where they have been computed."""
    return _kept.get(result, {}).get(lag_time)


def scoring(results: list[Result], dataset: xr.Dataset, lag_time: float) -> Call[list[Scores]]:
    """The job that computes the scores of ``results`` at a lag, those first that come first."""
    return replace(_scoring(dataset, lag_time, *results), finish=partial(_keep, results, lag_time))


@process_job
def _scoring(
    report: Report, should_stop: ShouldStop, dataset: xr.Dataset, lag_time: float, *results: Result
) -> list[Scores]:
    found: list[Scores] = []
    for i, result in enumerate(results):
        if should_stop():
            break
        report(Progress(i, len(results), message="scores"))
        found.append(score(result, dataset, lag_time))
    return found


def _keep(results: list[Result], lag_time: float, found: list[Scores]) -> list[Scores]:
    for result, one in zip(results, found, strict=False):
        _kept.setdefault(result, {})[lag_time] = one
    return found


def run_table(results: Mapping[str, Result], lag_time: float) -> pd.DataFrame:
    """One row a result: label, method, embedding, the parameters that differ, `MEASURES`, seed, partial.

    Losses are NaN for methods that are not trained step by step, scores while they are not computed.
    """
    rows = []
    for label, result in results.items():
        recipe = recipe_of(result, results) or Recipe(type(result.method).__name__)
        scores = known_scores(result, lag_time) or Scores(np.nan, np.nan, np.nan)
        rows.append(
            {
                "label": label,
                "method": recipe.method,
                "embedding": recipe.embedding,
                **{name: value for name, value in recipe.values.items() if name != "seed"},
                **vars(scores),
                **{key: known_measure(result, key) for key in CERTIFIED},
                "n_states": len(result.states()) if result.state is not None else np.nan,
                **losses(result.method),
                "seconds": result.seconds,
                "seed": recipe.values.get("seed", 0),
                "stopped_early": result.partial,
            }
        )
    names = ["label", "method", "embedding", *differing(results), *MEASURES, "seed", "stopped_early"]
    table = pd.DataFrame(rows, columns=list(dict.fromkeys(key for row in rows for key in row)))
    return table.reindex(columns=names)


def differing(results: Mapping[str, Result]) -> list[str]:
    """Hyperparameters, but for the seed, that several results have with different values."""
    seen: dict[str, list] = {}
    for result in results.values():
        recipe = recipe_of(result, results)
        for name, value in recipe.values.items() if recipe is not None else ():
            if name != "seed":
                seen.setdefault(name, []).append(str(value))
    return [name for name, values in seen.items() if len(set(values)) > 1]


def losses(method) -> dict[str, float]:
    """Mean loss over the last steps, and held-out loss of the network that was kept: the lowest."""
    history = method.history
    if "loss" not in history or not history.sizes.get("step"):
        return {"loss": np.nan, "held_out_loss": np.nan}
    n_last = max(1, round(LAST_PART * history.sizes["step"]))
    held_out = history["validation"].values if "validation" in history else np.full(1, np.nan)
    known = held_out[np.isfinite(held_out)]
    return {
        "loss": float(history["loss"][-n_last:].mean()),
        "held_out_loss": float(known.min()) if len(known) else np.nan,
    }


def sweepable_axes(results: Mapping[str, Result]) -> list[str]:
    """Numbers in which at least two runs of one method differ: what a score can be drawn against."""
    values: dict[tuple[str, str], set] = {}
    for result in results.values():
        recipe = recipe_of(result, results)
        for name, value in recipe.values.items() if recipe is not None else ():
            if isinstance(value, int | float) and not isinstance(value, bool):
                values.setdefault((recipe.method, name), set()).add(value)
    return list(dict.fromkeys(name for (_, name), found in values.items() if len(found) > 1))


def against(results: Mapping[str, Result], table: pd.DataFrame, parameter: str, measure: str) -> pd.DataFrame:
    """Runs that can be drawn over a parameter: columns ``curve``, ``value``, ``score`` and ``label``.

    Runs that differ only in it and in the seed are in one curve, named by method and by the differences of
    the curves; a run that no other differs from in it alone is left out, as one without score.
    """
    recipes = {label: recipe_of(result, results) for label, result in results.items()}
    groups: list[tuple[Recipe, list[str]]] = []
    for label, recipe in recipes.items():
        if recipe is None or parameter not in recipe.values:
            continue
        rest = recipe.without(parameter, "seed")
        for known, labels in groups:
            if known == rest:
                labels.append(label)
                break
        else:
            groups.append((rest, [label]))
    groups = [
        (rest, labels)
        for rest, labels in groups
        if len({recipes[label].values[parameter] for label in labels}) > 1
    ]
    scores, names = table.set_index("label")[measure], _curve_names([rest for rest, _ in groups])
    rows = [
        (name, recipes[label].values[parameter], float(scores[label]), label)
        for name, (_, labels) in zip(names, groups, strict=True)
        for label in labels
    ]
    drawn = pd.DataFrame(rows, columns=["curve", "value", "score", "label"])
    return drawn[np.isfinite(drawn["score"])].sort_values(["curve", "value"], kind="stable")


def side_by_side(results: Mapping[str, Result], table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """One row a model that has a measure: ``label``, ``value`` (its place, from 1), ``score``, ``error``."""
    rows = table.set_index("label").loc[list(results), measure].dropna()
    places = np.arange(1.0, len(rows) + 1)
    errors = [
        known_measure(results[label], measure, "error") if measure in CERTIFIED else np.nan
        for label in rows.index
    ]
    return pd.DataFrame({"label": rows.index, "value": places, "score": rows.values, "error": errors})


def _curve_names(recipes: list[Recipe]) -> list[str]:
    """Methods, with the hyperparameters in which those of one method differ."""
    names = []
    for recipe in recipes:
        others = [other for other in recipes if other.method == recipe.method and other is not recipe]
        differences = [
            f"{name.replace('_', ' ')} {value}"
            for name, value in recipe.values.items()
            if any(other.values[name] != value for other in others)
        ]
        if any(other.embedding != recipe.embedding for other in others):
            differences.insert(0, f"on {recipe.embedding or 'features'}")
        names.append(", ".join([recipe.method, *differences]))
    return names
