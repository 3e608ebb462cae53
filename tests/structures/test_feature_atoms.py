"""Features know their atoms: a feature changes if and only if one of them moves."""

import json

import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_allclose

from fel_explorer.data.topology_text import pdb_text
from fel_explorer.errors import FelError
from fel_explorer.features.featurizers import make_featurizers
from fel_explorer.structures import atom_values, feature_atoms

LOCAL = ["backbone_torsions", ("distances", {"selection": "name CA or name CB"})]
SPECS = [*LOCAL, ("contacts", {"min_separation": 2}), ("coordinates", {"selection": "name CA"})]


@pytest.fixture
def featurizers(peptide):
    return [featurizer.prepare(peptide[0]) for featurizer in make_featurizers(SPECS)]


@pytest.fixture
def attrs(peptide, featurizers):
    records = json.dumps([featurizer.record() for featurizer in featurizers])
    return {"topology": pdb_text(peptide[0]), "featurizers": records}


def test_a_feature_changes_if_and_only_if_one_of_its_atoms_moves(peptide, featurizers, attrs):
    local, atoms = featurizers[: len(LOCAL)], feature_atoms(attrs)

    def measure(frame):
        return np.concatenate([featurizer.compute(frame)[0] for featurizer in local])

    rest = measure(peptide[0])
    for atom in range(peptide.n_atoms):
        moved = peptide[0]
        moved.xyz[0, atom] += [0.013, 0.021, -0.017]
        changed = np.abs(measure(moved) - rest) > 1e-5
        assert list(changed) == [atom in own for own in atoms[: len(rest)]]


def test_contacts_belong_to_residues_and_coordinates_to_one_atom(peptide, featurizers, attrs):
    *_, contact, x, _, z = feature_atoms(attrs)[:-6]
    residues = {peptide.topology.atom(i).residue.index for i in contact}
    assert residues == {0, 2} and len(contact) == sum(peptide.topology.residue(r).n_atoms for r in residues)
    assert list(x) == list(z) and peptide.topology.atom(int(x[0])).name == "CA"
    assert len(feature_atoms(attrs)) == sum(len(featurizer.names) for featurizer in featurizers)


def test_values_of_atoms_add_up_to_those_of_features(peptide, attrs):
    n = len(feature_atoms(attrs))
    values = xr.DataArray(
        np.random.default_rng(0).random((n, 2)), dims=("feature", "cv"), coords={"cv": [0, 1]}
    )
    on_atoms = atom_values(values, attrs)
    assert on_atoms.dims == ("cv", "atom") and on_atoms.sizes["atom"] == peptide.n_atoms
    assert_allclose(on_atoms.sum("atom"), values.sum("feature"))
    torsion = values.copy(data=np.zeros((n, 2)))
    torsion[0] = 1.0  # the cosine of the first phi or psi
    coloured = atom_values(torsion, attrs).sel(cv=0)
    assert set(np.flatnonzero(coloured)) == set(feature_atoms(attrs)[0]) and float(coloured.max()) == 0.25


def test_values_that_do_not_belong_to_atoms_are_told(attrs):
    with pytest.raises(FelError, match="does not say which atoms"):
        feature_atoms({})
    with pytest.raises(FelError, match="The dataset has"):
        atom_values(xr.DataArray(np.ones(3), dims="feature"), attrs)
