"""Coordinates as arrays (atom, 3): rigid fits, torsions, rotations of branches, molecules from distances."""

from __future__ import annotations

import numpy as np
import scipy  # its parts are imported when they are used


def fit(mobile: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and shift (3,) so that ``mobile @ rotation + shift`` is closest to ``target``.

    Least squares over proper rotations, both (atom, 3).

    Source: W. Kabsch, Acta Cryst. A 32, 922 (1976), doi:10.1107/S0567739476001873.
    """
    mobile_centre, target_centre = mobile.mean(0), target.mean(0)
    u, _, vt = np.linalg.svd((mobile - mobile_centre).T @ (target - target_centre))
    handedness = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    rotation = u @ np.diag([1.0, 1.0, handedness]) @ vt
    return rotation, target_centre - mobile_centre @ rotation


def rmsd(mobile: np.ndarray, target: np.ndarray) -> float:
    """Root-mean-square deviation after the best rigid fit, in the coordinates' unit."""
    rotation, shift = fit(mobile, target)
    return float(np.sqrt(np.mean(np.sum((mobile @ rotation + shift - target) ** 2, axis=1))))


def distances(xyz: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Distance of each pair (pair, 2) of rows of ``xyz`` (atom, 3)."""
    return np.linalg.norm(xyz[pairs[:, 1]] - xyz[pairs[:, 0]], axis=1)


def torsions(xyz: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Torsion angle in radians of each quadruple (torsion, 4) of rows of ``xyz``, IUPAC sign."""
    first, axis, last = (xyz[quads[:, i + 1]] - xyz[quads[:, i]] for i in range(3))
    normal, other = np.cross(first, axis), np.cross(axis, last)
    length = np.linalg.norm(axis, axis=1)
    return np.arctan2(length * np.sum(first * other, axis=1), np.sum(normal * other, axis=1))


def rotate_about(xyz: np.ndarray, start: np.ndarray, end: np.ndarray, angle: float) -> np.ndarray:
    """``xyz`` (atom, 3) turned by ``angle`` (radians, right-handed) about the axis ``start`` to ``end``."""
    axis = (end - start) / np.linalg.norm(end - start)
    arm = xyz - start
    along = np.outer(arm @ axis, axis)
    return start + along + (arm - along) * np.cos(angle) + np.cross(axis, arm) * np.sin(angle)


def is_rigid(n_atoms: int, pairs: np.ndarray) -> bool:
    """Whether distances of ``pairs`` fix a molecule in space up to its mirror image, for generic positions.

    The rigidity matrix then has rank 3 n - 6 (L. Asimow and B. Roth, Trans. Am. Math. Soc. 245, 279 (1978),
    doi:10.1090/S0002-9947-1978-0511410-9).
    """
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    if n_atoms < 3 or len(pairs) < 3 * n_atoms - 6:
        return n_atoms == 3 and len(pairs) == 3
    if len(pairs) == n_atoms * (n_atoms - 1) // 2:
        return True
    xyz = np.random.default_rng(0).normal(size=(n_atoms, 3))
    bond = xyz[pairs[:, 1]] - xyz[pairs[:, 0]]
    gram = np.zeros((n_atoms, 3, n_atoms, 3))
    outer = bond[:, :, None] * bond[:, None, :]
    for sign, row, column in ((1, 0, 0), (1, 1, 1), (-1, 0, 1), (-1, 1, 0)):
        for axis in range(3):
            place = pairs[:, row], np.full(len(pairs), axis), pairs[:, column]
            np.add.at(gram, place, sign * outer[:, axis])
    values = np.linalg.eigvalsh(gram.reshape(3 * n_atoms, 3 * n_atoms))
    return int(np.sum(values > 1e-9 * values[-1])) == 3 * n_atoms - 6


def embed_distances(matrix: np.ndarray) -> np.ndarray:
    """Coordinates (atom, 3) whose distances are closest to ``matrix`` (atom, atom): classical scaling.

    Source: W. S. Torgerson, Psychometrika 17, 401 (1952), doi:10.1007/BF02288916.  Exact where the matrix is
    that of points in space.
    """
    n = len(matrix)
    centring = np.eye(n) - 1.0 / n
    values, vectors = np.linalg.eigh(-0.5 * centring @ matrix**2 @ centring)
    return vectors[:, -3:] * np.sqrt(np.maximum(values[-3:], 0.0))


def refine_distances(xyz: np.ndarray, pairs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Coordinates near ``xyz`` (atom, 3) that minimise the squared errors of the distances of ``pairs``."""

    def stress(flat):
        positions = flat.reshape(-1, 3)
        bond = positions[pairs[:, 1]] - positions[pairs[:, 0]]
        length = np.maximum(np.linalg.norm(bond, axis=1), 1e-12)
        error = length - targets
        pull = (2 * error / length)[:, None] * bond
        gradient = np.zeros_like(positions)
        np.add.at(gradient, pairs[:, 1], pull)
        np.add.at(gradient, pairs[:, 0], -pull)
        return float(error @ error), gradient.ravel()

    options = {"maxiter": 500, "ftol": 1e-14, "gtol": 1e-9}
    return scipy.optimize.minimize(
        stress, xyz.ravel(), jac=True, method="L-BFGS-B", options=options
    ).x.reshape(-1, 3)


def radius_of_gyration(xyz: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Mass-weighted root-mean-square distance (frame,) of atoms from their centre of mass.

    Not `mdtraj.compute_rg`, which weighs by mass about the centre of geometry.

    Parameters
    ----------
    xyz
        (frame, atom, 3) positions.
    masses
        (atom,), not all of them zero.
    """
    weights = (np.asarray(masses, float) / np.sum(masses)).astype(xyz.dtype)
    centred = xyz - np.einsum("fad,a->fd", xyz, weights)[:, None]
    return np.sqrt(np.einsum("fad,fad,a->f", centred, centred, weights, optimize=True))
