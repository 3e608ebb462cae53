"""How far states depend on the choices by which they were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method
from fel_explorer.methods.idm.discrete import Criteria
from fel_explorer.methods.idm.parameters import MIN_POPULATION
from fel_explorer.methods.idm.start import StartFinder
from fel_explorer.progress import Callback, Progress
from fel_explorer.training.data import Scaling

BETA_STEP = 0.05  # between the final beta and its alternatives
SAME = "no other choice"


@dataclass(frozen=True)
class Choice:
    """Choices by which discrete states are found.

    Attributes
    ----------
    beta
        Final beta.
    n_microstates, seed
        Of the microstates.
    features
        Index (feature,) of the features that are used; None for all.
    """

    beta: float
    n_microstates: int
    seed: int
    features: np.ndarray | None = None


def alternatives(beta: float, n_microstates: int, seed: int) -> dict[str, Choice]:
    """{name: choice} with another final beta, number of microstates and seed."""
    others = [other for other in (beta - BETA_STEP, beta + BETA_STEP) if 0.5 < other <= 1]
    return {
        **{f"beta_end {other:.2f}": Choice(other, n_microstates, seed) for other in others},
        f"{n_microstates // 2} microstates": Choice(beta, max(2, n_microstates // 2), seed),
        "another seed": Choice(beta, n_microstates, seed + 1),
    }


def half_features(n_features: int, seed: int) -> dict[str, np.ndarray]:
    """{name: index (feature,)} of two halves of the features, at random; none where there is one feature."""
    if n_features < 2:
        return {}
    order = np.random.default_rng([seed, 5]).permutation(n_features)
    halves = np.sort(order[: n_features // 2]), np.sort(order[n_features // 2 :])
    return dict(zip(("half of the features", "the other half"), halves, strict=True))


def stability_table(
    names: Sequence[str], nmi: np.ndarray | None = None, n_states: np.ndarray | None = None
) -> xr.DataArray:
    """Agreement (alternative,) of the states with those of other choices; nan where it is not known."""
    unknown = np.full(len(names), np.nan)
    coords = {
        "alternative": list(names),
        "n_states": ("alternative", np.zeros(len(names), np.int64) if n_states is None else n_states),
    }
    return xr.DataArray(unknown if nmi is None else nmi, dims="alternative", coords=coords)


def compare_states(
    states: np.ndarray,
    choices: dict[str, Choice],
    search: Callable[[Choice], np.ndarray],
    report: Callable[[int], bool] = lambda done: False,
) -> xr.DataArray:
    """`stability_table` of states (frame,) with those that ``search`` finds for each choice.

    ``report`` is called with the number of choices done; returning True leaves the others out.
    """
    from sklearn.metrics import normalized_mutual_info_score

    scores: list[float] = []
    numbers: list[int] = []
    for choice in choices.values():
        if report(len(scores)):
            break
        found = search(choice)
        scores.append(normalized_mutual_info_score(states, found))
        numbers.append(int(found.max()) + 1)
    return stability_table(list(choices)[: len(scores)], np.array(scores), np.array(numbers, np.int64))


def compare_choices(
    method: Method,
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    states: np.ndarray | None = None,
    *,
    level: int = -1,
    callback: Callback | None = None,
) -> xr.DataArray:
    """How far the states of a fitted IDM agree with those that other choices would give.

    The states without a network are found again with another final beta (0.05 lower and higher), half of
    the microstates, another seed, and each of two halves of the features, drawn at random.

    Parameters
    ----------
    method
        A fitted `IDM`, `DivisiveIDM` or `DiscreteIDM`.
    X
        The data that it was fitted to: a dataset, an array (frame, feature) or a list of arrays.
    states
        States (frame,) to compare; by default those of the method.
    level
        Of a tree, 0 for the longest lag, -1 for the shortest.
    callback
        Called before each search; returning True keeps the comparisons that are done.

    Returns
    -------
    stability
        (alternative,) normalised mutual information, 1 where the states are the same, with the number of
        states found as coordinate ``n_states``. The last, "no other choice", has the choices of the method:
        below 1 is what the network or the division within states changed.

    Raises
    ------
    FelError
        If the method is not one of these.
    """
    if "beta_end" not in method.hyperparameter_names():
        raise FelError(
            f"{type(method).__name__} has no final beta.", "It is an IDM, a DivisiveIDM or a DiscreteIDM."
        )
    dataset = schema.as_dataset(X)
    if states is None:
        options = {"level": level} if method.has_tree else {}
        states = method.predict(dataset, **options).values
    values = method.hyperparameters()
    beta, n_microstates, seed = (values[name] for name in ("beta_end", "n_microstates", "seed"))
    lag = schema.lag_in_frames(dataset, method.lags[level])
    limits = values["min_evidence"], values["min_visits"], values.get("min_population", MIN_POPULATION)
    choices = alternatives(beta, n_microstates, seed)
    for name, features in half_features(dataset.sizes["feature"], seed).items():
        choices[name] = Choice(beta, n_microstates, seed, features)
    choices[SAME] = Choice(beta, n_microstates, seed)
    whole = StartFinder(dataset, lag, Scaling.of(dataset))

    def search(choice: Choice) -> np.ndarray:
        finder = whole
        if choice.features is not None:
            part = dataset.isel(feature=choice.features)
            finder = StartFinder(part, lag, Scaling.of(part))
        criteria = Criteria(choice.beta, *limits, n_max=values.get("n_states"))
        return finder.search(criteria, choice.n_microstates, choice.seed)

    def report(done: int) -> bool:
        said = f"states with {list(choices)[done]}"
        return callback is not None and bool(callback(Progress(done, len(choices), message=said)))

    return compare_states(np.asarray(states), choices, search, report)
