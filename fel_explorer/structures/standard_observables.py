"""The observables that come with the package.

To add one, write a function of the `Molecule` that returns a function of its frames, and register it::

    @register_observable(label="greatest distance from the first atom", units="nm")
    def reach(molecule):
        '''One sentence: shown as its help.'''
        return lambda frames: np.linalg.norm(frames.xyz - frames.xyz[:, :1], axis=2).max(axis=1)

It is then offered by `list_observables` and by the app. A molecule that has no such thing is refused with
``raise molecule.lacks(...)``.
"""

from __future__ import annotations

from functools import cache

import mdtraj
import numpy as np
from scipy.spatial import cKDTree
from scipy.special import expit

from fel_explorer.errors import FelError
from fel_explorer.structures import geometry
from fel_explorer.structures.molecule import farthest_apart
from fel_explorer.structures.observable_base import Compute, Molecule, register_observable

PROTEIN = 4  # amino acids from which on the C-alphas stand for the fold
HELIX, SHEET = 5, 6  # amino acids of the shortest helix and the shortest bridge that DSSP can find
MAX_PAIRS = 5_000_000
BLOCK = 4_000_000  # distances held at once: 16 MB


@register_observable(label="RMSD", units="nm", to_reference=True)
def rmsd(molecule: Molecule) -> Compute:
    """Root-mean-square deviation from the reference after the best rigid fit: of the C-alphas where there are
    four or more, else of the heavy atoms.

    Source: D. L. Theobald, Acta Cryst. A 61, 478 (2005), doi:10.1107/S0108767305015266, by mdtraj.
    """
    atoms = molecule.alphas if len(molecule.alphas) >= PROTEIN else molecule.heavy
    if len(atoms) < 3:
        raise molecule.lacks("rmsd", "three heavy atoms, which a fit needs")
    reference = mdtraj.Trajectory(
        molecule.reference_positions("rmsd", atoms), molecule.topology.subset(atoms)
    )

    def compute(frames):
        return mdtraj.rmsd(frames, reference, atom_indices=atoms, ref_atom_indices=np.arange(len(atoms)))

    return compute


@register_observable(label="native contacts Q", to_reference=True)
def native_contacts(
    molecule: Molecule,
    cutoff: float = 0.45,
    beta: float = 50.0,
    scale: float = 1.8,
    min_separation: int = 4,
) -> Compute:
    """Fraction of the reference's contacts between heavy atoms that a frame keeps, from 0 to 1.

    Q = mean over native pairs of 1 / (1 + exp(beta (r - scale r0))), native being r0 < ``cutoff`` (nm) in the
    reference for atoms that it has, of residues at least ``min_separation`` apart; ``beta`` in 1/nm.

    Source: R. B. Best, G. Hummer and W. A. Eaton, Proc. Natl. Acad. Sci. U.S.A. 110, 17874 (2013),
    doi:10.1073/pnas.1311599110, Eq. 1 and the values for all-atom models.
    """
    heavy = molecule.heavy
    if not molecule.far_in_sequence(heavy[:1], heavy, min_separation).any():
        raise molecule.lacks("native_contacts", f"residues more than {min_separation - 1} apart in sequence")
    heavy = heavy[
        np.isfinite(molecule.reference.xyz[0, heavy]).all(axis=1)
    ]  # crystals lack a few side chains
    positions = molecule.reference.xyz[0, heavy]
    pairs = heavy[cKDTree(positions).query_pairs(cutoff, output_type="ndarray")].reshape(-1, 2)
    pairs = pairs[molecule.far_in_sequence(pairs[:, 0], pairs[:, 1], min_separation)]
    if not len(pairs):
        raise FelError(
            f"native_contacts: {molecule.reference_name} has no heavy atoms within {cutoff:g} nm of each "
            f"other in residues more than {min_separation - 1} apart.",
            "The reference must be folded.",
            "Take a folded frame or structure as the reference.",
        )
    native = molecule.distances(molecule.reference, pairs)[0]

    def compute(frames):
        scaled = (beta * (scale * native - distances) for distances in _distances(molecule, frames, pairs))
        return np.concatenate([expit(x).mean(axis=1) for x in scaled])

    return compute


@register_observable(label="radius of gyration", units="nm")
def radius_of_gyration(molecule: Molecule) -> Compute:
    """Mass-weighted root-mean-square distance of the atoms from their centre of mass."""
    masses = np.array([a.element.mass if a.element is not None else 0.0 for a in molecule.topology.atoms])
    if masses.sum() == 0:
        raise molecule.lacks("radius_of_gyration", "atoms of known mass")
    return lambda frames: geometry.radius_of_gyration(frames.xyz, masses)


@register_observable(label="end-to-end distance", units="nm")
def end_to_end_distance(molecule: Molecule) -> Compute:
    """Distance between the first and the last C-alpha where there are four or more, else between the two
    heavy atoms that most bonds lie between."""
    if len(set(molecule.chain_of[molecule.heavy])) > 1:
        raise molecule.lacks("end_to_end_distance", "two ends: it has several chains")
    alphas = molecule.alphas
    ends = (alphas[0], alphas[-1]) if len(alphas) >= PROTEIN else farthest_apart(molecule.topology)
    if ends is None:
        raise molecule.lacks("end_to_end_distance", "two heavy atoms that bonds connect")
    return lambda frames: molecule.distances(frames, np.array([ends]))[:, 0]


