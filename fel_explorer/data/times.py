"""Times of trajectory files: even steps in spite of float32, where they are uneven, files that go on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

EPS = float(np.finfo(np.float32).eps)


def time_tolerance(step: float, time: float) -> float:
    """By how much a frame may miss its time (ps): files hold times as float32."""
    return 0.02 * step + 4 * EPS * abs(time)


def fit_times(first: float, last: float, n_frames: int) -> tuple[float, float]:
    """First time and step in ps behind the float32 times of the first and the last of ``n_frames`` frames.

    The step is the decimal number of the fewest digits that float32's precision allows, the first time a
    multiple of it where that is as near.
    """
    raw, blur = (last - first) / (n_frames - 1), 2 * EPS * max(abs(first), abs(last))
    step = raw
    for digits in range(1, 8):
        step = float(f"{raw:.{digits - 1}e}")
        if abs(step - raw) * (n_frames - 1) <= max(blur, 1e-6 * raw):
            break
    nearest = round(first / step) * step
    start = nearest if abs(nearest - first) <= max(blur, 1e-6 * step) else first
    return float(f"{start:.12g}"), step


def describe_unevenness(times: np.ndarray) -> str:
    """The first place where ``times`` (frame,) in ps are uneven, as a phrase; empty if they are even."""
    times = np.asarray(times, float)
    gaps = np.diff(times)
    if not len(gaps):
        return ""
    step = float(np.median(gaps))
    wrong = np.abs(gaps - step) > 0.02 * abs(step) + 4 * EPS * np.abs(times[1:])
    if not wrong.any():
        return "" if step > 0 else f"the times go back from frame to frame, from {times[0]:g} ps on"
    at = int(np.argmax(wrong))
    gap, before, after = gaps[at], times[at], times[at + 1]
    if abs(gap) <= time_tolerance(0, after):
        return f"frame {at + 1} repeats frame {at}, both are at {after:.10g} ps"
    if gap < 0:
        return f"the time goes back from {before:.10g} ps in frame {at} to {after:.10g} ps in frame {at + 1}"
    missing = gap / step - 1 if step > 0 else 0
    if missing > 0.5 and abs(missing - round(missing)) <= 0.05:
        frames = "a frame is" if round(missing) == 1 else f"{round(missing)} frames are"
        return (
            f"{frames} missing between frame {at} at {before:.10g} ps and frame {at + 1} at {after:.10g} ps"
        )
    return f"frames {at} and {at + 1} are {gap:.6g} ps apart, most others {step:.6g} ps"


def follows(first: float, last: float, step: float, next_first: float, next_last: float) -> bool:
    """Whether a file from ``next_first`` to ``next_last`` goes on where one from ``first`` to ``last`` ends.

    It may overlap; its frames must lie on the same grid of times.
    """
    off = (next_first - first) / step
    on_grid = abs(off - round(off)) * step <= time_tolerance(step, next_last)
    slack = time_tolerance(step, next_last)
    return on_grid and first < next_first <= last + step + slack and next_last > last + slack


def chains_of_parts(spans: Sequence[tuple[float, float, float] | None]) -> list[list[int]]:
    """Which files, in order, are parts of one simulation: lists of their indices.

    Parameters
    ----------
    spans
        First time, last time and step of each file in ps; None where it is not known.
    """
    chains: list[list[int]] = []
    for index, span in enumerate(spans):
        before = spans[chains[-1][-1]] if chains else None
        if span is not None and before is not None and follows(*before, span[0], span[1]):
            chains[-1].append(index)
        else:
            chains.append([index])
    return chains
