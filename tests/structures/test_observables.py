"""Every registered observable keeps the contract, and the shipped ones agree with independent formulas."""

from itertools import combinations

import mdtraj
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import fel_explorer as fel
from fel_explorer.data.trajectories import TrajectorySet
from fel_explorer.errors import FelError
from fel_explorer.structures import applicable, list_observables, observables
from fel_explorer.structures.observable_base import register_observable, registry
from fel_explorer.structures.observation import ObservablesCancelled

NAMES = list(list_observables())
TOLERANCE = 1e-3  # nm: mdtraj's RMSD is in single precision, and of equal structures 4e-4
N = 12  # residues: long enough for helices, sheets and native contacts
HELIX = np.full(N, -57.0), np.full(N, -47.0)
STRAND = np.full(N, -139.0), np.full(N, 135.0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def protein(polyalanine):
    """Helix, hairpin (a type II' turn between two strands), strand, and disorder, all of N alanines."""
    hairpin = [angles.copy() for angles in STRAND]
    hairpin[0][5:7], hairpin[1][5:7] = (60.0, -80.0), (-120.0, 0.0)
    rng = np.random.default_rng(0)
    loose = [(HELIX[0] + rng.normal(0, 9, N), HELIX[1] + rng.normal(0, 9, N)) for _ in range(6)]
    trajectory = polyalanine(HELIX, hairpin, STRAND, *loose)
    # XTC keeps 0.001 nm: coordinates of that precision come back as they were
    trajectory.xyz = (trajectory.xyz - trajectory.xyz.min() + 0.5).round(3)
    return trajectory


@pytest.fixture
def trajs(protein, tmp_path):
    protein[0].save_pdb(str(tmp_path / "top.pdb"))
    for name, part in (("a", protein[:4]), ("b", protein[4:])):
        part.time = np.arange(len(part))
        part.save_xtc(str(tmp_path / f"{name}.xtc"))
    return fel.load_trajectories([tmp_path / "a.xtc", tmp_path / "b.xtc"], tmp_path / "top.pdb")


def in_water(trajectory, box=12.0):
    """The same molecule among water and ions, in a box whose faces cut through it."""
    solvent = mdtraj.Topology()
    chain = solvent.add_chain()
    for _ in range(4):
        water = solvent.add_residue("HOH", chain)
        for name in ("O", "H1", "H2"):
            solvent.add_atom(name, mdtraj.element.get_by_symbol(name[0]), water)
    solvent.add_atom("NA", mdtraj.element.sodium, solvent.add_residue("NA", chain))
    random = np.random.default_rng(1).uniform(0, box, (len(trajectory), solvent.n_atoms, 3))
    xyz = np.concatenate([trajectory.xyz - trajectory.xyz.mean(axis=1, keepdims=True), random], axis=1) % box
    wet = mdtraj.Trajectory(xyz, trajectory.topology.join(solvent))
    wet.unitcell_lengths, wet.unitcell_angles = np.full((len(wet), 3), box), np.full((len(wet), 3), 90.0)
    return wet


# ---- the contract


@pytest.mark.parametrize("name", NAMES)
class TestContract:
    def test_is_described(self, name):
        observable = list_observables()[name]
        assert observable.name == name and observable.units in ("nm", "1") and observable.label
        assert observable.doc.endswith((".", "1")) or ":" in observable.doc

    def test_one_number_per_frame_with_its_unit(self, name, protein):
        result = observables(protein, name)
        assert list(result) == [name] and result[name].dims == ("frame",)
        assert result[name].shape == (len(protein),) and result[name].dtype == np.float32
        assert result[name].attrs["units"] == list_observables()[name].units
        assert np.isfinite(result[name]).all() and np.ptp(result[name].values) > 0
        if result[name].attrs["units"] == "1" and "fraction" in name:
            assert 0 <= result[name].min() and result[name].max() <= 1

    def test_does_not_see_rotation_translation_and_chunks(self, name, protein):
        moved = protein[:]
        rotations = Rotation.random(len(moved), random_state=0).as_matrix()
        moved.xyz = np.einsum("fad,fde->fae", protein.xyz, rotations) + 3.0
        expected = observables(protein, name)[name].values
        found = observables(moved, name, reference=protein[0], chunk_size=2)[name].values
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)

    def test_leaves_solvent_out_and_makes_molecules_whole(self, name, protein):
        wet = in_water(protein)
        assert wet.n_atoms > protein.n_atoms and np.ptp(wet.xyz[0, :, 0]) > 10
        expected = observables(protein, name)[name].values
        np.testing.assert_allclose(observables(wet, name)[name].values, expected, atol=TOLERANCE)

    def test_some_frames_are_the_same_as_among_all(self, name, trajs):
        frames = [7, 0, 5, 5]
        whole, some = observables(trajs, name), observables(trajs, name, frames)
        np.testing.assert_array_equal(some[name], whole[name].values[frames])
        assert some["frame"].values.tolist() == frames
        assert some["trajectory"].values.tolist() == [1, 0, 1, 1]
        assert some["frame_in_trajectory"].values.tolist() == [3, 0, 1, 1]

    def test_a_molecule_too_small_is_refused_with_a_reason(self, name):
        topology = mdtraj.Topology()
        argon = topology.add_residue("AR", topology.add_chain())
        topology.add_atom("AR", mdtraj.element.argon, argon)
        atom = mdtraj.Trajectory(np.zeros((2, 1, 3)), topology)
        assert applicable(atom) == ["radius_of_gyration"]
        if name != "radius_of_gyration":
            with pytest.raises(FelError, match=f"{name}: the molecule has no .*AR0"):
                observables(atom, name)


