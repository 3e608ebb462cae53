import mdtraj
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.data.solvent import is_solvent, solvent_atoms
from fel_explorer.data.topologies import select_atoms
from fel_explorer.structures.alignment import fit_atoms
from fel_explorer.structures.references import solute


def mixture(ions=("NA", "Cl-"), n_waters=3):
    """A peptide of three C-alphas with oxygens, then ions and water, interleaved."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    residues = [("ALA", ("CA", "O"))] * 2 + [(ion, ("X",)) for ion in ions[:1]] + [("ALA", ("CA", "O"))]
    residues += [("HOH", ("O", "H1", "H2"))] * n_waters + [(ion, ("X",)) for ion in ions[1:]]
    for name, atoms in residues:
        residue = topology.add_residue(name, chain)
        for atom in atoms:
            symbol = "Na" if atom == "X" else atom[0]
            topology.add_atom(atom, mdtraj.element.get_by_symbol(symbol), residue)
    topology.create_standard_bonds()
    return topology


NAMES = "NA Na+ CL Cl- K K+ SOD CLA POT CAL MG2 MG2+ ZN2 CA2+ NA+1 ION LI BR HOH".split()


@pytest.mark.parametrize("name", NAMES)
def test_ions_and_water_are_solvent_by_any_name(name):
    topology = mixture((name,), n_waters=0) if name != "HOH" else mixture(())
    assert is_solvent(next(r for r in topology.residues if r.name != "ALA"))


@pytest.mark.parametrize("name", ["ALA", "CYS", "LIG", "CAP", "A", "PO4", "BB"])
def test_other_single_atoms_are_not_solvent(name):
    assert not is_solvent(next(mixture((name,)).residue(i) for i in [2]))


def test_a_molecule_of_several_atoms_with_the_name_of_an_ion_is_not_solvent():
    topology = mdtraj.Topology()
    residue = topology.add_residue("NA", topology.add_chain())
    for name in ("C1", "C2"):
        topology.add_atom(name, mdtraj.element.carbon, residue)
    assert not solvent_atoms(topology).any()


def test_ions_are_left_out_wherever_water_is(tmp_path):
    topology = mixture()
    peptide = [0, 1, 2, 3, 5, 6]
    assert solute(topology).tolist() == peptide
    assert fit_atoms(topology).tolist() == peptide
    assert select_atoms(topology, "not solvent").tolist() == peptide
    assert select_atoms(topology, "solvent and element Na").tolist() == [4, 16]
    assert select_atoms(topology, "element != H and not (solvent or name CA)").tolist() == [1, 3, 6]
    xyz = np.random.default_rng(0).uniform(0, 1, (5, topology.n_atoms, 3))
    mdtraj.Trajectory(xyz, topology).save(str(tmp_path / "a.dcd"))
    trajs = fel.load_trajectories(tmp_path / "a.dcd", topology)
    assert fel.featurize(trajs, "heavy_atom_distances").sizes["feature"] == 15
    assert fel.featurize(trajs, "coordinates").sizes["feature"] == 18
    names = fel.featurize(trajs, ("contacts", {"min_separation": 1}))["feature"].values
    assert len(names) == 3 and not any("NA" in name for name in names)
    assert fel.load_trajectories(tmp_path / "a.dcd", topology, atoms="not solvent").n_atoms == 6


def test_the_word_solvent_within_quotes_is_a_name():
    topology = mixture()
    with pytest.raises(fel.errors.FelError, match="matches no atom"):
        select_atoms(topology, "resname 'solvent'")
