"""Paths on surfaces whose valleys and saddles are known."""

import numpy as np
import pytest
import torch
import xarray as xr

import fel_explorer as fel
from fel_explorer.structures.paths import KINDS, Space, barriers, find_path, path, profile_table
from fel_explorer.systems import MullerBrown


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def muller_brown(n=180):
    """The potential itself as a free energy, in kT, and frames wherever it is below 12 kT."""
    system = MullerBrown()
    x, y = np.linspace(-1.5, 1.25, n), np.linspace(-0.4, 2.05, n)
    grid = torch.tensor(np.stack(np.meshgrid(x, y), -1).reshape(-1, 2))
    energy = system.energy(grid).numpy().reshape(n, n)
    surface = xr.DataArray(energy - energy.min(), dims=("y", "x"), coords={"y": y, "x": x})
    low = surface.values.ravel() < 12
    return system, surface.where(surface < 12), Space(grid.numpy()[low]), energy.min()


def test_least_free_energy_crosses_the_saddles():
    system, surface, space, lowest = muller_brown()
    ends = system.minima[[0, 2]].numpy()
    found = find_path(space, ends, free_energy=surface, n_images=60)
    along = system.energy(torch.tensor(found.points)).numpy() - lowest
    saddles = system.energy(system.saddles).numpy() - lowest
    forth, back, top = barriers(along)
    assert along[top] == pytest.approx(saddles.max(), abs=0.15)
    assert forth == pytest.approx(saddles.max(), abs=0.2)
    assert back == pytest.approx(saddles.max() - (system.energy(system.minima[2:]).item() - lowest), abs=0.2)
    assert np.linalg.norm(found.points - system.minima[1].numpy(), axis=1).min() < 0.1
    assert np.linalg.norm(found.points[[0, -1]] - ends, axis=1).max() < 0.03
    straight = find_path(space, ends, "straight")
    assert (system.energy(torch.tensor(straight.points)).numpy() - lowest).max() > along[top] + 2


def test_anchors_lead_the_way():
    system, surface, space, _ = muller_brown()
    detour = [system.minima[0].numpy(), np.array([-1.1, 1.0]), system.minima[1].numpy()]
    found = find_path(space, detour, free_energy=surface)
    assert np.linalg.norm(found.points - detour[1], axis=1).min() < 0.1


def test_straight_images_are_equally_spaced(rng):
    space = Space(rng.normal(size=(500, 3)) * [1.0, 10.0, 0.1])
    found = find_path(space, [[0, 0, 0], [1, 10, 0.1], [2, 0, 0]], "straight", n_images=21)
    steps = np.linalg.norm(np.diff(found.points, axis=0) / space.scale, axis=1)
    assert steps == pytest.approx(np.full(20, steps[0]), rel=1e-6)
    assert found.length[-1] == pytest.approx(20 * steps[0])


def test_nearest_frames_are_observed_and_differ(rng):
    positions = rng.normal(size=(400, 2))
    found = path(positions, None, [[-1, 0], [1, 0]], "nearest frames", n_images=200)
    assert (np.diff(found.frames) != 0).all()
    assert found.points == pytest.approx(positions[found.frames])
    assert found.distances == pytest.approx(np.zeros(len(found.frames)), abs=1e-9)


def test_graph_follows_the_data_round_a_bend(rng):
    angle = rng.uniform(0, 1.5 * np.pi, 3000)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 1e-4 * rng.normal(size=(3000, 2))
    found = find_path(Space(ring), [[1, 0], [0, -1]], "graph")
    assert np.linalg.norm(found.points, axis=1).min() > 0.9
    travelled = np.linalg.norm(np.diff(found.points, axis=0), axis=1).sum()
    assert travelled == pytest.approx(1.5 * np.pi, rel=0.1)


def test_the_shorter_way_round_a_period(rng):
    positions = rng.uniform(-180, 180, (5000, 2))
    space = Space(positions, (360, 360))
    found = find_path(space, [[170, 0], [-170, 0]], "straight", n_images=11)
    assert np.abs(found.points[:, 0]).min() >= 170 - 1e-9
    assert found.length[-1] * space.scale[0] == pytest.approx(20)
    grid = np.arange(-177.5, 180, 5)
    flat = xr.DataArray(np.zeros((72, 72)), dims=("y", "x"), coords={"y": grid, "x": grid})
    least = find_path(space, [[170, 0], [-170, 0]], free_energy=flat)
    assert np.abs(least.points[:, 0]).min() > 160
    assert find_path(space, [[170, 0], [-170, 0]], "graph").length[-1] * space.scale[0] < 80


def test_table(rng):
    found = find_path(Space(rng.normal(size=(100, 2))), [[0, 0], [1, 1]], "straight", n_images=5)
    table = profile_table(found, np.arange(5.0))
    assert table.sizes == {"image": 5} and {"cv_1", "cv_2", "frame", "free_energy_kT"} <= set(table)


def test_errors_say_what_to_do(rng):
    space = Space(rng.normal(size=(100, 2)))
    with pytest.raises(fel.FelError, match="two anchors"):
        find_path(space, [[0, 0]])
    with pytest.raises(fel.FelError, match="surface"):
        find_path(space, [[0, 0], [1, 1]])
    with pytest.raises(fel.FelError, match=KINDS[0]):
        find_path(space, [[0, 0], [1, 1]], "scenic")
    with pytest.raises(fel.FelError, match="one place"):
        find_path(space, [[0, 0], [0, 0]], "straight")
    gap = xr.DataArray(np.zeros((9, 9)), dims=("y", "x"), coords={"y": np.arange(9.0), "x": np.arange(9.0)})
    gap[:, 3:6] = np.nan
    with pytest.raises(fel.FelError, match="connect"):
        find_path(space, [[0, 0], [8, 8]], free_energy=gap)