# ---- oracles


def test_rmsd_is_that_of_the_best_rotation(protein):
    alphas = [a.index for a in protein.topology.atoms if a.name == "CA"]
    assert len(alphas) == N

    def oracle(xyz, target):
        xyz, target = (x[alphas].astype(float) - x[alphas].mean(0) for x in (xyz, target))
        return Rotation.align_vectors(target, xyz)[1] / np.sqrt(len(alphas))

    for reference in (0, 3):
        expected = [oracle(xyz, protein.xyz[reference]) for xyz in protein.xyz]
        found = observables(protein, "rmsd", reference=reference)["rmsd"]
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        assert found.attrs["reference"] == f"frame {reference}"


def test_rmsd_of_small_molecules_is_of_heavy_atoms(peptide):
    heavy = [a.index for a in peptide.topology.atoms if a.element.symbol != "H"]
    a, b = (peptide.xyz[frame, heavy].astype(float) for frame in (0, 9))
    a, b = a - a.mean(0), b - b.mean(0)
    expected = Rotation.align_vectors(a, b)[1] / np.sqrt(len(heavy))
    assert float(observables(peptide, "rmsd")["rmsd"][9]) == pytest.approx(expected, abs=2e-4)


def test_native_contacts_follow_best_hummer_and_eaton(protein):
    atoms = [a for a in protein.topology.atoms if a.element.symbol != "H"]
    q = np.zeros(len(protein))
    native = 0
    for a, b in combinations(atoms, 2):
        r0 = np.linalg.norm(protein.xyz[0, a.index] - protein.xyz[0, b.index])
        if abs(a.residue.index - b.residue.index) > 3 and r0 < 0.45:
            r = np.linalg.norm(protein.xyz[:, a.index].astype(float) - protein.xyz[:, b.index], axis=1)
            q += 1 / (1 + np.exp(50.0 * (r - 1.8 * r0)))
            native += 1
    assert native > 10
    found = observables(protein, "native_contacts")["native_contacts"].values
    np.testing.assert_allclose(found, q / native, atol=1e-4)
    assert found[0] > 0.99 and found[2] < 0.01  # the helix has its own contacts, the strand none


def test_native_contacts_between_chains_count_whatever_their_numbers(polyalanine):
    one = polyalanine((np.full(2, -120.0), np.full(2, 130.0)))
    pair = one.stack(one)
    pair.xyz[:, one.n_atoms :] += [0.0, 0.0, 0.4]
    apart = pair[:]
    apart.xyz[:, one.n_atoms :] += [0.0, 0.0, 0.6]
    values = observables(mdtraj.join([pair, apart]), "native_contacts")["native_contacts"]
    assert values[0] > 0.99 and values[1] < 0.01


