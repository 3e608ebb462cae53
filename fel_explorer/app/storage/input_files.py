"""The files that the page may see: everything below one root, checked on the server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fel_explorer.data import TrajectorySet, cache_directory
from fel_explorer.data.file_names import extension, in_natural_order
from fel_explorer.errors import FelError

WITH_ATOMS = ".h5 .hdf5 .lh5 .gsd .arc .gro .pdb .pdb.gz .cif .cif.gz .mmcif .mmcif.gz .pdbx .pdbx.gz".split()
TRAJECTORIES = set(
    ".xtc .trr .dcd .nc .ncdf .netcdf .dtr .stk .mdcrd .crd .lammpstrj .xyz .xyz.gz .rst7 .restrt".split()
    + ".inpcrd .ncrst".split()
    + WITH_ATOMS
)
TOPOLOGIES = set(".psf .prmtop .parm7 .prm7 .mol2 .hoomdxml".split() + WITH_ATOMS)


_given: set[Path] = set()  # by whoever started the server


def allow(trajectories: TrajectorySet | None) -> None:
    """Allow the files of ``trajectories``, which the command line or a script named, wherever they lie."""
    if trajectories is None:
        return
    source = trajectories.topology_source
    topologies = source if isinstance(source, list | tuple) else [source]
    paths = [*trajectories.files, *(one for one in topologies if isinstance(one, str | Path))]
    _given.update(Path(path).expanduser().resolve() for path in paths)


def outside(root: Path, paths: Iterable[str | Path]) -> list[Path]:
    """Those of ``paths`` that the page may not read: not below ``root``, not given, not of sample data."""
    folders = Path(root).resolve(), (cache_directory() / "samples").resolve()
    resolved = [Path(path).resolve() for path in paths]
    found = [path for path in resolved if not any(path.is_relative_to(one) for one in folders)]
    return [path for path in found if path not in _given]


def inside(root: Path, paths) -> list[Path]:
    """The paths, links resolved, all of them below ``root``.

    Raises
    ------
    FelError
        If one lies outside, also through a link or "..".
    """
    root, resolved = Path(root).resolve(), []
    for path in paths:
        target = (root / Path(path).expanduser()).resolve()
        if not target.is_relative_to(root):
            raise FelError(
                f"'{path}' is outside of the folder that this page may read.",
                f"Files below '{root}' can be opened.",
                "Start fel-explorer with --root FOLDER to allow another folder.",
            )
        resolved.append(target)
    return resolved


def matching(root: Path, pattern: str) -> list[str | Path]:
    """The files below ``root`` that ``pattern`` with its * stands for; without one the path itself.

    Raises
    ------
    FelError
        If there is none.
    """
    if not set(pattern) & set("*?["):
        return [pattern]
    root, below = Path(root).resolve(), Path(pattern).expanduser()
    if below.is_relative_to(root):
        below = below.relative_to(root)
    leaves = below.is_absolute() or ".." in below.parts
    found = [] if leaves else sorted(filter(Path.is_file, root.glob(str(below))), key=str)
    if not found:
        raise FelError(
            f"There is no file '{pattern}' below '{root}'.",
            "* stands for any letters of a name, as in run1/*.xtc.",
            "Choose the files in the list, or look for a misprint.",
        )
    return [*in_natural_order(found)]


def known_files(root: Path, folder: str | Path) -> list[str]:
    """Trajectories and topologies in a folder below ``root``, in natural order."""
    [where] = inside(root, [folder])
    files = [path for path in where.iterdir() if extension(path) in TRAJECTORIES | TOPOLOGIES]
    return [str(path) for path in in_natural_order(sorted(filter(Path.is_file, files), key=str))]


def sort_out(paths) -> tuple[list[Path], Path | list[Path] | None]:
    """Trajectories and topology among chosen files: a lone PDB or GRO next to trajectories is the topology.

    With several topologies each trajectory takes the one of its own name, or the only one in its folder.

    Raises
    ------
    FelError
        If a file is of no known format, there is no trajectory, or topologies and trajectories don't pair.
    """
    paths = in_natural_order(Path(path) for path in paths)
    kinds = {path: extension(path) for path in paths}
    if unknown := [path.name for path in paths if kinds[path] not in TRAJECTORIES | TOPOLOGIES]:
        raise FelError(
            f"{', '.join(unknown)} {'is' if len(unknown) == 1 else 'are'} neither trajectory nor topology.",
            f"Trajectories: {_listed(TRAJECTORIES - TOPOLOGIES)}; topologies: {_listed(TOPOLOGIES)}.",
            "Convert other formats, for instance with mdconvert or gmx trjconv.",
        )
    only_topology = [p for p in paths if kinds[p] in TOPOLOGIES - TRAJECTORIES]
    either = [p for p in paths if kinds[p] in TOPOLOGIES & TRAJECTORIES]
    trajectories = [p for p in paths if kinds[p] in TRAJECTORIES - TOPOLOGIES]
    if only_topology:
        trajectories, candidates = trajectories + either, only_topology
    elif trajectories:
        candidates = either
    else:
        trajectories, candidates = either, []
    if not trajectories:
        raise FelError(
            f"The chosen files are {', '.join(p.name for p in paths) or 'none'}.",
            "Choose one or more trajectories (XTC, DCD, ...) and, where they need it, a topology "
            "(PDB, GRO, PSF, ...).",
        )
    if len(candidates) > 1:
        return trajectories, _paired(trajectories, candidates)
    return trajectories, candidates[0] if candidates else None


def _paired(trajectories: list[Path], topologies: list[Path]) -> list[Path]:
    """The topology of each trajectory."""
    found = []
    for path in trajectories:
        there = [t for t in topologies if t.parent == path.parent]
        named = [t for t in there if stem(t) == stem(path)] or [
            t for t in topologies if stem(t) == stem(path)
        ]
        found.append((named or there)[:2])
    if any(len(one) != 1 for one in found) or {one for (one,) in found} != set(topologies):
        raise FelError(
            f"{len(topologies)} topologies ({', '.join(t.name for t in topologies)}) for "
            f"{len(trajectories)} trajectories ({', '.join(t.name for t in trajectories)}).",
            "Choose one topology for all, or for each trajectory one of its name (a.xtc, a.pdb) or folder.",
        )
    return [one for (one,) in found]


def stem(path: Path) -> str:
    return path.name[: len(path.name) - len(extension(path))]


def _listed(extensions) -> str:
    return " ".join(sorted(one for one in extensions if not one.endswith(".gz")))
