"""Local minima of surfaces, against an analytic one."""

import numpy as np
import pytest
import xarray as xr

from fel_explorer.free_energy import nearest_minimum


def surface(function, x, y):
    return xr.DataArray(function(*np.meshgrid(x, y)), dims=("y", "x"), coords={"y": y, "x": x})


def double_well(ripple=0.0):
    """Minima at (-1, 0.25) and (1, -0.25), with a ripple that adds many shallow ones."""
    x, y = np.linspace(-2, 2, 161), np.linspace(-1.5, 1.5, 121)

    def f(x, y):
        waves = ripple * (np.cos(40 * x) + np.cos(40 * y))
        return 5 * (x**2 - 1) ** 2 + 8 * (y + x / 4) ** 2 + waves

    return surface(f, x, y)


@pytest.mark.parametrize("point", [(0.6, 0.5), (1.7, -1.0), (0.2, 0.9)])
def test_a_point_goes_to_the_minimum_of_its_basin(point):
    assert nearest_minimum(double_well(), point) == pytest.approx((1.0, -0.25), abs=0.026)
    mirrored = tuple(-value for value in point)
    assert nearest_minimum(double_well(), mirrored) == pytest.approx((-1.0, 0.25), abs=0.026)


def test_ripples_do_not_hold_it():
    rough = double_well(0.2)
    stuck = nearest_minimum(rough, (1.6, -0.9), ripple=0.0)
    assert float(rough.sel(x=stuck[0], y=stuck[1])) > float(rough.sel(x=slice(0, None)).min()) + 0.1
    assert nearest_minimum(rough, (1.6, -0.9)) == pytest.approx((1.0, -0.25), abs=0.1)


def test_basins_go_on_over_the_ends_of_a_period():
    axis = np.linspace(-177, 177, 60)
    ring = surface(lambda x, y: 4 - 4 * np.cos(np.radians(x - 175)) + (y / 40) ** 2, axis, axis)
    found = nearest_minimum(ring, (-100, 30), periodic=(True, False))
    assert found[0] in (axis[-1], axis[-2]) and abs(found[1]) <= 3
    assert nearest_minimum(ring, (-100, 30))[0] == axis[0]


def test_a_point_without_data_goes_to_the_nearest_basin_that_has_some():
    known = double_well().where(lambda f: f < 6)
    assert nearest_minimum(known, (1.9, 1.4)) == pytest.approx((1.0, -0.25), abs=0.026)
