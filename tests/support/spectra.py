"""Exact spectra to compare trained modes with: the generator on a grid, and linear processes."""

import numpy as np
import scipy.linalg
import scipy.signal


def generator_on_a_line(energy, low, high, *, kT, diffusion, n=2000):
    """Rates and modes of one-dimensional diffusion between reflecting walls, by square-root approximation.

    Returns grid (n,), rates (4,) smallest first without 0, and modes (n, 4) of unit variance.
    """
    grid = low + (high - low) * (np.arange(n) + 0.5) / n
    weight = np.exp(-(energy(grid) - energy(grid).min()) / kT)
    flow = diffusion / (grid[1] - grid[0]) ** 2 * np.sqrt(weight[1:] * weight[:-1])
    out = np.r_[flow, 0.0] + np.r_[0.0, flow]
    diagonal, off = out / weight, -flow / np.sqrt(weight[1:] * weight[:-1])
    rates, vectors = scipy.linalg.eigh_tridiagonal(diagonal, off, select="i", select_range=(0, 4))
    modes = vectors[:, 1:] / np.sqrt(weight)[:, None] * np.sqrt(weight.sum())
    return grid, rates[1:], modes


def relaxing(times, n=40_000, seed=0):
    """Independent Ornstein-Uhlenbeck processes with the given relaxation times, unit variance."""
    random, a = np.random.default_rng(seed), np.exp(-1 / np.asarray(times))
    noise = random.normal(size=(n, len(times))) * np.sqrt(1 - a**2)
    noise[0] /= np.sqrt(1 - a**2)
    return np.stack([scipy.signal.lfilter([1.0], [1.0, -c], noise[:, i]) for i, c in enumerate(a)], axis=1)


def correlation(x, y):
    """|Pearson correlation| of two series."""
    return abs(np.corrcoef(np.ravel(x), np.ravel(y))[0, 1])
