"""Structures that trajectories are compared with: gaps, files of other programs."""

import mdtraj
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.structures import observables
from fel_explorer.structures.references import make_molecule

STRAND = (np.full(8, -120.0), np.full(8, 130.0))


def without(trajectory, residues):
    kept = [a.index for a in trajectory.topology.atoms if a.residue.index not in residues]
    return trajectory.atom_slice(kept)


@pytest.mark.parametrize("kind", ["pdb", "gro"])
def test_a_complete_reference_fits_a_trajectory_with_a_missing_loop(polyalanine, tmp_path, kind):
    whole = polyalanine(STRAND, (np.full(8, -60.0), np.full(8, -45.0)))
    cut = without(whole, (3, 4))
    cut.time = np.arange(2)
    cut.save_xtc(str(tmp_path / "cut.xtc"))
    cut[0].save_pdb(str(tmp_path / "cut.pdb"))
    whole[0].save(str(tmp_path / f"whole.{kind}"))
    trajs = fel.load_trajectories(tmp_path / "cut.xtc", tmp_path / "cut.pdb")
    assert trajs.topology.n_chains == 2
    molecule, _ = make_molecule(trajs.topology, lambda i: trajs.frames([i]), tmp_path / f"whole.{kind}")
    assert np.isfinite(molecule.reference.xyz).all()
    found = observables(trajs, ["rmsd"], reference=tmp_path / f"whole.{kind}")["rmsd"].values
    assert found[0] < 2e-3 < found[1]


def test_a_reference_in_a_folder_outside_of_ascii_is_read(polyalanine, tmp_path):
    whole = polyalanine(STRAND)
    whole[0].save_pdb(str(tmp_path / "a.pdb"))
    folder = tmp_path / "Strukturen-ä"
    folder.mkdir()
    (tmp_path / "a.pdb").rename(folder / "A.PDB")
    molecule, atoms = make_molecule(whole.topology, None, folder / "A.PDB")
    assert atoms is None
    np.testing.assert_allclose(molecule.reference.xyz, whole.xyz, atol=1e-3)
    assert isinstance(molecule.reference, mdtraj.Trajectory)
