"""Arrays as files of a temporary folder, which other processes map into their memory."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import shutil
import socket
import sys
import tempfile
import threading
import weakref
from pathlib import Path

import numpy as np

from fel_explorer.data.atomic_folders import process_lives
from fel_explorer.errors import FelError

LARGE = 1 << 18  # bytes from which on an array becomes a file


PREFIX = f"fel-jobs-{socket.gethostname()}-"  # and the number of a process


def remove_leftovers() -> None:
    """Delete the folders of this user's processes that were killed on this machine."""
    for folder in Path(tempfile.gettempdir()).glob(f"{glob.escape(PREFIX)}*"):
        number = folder.name.removeprefix(PREFIX).split("-")[0]
        with contextlib.suppress(OSError):
            mine = sys.platform == "win32" or folder.lstat().st_uid == os.getuid()
            if mine and number.isdigit() and not process_lives(int(number)):
                shutil.rmtree(folder, ignore_errors=True)


class ArrayFiles:
    """Files of arrays, each written once and removed with the last array of its content.

    The folder is removed with this object, and by the workers when this process is killed; what neither did
    is removed by the next process.
    """

    def __init__(self) -> None:
        remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self._owners: dict[str, set[int]] = {}
        self._lock = threading.RLock()  # a finalizer may run while this thread holds it
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, array: np.ndarray) -> Path:
        """The file that holds ``array``; written where no live array has the same content.

        Raises
        ------
        FelError
            If it can't be written.
        """
        content = np.ascontiguousarray(array)
        digest = hashlib.blake2b(f"{content.dtype.str}{content.shape}".encode(), digest_size=16)
        digest.update(content.view(np.uint8).reshape(-1).data if content.size else b"")
        name = digest.hexdigest()
        file = self.folder / f"{name}.npy"
        with self._lock:
            owners = self._owners.setdefault(name, set())
            if not file.exists():
                self._write(file, content)
            if id(array) not in owners:
                owners.add(id(array))
                weakref.finalize(array, self._release, name, id(array))
        return file

    def _write(self, file: Path, content: np.ndarray) -> None:
        part = file.with_suffix(".part")
        try:
            with part.open("wb") as opened:
                np.save(opened, content, allow_pickle=False)
            part.replace(file)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise FelError(
                f"The data of this job can't be written to '{self.folder}': {error.strerror or error}.",
                f"It needs {content.nbytes / 2**20:,.0f} MiB there.",
                "Free some space, set TMPDIR to another folder, or start with --jobs thread.",
            ) from error

    def _release(self, name: str, owner: int) -> None:
        with self._lock:
            owners = self._owners.get(name, set())
            owners.discard(owner)
            if not owners:
                self._owners.pop(name, None)
                (self.folder / f"{name}.npy").unlink(missing_ok=True)


def is_large(array: np.ndarray) -> bool:
    """Whether an array is large enough for a file, and of plain numbers."""
    return array.nbytes >= LARGE and array.dtype.kind in "fiubc" and type(array) is np.ndarray


def write_once(array: np.ndarray, folder: Path) -> Path | None:
    """A new file of ``array`` for `take`; None where it can't be written."""
    try:
        handle, name = tempfile.mkstemp(prefix="result-", suffix=".npy", dir=folder)
        with os.fdopen(handle, "wb") as file:
            np.save(file, array, allow_pickle=False)
    except OSError:
        return None
    return Path(name)


def take(path: str) -> np.ndarray:
    """The array of a file, mapped, which loses its name: the disk has it back when the array is released.

    Pages that are not in use cost no memory: the system drops them and reads them again.  Where a mapped file
    can't be removed the array is read.
    """
    array = read(path)
    try:
        Path(path).unlink(missing_ok=True)
    except OSError:  # Windows
        del array
        array = np.load(path, allow_pickle=False)
        Path(path).unlink(missing_ok=True)
    return array


def read(path: str) -> np.ndarray:
    """The array of a file, mapped: pages are read when they are used, and changes stay in this process."""
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
