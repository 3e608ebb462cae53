"""Torsion angles of four atoms, as their cosines and sines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import networkx as nx
import numpy as np

from fel_explorer.data.topologies import select_atoms
from fel_explorer.errors import FelError
from fel_explorer.features.atom_names import residue_labels
from fel_explorer.features.featurizer_base import MAX_FEATURES, Featurizer, register_featurizer
from fel_explorer.features.kind_base import Constraints, FeatureBlock, FeatureKind, get_kind, register_kind
from fel_explorer.features.kinds.distance import plumed_pbc

if TYPE_CHECKING:
    import mdtraj
    from torch import Tensor

CHI = ("chi1", "chi2", "chi3", "chi4", "chi5")


@register_kind
class Torsion(FeatureKind):
    """Cosine and sine of the torsion angle of four atoms, IUPAC sign."""

    name = "torsion"
    n_atoms = 4
    parts = ("cos", "sin")

    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        from fel_explorer.features.geometry import torsions

        periodic = block.options.get("periodic", True)
        angles = torsions(trajectory, block.atoms, block.molecules, periodic=periodic)
        return np.stack([np.cos(angles), np.sin(angles)], axis=-1).reshape(len(angles), -1)

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        from fel_explorer.features.torch_geometry import torsion_waves

        return torsion_waves(block.points(positions)).flatten(-2)

    def plumed(self, atoms: list[int], options: dict, number: int) -> list[str]:
        angle = f"t{number}"
        return [
            f"{angle}: TORSION ATOMS={','.join(map(str, atoms))}{plumed_pbc(options)}",
            f"f{number}: CUSTOM ARG={angle} FUNC=cos(x) PERIODIC=NO",
            f"f{number + 1}: CUSTOM ARG={angle} FUNC=sin(x) PERIODIC=NO",
        ]

    def constraints(self, values: np.ndarray, block: FeatureBlock) -> Constraints:
        return Constraints("torsion", block.atoms, values.reshape(-1, 2))


class _NamedTorsions(Featurizer):
    """Torsions of residues, each with a name such as "phi"."""

    kind: ClassVar[str] = "torsion"

    @abstractmethod
    def entries(self, topology: mdtraj.Topology) -> list[tuple[str, int, np.ndarray]]:
        """(name, residue, four atoms), ordered by residue, then by name."""

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        entries = self.entries(topology)
        if not entries:
            raise self.nothing(topology, self.sought())
        return np.array([atoms for *_, atoms in entries])

    def sought(self) -> str:
        """Name of the torsions, for the error where none is found."""
        return "torsion"

    def label(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        residues = residue_labels(topology)
        quantities = [f"{name} {residues[residue]}" for name, residue, _ in self.entries(topology)]
        return get_kind(self.kind).feature_names(quantities)


@dataclass
class _ProteinTorsions(_NamedTorsions):
    periodic: bool = True
    angles: ClassVar[tuple[str, ...]] = ()

    def entries(self, topology: mdtraj.Topology) -> list[tuple[str, int, np.ndarray]]:
        from mdtraj.geometry import dihedral

        entries = []
        for order, angle in enumerate(self.angles):
            for atoms in np.reshape(getattr(dihedral, f"indices_{angle}")(topology), (-1, 4)).astype(int):
                # phi hangs on the residue before: the residue that it belongs to is that of its second atom.
                entries.append((topology.atom(atoms[1]).residue.index, order, angle, atoms))
        entries.sort(key=lambda entry: entry[:2])
        return [(angle, residue, atoms) for residue, _, angle, atoms in entries]

    def sought(self) -> str:
        return f"torsion ({', '.join(self.angles)})"


@register_featurizer
@dataclass
class Torsions(_ProteinTorsions):
    """Cosines and sines of all protein torsions (phi, psi, omega, chi1 to chi5), or of chosen ones.

    ``selection`` takes a torsion around each bond among these atoms that has further atoms on both sides, of
    any molecule; where no bonds join them (C-alphas, beads), one of each four that follow each other in a
    chain. ``atom_names`` takes four names, such as "N CA CB CG", in each residue that has them; "-" before a
    name stands for the residue before, "+" for the next.
    """

    selection: str | list[int] = ""
    atom_names: str = ""
    name: ClassVar[str] = "torsions"
    angles: ClassVar[tuple[str, ...]] = ("phi", "psi", "omega", *CHI)

    def __post_init__(self):
        names = self.atom_names.split()
        if names and (len(names) != 4 or self.chooses_atoms):
            raise FelError(
                f"torsions with atom_names='{self.atom_names}' and selection='{self.selection}'.",
                "Four names, such as 'N CA CB CG', or a selection, not both.",
            )

    @property
    def chooses_atoms(self) -> bool:
        """Whether a selection is given."""
        return bool(self.selection.strip() if isinstance(self.selection, str) else len(self.selection))

    def entries(self, topology: mdtraj.Topology) -> list[tuple[str, int, np.ndarray]]:
        if not self.atom_names.strip():
            return super().entries(topology)
        names = self.atom_names.split()
        return named_torsions(topology, {"-".join(name.lstrip("+-") for name in names): names})

    def sought(self) -> str:
        return f"torsion of {self.atom_names}" if self.atom_names.strip() else super().sought()

    def find(self, topology: mdtraj.Topology) -> np.ndarray:
        if not self.chooses_atoms:
            return super().find(topology)
        atoms = select_atoms(topology, self.selection, allow_none=True)
        found = bonded_torsions(topology, atoms)
        if not len(found):
            raise self.nothing(topology, f"torsion among the atoms '{self.selection}'")
        if 2 * len(found) > MAX_FEATURES:
            raise self.too_many(topology, f"{len(found)} torsions", 2 * len(found))
        return found

    def label(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        return (
            Featurizer.label(self, topology, atoms) if self.chooses_atoms else super().label(topology, atoms)
        )


@register_featurizer
@dataclass
class BackboneTorsions(_ProteinTorsions):
    """Cosines and sines of the backbone torsions phi and psi."""

    name: ClassVar[str] = "backbone_torsions"
    angles: ClassVar[tuple[str, ...]] = ("phi", "psi")


@register_featurizer
@dataclass
class SidechainTorsions(_ProteinTorsions):
    """Cosines and sines of the side-chain torsions chi1 to chi5."""

    name: ClassVar[str] = "sidechain_torsions"
    angles: ClassVar[tuple[str, ...]] = CHI


NUCLEIC = {
    "alpha": ("-O3'", "P", "O5'", "C5'"),
    "beta": ("P", "O5'", "C5'", "C4'"),
    "gamma": ("O5'", "C5'", "C4'", "C3'"),
    "delta": ("C5'", "C4'", "C3'", "O3'"),
    "epsilon": ("C4'", "C3'", "O3'", "+P"),
    "zeta": ("C3'", "O3'", "+P", "+O5'"),
}
PURINE, PYRIMIDINE = ("O4'", "C1'", "N9", "C4"), ("O4'", "C1'", "N1", "C2")
SUGAR = {
    "nu0": ("C4'", "O4'", "C1'", "C2'"),
    "nu1": ("O4'", "C1'", "C2'", "C3'"),
    "nu2": ("C1'", "C2'", "C3'", "C4'"),
    "nu3": ("C2'", "C3'", "C4'", "O4'"),
    "nu4": ("C3'", "C4'", "O4'", "C1'"),
}


@register_featurizer
@dataclass
class NucleicTorsions(_NamedTorsions):
    """Cosines and sines of the torsions of nucleic acids: alpha to zeta of the backbone, and chi of the base.

    By the recommendations of IUPAC-IUB, Eur. J. Biochem. 131, 9 (1983).
    """

    periodic: bool = True
    name: ClassVar[str] = "nucleic_torsions"

    def entries(self, topology: mdtraj.Topology) -> list[tuple[str, int, np.ndarray]]:
        def chi(names):
            return PURINE if "N9" in names else PYRIMIDINE

        return named_torsions(topology, NUCLEIC | {"chi": chi}, needed={"C1'", "C4'"})

    def sought(self) -> str:
        return "nucleic acid"


@register_featurizer
@dataclass
class SugarPucker(_NamedTorsions):
    """Cosines and sines of the torsions nu0 to nu4 of the sugar rings of nucleic acids.

    They hold the phase and the amplitude of the pucker: Altona and Sundaralingam, J. Am. Chem. Soc. 94, 8205
    (1972).
    """

    periodic: bool = True
    name: ClassVar[str] = "sugar_pucker"

    def entries(self, topology: mdtraj.Topology) -> list[tuple[str, int, np.ndarray]]:
        return named_torsions(topology, SUGAR, needed={"C1'", "C4'"})

    def sought(self) -> str:
        return "sugar ring of a nucleic acid"


def named_torsions(topology: mdtraj.Topology, torsions: dict, needed: Set[str] = frozenset()) -> list[tuple]:
    """(name, residue, four atoms) of torsions given by the names of their atoms, in the order of residues.

    Parameters
    ----------
    topology
        Residues that follow each other in a chain are taken as bonded.
    torsions
        {name: four atom names}, "-" and "+" before one stand for the residue before and after; or a function
        of the residue's atom names that returns four. "*" in the names of old files is read as a prime.
    needed
        Names of atoms that a residue must have to count.
    """
    entries = []
    for chain in topology.chains:
        residues = list(chain.residues)
        atoms = [{atom.name.replace("*", "'"): atom.index for atom in residue.atoms} for residue in residues]
        around = {"-": [{}, *atoms[:-1]], "+": [*atoms[1:], {}]}
        for place, (residue, own) in enumerate(zip(residues, atoms, strict=True)):
            if not needed <= own.keys():
                continue
            for name, four in torsions.items():
                chosen = four(own) if callable(four) else four
                found = [
                    around[atom[0]][place].get(atom[1:]) if atom[0] in around else own.get(atom)
                    for atom in chosen
                ]
                if None not in found:
                    entries.append((name, residue.index, np.array(found)))
    return entries


def bonded_torsions(topology: mdtraj.Topology, atoms: np.ndarray) -> np.ndarray:
    """One torsion (torsion, 4) around each bond among ``atoms`` that has further ones of them on both sides.

    Where no bonds join ``atoms``, those of each four that follow each other in a chain.
    """
    chosen = set(atoms.tolist())
    graph = nx.Graph((a.index, b.index) for a, b in topology.bonds if a.index in chosen and b.index in chosen)
    if not graph.number_of_edges():
        chain = np.array([topology.atom(i).residue.chain.index for i in atoms])
        fours = (
            np.lib.stride_tricks.sliding_window_view(atoms, 4) if len(atoms) > 3 else np.zeros((0, 4), int)
        )
        return fours[chain[:-3] == chain[3:]] if len(fours) else fours
    found = []
    for bond in sorted(tuple(sorted(edge)) for edge in graph.edges):
        ends = [_end(topology, graph, *bond[::step]) for step in (1, -1)]
        if None not in ends and ends[0] != ends[1]:
            found.append((ends[0], *bond, ends[1]))
    return np.array(found, int).reshape(-1, 4)


def _end(topology, graph, atom: int, other: int) -> int | None:
    """The neighbour of ``atom`` besides ``other`` that a torsion ends with: a heavy one, of lowest index."""
    neighbours = [n for n in graph[atom] if n != other]
    return min(neighbours, key=lambda n: (_is_hydrogen(topology.atom(n)), n), default=None)


def _is_hydrogen(atom) -> bool:
    return atom.element is not None and atom.element.symbol == "H"
