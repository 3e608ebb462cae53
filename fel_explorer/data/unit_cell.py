"""Unit cells of trajectory files: their validity, and CHARMM's shape matrices."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fel_explorer.errors import FelError

DUMMY_LENGTH = 0.11  # nm; programs write cells of 1 Angstrom where they need one and there is none
MAX_DENSITY = 250.0  # atoms per nm^3; water has 100, water of five sites 167, diamond 176
CREDIBLE_ANGLES = (45.0, 135.0)  # degrees; reduced cells of simulations have angles of 54.7 to 125.3


@dataclass(frozen=True)
class Cell:
    """Use of the cells of one file.

    ``kind`` is "none" (the file has no cells), "periodic" (as they are), "shape matrix" (off-diagonal
    elements of CHARMM's symmetric matrix where other programs write angles) or "ignored"; ``note`` says why.
    """

    kind: str
    note: str = ""


NO_CELL = Cell("none")


def volumes(lengths: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Volumes (frame,) in nm^3 of cells by lengths (frame, 3) in nm and angles (frame, 3) in degrees.

    NaN for three angles that span no cell.
    """
    lengths, cosines = np.asarray(lengths, float), np.cos(np.radians(np.asarray(angles, float)))
    squared = 1 - (cosines**2).sum(axis=1) + 2 * cosines.prod(axis=1)
    return lengths.prod(axis=1) * np.sqrt(np.where(squared > 0, squared, np.nan))


def faulty(lengths: np.ndarray, angles: np.ndarray, n_atoms: int) -> np.ndarray:
    """Mask (frame,) of cells that can't hold ``n_atoms`` atoms: zero, dummy, negative, too dense."""
    with np.errstate(invalid="ignore"):
        volume = volumes(lengths, angles)
        wrong = ~np.isfinite(volume) | (np.asarray(lengths) <= 0).any(axis=1)
        wrong |= (np.asarray(angles) <= 0).any(axis=1) | (np.asarray(angles) >= 180).any(axis=1)
        wrong |= (np.asarray(lengths) <= DUMMY_LENGTH).all(axis=1)
        return wrong | (n_atoms > MAX_DENSITY * volume)


def describe_fault(lengths: np.ndarray, angles: np.ndarray, n_atoms: int) -> str:
    """The fault of one cell, lengths (3,) in nm and angles (3,) in degrees, as a phrase."""
    if not np.any(lengths):
        return "its cell lengths are zero"
    sides = " x ".join(f"{length:.4g}" for length in lengths)
    corners = ", ".join(f"{angle:.4g}" for angle in angles)
    if not np.isfinite(lengths).all():
        return f"its cell of {sides} nm is not finite"
    if (np.asarray(lengths) < 0).any():
        return f"its cell has negative lengths, {sides} nm"
    if (np.asarray(lengths) <= 0).any():
        return f"its cell of {sides} nm has no volume"
    if (np.asarray(lengths) <= DUMMY_LENGTH).all():
        return f"its cell of {sides} nm is a placeholder"
    volume = float(volumes(np.asarray(lengths)[None], np.asarray(angles)[None])[0])
    if not np.isfinite(volume) or (np.asarray(angles) <= 0).any() or (np.asarray(angles) >= 180).any():
        return f"its cell angles {corners} span no cell"
    return f"{n_atoms} atoms do not fit into its cell of {sides} nm ({n_atoms / volume:.0f} per nm^3)"


def decide_use(
    path: str | Path,
    frames: np.ndarray,
    lengths: np.ndarray | None,
    angles: np.ndarray | None,
    n_atoms: int,
    shape: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    shape_first: bool = False,
) -> Cell:
    """Decide how the cells of a file are used, from those of a few of its frames.

    Parameters
    ----------
    path
        The file, for messages.
    frames
        (n,) numbers of the inspected frames.
    lengths, angles
        (n, 3) in nm and degrees; None where the file has no cells.
    n_atoms
        Of the file.
    shape
        The same cells (lengths, angles) if they are written as CHARMM's shape matrix, where that may be.
    shape_first
        Whether they probably are.

    Raises
    ------
    FelError
        If some frames have a cell and others have none.
    """
    if lengths is None or angles is None:
        return NO_CELL
    wrong = faulty(lengths, angles, n_atoms)
    if shape is not None:
        sides, corners = shape
        better = shape_first or wrong.any() or not credible(angles)
        if better and not faulty(sides, corners, n_atoms).any() and credible(corners):
            return Cell("shape matrix")
    if not wrong.any():
        return Cell("periodic")
    at = int(np.argmax(wrong))
    fault = describe_fault(lengths[at], angles[at], n_atoms)
    if not wrong.all():
        raise unusable_cell_error(path, frames[at], fault, frames[int(np.argmin(wrong))])
    return Cell("ignored", f"'{path}' is used without a periodic box: {fault}.")


def credible(angles: np.ndarray) -> bool:
    """Whether angles (frame, 3) in degrees are those of cells that simulations use."""
    return bool(((angles >= CREDIBLE_ANGLES[0]) & (angles <= CREDIBLE_ANGLES[1])).all())


def unusable_cell_error(path: str | Path, frame: int, fault: str, good: int) -> FelError:
    return FelError(
        f"'{path}': frame {frame} has no usable periodic box ({fault}), frame {good} has one.",
        "Either all frames of a file have a box or none.",
        "Write the box of each frame (gmx trjconv -box, cpptraj box), or leave that frame out.",
    )


def from_shape_matrix(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths (frame, 3) in nm and angles (frame, 3) in degrees from CHARMM's shape matrix.

    CHARMM writes, since version 25, the symmetric matrix S with S S = H H^T, where the rows of H are the
    vectors of the cell. NaN where S is not positive definite.

    Parameters
    ----------
    records
        (frame, 6) as in DCD files: xx, xy, yy, xz, yz, zz in Angstrom.
    """
    matrices = np.asarray(records, float)[:, [0, 1, 3, 1, 2, 4, 3, 4, 5]].reshape(-1, 3, 3) / 10
    positive = np.zeros(len(matrices), bool)
    finite = np.isfinite(matrices).all(axis=(1, 2))
    positive[finite] = (np.linalg.eigvalsh(matrices[finite]) > 0).all(axis=1)
    matrices[~positive] = np.nan
    metric = matrices @ matrices
    sides = np.sqrt(np.diagonal(metric, axis1=1, axis2=2))
    cosines = np.stack([metric[:, i, j] / (sides[:, i] * sides[:, j]) for i, j in ((1, 2), (0, 2), (0, 1))])
    corners = np.degrees(np.arccos(np.clip(cosines.T, -1, 1)))
    return sides.astype(np.float32), corners.astype(np.float32)
