"""The base class of kinds of features, and their registry."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from fel_explorer.errors import FelError
from fel_explorer.features import kinds as package
from fel_explorer.features.atom_names import atom_labels
from fel_explorer.plugins import FEATURIZERS, check_unique, load_plugins

if TYPE_CHECKING:
    import mdtraj
    from torch import Tensor

    from fel_explorer.data.molecules import Molecules

kinds: dict[str, FeatureKind] = {}


def register_kind(cls: type[FeatureKind]) -> type[FeatureKind]:
    """Class decorator: put one object of a `FeatureKind` into the registry under its ``name``.

    Raises
    ------
    FelError
        If a kind of another module has the name.
    """
    check_unique(cls, type(kinds[cls.name]) if cls.name in kinds else None, cls.name)
    kinds[cls.name] = cls()
    return cls


@dataclass(frozen=True, eq=False)
class Constraints:
    """Geometry that the values of features prescribe, from which a structure is built.

    Attributes
    ----------
    of : str
        "distance", "torsion" or "position".
    atoms : ndarray (entry, k)
        Indices into the topology: two for a distance, four for a torsion, one for a position.
    values : ndarray
        Distances (entry,) in nm, cosine and sine (entry, 2) of torsions, or positions (entry, 3) in nm.
    """

    of: str
    atoms: np.ndarray
    values: np.ndarray


class FeatureKind(ABC):
    """One kind of features: its computation, derivatives, PLUMED input, names and inversion.

    Attributes
    ----------
    name : str
        Of the kind, in the dataset's ``attrs["featurizers"]``.
    n_atoms : int
        Atoms of an entry. An entry is one measured quantity, such as a torsion.
    parts : tuple of str
        Names of the features that an entry makes, such as ("cos", "sin"); ("",) where it makes one.
    parts_first : bool
        Whether a part precedes the quantity in a feature's name ("x ALA2-CA") or follows it ("phi ALA2 cos").
    period : float or None
        Of the values of a feature; None where they do not go round.
    needs_reference : bool
        Whether values depend on the positions of the reference frame.
    makes_whole_in_plumed : bool
        Whether PLUMED makes all molecules of an entry whole first, also where it joins several.

    Notes
    -----
    `compute` (mdtraj) is required. Where `evaluate` (torch), `plumed` or `constraints` is left out, the kind
    raises an error wherever it is needed, with the sentence of the ``reason_`` method of the same purpose.
    """

    name: ClassVar[str]
    n_atoms: ClassVar[int]
    parts: ClassVar[tuple[str, ...]] = ("",)
    parts_first: ClassVar[bool] = False
    period: ClassVar[float | None] = None
    needs_reference: ClassVar[bool] = False
    makes_whole_in_plumed: ClassVar[bool] = False

    # ---- names

    def quantities(self, topology: mdtraj.Topology, atoms: np.ndarray) -> list[str]:
        """Default name of the quantity of each entry: the kind and its atoms."""
        labels = atom_labels(topology)
        return [" ".join([self.name, *(labels[i] for i in entry)]) for entry in atoms]

    def feature_names(self, quantities: list[str]) -> list[str]:
        """Names of the features, in order, from those of the quantities."""
        return [self.part_name(quantity, part) for quantity in quantities for part in self.parts]

    def part_name(self, quantity: str, part: str) -> str:
        """Name of one feature."""
        first, second = (part, quantity) if self.parts_first else (quantity, part)
        return f"{first} {second}".strip()

    # ---- values

    @abstractmethod
    def compute(self, trajectory: mdtraj.Trajectory, block: FeatureBlock) -> np.ndarray:
        """Features (frame, feature) float32 of ``trajectory``, in nm and radians."""

    def evaluate(self, positions: Tensor, block: FeatureBlock) -> Tensor:
        """Features (..., feature) from positions (..., atom, 3) in nm of whole molecules, differentiable."""
        raise NotImplementedError

    def reason_no_derivative(self, options: dict) -> str:
        """Why `evaluate` can't be used with these options of the featurizer; "" where it can."""
        return "" if _overrides(self, "evaluate") else "No torch function is given for this kind."

    # ---- PLUMED

    def plumed(self, atoms: list, options: dict, number: int) -> list[str]:
        """Lines of PLUMED input for one entry.

        Parameters
        ----------
        atoms
            Numbers of the entry's atoms in the files, from 1.
        options
            Of the featurizer.
        number
            Of the entry's first feature: its features are labelled ``f{number}``, ``f{number + 1}``, ...
        """
        raise NotImplementedError

    def reason_not_in_plumed(self, options: dict) -> str:
        """Why `plumed` can't be used with these options of the featurizer; "" where it can."""
        return "" if _overrides(self, "plumed") else "No PLUMED action is given for this kind."

    # ---- structures

    def feature_atoms(self, entry: np.ndarray, topology: mdtraj.Topology) -> np.ndarray:
        """Indices of the atoms that carry the values of an entry when a structure is coloured."""
        return np.asarray(entry, int)

    def constraints(self, values: np.ndarray, block: FeatureBlock) -> Constraints:
        """What the values (feature,) of a block prescribe for a structure."""
        raise NotImplementedError

    def reason_no_structure(self, options: dict) -> str:
        """Why `constraints` can't be used with these options of the featurizer; "" where it can."""
        return "" if _overrides(self, "constraints") else "Values of this kind do not place atoms."


