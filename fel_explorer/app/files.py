"""The files that the page may see: everything below one root, checked on the server."""

from __future__ import annotations

from pathlib import Path

from fel_explorer.errors import FelError

TRAJECTORIES = set(
    ".xtc .trr .dcd .nc .h5 .lh5 .binpos .mdcrd .crd .lammpstrj .dtr .xyz .pdb .gro .cif .pdbx".split()
)
TOPOLOGIES = set(".pdb .gro .psf .prmtop .parm7 .top .mol2 .hoomdxml .cif .h5 .arc".split())


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


def sort_out(paths) -> tuple[list[Path], Path | None]:
    """Trajectories and topology among chosen files: a lone PDB or GRO beside trajectories is the topology.

    Raises
    ------
    FelError
        If there is no trajectory, or more than one candidate for the topology.
    """
    paths = [Path(path) for path in paths]
    only_topology = [p for p in paths if p.suffix.lower() in TOPOLOGIES - TRAJECTORIES]
    either = [p for p in paths if p.suffix.lower() in TOPOLOGIES & TRAJECTORIES]
    trajectories = [p for p in paths if p.suffix.lower() in TRAJECTORIES - TOPOLOGIES]
    if only_topology:
        trajectories, candidates = trajectories + either, only_topology
    elif trajectories:
        candidates = either
    else:
        trajectories, candidates = either, []
    if len(candidates) > 1 or not trajectories:
        raise FelError(
            f"The chosen files are {', '.join(p.name for p in paths) or 'none'}.",
            "Choose one or more trajectories (XTC, DCD, ...) and at most one topology (PDB, GRO, PSF, ...).",
        )
    return trajectories, candidates[0] if candidates else None
