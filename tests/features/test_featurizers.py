from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import mdtraj
import numpy as np
import pytest
from peptides import make_topology, make_trajectory

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.features.featurizer_base import registry
from fel_explorer.features.featurizers import Featurizer, make_featurizers, register_featurizer


def compute(trajectory, spec):
    [featurizer] = make_featurizers(spec)
    prepared = featurizer.prepare(trajectory[0])
    values = prepared.compute(trajectory)
    assert values.shape == (len(trajectory), len(prepared.names)) and values.dtype == np.float32
    assert prepared.names == featurizer.describe(trajectory.topology)
    record = prepared.record()
    assert record["n_features"] == len(prepared.names) and record["atoms"] == prepared.atoms.tolist()
    return values, prepared.names, record


def dihedral(a, b, c, d):
    """IUPAC angle about b-c, by projecting on the plane normal to it."""
    axis = (c - b) / np.linalg.norm(c - b)
    u, v = a - b, d - c
    u, v = u - axis * (u @ axis), v - axis * (v @ axis)
    return np.arctan2(axis @ np.cross(u, v), u @ v)


def named(topology):
    return {str(atom): atom.index for atom in topology.atoms}


def test_heavy_atom_distances_are_all_pairs_without_hydrogen_and_water():
    trajectory = make_trajectory(["ACE", "ALA", "NME", "HOH"])
    values, names, record = compute(trajectory, "heavy_atom_distances")
    heavy = [a for a in trajectory.topology.atoms if a.element.symbol != "H" and a.residue.name != "HOH"]
    pairs = list(combinations(heavy, 2))
    assert len(pairs) == 45 == values.shape[1]
    assert names == [f"d {a} {b}" for a, b in pairs]
    assert "d ACE1-CH3 ALA2-CB" in names
    for column, (a, b) in zip(values.T, pairs, strict=True):
        expected = np.linalg.norm(trajectory.xyz[:, a.index] - trajectory.xyz[:, b.index], axis=1)
        np.testing.assert_allclose(column, expected, atol=1e-5)
    assert record["kind"] == "distance" and record["atoms"] == [[a.index, b.index] for a, b in pairs]


def test_distances_take_the_nearest_image_unless_told_not_to():
    trajectory = make_trajectory(n_frames=3)
    trajectory.xyz[:, 0], trajectory.xyz[:, 3] = [0.1, 0, 0], [2.9, 0, 0]
    trajectory.unitcell_lengths, trajectory.unitcell_angles = np.full((3, 3), 3.0), np.full((3, 3), 90.0)
    near, _, _ = compute(trajectory, ("distances", {"selection": [0, 3]}))
    far, _, record = compute(trajectory, ("distances", {"selection": [0, 3], "periodic": False}))
    np.testing.assert_allclose([near[0, 0], far[0, 0]], [0.2, 2.8], atol=1e-5)
    assert record["options"]["selection"] == [0, 3] and not record["options"]["periodic"]


def test_ca_distances_of_three_residues():
    _, names, _ = compute(make_trajectory(["ALA", "SER", "ALA"]), "ca_distances")
    assert names == ["d ALA1-CA SER2-CA", "d ALA1-CA ALA3-CA", "d SER2-CA ALA3-CA"]


def test_torsions_are_cos_and_sin_of_the_iupac_angles_in_order():
    trajectory = make_trajectory(["ACE", "SER", "ALA", "NME"])
    values, names, record = compute(trajectory, "torsions")
    quads = {
        "phi SER2": ["ACE1-C", "SER2-N", "SER2-CA", "SER2-C"],
        "psi SER2": ["SER2-N", "SER2-CA", "SER2-C", "ALA3-N"],
        "omega SER2": ["SER2-CA", "SER2-C", "ALA3-N", "ALA3-CA"],
        "chi1 SER2": ["SER2-N", "SER2-CA", "SER2-CB", "SER2-OG"],
        "phi ALA3": ["SER2-C", "ALA3-N", "ALA3-CA", "ALA3-C"],
        "psi ALA3": ["ALA3-N", "ALA3-CA", "ALA3-C", "NME4-N"],
    }
    assert names == [f"{name} {part}" for name in quads for part in ("cos", "sin")]
    index = named(trajectory.topology)
    for number, (quad, atoms) in enumerate(zip(quads.values(), record["atoms"], strict=True)):
        assert atoms == [index[name] for name in quad]
        angles = np.array([dihedral(*xyz[atoms].astype(float)) for xyz in trajectory.xyz])
        np.testing.assert_allclose(values[:, 2 * number], np.cos(angles), atol=1e-4)
        np.testing.assert_allclose(values[:, 2 * number + 1], np.sin(angles), atol=1e-4)


def test_backbone_and_sidechain_torsions_are_parts_of_all():
    trajectory = make_trajectory(["ACE", "SER", "ALA", "NME"])
    _, backbone, _ = compute(trajectory, "backbone_torsions")
    _, sidechain, _ = compute(trajectory, "sidechain_torsions")
    assert backbone[::2] == ["phi SER2 cos", "psi SER2 cos", "phi ALA3 cos", "psi ALA3 cos"]
    assert sidechain == ["chi1 SER2 cos", "chi1 SER2 sin"]


