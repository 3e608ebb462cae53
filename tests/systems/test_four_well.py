"""The four-well potential against the published spectrum."""

import numpy as np
import pytest
import scipy.linalg

from fel_explorer.systems import FourWell


def test_the_generator_has_the_published_time_scales():
    system, cell = FourWell(), 0.005
    grid = np.arange(-1.5, 1.5, cell) + cell / 2
    weight = np.exp(-system.energy(grid[:, None]).numpy())
    flow = np.sqrt(weight[1:] * weight[:-1]) / cell**2
    out = np.r_[flow, 0] + np.r_[0, flow]
    rates = scipy.linalg.eigh_tridiagonal(
        out / weight, -flow / np.sqrt(weight[1:] * weight[:-1]), select="i", select_range=(1, 3)
    )[0]
    steps = 1 / rates / FourWell.PAPER_STEP
    assert steps == pytest.approx([472e3, 93e3, 56e3], rel=0.01)


def test_the_barriers_are_those_of_the_docstring():
    barriers, floor = FourWell().barriers(), FourWell().energy(FourWell().minima).numpy()
    assert barriers[1, 2] == pytest.approx(1.60 - 0.08, abs=0.01)
    assert floor == pytest.approx([0.28, 0.08, 0.01, 0.12], abs=0.005)
