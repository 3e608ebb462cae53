"""Energies through OpenMM's Context: custom forces by hand, known ones by the force field in torch."""

import numpy as np
import openmm
import pytest
import torch

from fel_explorer.errors import FelError
from fel_explorer.systems import ForceField, OpenMMEnergy


def make_system(custom=False):
    """Three atoms: two bonds, harmonic or, where ``custom``, quartic."""
    system = openmm.System()
    force = openmm.CustomBondForce("k*(r-0.1)^4") if custom else openmm.HarmonicBondForce()
    if custom:
        force.addGlobalParameter("k", 3e6)
    for _ in range(3):
        system.addParticle(12.0)
    for i in range(2):
        force.addBond(i, i + 1, [] if custom else 0.1, *([] if custom else [3e4]))
    system.addForce(force)
    return system


@pytest.fixture
def conformations():
    return np.random.default_rng(0).normal(scale=0.2, size=(7, 3, 3))


def test_known_forces_are_those_of_the_force_field(conformations):
    system = make_system()
    field, bridge = ForceField(system, device="cpu"), OpenMMEnergy(system)
    for expected, found in zip(
        field.energy_and_forces(conformations), bridge.energy_and_forces(conformations), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-8)


def test_custom_forces_are_differentiated_through(conformations):
    bridge, x = OpenMMEnergy(make_system(custom=True)), torch.as_tensor(conformations).requires_grad_()
    energy = bridge.energy(x)
    by_hand = 3e6 * ((x[:, 1:] - x[:, :-1]).norm(dim=-1) - 0.1).pow(4).sum(1)
    torch.testing.assert_close(energy, by_hand, rtol=1e-10, atol=1e-8)
    weights = torch.arange(7.0, dtype=torch.float64)
    (found,) = torch.autograd.grad((weights * energy).sum(), x)
    (expected,) = torch.autograd.grad((weights * by_hand).sum(), x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-7)


def test_single_precision_comes_back_in_single_precision(conformations):
    x = torch.as_tensor(conformations, dtype=torch.float32).requires_grad_()
    (gradient,) = torch.autograd.grad(OpenMMEnergy(make_system()).energy(x).sum(), x)
    assert gradient.dtype == torch.float32


def test_a_conformation_that_is_not_finite_has_no_energy(conformations):
    conformations[2, 0, 0] = np.inf
    energies, forces = OpenMMEnergy(make_system()).energy_and_forces(conformations)
    assert torch.isnan(energies).tolist() == [index == 2 for index in range(7)]
    assert torch.isnan(forces[2]).all()


def test_what_does_not_fit_is_said(conformations):
    with pytest.raises(FelError, match="This OpenMM has Reference"):
        OpenMMEnergy(make_system(), platform="Abacus")
    with pytest.raises(FelError, match=r"\(conformation, 3, 3\)"):
        OpenMMEnergy(make_system()).energy(conformations[:, :2])
