"""Headers and unit cells of DCD files, which mdtraj does not give as they are written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fel_explorer.errors import FelError

CHARMM_SHAPE_VERSION = 25  # from this version on CHARMM writes its shape matrix; others write version 24 or 0


@dataclass(frozen=True)
class DcdHeader:
    """Layout of a DCD file.

    ``announced`` is the number of frames in the header (0 where the writer does not know it), ``n_whole`` the
    number of complete frames, ``rest`` the bytes after them, ``cells`` whether frames hold a unit cell,
    ``offset`` and ``frame_bytes`` where frames lie (None where their size changes).
    """

    order: str
    announced: int
    version: int
    n_atoms: int
    cells: bool
    offset: int
    frame_bytes: int
    n_whole: int
    rest: int


def read_header(path: Path) -> DcdHeader | None:
    """Header of a DCD file; None for layouts other than 32-bit records without fixed atoms."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        head = stream.read(92)
        if len(head) < 92 or head[4:8] != b"CORD":
            return None
        order = "<" if head[:4] == b"\x54\0\0\0" else ">"
        control = np.frombuffer(head, f"{order}i4", 20, 8)
        if control[8] or (control[19] and control[11]):  # fixed atoms, a fourth dimension
            return None
        title = int.from_bytes(stream.read(4), "little" if order == "<" else "big")
        if title > size:
            raise _damaged(path, f"its title claims {title:,} bytes")
        stream.seek(92 + 4 + title + 4 + 4)
        count = stream.read(8)
        if len(count) < 8:
            return None
        n_atoms = int(np.frombuffer(count, f"{order}i4", 1)[0])
        if not 0 < 12 * n_atoms <= size:
            raise _damaged(path, f"it claims {n_atoms:,} atoms in {size:,} bytes")
        offset = stream.tell()
    cells = bool(control[19] and control[10])
    frame_bytes = 3 * (4 * n_atoms + 8) + (56 if cells else 0)
    n_whole, rest = divmod(size - offset, frame_bytes)
    return DcdHeader(
        order, int(control[0]), int(control[19]), n_atoms, cells, offset, frame_bytes, int(n_whole), int(rest)
    )


def _damaged(path: Path, what: str) -> FelError:
    return FelError(f"The header of '{path}' is damaged: {what}.", remedy="Copy the file again.")


def raw_cells(path: Path, header: DcdHeader, frames: np.ndarray) -> np.ndarray:
    """Unit-cell records (frame, 6) as written: a, xy or gamma, b, xz or beta, yz or alpha, c."""
    records = np.empty((len(frames), 6))
    with open(path, "rb") as stream:
        for row, frame in enumerate(frames):
            stream.seek(header.offset + int(frame) * header.frame_bytes + 4)
            records[row] = np.frombuffer(stream.read(48), f"{header.order}f8", 6)
    return records
