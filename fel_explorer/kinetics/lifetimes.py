"""Lifetimes of states, and the evidence that they decay exponentially.

Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, Fig. S1.

A state is metastable when leaving it is a Poisson process: the time spent in it per visit (dwell) is
exponential, here geometric because it is counted in frames.  Every pair of neighbouring frames whose first
frame lies in the state is one trial: the state is left or not.  The last frame of a trajectory has no
successor, so a visit of n frames is n trials if it is complete and n - 1 if the trajectory's end cuts it off
(censored).  The first visit of a trajectory has an unknown start, so it counts for the mean lifetime (the
process has no memory) but not for the survival curve, which would be biased.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import scipy  # its parts are imported when they are used
import xarray as xr
from jaxtyping import Bool, Int, Num
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import split

MIN_EXITS = 20
SIGNIFICANCE = 0.01
AMPLITUDE_RANGE = (0.9, 1.1)


@dataclass(frozen=True)
class Dwells:
    """Visits to states.

    Attributes
    ----------
    state, n_frames
        (visit,) which state and for how many frames.
    complete
        (visit,) whether the visit ended inside its trajectory.
    entered
        (visit,) whether it began inside its trajectory.
    trajectory, start
        (visit,) where it is: trajectory, first frame in it.
    time_step
        Time between frames.
    """

    state: Num[np.ndarray, "visit"]
    n_frames: Int[np.ndarray, "visit"]
    complete: Bool[np.ndarray, "visit"]
    entered: Bool[np.ndarray, "visit"]
    trajectory: Int[np.ndarray, "visit"]
    start: Int[np.ndarray, "visit"]
    time_step: float

    def of(self, state: int) -> Dwells:
        """The visits to one state."""
        keep = self.state == state
        parts = {field.name: getattr(self, field.name)[keep] for field in fields(self)[:-1]}
        return Dwells(**parts, time_step=self.time_step)

    @property
    def at_risk(self) -> Int[np.ndarray, "visit"]:
        """(visit,) in how many of its frames a visit could have been seen to end."""
        return self.n_frames - ~self.complete


def dwells(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray], *, time_step: float | None = None
) -> Dwells:
    """All visits to all states.

    Parameters
    ----------
    states
        ``predict(data)``'s result, an int array (frame,), or a list of them, one per trajectory.  Negative
        numbers are no state: they end a visit as a state change does.
    time_step
        Time between frames; read from the result's coordinates by default.
    """
    parts, time_step = split(states, time_step)
    visits = []
    for trajectory, part in enumerate(parts):
        starts = np.concatenate([[0], np.flatnonzero(np.diff(part)) + 1])
        ends = np.append(starts[1:], len(part))
        visits.append(
            (
                part[starts],
                ends - starts,
                ends < len(part),
                starts > 0,
                np.full(len(starts), trajectory),
                starts,
            )
        )
    state, n_frames, complete, entered, where, start = map(np.concatenate, zip(*visits, strict=True))
    return Dwells(state, n_frames, complete, entered, where, start, time_step)


def survival(visits: Dwells, confidence: float = 0.95) -> xr.Dataset:
    """Kaplan-Meier survival of the visits to a state, with a log-log confidence band.

    Source: E. L. Kaplan and P. Meier, J. Am. Stat. Assoc. 53, 457 (1958), doi:10.1080/01621459.1958.10501452.

    The survival at time t is the probability that a visit takes longer than t.  A visit of n frames that the
    trajectory's end cuts off is censored at n - 1: it has survived n - 1 trials.

    Returns
    -------
    Dataset over ``time`` with ``survival``, ``lower``, ``upper``; empty without a complete visit.
    """
    known = visits.entered & (visits.at_risk > 0)
    complete = visits.n_frames[known & visits.complete] * visits.time_step
    censored = visits.at_risk[known & ~visits.complete] * visits.time_step
    if not len(complete):
        empty = ("time", np.zeros(0))
        return xr.Dataset({"survival": empty, "lower": empty, "upper": empty}, coords={"time": empty})
    function = scipy.stats.ecdf(scipy.stats.CensoredData(uncensored=complete, right=censored)).sf
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # the band is undefined at S = 0 and S = 1
        band = function.confidence_interval(confidence, method="log-log")
    return xr.Dataset(
        {
            "survival": ("time", function.probabilities),
            "lower": ("time", np.nan_to_num(band.low.probabilities, nan=0.0)),
            "upper": ("time", np.nan_to_num(band.high.probabilities, nan=1.0)),
        },
        coords={"time": function.quantiles},
    )


def lifetimes(
    states: xr.DataArray | np.ndarray | Sequence[np.ndarray],
    *,
    time_step: float | None = None,
    confidence: float = 0.95,
    weights: ArrayLike | None = None,
) -> xr.Dataset:
    """Mean lifetime of each state with its interval, and whether its decay is exponential.

    The mean lifetime is the maximum-likelihood one of a geometric law with censoring: with E exits in N
    trials (see `Dwells.at_risk`), tau = -dt / ln(1 - E/N), the decay time of the survival (1 - E/N)^(t/dt).
    Its interval is Jeffreys' for E/N (Brown, Cai and DasGupta 2001, Stat. Sci. 16, 101,
    doi:10.1214/ss/1009213286), which covers the true value in 94 to 96 % of simulated chains; Clopper and
    Pearson's is too wide for few exits.  With few exits E the mean is high by about 1/E, inside its interval.
    Frame weights count for the population only: they say how probable a frame is, not how fast it is left.

    The test compares the exits in bins of age with what a constant exit probability predicts (chi-square).
    ``amplitude`` is the size of the departure: late survival is A exp(-t/tau_late), so 1 - A is the fraction
    of entries that quickly recross.  A state is called exponential if the test does not reject it at 1 %, or
    if A is between 0.9 and 1.1, because with enough data the test rejects departures of no importance.

    Parameters
    ----------
    states, time_step
        As for `dwells`.
    confidence
        Of the intervals.
    weights
        (frame,) frame weights, trajectories one after the other; default all alike.

    Returns
    -------
    Dataset over ``state`` with ``population``, ``mean_lifetime``, ``lower``, ``upper`` (unit of time),
    ``n_exits``, ``amplitude``, ``p_value`` and ``verdict`` ("exponential", "not exponential",
    "too few exits": fewer than 20).  The mean lifetime is infinite without an exit, nan if no visit could
    have been seen to end.
    """
    visits = dwells(states, time_step=time_step)
    names = np.unique(visits.state[visits.state >= 0])
    populations = _populations(states, names, weights)
    rows = [
        {"population": population, **_row(visits.of(state), confidence)}
        for state, population in zip(names, populations, strict=True)
    ]
    columns = {name: ("state", [row[name] for row in rows]) for name in rows[0]} if rows else {}
    return xr.Dataset(columns, coords={"state": names})


def _populations(states, names, weights) -> np.ndarray:
    """Fraction (state,) of the frames, or of their weights, including frames of no state."""
    states = np.concatenate(split(states)[0])
    weights = np.ones(len(states)) if weights is None else np.asarray(weights, float)
    if weights.shape != states.shape:
        raise FelError(f"Weights of shape {weights.shape} for {len(states)} frames.", "One per frame.")
    return np.array([weights[states == name].sum() for name in names]) / weights.sum()


def _row(visits: Dwells, confidence: float) -> dict:
    exits, trials = int(visits.complete.sum()), int(visits.at_risk.sum())
    low, high = _exit_probability_interval(exits, trials, confidence)
    amplitude, p_value = exponential_test(visits)
    if exits < MIN_EXITS or not np.isfinite(amplitude):
        verdict = "too few exits"
    elif p_value >= SIGNIFICANCE or AMPLITUDE_RANGE[0] <= amplitude <= AMPLITUDE_RANGE[1]:
        verdict = "exponential"
    else:
        verdict = "not exponential"
    return {
        "mean_lifetime": _lifetime(exits / trials, visits.time_step) if trials else np.nan,
        "lower": _lifetime(high, visits.time_step),
        "upper": _lifetime(low, visits.time_step),
        "n_exits": exits,
        "amplitude": amplitude,
        "p_value": p_value,
        "verdict": verdict,
    }


def _lifetime(exit_probability: float, time_step: float) -> float:
    if exit_probability >= 1:
        return 0.0
    return np.inf if exit_probability <= 0 else -time_step / np.log1p(-exit_probability)


def _exit_probability_interval(exits: int, trials: int, confidence: float) -> tuple[float, float]:
    """Jeffreys interval of exits / trials: quantiles of Beta(exits + 1/2, trials - exits + 1/2)."""
    tail = (1 - confidence) / 2
    shape = exits + 0.5, trials - exits + 0.5
    low = scipy.special.betaincinv(*shape, tail) if exits > 0 else 0.0
    high = scipy.special.betaincinv(*shape, 1 - tail) if exits < trials else 1.0
    return float(low), float(high)


def exponential_test(visits: Dwells, n_bins: int = 6) -> tuple[float, float]:
    """Amplitude of the late exponential and p-value of a constant exit probability, for one state's visits.

    Both nan where there are too few visits with a known start.
    """
    known = visits.entered
    trials, complete = visits.at_risk[known], visits.complete[known]
    if complete.sum() < MIN_EXITS:
        return np.nan, np.nan
    mean = trials.sum() / complete.sum()
    edges = np.unique(np.round(mean * -np.log1p(-np.arange(1, n_bins) / n_bins)).astype(int))
    edges = np.concatenate([[0], edges[(edges > 0) & (edges < trials.max())], [trials.max()]])
    # trials at ages in (a, b] and exits there
    at_risk = np.array([np.clip(trials - a, 0, b - a).sum() for a, b in pairwise(edges)])
    exits = np.array([(complete & (trials > a) & (trials <= b)).sum() for a, b in pairwise(edges)])
    if len(at_risk) < 2:
        return np.nan, np.nan
    p = exits.sum() / at_risk.sum()
    chi2 = ((exits - at_risk * p) ** 2 / (at_risk * p * (1 - p))).sum() if 0 < p < 1 else 0.0
    p_value = float(scipy.stats.chi2.sf(chi2, len(at_risk) - 1))
    return _amplitude(trials, complete, mean), p_value


def _amplitude(trials, complete, mean) -> float:
    age = max(1, min(round(mean / 2), trials.max() // 2))  # trajectories may be shorter than the mean
    late = trials > age
    exits = (late & complete).sum()
    if exits < MIN_EXITS // 2:
        return np.nan
    p_late = exits / (trials[late] - age).sum()
    if p_late >= 1:
        return np.nan
    function = scipy.stats.ecdf(
        scipy.stats.CensoredData(uncensored=trials[complete], right=trials[~complete])
    ).sf
    return float(function.evaluate(age) / (1 - p_late) ** age)
