"""Regions of the Ramachandran map, fine and coarse."""

from __future__ import annotations

import numpy as np

REGIONS = ("alpha-R", "beta", "PPII", "C7eq", "alpha-L", "C7ax", "extended (phi > 0)")
COARSE = {"beta": "extended", "PPII": "extended", "C7eq": "extended"}  # others are their own
SIDES = ("phi < 0", "phi > 0")
SIDE = {name: SIDES[i > 3] for i, name in enumerate(REGIONS)}


def ramachandran_region(phi: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """Region of the Ramachandran map of each frame, as an index into `REGIONS`.

    Left of phi = 0: right-handed helix where psi is between -120 and 50 degrees, C7 equatorial where it is
    below 100 and phi above -110, else beta (phi below -100) or polyproline II. Right of it: left-handed helix
    where psi is between -30 and 120, C7 axial below that down to -120, else extended.

    Parameters
    ----------
    phi, psi
        (frame,) in degrees.

    Returns
    -------
    numpy.ndarray
        (frame,) int.

    Source: S. Hollingsworth and P. Karplus, BioMol Concepts 1, 271 (2010), doi:10.1515/bmc.2010.022, for the
    regions; the straight borders, the two C7 conformations of the alanine dipeptide among them, and the last
    name are this package's own.
    """
    phi, psi = ((np.asarray(angle, float) + 180) % 360 - 180 for angle in (phi, psi))
    left = np.where(phi < -100, 1, 2)
    left = np.where((psi > 50) & (psi < 100) & (phi > -110), 3, left)
    left = np.where((psi > -120) & (psi <= 50), 0, left)
    right = np.where((psi > -30) & (psi < 120), 4, np.where((psi > -120) & (psi <= -30), 5, 6))
    return np.where(phi < 0, left, right)


def group_of_region(step: int) -> dict[str, str]:
    """``{region: its group}`` at a step: 0 the regions, 1 coarse ones, 2 the sides of phi = 0."""
    return [{name: name for name in REGIONS}, {n: COARSE.get(n, n) for n in REGIONS}, SIDE][step]
