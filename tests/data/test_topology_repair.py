import mdtraj
import numpy as np
import pytest
from peptides import make_trajectory, random_chains

import fel_explorer as fel
from fel_explorer.data.topology_repair import nearest_image, repair

X, Z = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
RESIDUES = {"N": "N", "H": "H", "CA": "C", "C": "C", "O": "O"}


def glycines(n_residues, n_molecules=1, chains=True, skip=()):
    """Residues of a chain of glycines, of which some may be missing."""
    topology, chain = mdtraj.Topology(), None
    for _ in range(n_molecules):
        chain = topology.add_chain() if chains or chain is None else chain
        for number in range(n_residues):
            if number not in skip:
                residue = topology.add_residue("GLY", chain, resSeq=number + 1)
                for name, symbol in RESIDUES.items():
                    topology.add_atom(name, mdtraj.element.get_by_symbol(symbol), residue)
    topology.create_standard_bonds()
    return topology


def strands(n_residues, n_molecules=1, n_frames=12, skip=(), seed=0):
    """Positions of extended chains side by side (frame, atom, 3), nm, with noise."""
    rng = np.random.default_rng(seed)
    residue = np.array([[0, 0, 0], [0, 0.1, 0], [0.12, -0.03, 0.04], [0.245, 0.04, 0], [0.25, 0.16, 0]])
    molecule = np.concatenate([residue + 0.365 * i * X for i in range(n_residues) if i not in skip])
    xyz = np.concatenate([molecule + 1.0 * k * Z for k in range(n_molecules)])
    return (xyz + rng.normal(scale=0.004, size=(n_frames, *xyz.shape))).astype(np.float32)


def torsion_names(trajs):
    names = fel.featurize(trajs, "backbone_torsions", cache=False)["feature"].values
    return [str(name).removesuffix(" cos") for name in names[::2]]


def molecules_by_distance(xyz, box, cutoff=0.2):
    """Sets of atoms joined by contacts within ``cutoff`` of nearest images, by brute force."""
    shifts = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3), axis=-1).reshape(-1, 3) @ box
    close = np.zeros((len(xyz), len(xyz)), bool)
    for shift in shifts:
        close |= np.linalg.norm(xyz[:, None] - xyz[None] + shift, axis=-1) < cutoff
    reach = close
    while True:
        further = reach @ reach
        if np.array_equal(further, reach):
            return {frozenset(np.flatnonzero(row).tolist()) for row in reach}
        reach = further


BOX = np.diag([6.0, 6.0, 6.0])


def written(folder, n_residues=4, n_molecules=3, shift=0.0, **options):
    """An XTC of molecules, wrapped into the box after a shift, and its topology with chains."""
    topology = glycines(n_residues, n_molecules, **options)
    xyz = strands(n_residues, n_molecules, skip=options.get("skip", ())) + shift
    trajectory = mdtraj.Trajectory(xyz % 6.0, topology)
    trajectory.unitcell_vectors = np.tile(BOX, (len(xyz), 1, 1))
    trajectory.save_xtc(str(folder / "a.xtc"))
    return trajectory


@pytest.mark.parametrize("shift", [0.5, 5.3])  # the second cuts bonds by the box
@pytest.mark.parametrize("kind", ["gro", "pdb", "no TER", "topology"])
def test_nothing_joins_molecules_that_the_topology_puts_into_one_chain(tmp_path, kind, shift):
    trajectory = written(tmp_path, shift=shift)
    reference = fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology)
    topology = tmp_path / f"a.{kind[-3:].lower()}"
    if kind == "topology":
        topology = glycines(4, 3, chains=False)
    elif kind == "no TER":
        topology = tmp_path / "a.pdb"
        trajectory[0].save(str(topology))
        lines = [line for line in topology.read_text().splitlines() if not line.startswith(("TER", "CONECT"))]
        lines = [
            f"{line[:21]}A{line[22:]}" if line.startswith(("ATOM", "HETATM")) else line for line in lines
        ]
        topology.write_text("\n".join(lines))
    else:
        trajectory[0].save(str(topology))
    trajs = fel.load_trajectories(tmp_path / "a.xtc", topology)
    own = [atom.residue.resSeq for atom in trajectory.topology.atoms]
    numbers = [number for number in own[::5] for _ in range(2)]
    every = zip(["phi", "psi"] * 12, numbers, strict=True)
    expected = [(angle, n) for angle, n in every if (angle, n) not in (("phi", 1), ("psi", 4))]
    names = torsion_names(trajs)
    assert [(name.split()[0], int(name.split("GLY")[-1].split("#")[0])) for name in names] == expected
    found = {frozenset(atom.index for atom in molecule) for molecule in trajs.topology.find_molecules()}
    assert found == molecules_by_distance(trajectory.xyz[0], BOX)
    a, b = (fel.featurize(t, "backbone_torsions", cache=False)["features"].values for t in (trajs, reference))
    np.testing.assert_allclose(a, b, atol=1e-5)
    bonds = np.array([(a.index, b.index) for a, b in trajs.topology.bonds])
    assert len(bonds) == reference.topology.n_bonds
    between = nearest_image(trajectory.xyz[0, bonds[:, 0]] - trajectory.xyz[0, bonds[:, 1]], BOX)
    assert np.linalg.norm(between, axis=1).max() < 0.25