@dataclass(eq=False)
class FeatureBlock:
    """The features of one featurizer.

    Attributes
    ----------
    kind : FeatureKind
    atoms : ndarray (entry, k)
        Indices into the positions that the features are computed from.
    options : dict
        Of the featurizer.
    reference : ndarray (entry, k, 3) or None
        Positions of these atoms in the reference frame, nm, where the kind needs them.
    name : str
        Of the featurizer.
    molecules : Molecules or None
        Of the topology, to make them whole where there is a periodic box.
    molecule : ndarray (entry, k) or None
        Number of the molecule of each atom, for nearest images in torch.
    box : Tensor (3, 3) or (frame, 3, 3), or None
        Box vectors in rows, nm, of the positions that `points` is given.
    """

    kind: FeatureKind
    atoms: np.ndarray
    options: dict = field(default_factory=dict)
    reference: np.ndarray | None = None
    name: str = ""
    molecules: Molecules | None = None
    molecule: np.ndarray | None = None
    box: Tensor | None = None
    _indices: dict = field(default_factory=dict, repr=False)

    @property
    def n_features(self) -> int:
        return len(self.atoms) * len(self.kind.parts)

    def points(self, positions: Tensor) -> Tensor:
        """Positions (..., entry, k, 3) of the atoms of each entry, from those (..., atom, 3) of all atoms.

        Where there is a box, each atom of another molecule than the one before it in an entry is put to the
        image nearest to that one.
        """
        points = positions[..., self._index("atoms", self.atoms, positions), :]
        apart = self.apart()
        if not len(apart) or self.atoms.ndim != 2:
            return points
        from fel_explorer.features.torch_geometry import joined_by_nearest_images

        assert self.box is not None  # else none are apart
        chosen = self._index("apart", apart, positions)
        joined = joined_by_nearest_images(points.index_select(-3, chosen), self.box)
        return points.index_copy(-3, chosen, joined)

    def apart(self) -> np.ndarray:
        """Numbers of the entries to nearest images between molecules; none without a box."""
        return np.zeros(0, int) if self.box is None else self.joining()

    def joining(self) -> np.ndarray:
        """Numbers of the entries that join molecules, unless positions count as they are."""
        if self.molecule is None or not self.options.get("periodic", True):
            return np.zeros(0, int)
        labels = self.molecule.reshape(len(self.molecule), -1)
        return np.flatnonzero((labels != labels[:, :1]).any(axis=1))

    def _index(self, name: str, values: np.ndarray, like: Tensor) -> Tensor:
        """``values`` as a tensor on the device of ``like``, kept for the next call."""
        key = name, like.device
        if key not in self._indices:
            import torch

            self._indices[key] = torch.as_tensor(values, device=like.device)
        return self._indices[key]

    def renumbered(self, atoms: np.ndarray) -> FeatureBlock:
        """The same block for positions of ``atoms`` (sorted indices) only."""
        return replace(self, atoms=np.searchsorted(atoms, self.atoms), _indices={})

    def in_box(self, box: Tensor) -> FeatureBlock:
        """The same block for positions in a periodic box."""
        return replace(self, box=box)

    def used_atoms(self) -> np.ndarray:
        """Sorted indices of the atoms of all entries."""
        return np.unique(self.atoms)


@cache
def load_kinds() -> None:
    """Import all modules of `fel_explorer.features.kinds` and plugins: they register what they define."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    load_plugins(FEATURIZERS)


def list_kinds() -> dict[str, FeatureKind]:
    """All registered kinds of features, {name: object}."""
    load_kinds()
    return dict(kinds)


def get_kind(name: str) -> FeatureKind:
    """The registered kind of this name.

    Raises
    ------
    FelError
        If there is none.
    """
    found = list_kinds()
    if name not in found:
        raise FelError(
            f"Features of kind '{name}'.",
            f"Registered kinds are {', '.join(sorted(found))}.",
            "Import the module that defines this kind (register_kind) first.",
        )
    return found[name]


def _overrides(kind: FeatureKind, method: str) -> bool:
    return getattr(type(kind), method) is not getattr(FeatureKind, method)
