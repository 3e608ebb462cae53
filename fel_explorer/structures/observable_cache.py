"""Observables kept between sessions: one folder each, under a key of all that its values depend on."""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fel_explorer.data.atomic_folders import whole_or_nothing, writing
from fel_explorer.data.cache import cache_directory, mark_used, prune, remove
from fel_explorer.data.topology_text import pdb_text
from fel_explorer.data.trajectories import TrajectorySet
from fel_explorer.errors import FelError
from fel_explorer.structures.observable_base import Molecule, registry

log = logging.getLogger("fel_explorer")

CACHE_FORMAT = 2  # raise when an observable or the way it is stored changes
VALUES = "values.npz"
ROOM = 2**16  # bytes of heads


def paths(trajs: TrajectorySet, specs: dict[str, dict], molecule: Molecule) -> dict[str, Path]:
    """{name: folder} of the package's own observables; those of others may change without a new version."""
    ours = [name for name in specs if registry[name].function.__module__.startswith("fel_explorer.")]
    shared = {
        "files": [[h, int(n)] for h, n in zip(trajs.content_hashes(), trajs.file_lengths, strict=True)],
        "joined": trajs.raw_lengths.tolist() if trajs.joined else None,
        "topology": pdb_text(trajs.reference),
        "atoms": None if trajs.atoms is None else trajs.atoms.tolist(),
        "stride": trajs.stride,
        "version": [CACHE_FORMAT, version("mdtraj")],
    }
    coordinates = hashlib.blake2b(molecule.reference.xyz.tobytes(), digest_size=16).hexdigest()
    found = {}
    for name in ours:
        parts = shared | {"name": name, "options": specs[name]}
        parts["reference"] = coordinates if registry[name].to_reference else None
        key = hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()
        found[name] = cache_directory() / "observables" / key
    return found


def save(folder: Path, values: np.ndarray) -> None:
    """Keep the values (frame,) in ``folder``; where it can't be written they are computed again."""
    try:
        with writing(f"'{folder}' can't be written"), whole_or_nothing(folder) as partial:
            partial.mkdir()
            np.savez(partial / VALUES, values=values)  # ZIP files have checksums
        prune(folder.parent)
    except FelError as error:
        log.warning("Observables are not cached: %s They are computed again the next time.", error.given)


def load(folder: Path, n_frames: int) -> np.ndarray | None:
    """The values (frame,) kept in ``folder``, or None; a damaged folder is removed."""
    if not folder.exists():
        return None
    try:
        values = _read(folder / VALUES, n_frames)
    except Exception as error:  # ZIP, zlib and NumPy each raise their own
        log.warning("cached observables are damaged and are computed again (%s): '%s'", error, folder)
        remove(folder)
        return None
    mark_used(folder)
    return values


def _read(path: Path, n_frames: int) -> np.ndarray:
    """The values (frame,) of a file whose size is checked before it is unpacked."""
    if not path.is_file():  # opening a FIFO would never end
        raise ValueError("not a file")
    with zipfile.ZipFile(path) as packed:
        claimed = sum(entry.file_size for entry in packed.infolist())
    if claimed > ROOM + 16 * n_frames:
        raise ValueError(f"{claimed:,} bytes for {n_frames:,} frames")
    with np.load(path, allow_pickle=False) as arrays:
        values = arrays["values"]
    if values.shape != (n_frames,):
        raise ValueError(f"{values.shape} values for {n_frames:,} frames")
    return values
