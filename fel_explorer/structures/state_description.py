"""States in words: the regions of the Ramachandran map that set them apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from fel_explorer.data.frame_values import frame_values, torsions

REGIONS = ("alpha-R", "beta", "PPII", "alpha-L", "C7ax")
MOST = 0.7  # fraction of a state's frames that a region must hold to describe it
MIN_POPULATION = 0.001
MAX_RESIDUES = 2  # in a description
CHAIN = 4  # residues from which all of them together are a helix or extended
WHOLE = {"alpha-R": "helix", "beta": "extended", "PPII": "extended"}


def ramachandran_region(phi: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """Region of the Ramachandran map of each frame, as an index into `REGIONS`.

    Left of phi = 0: right-handed helix where psi is between -120 and 50 degrees, else beta (phi below -100)
    or polyproline II. Right of it: left-handed helix (psi between 0 and 120), else C7 axial and what is near.

    Parameters
    ----------
    phi, psi
        (frame,) in degrees.

    Returns
    -------
    numpy.ndarray
        (frame,) int.

    Source: S. Hollingsworth and P. Karplus, BioMol Concepts 1, 271 (2010), doi:10.1515/bmc.2010.022, for the
    regions; the straight borders, and C7 axial as the name of the last, are this package's own.
    """
    phi, psi = ((np.asarray(angle, float) + 180) % 360 - 180 for angle in (phi, psi))
    helix = (psi > -120) & (psi < 50)
    left = np.where(helix, 0, np.where(phi < -100, 1, 2))
    return np.where(phi < 0, left, np.where((psi > 0) & (psi < 120), 3, 4))


def describe_states(states: np.ndarray | xr.DataArray, dataset: xr.Dataset) -> list[str]:
    """Short descriptions of states by the backbone regions that set them apart.

    A residue is named only where its region differs between states and holds at least 70 % of the state's
    frames; the residues that separate the states best come first. States with equal descriptions get none,
    nor do states with less than 0.1 % of the frames, which are left out of the comparison.

    Parameters
    ----------
    states
        (frame,) int state of each frame.
    dataset
        With torsions "phi RESIDUE" and "psi RESIDUE" as columns in degrees, or as cosines and sines among the
        features.

    Returns
    -------
    list of str
        (state,) such as "beta", "ALA2 alpha-R, ALA3 beta" or "helix"; "" where nothing sets a state apart.
    """
    labels = np.asarray(states)
    n_states = int(labels.max(initial=-1)) + 1
    names = torsions(dataset)
    residues = [n.removeprefix("phi ") for n in names if n.startswith("phi ") and f"psi {n[4:]}" in names]
    tables = [_fractions(labels, n_states, dataset, residue) for residue in residues]
    frames = np.bincount(labels, minlength=n_states)
    known = frames >= MIN_POPULATION * len(labels)
    telling = [_information(table, frames) for table in tables]
    order = [i for i in np.argsort(telling)[::-1] if len(set(_regions(tables[i][known]))) > 1]
    parts = [[_whole(tables, state)] for state in range(n_states)]
    for i in order[:MAX_RESIDUES]:
        prefix = f"{residues[i]} " if len(residues) > 1 else ""
        for state, region in enumerate(_regions(tables[i])):
            if region and not parts[state][0]:
                parts[state].append(prefix + region)
    said = [", ".join(filter(None, one)) if used else "" for one, used in zip(parts, known, strict=True)]
    return [one if said.count(one) == 1 else "" for one in said]


def _fractions(labels, n_states, dataset, residue):
    """Fraction (state, region) of the frames of each state."""
    angles = (frame_values(dataset, f"{kind} {residue}") for kind in ("phi", "psi"))
    cell = labels * len(REGIONS) + ramachandran_region(*angles)
    counts = np.bincount(cell, minlength=n_states * len(REGIONS)).reshape(n_states, -1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _regions(table) -> Sequence[str]:
    """The region of each state that holds most of its frames; "" where none does."""
    return [REGIONS[row.argmax()] if row.max() >= MOST else "" for row in table]


def _whole(tables, state) -> str:
    """ "helix" or "extended" where that holds for a chain as a whole."""
    kinds = {WHOLE.get(_regions(table)[state], "") for table in tables}
    return kinds.pop() if len(tables) >= CHAIN and len(kinds) == 1 else ""


def _information(table, frames) -> float:
    """Mutual information of state and region, in nats."""
    joint = table * frames[:, None] / max(frames.sum(), 1)
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    known = joint > 0
    return float((joint[known] * np.log(joint[known] / independent[known])).sum())
