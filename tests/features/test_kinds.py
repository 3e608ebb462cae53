"""What every kind of features promises, walked over all that are registered."""

import json

import numpy as np
import pytest
import torch
from peptides import make_trajectory

from fel_explorer.data.topology_text import pdb_text
from fel_explorer.errors import FelError
from fel_explorer.features import (
    FeatureKind,
    MolecularFeatures,
    list_featurizers,
    list_kinds,
    make_featurizers,
    read_blocks,
    register_kind,
)
from fel_explorer.structures import feature_atoms

MOLECULES = [["ACE", "ALA", "SER", "ALA", "SER", "NME"], ["DA", "DC", "DA"]]
SPECS = [
    *(name for name in list_featurizers() if name != "centre_distances"),
    "contacts:scheme=ca",
    "ca_distances:every=2",
    "distances:selection=name CA:other=name O",
    "torsions:selection=not water",
    "torsions:atom_names=-C N CA CB",
    "centre_distances:first=resid 1:second=resid 3 to 4",
    "minimum_distances:first=resid 1:second=resid 3 to 4:by=group",
    "minimum_distances:first=resid 0 1:second=resid 3 to 5",
]


def prepared(spec):
    """A featurizer bound to the first molecule that has such features, and frames of the molecule."""
    [featurizer] = make_featurizers(spec)
    for residues in MOLECULES:
        trajectory = make_trajectory(residues, n_frames=6)
        try:
            return featurizer.prepare(trajectory[0]), trajectory
        except FelError:
            continue
    raise AssertionError(f"no molecule of the tests has {spec}")


def attrs_of(bound, trajectory):
    return {"topology": pdb_text(trajectory[0]), "featurizers": json.dumps([bound.record()])}


def differentiable(spec):
    bound, _ = prepared(spec)
    return not bound.block.kind.reason_no_derivative(bound.options)


DIFFERENTIABLE = [spec for spec in SPECS if differentiable(spec)]


def test_every_kind_has_a_featurizer():
    used = {featurizer.kind for featurizer in list_featurizers().values()}
    assert used == set(list_kinds())


@pytest.mark.parametrize("spec", SPECS)
def test_names_are_unique_and_as_many_as_values(spec):
    bound, trajectory = prepared(spec)
    values = bound.compute(trajectory)
    assert values.shape == (len(trajectory), len(bound.names)) and values.dtype == np.float32
    assert len(set(bound.names)) == len(bound.names) == bound.block.n_features
    defaults = bound.block.kind.quantities(trajectory.topology, bound.atoms)
    assert len(set(defaults)) == len(bound.atoms)


@pytest.mark.parametrize("spec", SPECS)
def test_atoms_are_those_that_the_values_depend_on(spec):
    """Moving an atom changes exactly the features that name it; a fit makes all depend on all."""
    bound, trajectory = prepared(spec)
    owned = feature_atoms(attrs_of(bound, trajectory))
    assert len(owned) == len(bound.names)
    assert all(0 <= atom < trajectory.n_atoms for atoms in owned for atom in atoms)
    if bound.block.kind.needs_reference:
        return
    rest = bound.compute(trajectory)
    for atom in range(0, trajectory.n_atoms, 3):
        moved = trajectory[:]
        moved.xyz[:, atom] += [0.031, 0.022, -0.027]
        changed = (np.abs(bound.compute(moved) - rest) > 1e-5).any(axis=0)
        for i in np.flatnonzero(changed):
            assert atom in owned[i]


@pytest.mark.parametrize("spec", DIFFERENTIABLE)
def test_torch_computes_what_mdtraj_computes(spec):
    bound, trajectory = prepared(spec)
    function = MolecularFeatures(attrs_of(bound, trajectory))
    found = function(torch.from_numpy(trajectory.xyz).double()).numpy()
    np.testing.assert_allclose(found, bound.compute(trajectory), atol=5e-4)
    own = MolecularFeatures(attrs_of(bound, trajectory), own_atoms_only=True)
    np.testing.assert_allclose(own(torch.from_numpy(trajectory.xyz[:, own.atoms]).double()), found, atol=1e-9)


