"""Rotors in embedded physics: equal atoms count once, others do not."""

import math

import numpy as np
import pytest
import torch

from fel_explorer.methods.embedded_physics.coordinates import MoleculeCoordinates, from_arrays
from fel_explorer.methods.latent_simulator.internal_coordinates import dihedral

KT = 2.5
BONDS = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [3, 5], [3, 6]])
HYDROGENS = [4, 5, 6]
NEAR = [*BONDS.tolist(), [0, 2], [1, 3], [2, 4], [2, 5], [2, 6], [4, 5], [4, 6], [5, 6]]
NAMES = [[5, 6, 4], [6, 4, 5]]  # other names of the three, in the same sense


class Methyl:
    """Three atoms in a row and a methyl group: springs, and three wells of the group's turn.

    ``odd`` makes one hydrogen stiffer bonded than the others.
    """

    n_atoms = 7

    def __init__(self, odd: bool = False):
        self.pairs, self.odd = torch.tensor(NEAR).T, odd
        self.lengths = self.distances(torch.as_tensor(structure())[None])[0]

    def distances(self, x):
        return (x[:, self.pairs[0]] - x[:, self.pairs[1]]).norm(dim=-1)

    def energy(self, x):
        strength = torch.full((len(NEAR),), 2e5, dtype=torch.float64)
        strength[3] *= 1.5 if self.odd else 1.0
        turns = torch.stack([dihedral(x[:, 1], x[:, 2], x[:, 3], x[:, h]) for h in HYDROGENS], 1)
        barriers = 2.0 * (1 + torch.cos(3 * turns)).sum(1)
        chain = 3.0 * (1 + torch.cos(dihedral(*(x[:, i] for i in range(4)))))
        return 0.5 * (strength * (self.distances(x) - self.lengths).square()).sum(1) + barriers + chain


def structure():
    """(atom, 3) in nm, the group staggered."""
    heavy = np.array([[0.0, 0.0, 0.0], [0.13, 0.08, 0.0], [0.26, 0.0, 0.0], [0.39, 0.08, 0.0]])
    axis = (heavy[3] - heavy[2]) / np.linalg.norm(heavy[3] - heavy[2])
    across = np.array([-axis[1], axis[0], 0.0])
    turns = [math.pi / 3, math.pi, -math.pi / 3]
    around = np.stack([np.cos(t) * across + np.sin(t) * np.array([0.0, 0.0, 1.0]) for t in turns])
    return np.concatenate([heavy, heavy[3] + 0.036 * axis + 0.103 * around])


def coordinates(odd=False):
    molecule = Methyl(odd)
    return MoleculeCoordinates.of(lambda x: molecule.energy(x) / KT, torch.as_tensor(structure()), BONDS)


@pytest.fixture(scope="module")
def methyl():
    return coordinates()


def drawn(own, n=50):
    """y (n, dim) all around."""
    noise = torch.randn(n, len(own.start), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return own.centre + noise * torch.where(own.period > 0, own.period, 0.5)


def apart(own, first, second):
    """How far coordinates (sample, dim) are from each other, around the circle."""
    period = own.period
    difference = first - second
    return (difference - period * torch.round(difference / torch.where(period > 0, period, math.inf))).abs()


def test_a_methyl_group_turns_by_a_third_and_an_uneven_one_by_the_whole(methyl):
    turns = {round(2 * math.pi / p) for p in methyl.period[methyl.n_stiff :].tolist()}
    assert sorted(methyl.fold.tolist()) == [1, 1, 1, 3] and turns == {1, 3}
    odd = coordinates(odd=True)
    assert set(odd.fold.tolist()) == {1}
    torch.testing.assert_close(odd.period[odd.n_stiff :], torch.full((2,), 2 * math.pi, dtype=torch.float64))


def test_coordinates_of_rotors_come_back(methyl):
    y = drawn(methyl)
    loaded = from_arrays(methyl.arrays())
    assert float(apart(methyl, loaded.to_coordinates(methyl.to_space(y)), y).max()) < 1e-8


@pytest.mark.parametrize("names", NAMES)
def test_other_names_are_the_same_conformation(methyl, names):
    x = methyl.to_space(drawn(methyl))
    renamed = x.clone()
    renamed[:, HYDROGENS] = x[:, names]
    assert float((renamed - x).abs().max()) > 0.1
    y, other = methyl.to_coordinates(x), methyl.to_coordinates(renamed)
    assert float(apart(methyl, y, other).max()) < 1e-8
    energy = Methyl().energy
    torch.testing.assert_close(energy(methyl.to_space(other)), energy(x))


def test_the_mean_turn_of_a_rotor_is_free_of_its_atoms_own_swings(methyl):
    """Swinging one atom against the others turns the group by a third of it, and by as much for each atom."""
    turn = methyl.n_stiff + methyl.free.nonzero()[:, 0].tolist().index(int(methyl.fold.argmax()))
    x = methyl.to_space(methyl.to_coordinates(torch.as_tensor(structure())[None]))
    axis = (x[0, 3] - x[0, 2]) / (x[0, 3] - x[0, 2]).norm()
    skew = torch.linalg.cross(torch.eye(3, dtype=torch.float64), axis.expand(3, 3))
    changes = []
    for atom in HYDROGENS:
        swung = x.clone()
        swung[0, atom] = x[0, 3] + torch.linalg.matrix_exp(0.12 * skew) @ (x[0, atom] - x[0, 3])
        changes.append(float((methyl.to_coordinates(swung) - methyl.to_coordinates(x))[0, turn]))
    np.testing.assert_allclose(np.abs(changes), 0.04, atol=1e-6)


def test_the_chains_own_turn_is_cut_where_it_costs_most(methyl):
    assert methyl.fold[methyl.free][methyl.carried - methyl.n_stiff].tolist() == [1]
    turn = float(methyl.centre[methyl.carried])  # the highest place is cis, so that the middle is trans
    assert abs(math.cos(turn) + 1) < 0.02
