"""Significance of differences between conditions, for data that are correlated in time."""

from __future__ import annotations

import numpy as np
import scipy  # its parts are imported when they are used

from fel_explorer.errors import FelError
from fel_explorer.resampling import N_BLOCKS, Blocks

MIN_BLOCKS = 4.0  # effective number of blocks of each condition from which a difference is tested
LEVEL = 0.05


def blocks_of_condition(trajectory: np.ndarray, mask: np.ndarray, n_blocks: int = N_BLOCKS) -> Blocks:
    """Units of resampling of the frames in ``mask`` (frame,): trajectories, or blocks within them."""
    own = np.asarray(trajectory)[mask]
    if len(own) < n_blocks:
        raise FelError(
            f"A condition of {len(own)} frames.",
            f"Each of its {n_blocks} blocks has at least one frame.",
            "Take more frames of it, or fewer blocks.",
        )
    return Blocks.of_frames(own, n_blocks=n_blocks)


def effective_blocks(per_block: np.ndarray) -> np.ndarray:
    """Kish's effective number (...) of the blocks that hold the weight ``per_block`` (block, ...)."""
    squares = np.sum(np.square(per_block), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(squares > 0, np.square(per_block.sum(axis=0)) / squares, 0.0)


def p_values(
    difference: np.ndarray, errors: tuple[np.ndarray, np.ndarray], effective: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Two-sided p-values (...) of differences between two conditions, by Welch's test.

    B. L. Welch, Biometrika 34, 28 (1947), doi:10.1093/biomet/34.1-2.28, with the effective number of blocks
    that hold a value in place of the number of observations.

    Parameters
    ----------
    difference
        (...) second minus first.
    errors, effective
        Standard errors (...) and `effective_blocks` (...) of the first and of the second.

    Returns
    -------
    (...) p-values; NaN where a condition has fewer than `MIN_BLOCKS` effective blocks, which are no test.
    """
    squares = [np.square(error) for error in errors]
    tested = (effective[0] >= MIN_BLOCKS) & (effective[1] >= MIN_BLOCKS)
    with np.errstate(invalid="ignore", divide="ignore"):
        total = squares[0] + squares[1]
        spread = sum(square**2 / (n - 1) for square, n in zip(squares, effective, strict=True))
        freedom = np.where(tested, total**2 / spread, np.nan)
        t = np.abs(difference) / np.sqrt(total)
        return np.where(tested, 2 * scipy.stats.t.sf(t, freedom), np.nan)


def benjamini_hochberg(p: np.ndarray, level: float = LEVEL) -> np.ndarray:
    """Which of many p-values are significant at a false-discovery rate.

    Y. Benjamini and Y. Hochberg, J. R. Stat. Soc. B 57, 289 (1995), doi:10.1111/j.2517-6161.1995.tb02031.x:
    of what is called significant, the fraction ``level`` at most is expected to be due to chance; where
    nothing differs, anything is called significant with at most that probability.

    Parameters
    ----------
    p
        (...) p-values; NaN for what was not tested, which is not significant.
    level
        Between 0 and 1.

    Returns
    -------
    (...) bool.
    """
    if not 0 < level < 1:
        raise FelError(f"level={level}.", "A level of significance is between 0 and 1.", "Take 0.05.")
    p = np.asarray(p, float)
    known = p[np.isfinite(p)]
    if not known.size:
        return np.zeros(p.shape, bool)
    ordered = np.sort(known)
    below = np.flatnonzero(ordered <= level * np.arange(1, known.size + 1) / known.size)
    return p <= ordered[below[-1]] if below.size else np.zeros(p.shape, bool)


def as_masks(condition: np.ndarray, reference: object | None = None) -> dict:
    """{condition: (frame,) bool}, the reference (default: the first to appear) first.

    Raises
    ------
    FelError
        If there are fewer than two conditions, or the reference is none of them.
    """
    condition = np.asarray(condition)
    names = list(dict.fromkeys(condition.tolist()))
    if len(names) < 2:
        raise FelError(f"{len(names)} conditions.", "A comparison needs two at least.")
    if reference is not None:
        if reference not in names:
            raise FelError(f"The reference '{reference}'.", f"Conditions are {', '.join(map(str, names))}.")
        names.remove(reference)
        names.insert(0, reference)
    return {name: condition == name for name in names}
