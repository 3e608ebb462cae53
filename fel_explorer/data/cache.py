"""The user's cache of files between sessions, and its keys."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

import platformdirs

WHOLE = 256 * 2**20  # bytes: files up to this size are hashed in full
BLOCK, N_BLOCKS = 2**20, 64
KEPT_GB = 20  # of features, and as much of observables


def cache_directory() -> Path:
    """The user's cache folder; the environment variable ``FEL_EXPLORER_CACHE`` names another.

    It is made readable by the user alone.
    """
    given = os.environ.get("FEL_EXPLORER_CACHE")
    folder = Path(given).expanduser() if given else Path(platformdirs.user_cache_dir("fel_explorer"))
    with contextlib.suppress(OSError):  # where it can't be made, writing says why
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds sessions
    return folder


def file_hash(path: Path) -> str:
    """BLAKE2b of a file's content, in hex.

    Files over 256 MiB are hashed by size, time of last change, and 64 blocks of 1 MiB spread evenly from
    the first byte to the last: a change between the blocks is noticed by its time. A folder (DTR) is
    hashed file by file.
    """
    if path.is_dir():
        parts = [f"{p.relative_to(path)}:{file_hash(p)}" for p in sorted(path.rglob("*")) if p.is_file()]
        return hashlib.blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()
    digest, status = hashlib.blake2b(digest_size=16), path.stat()
    with path.open("rb") as stream:
        if status.st_size <= WHOLE:
            while block := stream.read(BLOCK):
                digest.update(block)
        else:
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
            for number in range(N_BLOCKS):
                stream.seek((status.st_size - BLOCK) * number // (N_BLOCKS - 1))
                digest.update(stream.read(BLOCK))
    return digest.hexdigest()


def mark_used(path: Path) -> None:
    """Note that an entry of the cache is in use, so that `prune` takes others first."""
    with contextlib.suppress(OSError):  # of another user, or just deleted: its age matters little
        os.utime(path)


def prune(folder: Path, keep: float | None = None) -> list[Path]:
    """Remove what was used longest ago from ``folder`` until its entries take no more than ``keep`` bytes.

    ``keep`` is 20 GB, or as many as the environment variable ``FEL_EXPLORER_CACHE_GB`` says.  What was used
    last stays, however large it is.

    Returns
    -------
    list of Path
        What was removed.
    """
    if keep is None:
        keep = 1e9 * float(os.environ.get("FEL_EXPLORER_CACHE_GB", KEPT_GB))
    total, removed = 0.0, []
    entries = sorted(folder.iterdir(), key=lambda path: -_changed(path))
    for number, path in enumerate(entries):
        total += _size(path)
        if total > keep and number > 0:
            removed.append(path)
            shutil.rmtree(path, ignore_errors=True)  # another process may remove it too
    return removed


def remove(path: Path) -> None:
    """Delete an entry of the cache, whatever it is; what can't be deleted stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _size(folder: Path) -> float:
    return sum(_status(part, "st_size") for part in folder.rglob("*") if part.is_file())


def _changed(path: Path) -> float:
    return _status(path, "st_mtime")


def _status(path: Path, name: str) -> float:
    """A value of `os.stat`; 0 of what another process has just deleted."""
    try:
        return getattr(path.stat(), name)
    except FileNotFoundError:
        return 0