@register_observable(label="residue contacts")
def residue_contacts(molecule: Molecule, cutoff: float = 0.45, min_separation: int = 3) -> Compute:
    """Number of pairs of residues, at least three apart in sequence, with heavy atoms within 0.45 nm."""
    heavy = molecule.heavy
    if not molecule.far_in_sequence(heavy[:1], heavy, min_separation).any():
        raise molecule.lacks("residue_contacts", f"residues {min_separation} apart in sequence")
    if len(heavy) * (len(heavy) - 1) // 2 > MAX_PAIRS:
        raise _too_many("residue_contacts", f"{len(heavy)} heavy atoms")

    @cache
    def pairs():
        """Atom pairs ordered by pair of residues, and where each pair of residues begins."""
        i, j = (heavy[index] for index in np.triu_indices(len(heavy), 1))
        far = molecule.far_in_sequence(i, j, min_separation)
        i, j = i[far], j[far]
        code = molecule.residue_of[i] * molecule.topology.n_residues + molecule.residue_of[j]
        order = np.argsort(code, kind="stable")
        begins = np.flatnonzero(np.diff(code[order], prepend=-1))
        return np.column_stack([i, j])[order], begins

    def compute(frames):
        atoms, begins = pairs()
        closest = (np.minimum.reduceat(d, begins, axis=1) for d in _distances(molecule, frames, atoms))
        return np.concatenate([np.count_nonzero(d < cutoff, axis=1) for d in closest])

    return compute


@register_observable(label="hydrogen bonds")
def hydrogen_bonds(molecule: Molecule, cutoff: float = 0.25, angle: float = 120.0) -> Compute:
    """Number of hydrogen bonds within the molecule: N or O as donor and acceptor, H to acceptor below 0.25
    nm, donor-H-acceptor above 120 degrees.

    Source: E. N. Baker and R. E. Hubbard, Prog. Biophys. Mol. Biol. 44, 97 (1984),
    doi:10.1016/0079-6107(84)90007-5.
    """
    donors, acceptors = _donors_and_acceptors(molecule.topology)
    if not len(donors) or len(acceptors) < 2:
        raise molecule.lacks("hydrogen_bonds", "N-H or O-H bond and another N or O")
    if len(donors) * len(acceptors) > MAX_PAIRS:
        raise _too_many("hydrogen_bonds", f"{len(donors)} donors and {len(acceptors)} acceptors")
    triplets = np.column_stack([np.repeat(donors, len(acceptors), axis=0), np.tile(acceptors, len(donors))])
    triplets = triplets[triplets[:, 0] != triplets[:, 2]]
    limit = np.cos(np.radians(angle))

    def compute(frames):
        counts = []
        for block in _blocks(frames, len(triplets)):
            near = molecule.distances(block, triplets[:, 1:])
            ever = (near < cutoff).any(axis=0)
            near, (donor, hydrogen, acceptor) = near[:, ever], triplets[ever].T
            bond, across = (
                molecule.distances(block, np.column_stack(pair))
                for pair in ((donor, hydrogen), (donor, acceptor))
            )
            cosine = (bond**2 + near**2 - across**2) / (2 * bond * near)
            counts.append(np.count_nonzero((near < cutoff) & (cosine < limit), axis=1))
        return np.concatenate(counts)

    return compute


@register_observable(label="helix fraction")
def helix_fraction(molecule: Molecule) -> Compute:
    """Fraction of the amino acids in a helix (alpha, 3-10 or pi).

    Source: W. Kabsch and C. Sander, Biopolymers 22, 2577 (1983), doi:10.1002/bip.360221211, by mdtraj.
    """
    return _secondary_structure(molecule, "helix_fraction", "H", HELIX)


@register_observable(label="sheet fraction")
def sheet_fraction(molecule: Molecule) -> Compute:
    """Fraction of the amino acids in a beta sheet or bridge.

    Source: W. Kabsch and C. Sander, Biopolymers 22, 2577 (1983), doi:10.1002/bip.360221211, by mdtraj.
    """
    return _secondary_structure(molecule, "sheet_fraction", "E", SHEET)


def _secondary_structure(molecule, name, code, shortest):
    n = molecule.n_backbones
    if n < shortest:
        raise molecule.lacks(name, f"{shortest} amino acids with N, CA, C and O; it has {n}")
    return lambda frames: np.count_nonzero(mdtraj.compute_dssp(frames) == code, axis=1) / n


def _donors_and_acceptors(topology) -> tuple[np.ndarray, np.ndarray]:
    """Donors with their hydrogens, (bond, 2) atom indices, and acceptors, (atom,)."""
    symbol = [a.element.symbol if a.element is not None else "" for a in topology.atoms]
    bonds = [(a.index, b.index) for bond in topology.bonds for a, b in (bond, bond[::-1])]
    donors = [(a, b) for a, b in bonds if symbol[a] in ("N", "O") and symbol[b] == "H"]
    acceptors = [i for i, name in enumerate(symbol) if name in ("N", "O")]
    return np.array(donors, np.int32).reshape(-1, 2), np.array(acceptors, np.int32)


def _blocks(frames, n_pairs):
    size = max(1, BLOCK // n_pairs)
    for start in range(0, len(frames), size):
        yield frames.slice(slice(start, start + size), copy=False)


def _distances(molecule, frames, pairs):
    """Distances (frame, pair) in nm, a few frames at a time."""
    for block in _blocks(frames, len(pairs)):
        yield molecule.distances(block, pairs)


def _too_many(name, what) -> FelError:
    return FelError(
        f"{name}: {what} are too many to compare in every frame.",
        f"At most {MAX_PAIRS:,} pairs of atoms are sensible.",
        "Load fewer residues with load_trajectories(..., atoms=...).",
    )
