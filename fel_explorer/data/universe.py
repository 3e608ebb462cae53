"""MDAnalysis universes in place of files: their topology and frames as mdtraj has them.

MDAnalysis itself is not imported: whoever has a universe has it.
"""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np

from fel_explorer.data.cache import file_hash
from fel_explorer.data.readers import FileInfo, Reader, cannot_read
from fel_explorer.errors import FelError

LIGHT = "H Li B C N O F Na Mg Al Si P S Cl K Ca Mn Fe Co Ni Cu Zn Se Br Ag I Cs Au Hg Pb".split()
MASS_TOLERANCE = 0.012  # u; a united CH2 is 0.02 heavier than nitrogen
MDTRAJ_READS = (".xtc", ".trr", ".dcd", ".nc", ".ncdf", ".pdb", ".gro")


def is_universe(item: object) -> bool:
    """Whether ``item`` is an MDAnalysis ``Universe``."""
    return any(
        cls.__name__ == "Universe" and cls.__module__.startswith("MDAnalysis.") for cls in type(item).__mro__
    )


def universes_in(paths: object) -> list | None:
    """The universes that were given, alone or in a list; None for files.

    Raises
    ------
    FelError
        If a list has universes and files.
    """
    given = list(paths) if isinstance(paths, list | tuple) else [paths]
    found = [is_universe(item) for item in given]
    if any(found) and not all(found):
        raise FelError(
            "A list of universes and files.", "Trajectories are either.", "Make a Universe of each file."
        )
    return given if given and all(found) else None


def source_of(universe: Any) -> Path:
    """The trajectory file of a universe if mdtraj reads it as the universe does; else a name for messages."""
    name = getattr(universe.trajectory, "filename", None)
    if isinstance(name, str | Path) and not universe.trajectory.transformations:
        path = Path(name)
        if path.suffix.lower() in MDTRAJ_READS and path.exists():
            return path
    return Path(f"<Universe of {universe.atoms.n_atoms} atoms and {universe.trajectory.n_frames} frames>")


def content_hash(universe: Any) -> str:
    """Hash of what a universe gives; another one each time where transformations change it."""
    trajectory = universe.trajectory
    if trajectory.transformations:
        return uuid.uuid4().hex
    if hasattr(trajectory, "coordinate_array"):
        array = np.ascontiguousarray(trajectory.coordinate_array)
        return hashlib.blake2b(array.tobytes(), digest_size=16).hexdigest()
    names = getattr(trajectory, "filenames", None)
    names = [trajectory.filename] if names is None else names
    return "-".join(file_hash(Path(str(name))) for name in names)


def topology_of(universe: Any) -> mdtraj.Topology:
    """The atoms of a universe; bonds are its own, or those of standard residues where it has none."""
    atoms = universe.atoms
    names = _text(atoms, "names", _text(atoms, "types", ["X"] * len(atoms)))
    residue_names = _text(universe.residues, "resnames", ["UNK"] * len(universe.residues))
    numbers = np.asarray(getattr(universe.residues, "resids", np.arange(1, len(universe.residues) + 1)))
    segments = _text(universe.segments, "segids", [""] * len(universe.segments))
    elements = _elements(atoms, names)
    topology = mdtraj.Topology()
    made: dict[int, Any] = {}
    owner, before, chain = np.asarray(atoms.resindices), None, None
    segment_of = np.asarray(universe.residues.segindices)
    for index, residue in enumerate(owner.tolist()):
        if residue not in made:
            segment = int(segment_of[residue])
            if segment != before:
                chain, before = topology.add_chain(segments[segment] or None), segment
            made[residue] = topology.add_residue(residue_names[residue], chain, int(numbers[residue]))
        elif made[residue] is not topology._residues[-1]:
            label = f"{residue_names[residue]}{numbers[residue]}"
            raise FelError(
                f"The atoms of residue {label} of the universe are not together.",
                "Atoms are ordered by residue.",
                "Write the universe to files with its atoms in order.",
            )
        topology.add_atom(names[index], elements[index], made[residue])
    bonds = np.asarray(universe.bonds.indices) if hasattr(universe, "bonds") else np.zeros((0, 2), int)
    if not len(bonds):
        topology.create_standard_bonds()
    every = list(topology.atoms)
    for first, second in bonds.tolist():
        topology.add_bond(every[first], every[second])
    return topology


def _text(group, attribute: str, default: list[str]) -> list[str]:
    try:
        return [str(value) for value in getattr(group, attribute)]
    except AttributeError:  # MDAnalysis' NoDataError is one
        return default


def _elements(atoms, names: list[str]) -> list:
    """Elements that the universe has, else by mass, else None."""
    symbols = [symbol.capitalize() for symbol in _text(atoms, "elements", [""] * len(atoms))]
    table = {symbol: mdtraj.element.get_by_symbol(symbol) for symbol in LIGHT}
    masses = np.array([element.mass for element in table.values()])
    own = np.asarray(getattr(atoms, "masses", np.zeros(len(atoms))), float)
    found = []
    for symbol, mass in zip(symbols, own, strict=True):
        if symbol:
            found.append(table.get(symbol) or mdtraj.element.get_by_symbol(symbol))
            continue
        near = int(np.argmin(np.abs(masses - mass)))
        found.append(list(table.values())[near] if abs(masses[near] - mass) < MASS_TOLERANCE else None)
    return found


class UniverseReader(Reader):
    """`Reader` of the frames of a universe, of which it takes a copy."""

    def __init__(
        self,
        universe: Any,
        path: Path,
        topology: mdtraj.Topology,
        atoms: np.ndarray | None = None,
        info: FileInfo | None = None,
    ) -> None:
        self.path, self.extension = path, ""
        self.atoms, self.info = atoms, info
        self.topology = topology if atoms is None else topology.subset(atoms)
        self._n_atoms = topology.n_atoms
        self._handle, self._frames, self.cut, self._dcd = None, None, False, None
        self._universe = universe.copy()
        self.n_frames = universe.trajectory.n_frames if info is None else info.n_frames
        self.timed = any(key in self._universe.trajectory.ts.data for key in ("time", "dt"))

    def close(self) -> None:
        self._universe.trajectory.close()

    def _find_end(self) -> None:
        """The universe knows."""

    def _count_atoms(self) -> int:
        return self._universe.atoms.n_atoms

    def _raw(self, frames: np.ndarray) -> mdtraj.Trajectory:
        chosen = slice(None) if self.atoms is None else self.atoms
        xyz = np.empty((len(frames), self.topology.n_atoms, 3), np.float32)
        times, cells = np.zeros(len(frames)), []
        for row, frame in enumerate(frames.tolist()):
            try:
                step = self._universe.trajectory[frame]
            except (OSError, ValueError, EOFError) as error:
                raise cannot_read(self.path, error) from error
            xyz[row], times[row] = step.positions[chosen] / 10, step.time
            cells.append(step.dimensions)
        read = mdtraj.Trajectory(xyz, self.topology, time=times)
        if all(cell is not None for cell in cells):
            table = np.array(cells, np.float32)
            read.unitcell_lengths, read.unitcell_angles = table[:, :3] / 10, table[:, 3:]
        return read
