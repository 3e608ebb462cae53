"""Measures of a certificate and their definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

N_CELLS = 40  # of the embedding, and microstates of the features


class Definition(NamedTuple):
    """Title of a measure, its unit ("time", "rate" or ""), which is better, and what is estimated."""

    title: str
    better: str
    unit: str
    text: str


DEFINITIONS: dict[str, Definition] = {
    "held_out_vamp2": Definition(
        "VAMP-2, held out",
        "higher",
        "",
        "1 + sum of squared singular values of the Koopman operator on the space of the embedding's axes, on "
        "folds of whole trajectories (else blocks a lag apart) on which the method was not trained. Mean "
        "over folds and its standard error. Comparable among embeddings of as many axes.",
    ),
    "vamp2": Definition(
        "VAMP-2, these data",
        "higher",
        "",
        "1 + sum of squared eigenvalues of the Koopman operator on the space of the embedding's axes, on the "
        "data of the certificate.",
    ),
    "timescale": Definition(
        "Slowest time, embedding",
        "higher",
        "time",
        "-lag / ln of the largest eigenvalue of the Koopman operator on the axes and indicators of "
        f"{N_CELLS} cells of the embedding: a lower bound of the true one.",
    ),
    "timescale_growth": Definition(
        "Its growth at twice the lag",
        "lower",
        "",
        "Slowest time scale at twice the lag over that at the lag, minus 1. 0 where the embedding is "
        "Markovian at the lag.",
    ),
    "ck_error": Definition(
        "Chapman-Kolmogorov error",
        "lower",
        "",
        "Largest error of K(lag)^n as a prediction of K(n lag), n = 2 and 4: spectral norm of the "
        "difference, on functions of unit variance of the embedding's axes. 0 for Markovian axes; noise "
        "raises it to about its error.",
    ),
    "effective_timescale": Definition(
        "Slowest time, effective dynamics",
        "",
        "time",
        "Inverse of the smallest eigenvalue of the generator with the drift and diffusion along the axis for "
        "which it is smallest: Kramers-Moyal coefficients at the shortest lag, one frame. Shorter than the "
        "full one by what the axis does not resolve; far too long where the variable relaxes in a well "
        "between frames, or jumps as a step-like CV does.",
    ),
    "full_timescale": Definition(
        "Slowest time, all features",
        "",
        "time",
        "-lag / ln of the largest eigenvalue on the embedding's functions, microstates of the features and "
        "the reference, if any, together: the slowest that these data and features show.",
    ),
    "rate_excess": Definition(
        "Slowest rate, embedding minus full",
        "lower",
        "rate",
        "Smallest (1 - eigenvalue) / lag on functions of the embedding, minus that on all functions; never "
        "negative. The error takes the two as independent, and so is too large.",
    ),
    "rate_bound": Definition(
        "Bound of that difference",
        "lower",
        "rate",
        "Dirichlet form of phi - phi~, the slowest functions of all features and of the embedding: an upper "
        "limit of the difference (W. Zhang's slides, Eq. 3).",
    ),
    "unexplained_mode": Definition(
        "Slowest mode not explained",
        "lower",
        "",
        "Fraction of the variance of the slowest function of all features that is left on level sets of the "
        "embedding.",
    ),
    "unexplained_committor": Definition(
        "Committor not explained",
        "lower",
        "",
        "Fraction of the variance of the committor that is left on level sets of the embedding. Committor of "
        "a Markov model of microstates of the features, between the outer halves of the two sides of its "
        "slowest process.",
    ),
    "unexplained_features": Definition(
        "Features not explained",
        "lower",
        "",
        "Fraction of the variance of the features, mean over those that change, that is left on "
        f"{N_CELLS} cells of the embedding. Slow and fast motions count alike.",
    ),
    "effective_samples": Definition(
        "Independent samples",
        "higher",
        "",
        "Length of all trajectories over twice the slowest time scale of all features: so many independent "
        "samples have the same error of the slowest mode's mean.",
    ),
    "transitions": Definition(
        "Transitions",
        "higher",
        "",
        "Passages between the outer halves of the two sides of the slowest process, within trajectories. The "
        "error is that of the number in other data of the same length.",
    ),
    "weight_samples": Definition(
        "Effective frames by weights",
        "higher",
        "",
        "Kish's effective sample size of the frame weights, (sum w)^2 / sum w^2. The error is the spread of "
        "it over blocks.",
    ),
}


@dataclass(frozen=True)
class Measure:
    """A number of a certificate.

    Attributes
    ----------
    key, title
        Name in tables, and for people.
    value, error, lower, upper
        The estimate, its standard error and 95 % interval; NaN where not known.
    unit
        "" for none.
    better
        "higher", "lower", or "" where neither is better.
    definition
        What is estimated and how.
    note
        What to know about this value, or why it is missing.
    """

    key: str
    title: str
    value: float
    error: float = float("nan")
    lower: float = float("nan")
    upper: float = float("nan")
    unit: str = ""
    better: str = ""
    definition: str = ""
    note: str = ""

    @classmethod
    def of(
        cls,
        key: str,
        value: float,
        error: float = float("nan"),
        *limits: float,
        time_unit: str = "1",
        note: str = "",
    ) -> Measure:
        """A measure of `DEFINITIONS`, with its interval if there is one."""
        about = DEFINITIONS[key]
        unit = "" if time_unit == "1" else {"time": time_unit, "rate": f"1/{time_unit}", "": ""}[about.unit]
        low, high = limits or (float("nan"), float("nan"))
        return cls(
            key, about.title, float(value), float(error), float(low), float(high), unit,
            about.better, about.text, note,
        )  # fmt: skip

    @classmethod
    def from_dict(cls, about: Mapping[str, Any]) -> Measure:
        """A measure from its fields; a `TypeError` or `ValueError` for other ones."""
        numbers = {name: float(about[name]) for name in ("value", "error", "lower", "upper")}
        words = {k: about[k] for k in ("key", "title", "unit", "better", "definition", "note")}
        if not all(isinstance(word, str) for word in words.values()):
            raise TypeError("a measure's words are text")
        fields: dict[str, Any] = {**words, **numbers}
        return cls(**fields)

    @property
    def text(self) -> str:
        """ "142 ± 9 ps", rounded by the error."""
        if not np.isfinite(self.value):
            return "infinite" if np.isinf(self.value) else "not known"
        digits = 3
        if np.isfinite(self.error) and self.error > 0 and self.value:
            digits = int(np.clip(np.floor(np.log10(abs(self.value) / self.error)) + 2, 1, 4))
        said = (
            f"{self.value:#.{digits}g}".rstrip(".") if abs(self.value) < 1e4 else f"{self.value:.{digits}g}"
        )
        if np.isfinite(self.error):
            said += f" ± {self.error:.2g}"
        return f"{said} {self.unit}".strip()
