"""Featurizers for molecules of any kind, and remedies that work for the molecule at hand."""

import re
from itertools import combinations, product

import mdtraj
import numpy as np
import pytest
from peptides import make_topology, make_trajectory

import fel_explorer as fel
from fel_explorer.app.jobs.featurize_and_train import usual_featurizer
from fel_explorer.errors import FelError
from fel_explorer.features import make_featurizers

DNA = ["DA", "DC", "DA"]


def compute(trajectory, spec):
    [featurizer] = make_featurizers(spec)
    bound = featurizer.prepare(trajectory[0])
    return bound.compute(trajectory), bound


def index(topology, residue, name):
    return next(a.index for a in topology.residue(residue).atoms if a.name == name)


def angle(points):
    """Torsion of four points (4, 3), by the angle between the normals of two planes."""
    first, axis, last = np.diff(np.asarray(points, float), axis=0)
    m, n = np.cross(first, axis), np.cross(axis, last)
    sign = np.sign(np.dot(m, last))
    return sign * np.arccos(np.clip(np.dot(m, n) / np.linalg.norm(m) / np.linalg.norm(n), -1, 1))


def chain_of(n, names, element=None, residue="ALA"):
    """A chain of ``n`` residues with atoms of the given names and no bonds."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(n):
        place = topology.add_residue(residue, chain, resSeq=number + 1)
        for name in names:
            topology.add_atom(name, element or mdtraj.element.virtual, place)
    return topology


def ligand():
    """Butylbenzene without hydrogens: a ring of six carbons with a chain of four."""
    topology = mdtraj.Topology()
    residue = topology.add_residue("LIG", topology.add_chain())
    atoms = [topology.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(10)]
    for i in range(6):
        topology.add_bond(atoms[i], atoms[(i + 1) % 6])
    for i, j in ((5, 6), (6, 7), (7, 8), (8, 9)):
        topology.add_bond(atoms[i], atoms[j])
    return topology


# ---- nucleic acids


def test_nucleic_torsions_are_those_of_iupac():
    trajectory = make_trajectory(DNA, n_frames=3)
    values, bound = compute(trajectory, "nucleic_torsions")
    middle = {
        "alpha": ((0, "O3'"), (1, "P"), (1, "O5'"), (1, "C5'")),
        "beta": ((1, "P"), (1, "O5'"), (1, "C5'"), (1, "C4'")),
        "gamma": ((1, "O5'"), (1, "C5'"), (1, "C4'"), (1, "C3'")),
        "delta": ((1, "C5'"), (1, "C4'"), (1, "C3'"), (1, "O3'")),
        "epsilon": ((1, "C4'"), (1, "C3'"), (1, "O3'"), (2, "P")),
        "zeta": ((1, "C3'"), (1, "O3'"), (2, "P"), (2, "O5'")),
        "chi": ((1, "O4'"), (1, "C1'"), (1, "N1"), (1, "C2")),
    }
    names = [name[:-4] for name in bound.names[::2]]
    assert [n for n in names if n.endswith("DC2")] == [f"{name} DC2" for name in middle]
    assert [n for n in names if n.endswith("DA1")] == [f"{n} DA1" for n in list(middle)[1:]]  # no alpha
    assert [n for n in names if n.endswith("DA3")] == [
        f"{n} DA3" for n in ("alpha", "beta", "gamma", "delta", "chi")
    ]
    for name, atoms in middle.items():
        at = 2 * names.index(f"{name} DC2")
        four = [index(trajectory.topology, *atom) for atom in atoms]
        expected = np.array([angle(xyz[four]) for xyz in trajectory.xyz])
        np.testing.assert_allclose(values[:, at], np.cos(expected), atol=1e-4)
        np.testing.assert_allclose(values[:, at + 1], np.sin(expected), atol=1e-4)
    purine = bound.atoms[names.index("chi DA1")]
    assert [trajectory.topology.atom(i).name for i in purine] == ["O4'", "C1'", "N9", "C4"]


def test_sugar_torsions_go_round_the_ring():
    trajectory = make_trajectory(DNA, n_frames=2)
    _, bound = compute(trajectory, "sugar_pucker")
    rings = [[trajectory.topology.atom(i).name for i in four] for four in bound.atoms[:5]]
    order = ["C4'", "O4'", "C1'", "C2'", "C3'"]
    assert rings == [[order[(k + j) % 5] for k in range(4)] for j in range(5)]
    assert bound.names[:2] == ["nu0 DA1 cos", "nu0 DA1 sin"] and len(bound.names) == 30


def test_nucleic_torsions_read_the_stars_of_old_files():
    topology = make_topology(DNA)
    for atom in topology.atoms:
        atom.name = atom.name.replace("'", "*")
    assert len(make_featurizers("nucleic_torsions")[0].describe(topology)) == 2 * (6 + 7 + 5)


# ---- chosen torsions


def test_torsions_of_a_ligand_are_around_its_inner_bonds():
    names = make_featurizers("torsions:selection=resname LIG")[0]
    atoms = names.find(ligand())
    assert {tuple(four[1:3]) for four in atoms.tolist()} == {
        (0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (5, 6), (6, 7), (7, 8)
    }  # fmt: skip
    assert names.describe(ligand())[-2] == "torsion LIG0-C6 LIG0-C7 LIG0-C8 LIG0-C9 cos"


def test_torsions_of_beads_are_of_each_four_in_a_chain():
    beads = chain_of(6, ["BB", "SC1"])
    found = make_featurizers("torsions:selection=name BB")[0].find(beads)
    assert found.tolist() == [[0, 2, 4, 6], [2, 4, 6, 8], [4, 6, 8, 10]]
    two = beads.join(chain_of(3, ["BB", "SC1"]))
    assert len(make_featurizers("torsions:selection=name BB")[0].find(two)) == 3  # none between chains


def test_torsions_of_four_names_are_found_in_each_residue():
    trajectory = make_trajectory(["ACE", "ALA", "SER", "NME"], n_frames=2)
    values, bound = compute(trajectory, "torsions:atom_names=-C N CA CB")
    assert bound.names == [
        "C-N-CA-CB ALA2 cos",
        "C-N-CA-CB ALA2 sin",
        "C-N-CA-CB SER3 cos",
        "C-N-CA-CB SER3 sin",
    ]
    four = [index(trajectory.topology, *atom) for atom in ((0, "C"), (1, "N"), (1, "CA"), (1, "CB"))]
    np.testing.assert_allclose(values[:, 0], [np.cos(angle(xyz[four])) for xyz in trajectory.xyz], atol=1e-4)
    with pytest.raises(FelError, match="Four names"):
        make_featurizers("torsions:atom_names=N CA CB")


# ---- groups and thinned distances


def test_distances_of_two_selections_are_all_pairs_between_them():
    trajectory = make_trajectory(["ALA"] * 4, n_frames=3)
    values, bound = compute(trajectory, "distances:selection=name CA:other=name O")
    alphas, oxygens = (trajectory.topology.select(f"name {name}") for name in ("CA", "O"))
    assert {frozenset(pair) for pair in bound.atoms.tolist()} == set(map(frozenset, product(alphas, oxygens)))
    expected = np.linalg.norm(
        trajectory.xyz[:, bound.atoms[:, 0]] - trajectory.xyz[:, bound.atoms[:, 1]], axis=2
    )
    np.testing.assert_allclose(values, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "pairs"),
    [
        ({"every": 3}, [(0, 3), (0, 6), (0, 9), (3, 6), (3, 9), (6, 9)]),
        ({"min_separation": 8}, [(0, 8), (0, 9), (1, 9)]),
        ({"every": 3, "min_separation": 6}, [(0, 6), (0, 9), (3, 9)]),
    ],
)
def test_thinned_alphas_leave_out_neighbours(options, pairs):
    topology = make_topology(["ALA"] * 10)
    found = make_featurizers(("ca_distances", options))[0].find(topology)
    residues = [[topology.atom(i).residue.index for i in pair] for pair in found]
    assert list(map(tuple, residues)) == pairs
    with pytest.raises(FelError, match="whole number"):
        make_featurizers(("ca_distances", {"every": 0}))


@pytest.mark.parametrize("by", ["group", "residue"])
def test_shortest_distances_are_those_over_all_pairs(by):
    trajectory = make_trajectory(["ALA", "SER", "ALA", "SER", "ALA"], n_frames=4)
    first, second = "resid 0 to 1 and element != H", "resid 3 to 4"
    options = {"first": first, "second": second, "by": by, "min_separation": 1}
    values, bound = compute(trajectory, ("minimum_distances", options))
    groups = [trajectory.topology.select(s) for s in (first, second)]
    if by == "group":
        entries = [groups]
        assert bound.names == ["min d ALA1-N..SER2-O SER4-N..ALA5-O"]
    else:
        parts = [
            [[i for i in g if trajectory.topology.atom(i).residue.index == r] for r in range(5)]
            for g in groups
        ]
        entries = [(a, b) for a, b in product(*parts) if a and b]
        assert bound.names == ["min d ALA1 SER4", "min d ALA1 ALA5", "min d SER2 SER4", "min d SER2 ALA5"]
    for column, (a, b) in zip(values.T, entries, strict=True):
        vectors = trajectory.xyz[:, a][:, :, None] - trajectory.xyz[:, b][:, None]
        np.testing.assert_allclose(column, np.linalg.norm(vectors, axis=-1).min(axis=(1, 2)), atol=1e-5)


# ---- remedies


MOLECULES = {
    "capped alanine": make_topology(["ACE", "ALA", "NME"]),
    "DNA": make_topology(DNA),
    "large protein": make_topology(["ALA"] * 250),
    "ligand": ligand(),
    "beads": chain_of(300, ["BB", "SC1"]),
    "alpha carbons": chain_of(300, ["CA"], mdtraj.element.carbon),
    "water": make_topology(["HOH"] * 5),
}


@pytest.mark.parametrize("molecule", MOLECULES)
def test_every_remedy_works_for_the_molecule(molecule):
    """No circle: what an error proposes gives as many features as it says."""
    topology, proposed = MOLECULES[molecule], set()
    for name in fel.list_featurizers():
        try:
            make_featurizers(name)[0].describe(topology)
        except FelError as error:
            assert error.remedy
            proposed |= set(re.findall(r"(\w+(?::\w+=[\w ]+)*) \(([\d,]+) features\)", error.remedy))
    assert proposed or molecule == "water"
    for spec, number in proposed:
        assert len(make_featurizers(spec)[0].describe(topology)) == int(number.replace(",", ""))


def test_thinned_choices_say_their_number_of_features():
    with pytest.raises(FelError, match=r"ca_distances:every=3 \(4,950 features\)"):
        make_featurizers("ca_distances")[0].describe(MOLECULES["alpha carbons"])
    with pytest.raises(FelError, match=r"selection=name BB:every=3 \(4,950 features\)"):
        make_featurizers("torsions")[0].describe(MOLECULES["beads"])


def test_a_nucleic_acid_begins_with_its_torsions():
    assert usual_featurizer(make_topology(DNA * 4)) == "nucleic_torsions"


def test_featurizers_that_find_something_never_repeat_an_entry():
    for topology in MOLECULES.values():
        for name in fel.list_featurizers():
            [featurizer] = make_featurizers(name)
            try:
                found = featurizer.find(topology)
            except FelError:
                continue
            assert len(np.unique(found.reshape(len(found), -1), axis=0)) == len(found)
            assert all(0 <= i < topology.n_atoms for i in np.unique(found))
            assert len(set(featurizer.describe(topology))) >= len(found)


def test_pairs_are_all_combinations():
    topology = make_topology(["ALA"] * 4)
    found = make_featurizers("ca_distances")[0].find(topology)
    assert found.tolist() == [list(pair) for pair in combinations(topology.select("name CA"), 2)]
