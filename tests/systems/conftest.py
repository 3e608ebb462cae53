import numpy as np
import pytest


@pytest.fixture(scope="session")
def boltzmann():
    """Quadrature: (system, points per axis) -> cell centres (point, dim) and their probabilities (point,)."""

    def evaluate(system, n):
        axes = [(np.arange(n) + 0.5) / n * (high - low) + low for low, high in system.domain]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, system.dim)
        energy = system.energy(x).numpy()
        p = np.exp((energy.min() - energy) / system.kT)
        return x, p / p.sum()

    return evaluate