def test_no_torsion_crosses_a_missing_loop(tmp_path):
    written(tmp_path, 8, 1, skip=(3, 4))
    trajs = fel.load_trajectories(tmp_path / "a.xtc", glycines(8, 1, skip=(3, 4)))
    assert torsion_names(trajs) == [
        "psi GLY1", "phi GLY2", "psi GLY2", "phi GLY3", "psi GLY6", "phi GLY7", "psi GLY7", "phi GLY8"
    ]  # fmt: skip
    assert len(trajs.topology.find_molecules()) == 2


def test_no_torsion_crosses_a_gap_made_by_the_selection(tmp_path):
    trajectory = written(tmp_path, 6, 1)
    trajs = fel.load_trajectories(tmp_path / "a.xtc", trajectory.topology, atoms="not resid 2 3")
    assert torsion_names(trajs) == ["psi GLY1", "phi GLY2", "psi GLY5", "phi GLY6"]
    assert [chain.n_residues for chain in trajs.topology.chains] == [2, 2]


def test_a_topology_that_agrees_stays_as_it_is():
    trajectory = make_trajectory()
    assert repair(trajectory.topology, trajectory.xyz[0]) is trajectory.topology


def test_a_bond_that_is_too_long_is_dropped_and_its_hydrogen_finds_its_atom():
    topology = glycines(2)
    xyz = strands(2, n_frames=1)[0]
    wrong = mdtraj.Topology()
    chain = wrong.add_chain()
    for residue in topology.residues:
        added = wrong.add_residue(residue.name, chain, resSeq=residue.resSeq)
        for atom in residue.atoms:
            wrong.add_atom(atom.name, atom.element, added)
    for a, b in topology.bonds:  # the hydrogen of the second residue at the first nitrogen
        pair = (0 if (a.index, b.index) == (5, 6) else a.index, b.index)
        wrong.add_bond(*(wrong.atom(i) for i in pair))
    repaired = repair(wrong, xyz)
    key = lambda top: sorted(tuple(sorted((a.index, b.index))) for a, b in top.bonds)  # noqa: E731
    assert key(repaired) == key(topology)
    assert (0, 6) in key(wrong)


def test_a_ligand_without_bonds_is_bonded_by_distance():
    topology = mdtraj.Topology()
    residue = topology.add_residue("LIG", topology.add_chain())
    symbols = "CCOHHHHHH"
    for number, symbol in enumerate(symbols):
        topology.add_atom(f"{symbol}{number}", mdtraj.element.get_by_symbol(symbol), residue)
    ethanol = [
        [0, 0, 0], [0.152, 0, 0], [0.2, 0.133, 0], [-0.039, 0.051, 0.089], [-0.039, 0.051, -0.089],
        [-0.036, -0.103, 0], [0.189, -0.053, 0.089], [0.189, -0.053, -0.089], [0.296, 0.127, 0],
    ]  # fmt: skip
    xyz = (np.array(ethanol) + 2.9) % 3.0  # cut by the box
    bonds = {(a.index, b.index) for a, b in repair(topology, xyz, np.diag([3.0, 3.0, 3.0])).bonds}
    assert bonds == {(0, 1), (1, 2), (0, 3), (0, 4), (0, 5), (1, 6), (1, 7), (2, 8)}


def test_bonds_of_beads_may_be_long():
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for number in range(3):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", chain, resSeq=number))
    for a, b in ((0, 1), (1, 2)):
        topology.add_bond(topology.atom(a), topology.atom(b))
    assert repair(topology, np.arange(9).reshape(3, 3) * 0.22) is topology


def test_nearest_images_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    box = np.array([[3.0, 0, 0], [1.4, 2.7, 0], [-1.3, 1.2, 2.4]])
    vectors = rng.uniform(-9, 9, (200, 3))
    shifts = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3), axis=-1).reshape(-1, 3) @ box
    expected = np.linalg.norm(vectors[:, None] + shifts, axis=-1).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(nearest_image(vectors, box), axis=1), expected, atol=1e-9)


def test_positions_of_random_chains_keep_their_bonds():
    topology = glycines(3)
    xyz = random_chains(topology, 5, np.random.default_rng(0))
    assert repair(topology, xyz[0]) is topology