@pytest.mark.parametrize("spec", DIFFERENTIABLE)
def test_gradients_are_finite_differences(spec):
    bound, trajectory = prepared(spec)
    function = MolecularFeatures(attrs_of(bound, trajectory), own_atoms_only=True)
    x = torch.from_numpy(trajectory.xyz[:1, function.atoms]).double()
    exact = torch.autograd.functional.jacobian(function, x).flatten(3)[0, :, 0]
    steps = 1e-6 * torch.eye(x.numel(), dtype=torch.float64).reshape(-1, *x.shape)
    moved = torch.stack([(function(x + h) - function(x - h))[0] / 2e-6 for h in steps], dim=1)
    np.testing.assert_allclose(exact, moved, atol=1e-6 * max(1.0, float(moved.abs().max())))


@pytest.mark.parametrize("spec", SPECS)
def test_values_go_round_by_the_period_and_else_do_not_jump(spec):
    """Along a closed path of all atoms, steps half as long change values half as much."""
    bound, trajectory = prepared(spec)
    swing = np.random.default_rng(3).normal(scale=0.15, size=(2, 1, *trajectory.xyz.shape[1:]))

    def largest_step(n):
        turn = np.linspace(0, 2 * np.pi, n + 1)[:, None, None]
        path = trajectory[np.zeros(n + 1, int)]
        path.xyz = (trajectory.xyz[0] + np.cos(turn) * swing[0] + np.sin(turn) * swing[1]).astype(np.float32)
        step = np.diff(bound.compute(path).astype(float), axis=0)
        period = bound.block.kind.period
        if period is not None:
            assert np.ptp(bound.compute(path)) <= period
            step = (step + period / 2) % period - period / 2
        return np.abs(step).max()

    coarse, fine = largest_step(4000), largest_step(32_000)
    assert fine < 0.3 * coarse + 1e-4


@pytest.mark.parametrize("spec", SPECS)
def test_what_a_kind_can_not_do_has_a_reason(spec):
    bound, trajectory = prepared(spec)
    kind, options = bound.block.kind, bound.options
    for reason in (
        kind.reason_no_derivative(options),
        kind.reason_not_in_plumed(options),
        kind.reason_no_structure(options),
    ):
        assert reason == "" or (len(reason) > 20 and reason.endswith("."))
    if not kind.reason_no_structure(options):
        given = kind.constraints(bound.compute(trajectory)[0], bound.block)
        assert len(given.atoms) == len(given.values) > 0
    if not kind.reason_not_in_plumed(options):
        lines = kind.plumed((bound.atoms[0] + 1).tolist(), options, 7)
        defined = {line.split(":")[0] for line in lines}
        assert {f"f{7 + i}" for i in range(len(kind.parts))} <= defined


def test_a_kind_that_is_not_registered_is_told():
    record = {"name": "areas", "options": {}, "kind": "area", "atoms": [[0]], "n_features": 1}
    with pytest.raises(
        FelError,
        match=r"kind 'area'.*contact, coordinate, distance, minimum_distance, torsion.*register_kind",
    ):
        read_blocks({"topology": pdb_text(make_trajectory()[0]), "featurizers": json.dumps([record])})


def test_listing_kinds_and_featurizers_does_not_need_torch():
    import subprocess
    import sys

    code = "import sys, fel_explorer as fel; fel.list_featurizers(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_kind_that_computes_nothing_is_refused_when_it_is_registered():
    class Nothing(FeatureKind):
        name = "nothing"
        n_atoms = 2

    with pytest.raises(TypeError, match="compute"):
        register_kind(Nothing)
    assert "nothing" not in list_kinds()
