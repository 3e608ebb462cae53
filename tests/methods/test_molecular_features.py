"""Differentiable features against mdtraj and finite differences; the generator of a known molecule."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from spectra import correlation, generator_on_a_line

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods import molecular_features as molecular
from fel_explorer.methods.slow_modes.eigenfunction_nets import EigenfunctionNets
from fel_explorer.training.data import Scaling

FEATURIZERS = ["heavy_atom_distances", "backbone_torsions", "coordinates"]


@pytest.fixture(scope="module")
def alanine():
    """30 frames of alanine dipeptide: features, and positions of all atoms."""
    trajs = fel.sample_data("alanine-dipeptide")
    frames = np.arange(0, trajs.n_frames, trajs.n_frames // 30)[:30]
    data = fel.featurize(trajs, FEATURIZERS).isel(frame=frames)
    data = data.assign_coords(frame_in_trajectory=("frame", np.arange(30)), trajectory=("frame", [0] * 30))
    return data.load(), trajs.frames(frames).xyz


def test_features_are_mdtrajs(alanine):
    data, positions = alanine
    function, x = molecular.coordinates(data, positions)
    assert len(function.atoms) == 10 and x.shape == (30, 30)
    found = molecular.at_coordinates(function, torch.from_numpy(x.values).double()).numpy()
    np.testing.assert_allclose(found, data["features"], atol=5e-4)  # the reference is rounded in its PDB text
    assert np.abs(found[:, :49] - data["features"][:, :49].values).max() < 1e-5


def test_derivatives_of_all_features_are_finite_differences(alanine):
    data, positions = alanine
    function, x = molecular.coordinates(data, positions)
    x = torch.from_numpy(x.values[:4]).double()
    exact = torch.autograd.functional.jacobian(
        lambda y: molecular.at_coordinates(function, y).sum(0), x
    ).transpose(0, 1)
    step, at = 1e-6 * torch.eye(x.shape[1], dtype=torch.float64), partial(molecular.at_coordinates, function)
    moved = torch.stack([(at(x + h) - at(x - h)) / 2e-6 for h in step], dim=2)
    assert exact.shape == moved.shape
    np.testing.assert_allclose(exact, moved, atol=1e-6 * float(moved.abs().max()))


def test_gradients_of_networks_are_by_the_coordinates_and_train_the_weights(alanine):
    data, positions = alanine
    function, x = molecular.coordinates(data, positions)
    nets = EigenfunctionNets(data.sizes["feature"], [5], 2, torch.Generator().manual_seed(0)).double()
    scaling, x = Scaling.of(data), torch.from_numpy(x.values).double()
    _, gradients = molecular.pull_back(nets, function, scaling, x)
    step, at = 1e-6 * torch.eye(x.shape[1], dtype=torch.float64), partial(molecular.at_coordinates, function)
    values = [(nets(scaling(at(x + h))) - nets(scaling(at(x - h)))) / 2e-6 for h in step]
    np.testing.assert_allclose(gradients.detach(), torch.stack(values, dim=2).detach(), atol=1e-5)
    energy = gradients.square().sum()
    (slope,) = torch.autograd.grad(energy, nets.weights[0])
    with torch.no_grad():
        nets.weights[0][1, 3, 2] += 1e-5
    after = molecular.pull_back(nets, function, scaling, x)[1].square().sum()
    assert float((after - energy).detach() / 1e-5) == pytest.approx(float(slope[1, 3, 2]), rel=1e-2)


# ---- two atoms in a double well of their distance


def energy(r):
    return 2000.0 * ((r - 0.5) ** 2 - 0.03) ** 2


@pytest.fixture(scope="module")
def pair():
    """Equilibrium samples of two atoms bound by `energy` (kT = 1), anywhere and in any direction."""
    random = np.random.default_rng(0)
    grid = np.linspace(0.2, 0.85, 4000)
    share = np.cumsum(grid**2 * np.exp(-energy(grid)))
    r = np.interp(random.random(8000), share / share[-1], grid)
    direction = random.normal(size=(8000, 3))
    direction *= (r / np.linalg.norm(direction, axis=1))[:, None]
    centre = random.normal(size=(8000, 3))
    positions = np.stack([centre - direction / 2, centre + direction / 2], axis=1)
    data = fel.as_dataset(r[:, None].astype(np.float32), feature_names=["d A B"], time_unit="ps")
    spec = [{"name": "distances", "options": {}, "kind": "distance", "atoms": [[0, 1]], "n_features": 1}]
    data.attrs |= {"topology": "ATOM", "featurizers": json.dumps(spec)}
    return data, positions


def test_the_generator_of_a_molecule_has_the_rate_of_its_distance(pair):
    data, positions = pair
    a = [0.01, 0.03]  # of the two atoms; their distance diffuses by the sum
    method = fel.Eigenfunctions(
        operator="generator", n_dims=1, diffusion=a, n_steps=250, batch_size=1000, learning_rate=1e-2
    ).fit(data, positions=positions, device="cpu")
    grid, rates, modes = generator_on_a_line(
        lambda r: energy(r) - 2 * np.log(r), 0.2, 0.85, kT=1.0, diffusion=sum(a)
    )
    assert method.eigenvalues_[0] == pytest.approx(rates[0], rel=0.06)
    r = data["features"].values[:, 0]
    assert correlation(method.transform(data)[:, 0], np.interp(r, grid, modes[:, 0])) > 0.99


def test_positions_that_do_not_fit_are_told(pair, alanine, tmp_path):
    data, positions = pair
    options = {"operator": "generator", "n_dims": 1, "n_steps": 2, "hidden": [4]}
    generator = fel.Eigenfunctions(**options)
    with pytest.raises(FelError, match=r"positions=\.\.\."):
        generator.fit(data)
    with pytest.raises(FelError, match="all atoms of the topology"):
        generator.fit(data, positions=positions[:-1])
    with pytest.raises(FelError, match="off that of the positions"):
        generator.fit(data, positions=1.1 * positions)
    with pytest.raises(FelError, match="one for each: 2"):
        fel.Eigenfunctions(diffusion=[1.0, 1.0, 1.0], **options).fit(data, positions=positions)
    with pytest.raises(FelError, match="operator='generator' and datasets"):
        fel.Eigenfunctions(lag_time=1.0).fit(data, positions=positions)
    contacts = data.assign_attrs(featurizers=data.attrs["featurizers"].replace("distance", "contact"))
    with pytest.raises(FelError, match="kind 'contact'"):
        generator.fit(contacts, positions=positions)
    with pytest.raises(FelError, match="positions differ"):
        for moved in (positions, positions + 1):
            generator.fit(data, positions=moved, device="cpu", checkpoint_dir=tmp_path)
    generator.save(tmp_path / "model.fel")
    np.testing.assert_array_equal(
        fel.load_model(tmp_path / "model.fel").transform(data), generator.transform(data)
    )
