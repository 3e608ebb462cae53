"""Texts of the view of modes."""

from __future__ import annotations

import numpy as np
import xarray as xr

from fel_explorer.app.views.modes.analysis import Modes
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.errors import FelError
from fel_explorer.methods.koopman.timescales import STEPS, late_rates
from fel_explorer.plots.modes import largest_gap
from fel_explorer.plots.quantities import seconds_text, time_text

ORDINALS = ("", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
OVERFITTED = 0.1  # of the score without the constant: training data scored so much higher
HOW_SENSITIVE = (
    "Change of the variable when one feature alone varies as it does in the data. A feature that the "
    "model does not use contributes nothing, however strongly it is correlated."
)


def spectrum_words(modes: Modes) -> str:
    """The gap, and how to read the spectrum."""
    said, unit = gap_words(modes), modes.time_unit
    if modes.lag_time is not None:
        said += f"  \nGrey: faster than the lag of {time_text(modes.lag_time, unit)}, not resolved."
    if unit == STEPS:
        said += "  \nIn steps of a random walk between similar frames, not in time."
    if modes.n_maps < len(modes.spectrum["timescale"]):
        said += f"  \nThe first {modes.n_maps} can be mapped; train with more dimensions for the others."
    return (
        said
        + "  \nClick on a mode to colour the map by it: its process goes from negative to positive values."
    )


def late_words(method) -> str:
    """Rates over the last steps of a training that has them, with their spread; '' for other methods."""
    if "rate_1" not in method.history:
        return ""
    late = late_rates(method)
    unit = "" if method.time_unit_ == "1" else f" per {method.time_unit_}"
    rates = [
        f"{rate:.3g} ± {spread:.2g}"
        for rate, spread in zip(late["rate"].values, late["spread"].values, strict=True)
    ]
    return f"  \nRates of the batches in the last fifth of the training: {_listed(rates)}{unit}."


def gap_words(modes: Modes) -> str:
    """ "**2 slow modes**: the second is 6 times slower than the third." """
    times = modes.spectrum["timescale"].values
    times = times[np.isfinite(times) & (times > 0)]
    if not len(times):
        return "**No mode** is slower than a frame."
    resolved = times if modes.lag_time is None else times[times > modes.lag_time]
    unit = modes.time_unit
    if not len(resolved):
        return (
            f"**No slow mode**: the slowest, {time_text(times[0], unit)}, is faster than the lag of "
            f"{time_text(modes.lag_time, unit)}. Train with a shorter lag."
        )
    if len(times) == 1:
        return f"**1 mode** is known, {time_text(times[0], unit)}. Train with more dimensions to see a gap."
    gap = largest_gap(times)
    if gap is None:
        return "**No gap**: each mode is about as slow as the next, so that no number of them stands out."
    slow, ratio = gap
    return (
        f"**{slow} slow mode{'s' if slow > 1 else ''}**: the {_ordinal(slow)}, "
        f"{time_text(times[slow - 1], unit)}, is {ratio:.2g} times slower than the {_ordinal(slow + 1)}, "
        f"{time_text(times[slow], unit)}."
    )


def _ordinal(number):
    return ORDINALS[number] if number < len(ORDINALS) else f"{number}th"


def plan_words(lags, unit: str, n_folds: int, seconds: float) -> str:
    """Text on the cost of a comparison of ``lags``, for a method that trained in ``seconds``."""
    n_fits, first, last = len(lags) * n_folds, *(time_text(lag, unit) for lag in (lags[0], lags[-1]))
    time = seconds_text(n_fits * seconds)
    return (
        f"Compare lag times from {first} to {last} by the VAMP-2 score on held-out data: how much of "
        f"the slow dynamics a model captures. {n_fits} trainings{f', about {time}' if time else ''}."
    )


def progress_words(job) -> str:
    """Text on the progress of a job and the time left."""
    left = seconds_text(job.progress.eta)
    waiting = "Waiting for other jobs" if job.state == "queued" else "Starting"
    now = job.progress.message.capitalize() or waiting
    return f"{now}.{f' About {left} left.' if left else ''}"


def score_words(table: xr.Dataset) -> str:
    """Text on the best lag, on others as good, and on whether the training data were overfitted."""
    mean, error, unit = table["mean"].values, table["error"].values, table.attrs["time_unit"]
    lags, best = table["lag_time"].values, int(np.argmax(table["mean"].values))
    said = f"**Best at {time_text(lags[best], unit)}**: {mean[best]:.3f} ± {error[best]:.3f}."
    good = lags[mean >= mean[best] - error[best]]
    if len(good) > 1:
        said += (
            f" {_listed([time_text(lag, unit) for lag in good])} are equally good within the error; the "
            "shortest of them resolves the most processes."
        )
    trained = float(table["train_score"].isel(lag_time=best).mean())
    if trained - mean[best] > OVERFITTED * max(trained - 1.0, 0.0):
        said += f" On its training data it scores {trained:.3f}: it overfits."
    return said


def sensitivity_words(table: xr.Dataset, index: int) -> str:
    """The few features that move a variable most."""
    share = table["share"].isel({table["share"].dims[0]: index}).values
    order = np.argsort(-share, kind="stable")
    needed = int(np.searchsorted(np.cumsum(share[order]), 0.5) + 1)
    names = [literal(name) for name in table["group"].values[order][:needed]]
    if needed > 3:
        said = f"**{needed} of {len(share)} features** account for half of it; "
        said += f"*{names[0]}* leads with {share[order[0]]:.0%}."
    else:
        many = "makes" if needed == 1 else "make"
        said = f"**{_listed(names)}** {many} {share[order][:needed].sum():.0%} of it."
    return f"{said}  \n{HOW_SENSITIVE}"


def _listed(words) -> str:
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def error_text(error: Exception) -> str:
    """An error as a line of Markdown."""
    if not isinstance(error, FelError):
        return literal(f"Something went wrong: {error}")
    return literal(" ".join(filter(None, (error.given, error.valid, error.remedy))))
