"""Checks of the heads of XTC and TRR frames, which mdtraj's reader believes.

A flipped bit in them ends the process or hides all frames that follow.  Formats: GROMACS' xtcio and trnio;
coordinates of XTC are packed by the algorithm of van der Spoel's xdrfile, whose tables have 73 entries.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fel_explorer.errors import FelError

XTC_MAGIC, TRR_MAGIC = (1995, 2023), 1993  # 2023: more than 2 GB in a frame
XTC_HEAD = 92  # bytes before the packed coordinates
FEW = 9  # atoms, up to which coordinates are not packed
FIRST_SMALL, LAST_SMALL = 9, 72  # valid indices of xdrfile's table of sizes
TRR_HEAD = 68  # bytes from the first size to the number of the step
TRR_NAME = b"GMX_trn_file"
BLOCK = 100_000  # frames whose heads are looked at at a time


def check_first_head(path: Path, ending: str) -> None:
    """Raise unless the first head claims no more atoms than the file has room for."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = np.frombuffer(file.read(XTC_HEAD)[: XTC_HEAD // 4 * 4], ">i4")
    if len(head) < 17 or head[0] not in (*XTC_MAGIC, TRR_MAGIC):
        return  # mdtraj says what it misses
    # an atom takes two bits or more when it is packed
    n_atoms, most = (head[1], 4 * size) if ending == ".xtc" else (head[16], size // 12)
    if not 0 < n_atoms <= most:
        raise _damaged(path, 0, f"it claims {n_atoms:,} atoms in {size:,} bytes")


def check_heads(path: Path, ending: str, offsets: np.ndarray) -> None:
    """Raise a `FelError` for the first frame whose head is damaged; ``offsets`` (frame,) in bytes."""
    if path.stat().st_size == 0 or len(offsets) == 0:
        return
    content = np.memmap(path, np.uint8, "r")
    for start in range(0, len(offsets), BLOCK):
        heads = _words(content, offsets[start : start + BLOCK], XTC_HEAD)
        wrong = _wrong_xtc(heads) if ending == ".xtc" else _wrong_trr(heads)
        if wrong.any():
            frame = start + int(np.argmax(wrong))
            raise _damaged(path, frame, "its head is damaged, or of another number of atoms")


def _words(content: np.ndarray, offsets: np.ndarray, size: int) -> np.ndarray:
    """Words (frame, word) of 4 bytes at the beginning of each frame; 0 beyond the end of the file."""
    places = np.asarray(offsets, np.int64)[:, None] + np.arange(size)
    inside = places < len(content)
    found = np.where(inside, content[np.where(inside, places, 0)], 0).astype(np.uint8)
    return found.view(">i4").astype(np.int64)


def _wrong_xtc(heads: np.ndarray) -> np.ndarray:
    """Which frames (frame,) have heads that xdrfile can't read."""
    n_atoms = heads[:, 1]
    wrong = ~np.isin(heads[:, 0], XTC_MAGIC) | (n_atoms != heads[0, 1]) | (heads[:, 13] != n_atoms)
    if heads[0, 1] <= FEW:
        return wrong
    precision = heads[:, 14].astype(">i4").view(">f4")
    lowest, highest, small = heads[:, 15:18], heads[:, 18:21], heads[:, 21]
    with np.errstate(invalid="ignore"):
        wrong |= ~((precision > 0) & (precision < 1e9))
    wrong |= (highest < lowest).any(axis=1) | (highest - lowest >= 2**31 - 1).any(axis=1)
    room = 4 * (np.floor(3.6 * n_atoms) - 3)  # bytes of xdrfile's buffer, which it does not compare
    return wrong | (small < FIRST_SMALL) | (small > LAST_SMALL) | (heads[:, 22] < 0) | (heads[:, 22] > room)


def _wrong_trr(heads: np.ndarray) -> np.ndarray:
    """Which frames (frame,) have heads that are not of the first one's atoms."""
    sizes, n_atoms = heads[:, 6:16], heads[:, 16]
    wrong = (heads[:, 0] != TRR_MAGIC) | (n_atoms != heads[0, 16]) | (sizes < 0).any(axis=1)
    box, x, v, f = sizes[:, 2], sizes[:, 7], sizes[:, 8], sizes[:, 9]
    wrong |= ~np.isin(box, (0, 36, 72)) | (sizes[:, [0, 1, 5, 6]] != 0).any(axis=1)
    for one in (x, v, f):
        wrong |= ~((one == 0) | (one == 12 * n_atoms) | (one == 24 * n_atoms))
    return wrong


def bytes_after_trr(path: Path, offsets: np.ndarray) -> int:
    """Bytes of a TRR file behind its last frame, which hold frames that mdtraj does not find."""
    content = np.memmap(path, np.uint8, "r")
    head = _words(content, offsets[-1:], XTC_HEAD)[0]
    double = head[8] == 72 or head[13] == 24 * head[16]
    end = int(offsets[-1]) + 4 * 19 + 2 * (8 if double else 4) + int(head[6:16].sum())
    return len(content) - end


def _damaged(path: Path, frame: int, what: str) -> FelError:
    return FelError(
        f"'{path}' is damaged at frame {frame}: {what}.",
        "All frames of a trajectory have whole heads and the same atoms.",
        "Copy it again, or cut it before that frame (gmx trjconv, mdconvert).",
    )
