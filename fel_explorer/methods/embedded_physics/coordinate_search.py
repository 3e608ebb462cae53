"""Coordinates of a molecule from its energies near a minimum."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from fel_explorer.errors import FelError
from fel_explorer.methods.embedded_physics.rotors import folds, mean_turns, rotors_of
from fel_explorer.methods.latent_simulator.internal_coordinates import ZMatrix, to_internal, to_space

if TYPE_CHECKING:
    from fel_explorer.methods.embedded_physics.coordinates import MoleculeCoordinates

UNITS = (0.003, 0.05, 0.1)  # nm, radians, radians: typical spreads of bonds, angles and stiff torsions
DIFFERENCE = 1e-3  # of these, for the Hessian
SOFTEST = 0.1  # curvature, in kT, below which a stiff direction is taken to be as soft as this
RIGID = 15.0  # kT that a quarter turn either way costs at least where a torsion does not turn
ITERATIONS = 2000  # of L-BFGS
SHAKEN, SHAKE = 3, 0.3  # conformations, and displacement in units, by which equal atoms are recognised
SCAN = 36  # places in a turn, of which the highest is looked for
QUARTERS = [SCAN // 4, 3 * SCAN // 4]

Energy = Callable[[Tensor], Tensor]


class Found(NamedTuple):
    """A molecule's minimum: ``internal`` (3 atom - 6,) with mean turns of rotors, ``units`` its scales."""

    matrix: ZMatrix
    free: Tensor
    fold: Tensor
    seam: Tensor
    internal: Tensor
    units: Tensor


def find_minimum(energy: Energy, structure: Tensor, matrix: ZMatrix) -> Found:
    """Find the minimum near ``structure`` (atom, 3) in nm, and which of its coordinates are stiff."""
    internal = _minimum(energy, torch.cat(to_internal(structure[None].double(), matrix), dim=1)[0], matrix)
    scan = _scan(energy, internal, matrix)
    free = torch.as_tensor(matrix.leader.copy()) < 0
    free[free.clone()] = scan[:, QUARTERS].amin(1) - scan[:, 0] < RIGID
    fold = folds(energy, _shaken(internal, matrix), matrix, free)
    seam = torch.full((len(free),), math.nan, dtype=internal.dtype)
    leads = torch.as_tensor(matrix.leader.copy()) < 0
    seam[leads] = internal[-len(free) :][leads] + 2 * math.pi / SCAN * scan.argmax(1)
    seam[~free | (fold > 1)] = math.nan
    torsions = internal[-len(free) :]
    turns = mean_turns(torsions[None], rotors_of(matrix, fold, torsions))[0]
    internal = torch.cat([internal[: -len(free)], turns])
    return Found(matrix, free, fold, seam, internal, _units(matrix))


def order_by_stiffness(free: Tensor) -> Tensor:
    """(3 atom - 6,) indices of stiff ones, then of free ones, into bonds, angles and torsions."""
    stiff = torch.cat([torch.ones(2 * len(free) + 3, dtype=torch.bool, device=free.device), ~free])
    return torch.argsort((~stiff).long(), stable=True)


def _conformations(internal: Tensor, matrix: ZMatrix) -> Tensor:
    n_atoms = len(matrix.order)
    bonds, angles, torsions = internal.split([n_atoms - 1, n_atoms - 2, n_atoms - 3], dim=1)
    return to_space(bonds, angles, torsions, matrix)


def _units(matrix: ZMatrix) -> Tensor:
    n_atoms = len(matrix.order)
    return torch.repeat_interleave(
        torch.tensor(UNITS, dtype=torch.float64), torch.tensor([n_atoms - 1, n_atoms - 2, n_atoms - 3])
    )


def _minimum(energy: Energy, internal: Tensor, matrix: ZMatrix) -> Tensor:
    """Internal coordinates (3 atom - 6,) of the minimum nearby."""
    units = _units(matrix)
    step = torch.zeros_like(internal, requires_grad=True)
    optimizer = torch.optim.LBFGS([step], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        total = energy(_conformations((internal + units * step)[None], matrix)).sum().cpu()
        total.backward()
        return total

    optimizer.step(closure)
    found = (internal + units * step).detach()
    if not found.isfinite().all():
        raise FelError(
            "The structure cannot be minimised.",
            "It is a conformation (atom, 3) in nm, in the order of the System's atoms.",
            "Check the units (nm) and the atoms.",
        )
    return found


@torch.no_grad()
def _scan(energy: Energy, internal: Tensor, matrix: ZMatrix) -> Tensor:
    """Energies (leading torsion, place) in kT of whole turns of each, from the minimum on."""
    torsions = torch.nonzero(torch.as_tensor(matrix.leader.copy()) < 0)[:, 0] + 2 * len(matrix.order) - 3
    trials = internal.repeat(len(torsions), SCAN, 1)
    for row, torsion in enumerate(torsions.tolist()):
        trials[row, :, torsion] += 2 * math.pi / SCAN * torch.arange(SCAN)
    energies = energy(_conformations(trials.flatten(0, 1), matrix)).cpu().reshape(-1, SCAN)
    return torch.nan_to_num(energies, nan=torch.inf)


def _shaken(internal: Tensor, matrix: ZMatrix) -> Tensor:
    """The minimum, then conformations near it, (sample, atom, 3)."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(SHAKEN, len(internal), generator=generator, dtype=internal.dtype)
    noise = torch.cat([torch.zeros_like(noise[:1]), noise])
    return _conformations(internal + SHAKE * noise * _units(matrix), matrix)


def colouring_matrix(energy: Energy, plain: MoleculeCoordinates) -> Tensor:
    """(stiff, stiff) square root of the inverse Hessian of U / kT - ln volume at the minimum.

    ``plain`` are coordinates that are not coloured yet.  By central differences of gradients, at fixed turns.
    """
    n = plain.n_stiff
    minimum = torch.cat([torch.zeros(n, dtype=torch.float64), plain.start[n:]])
    steps = DIFFERENCE * torch.eye(n, len(minimum), dtype=torch.float64)
    y = (minimum + torch.cat([steps, -steps])).requires_grad_()
    value = energy(plain.to_space(y)).cpu() - plain.log_volume(y)
    (gradient,) = torch.autograd.grad(value.sum(), y)
    hessian = (gradient[:n] - gradient[n:])[:, :n] / (2 * DIFFERENCE)
    curvature, axes = torch.linalg.eigh((hessian + hessian.T) / 2)
    spread = curvature.clamp(min=SOFTEST).rsqrt()
    return (axes * spread).T
