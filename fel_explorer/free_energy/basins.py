"""Free-energy differences between basins."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from fel_explorer.errors import FelError
from fel_explorer.free_energy import density
from fel_explorer.free_energy.estimator import blocks_of
from fel_explorer.resampling import N_BLOCKS, N_DRAWS, standard_error


def basin_difference(
    a: np.ndarray,
    b: np.ndarray,
    weights: np.ndarray | None = None,
    trajectory: np.ndarray | None = None,
    *,
    kT: float = 1.0,
    n_blocks: int = N_BLOCKS,
    n_draws: int = N_DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """F_B - F_A = -kT ln(P_B / P_A) and its standard error.

    Parameters
    ----------
    a, b
        (frame,) masks of the frames in A and in B, or memberships from 0 to 1.
    weights
        Optional (frame,) weights of biased sampling.
    trajectory
        (frame,) trajectory of each frame; None for one trajectory.
    kT
        In the unit of the result.
    n_blocks, n_draws, seed
        Of the bootstrap; see `resampling.Blocks.of_lengths`.

    Raises
    ------
    FelError
        If a basin holds no frame, or shapes don't fit.

    Examples
    --------
    >>> left = model.transform(data).values[:, 0] < 0
    >>> f, error = fel.free_energy.basin_difference(left, ~left, trajectory=data["trajectory"].values)
    """
    a, b = check_basins(a, b)
    weights = density.check_weights(weights, len(a))
    blocks = blocks_of(len(a), trajectory, n_blocks)
    one = np.zeros(len(a), np.int64)
    mass = [blocks.sums(one, 1, basin if weights is None else basin * weights)[:, 0] for basin in (a, b)]
    per_block = np.stack(mass, axis=1)
    return log_ratio(per_block.sum(axis=0), blocks.draw(n_draws, seed=seed).sums(per_block), len(blocks), kT)


def check_basins(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Memberships (frame,) of two basins, or a `FelError` where one is empty."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or a.ndim != 1:
        raise FelError(f"Basins of shapes {a.shape} and {b.shape}.", "Each is (frame,), of the same frames.")
    if not a.any() or not b.any():
        raise FelError(
            f"{np.count_nonzero(a)} frames in A and {np.count_nonzero(b)} in B.",
            "Each needs at least one.",
            "Draw the basins larger.",
        )
    return a, b


def log_ratio(mass: np.ndarray, samples: np.ndarray, n_blocks: int, kT: float) -> tuple[float, float]:
    """-kT ln(P_B / P_A) and its error, of the ``mass`` (2,) of A and B and bootstrap samples (draw, 2)."""
    f, sampled = density.from_density(mass, kT), density.from_density(samples, kT)
    return float(f[1] - f[0]), float(standard_error(sampled[:, 1] - sampled[:, 0], n_blocks))