@pytest.mark.parametrize("scheme", ["closest-heavy", "ca"])
def test_contacts_switch_smoothly_at_the_cutoff(scheme):
    trajectory = make_trajectory(["ALA"] * 4)
    values, names, record = compute(trajectory, ("contacts", {"scheme": scheme, "min_separation": 2}))
    assert names == ["contact ALA1 ALA3", "contact ALA1 ALA4", "contact ALA2 ALA4"]
    index, cutoff = named(trajectory.topology), {"closest-heavy": 0.45, "ca": 0.8}[scheme]
    assert record["atoms"] == [
        [index[f"ALA{i}-CA"], index[f"ALA{j}-CA"]] for i, j in ((1, 3), (1, 4), (2, 4))
    ]
    chosen = ["CA"] if scheme == "ca" else ["N", "CA", "CB", "C", "O"]
    for column, (i, j) in zip(values.T, ((1, 3), (1, 4), (2, 4)), strict=True):
        ours, theirs = (trajectory.xyz[:, [index[f"ALA{k}-{n}"] for n in chosen]] for k in (i, j))
        distance = np.linalg.norm(ours[:, :, None] - theirs[:, None], axis=-1).min(axis=(1, 2))
        ratio = distance.astype(float) / cutoff
        np.testing.assert_allclose(column, (1 - ratio**6) / (1 - ratio**12), rtol=1e-3)


def test_coordinates_do_not_see_rotation_and_translation():
    trajectory = make_trajectory(n_frames=1)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    rotation *= np.sign(np.linalg.det(rotation))
    moved = mdtraj.join([trajectory, trajectory])
    moved.xyz[1] = trajectory.xyz[0] @ rotation.T + [1.0, -2.0, 3.0]
    values, names, record = compute(moved, ("coordinates", {"selection": "name N CA C"}))
    np.testing.assert_allclose(values[0], values[1], atol=1e-4)
    np.testing.assert_allclose(values[0], trajectory.xyz[0, np.ravel(record["atoms"])].ravel(), atol=1e-5)
    assert names[:4] == ["x ACE1-C", "y ACE1-C", "z ACE1-C", "x ALA2-N"]
    assert moved.xyz[1, 0, 0] != pytest.approx(moved.xyz[0, 0, 0])


def test_names_are_unique_where_chains_or_residues_repeat():
    topology = make_topology(["ALA", "ALA"]).join(make_topology(["ALA", "ALA"]))
    names = make_featurizers("ca_distances")[0].describe(topology)
    assert len(set(names)) == 6 and names[1] == "d 0:ALA1-CA 1:ALA1-CA"


@pytest.mark.parametrize(
    ("residues", "spec", "message"),
    [
        (
            ["HOH", "HOH"],
            "ca_distances",
            "ca_distances finds no two atoms.*6 atoms in residues HOH1, HOH2.*other",
        ),
        (["ALA"], "backbone_torsions", r"finds no torsion \(phi, psi\)"),
        (["ACE", "ALA", "NME"], "sidechain_torsions", "finds no torsion.*residues ACE1, ALA2, NME3"),
        (["ALA", "ALA"], "contacts", "no two residues at least 3 apart"),
        (["ALA"], ("coordinates", {"selection": "name CA"}), "three atoms of 'name CA'"),
    ],
)
def test_a_featurizer_that_finds_nothing_tells_what_is_there(residues, spec, message):
    with pytest.raises(FelError, match=message):
        make_featurizers(spec)[0].describe(make_topology(residues))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("dihedrals", "no featurizer 'dihedrals'. There are backbone_torsions, ca_distances"),
        (
            ("distances", {"select": "name CA"}),
            "distances has no option 'select'. Its options are every, min_separation, other, periodic, sel",
        ),
        ("distances:name CA", "'name CA' in the featurizer.*name:option=value"),
        (("contacts", {"scheme": "all"}), "scheme='all'. It is 'closest-heavy' or 'ca'"),
        (("contacts", {"cutoff": -1.0}), "cutoff=-1.0"),
        (("contacts", {"min_separation": 0}), "min_separation=0"),
        ([], "No featurizer was given"),
        ([42], "featurizer 42 is not understood"),
    ],
)
def test_bad_specs_are_told(spec, message):
    with pytest.raises(FelError, match=message):
        make_featurizers(spec)


def test_too_many_features_are_told_before_they_are_computed():
    with pytest.raises(
        FelError,
        match=r"heavy_atom_distances: 250 atoms make 31,125 features.*ca_distances \(1,225 features\)",
    ):
        make_featurizers("heavy_atom_distances")[0].describe(make_topology(["ALA"] * 50))


def test_all_ways_to_write_a_spec_are_the_same():
    options = {"selection": "name CA"}
    specs = [
        ("distances", options),
        {"name": "distances", "options": options},
        fel.list_featurizers()["distances"](**options),
        "distances:selection=name CA:periodic=true",
    ]
    assert len({repr(make_featurizers(spec)) for spec in specs}) == 1
    assert [f.name for f in make_featurizers(["torsions", *specs])] == ["torsions"] + ["distances"] * 4


def test_a_new_featurizer_is_one_class(monkeypatch):
    monkeypatch.setitem(registry, "end_to_end", None)

    @register_featurizer
    @dataclass
    class EndToEnd(Featurizer):
        """Distance between the first and the last atom."""

        name: ClassVar[str] = "end_to_end"
        kind: ClassVar[str] = "distance"

        def find(self, topology):
            return np.array([[0, topology.n_atoms - 1]])

        def label(self, topology, atoms):
            return ["end to end"]

        def compute(self, trajectory):
            return mdtraj.compute_distances(trajectory, self.atoms)

    values, names, _ = compute(make_trajectory(), "end_to_end")
    assert names == ["end to end"] and "end_to_end" in fel.list_featurizers() and values.shape == (20, 1)