def test_an_unfolded_reference_has_no_native_contacts(protein):
    with pytest.raises(FelError, match=r"frame 2 has no heavy atoms within 0\.45 nm.*folded frame"):
        observables(protein, "native_contacts", reference=2)
    assert "native_contacts" not in applicable(protein, reference=2)


def test_radius_of_gyration_follows_from_all_pairs(protein):
    """Lagrange: sum_i m_i (r_i - R)^2 = sum_{i<j} m_i m_j r_ij^2 / M."""
    masses = np.array([a.element.mass for a in protein.topology.atoms])
    i, j = np.triu_indices(len(masses), 1)
    squared = np.sum((protein.xyz[:, i].astype(float) - protein.xyz[:, j]) ** 2, axis=2)
    expected = np.sqrt(squared @ (masses[i] * masses[j])) / masses.sum()
    found = observables(protein, "radius_of_gyration")["radius_of_gyration"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_ends_are_the_outer_alphas_or_the_atoms_most_bonds_apart(protein, peptide):
    alphas = protein.topology.select("name CA")
    expected = np.linalg.norm(protein.xyz[:, alphas[0]] - protein.xyz[:, alphas[-1]], axis=1)
    found = observables(protein, "end_to_end_distance")["end_to_end_distance"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    first, last = peptide.topology.select("(resid 0 and name N) or (resid 2 and name O)")
    expected = np.linalg.norm(peptide.xyz[:, first] - peptide.xyz[:, last], axis=1)
    # eight bonds lie between the first CB or N and the last O or CB; the lower index is taken
    found = observables(peptide, "end_to_end_distance")["end_to_end_distance"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_residue_contacts_are_counted_pair_by_pair(protein):
    heavy = [[a.index for a in r.atoms if a.element.symbol != "H"] for r in protein.topology.residues]
    expected = [
        sum(
            np.linalg.norm(xyz[heavy[i]][:, None] - xyz[heavy[j]], axis=2).min() < 0.45
            for i, j in combinations(range(N), 2)
            if j - i >= 3
        )
        for xyz in protein.xyz
    ]
    found = observables(protein, "residue_contacts")["residue_contacts"].values
    assert found.tolist() == expected and max(expected) > 5 and min(expected) == 0


def test_hydrogen_bonds_are_those_that_mdtraj_finds(protein):
    expected = [len(mdtraj.baker_hubbard(frame, freq=0.0, periodic=False)) for frame in protein]
    found = observables(protein, "hydrogen_bonds")["hydrogen_bonds"].values
    assert found.tolist() == expected and expected[0] >= N - 4


def test_helix_and_hairpin_are_known_for_what_they_are(protein):
    helix, sheet = (observables(protein, name)[name].values for name in ("helix_fraction", "sheet_fraction"))
    # DSSP never counts the residues at the ends; the hairpin's turn of two is between two strands of four
    np.testing.assert_allclose(helix[:3], [(N - 2) / N, 0, 0], atol=1e-6)
    np.testing.assert_allclose(sheet[:3], [0, 8 / N, 0], atol=1e-6)


# ---- references, caches, progress


def test_a_reference_structure_may_lack_hydrogens(protein, tmp_path):
    path = tmp_path / "crystal.pdb"
    protein[3].atom_slice(protein.topology.select("element != H")).save_pdb(str(path))
    for reference in (path, str(path), mdtraj.load(str(path)), protein[3]):
        found = observables(protein, ["rmsd", "native_contacts"], reference=reference)
        expected = observables(protein, ["rmsd", "native_contacts"], reference=3)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=2e-3)
    named = observables(protein, "rmsd", reference=path)["rmsd"].attrs["reference"]
    assert named == "crystal.pdb"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere.pdb", "'nowhere.pdb' does not exist"),
        (99, "Frame 99"),
        (1.5, "A reference of type float"),
    ],
)
def test_references_that_do_not_fit_are_told(protein, trajs, reference, message):
    for source in (protein, trajs):
        with pytest.raises(FelError, match=message):
            observables(source, "rmsd", reference=reference)


def test_a_reference_of_another_molecule_is_told(protein, peptide):
    with pytest.raises(FelError, match=r"lacks 9 of 12 atoms.*ALA4-CA"):
        observables(protein, "rmsd", reference=peptide[0])
    other = peptide[0].atom_slice([0, 1, 2])
    for residue in other.topology.residues:
        residue.resSeq += 100
    with pytest.raises(FelError, match="has 0 atoms in common"):
        observables(protein, "rmsd", reference=other)


@pytest.mark.parametrize(
    ("names", "frames", "message"),
    [
        ("rmsf", None, "no observable 'rmsf'. There are rmsd, native_contacts"),
        ([], None, "No observable was given"),
        (("residue_contacts", {"cut": 1.0}), None, "no option 'cut'. Its options are cutoff, min_separation"),
        ("rmsd", [], "at least one integer"),
        ("rmsd", [0, 9], "Frame 9. Frames go from 0 to 8"),
        ("rmsd", np.ones(9, bool), "numpy.flatnonzero"),
    ],
)
def test_bad_requests_are_told(trajs, names, frames, message):
    with pytest.raises(FelError, match=message):
        observables(trajs, names, frames)


def test_a_blown_up_frame_is_named(protein):
    protein.xyz[5, 3] = np.nan
    with pytest.raises(FelError, match="radius_of_gyration is not a number at frame 5"):
        observables(protein, "radius_of_gyration", chunk_size=2)


def test_by_default_all_that_apply_are_measured(protein, peptide):
    assert list(observables(protein)) == applicable(protein) == NAMES
    small = applicable(peptide)
    assert list(observables(peptide)) == small
    assert {"rmsd", "radius_of_gyration", "hydrogen_bonds"} <= set(small)
    assert not {"native_contacts", "residue_contacts", "helix_fraction", "sheet_fraction"} & set(small)


def test_a_second_time_nothing_is_read(trajs, monkeypatch, cache):
    first = observables(trajs, ["rmsd", ("residue_contacts", {"cutoff": 0.6})])
    read = TrajectorySet.chunks
    monkeypatch.setattr(TrajectorySet, "chunks", None)
    again = observables(trajs, ["rmsd", ("residue_contacts", {"cutoff": 0.6})])
    assert again.identical(first)
    monkeypatch.setattr(TrajectorySet, "chunks", read)
    assert not observables(trajs, "rmsd", reference=3)["rmsd"].equals(first["rmsd"])
    assert not observables(trajs, "residue_contacts")["residue_contacts"].equals(first["residue_contacts"])
    kept = sorted((cache / "observables").rglob("values.npz"))
    assert len(kept) == 4
    for path in kept:
        path.write_bytes(path.read_bytes()[:140])
    assert observables(trajs, "rmsd").identical(first[["rmsd"]])


def test_progress_is_told_and_may_stop(trajs, cache):
    seen = []
    observables(trajs, "rmsd", chunk_size=2, callback=lambda p: seen.append((p.step, p.n_steps, p.message)))
    assert seen == [(n, 9, "computing RMSD") for n in (2, 4, 6, 8, 9)]
    with pytest.raises(ObservablesCancelled, match="stopped at frame 2 of 9"):
        observables(trajs, "hydrogen_bonds", chunk_size=2, callback=lambda p: True)
    assert len(list((cache / "observables").iterdir())) == 1


def test_an_observable_is_one_function(protein, monkeypatch):
    monkeypatch.setitem(registry, "reach", None)

    @register_observable(label="reach", units="nm")
    def reach(molecule):
        """Distance between the first atom and the one farthest from it."""
        return lambda frames: np.linalg.norm(frames.xyz - frames.xyz[:, :1], axis=2).max(axis=1)

    expected = np.linalg.norm(protein.xyz - protein.xyz[:, :1], axis=2).max(axis=1)
    np.testing.assert_allclose(observables(protein, "reach")["reach"], expected, rtol=1e-6)
    assert "reach" in applicable(protein) and list_observables()["reach"].doc.startswith("Distance between")
    monkeypatch.setitem(registry, "reach", None)
    register_observable(label="reach")(lambda molecule: lambda frames: frames.xyz)
    with pytest.raises(FelError, match="one number per frame"):
        observables(protein, "<lambda>")
    registry.pop("<lambda>")
