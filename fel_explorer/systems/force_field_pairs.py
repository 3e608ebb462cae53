"""Energies of pairs of atoms of many conformations at once: Coulomb, Lennard-Jones, GBSA-OBC, as in OpenMM.

Everywhere r is (pair, conformation), in nm.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

COULOMB = 138.93545764438198  # 1 / (4 pi epsilon0) in kJ/mol nm/e^2, OpenMM's value
OFFSET = 0.009  # nm, from the radius of an atom to its dielectric radius
ALPHA, BETA, GAMMA = 1.0, 0.8, 4.85  # of OBC II
PROBE = 0.14  # nm, radius of a water molecule


class Nonbonded:
    """sum k qq / r + 4 epsilon [(sigma / r)^12 - (sigma / r)^6] over the first of all pairs.

    Charges' products qq (pair) in e^2, sigma (pair) in nm, epsilon (pair) in kJ/mol, only of the pairs that
    interact: r may hold more, after these.
    """

    def __init__(self, charge_products: Tensor, sigma: Tensor, epsilon: Tensor) -> None:
        self.coulomb = COULOMB * charge_products[:, None]
        # A zero sigma with a zero epsilon keeps 0 * inf, NaN in single precision, out of overlapping atoms.
        self.sigma = torch.where(epsilon == 0, 0, sigma)[:, None]
        self.epsilon = 4 * epsilon[:, None]

    def __call__(self, r: Tensor) -> Tensor:
        inverse = 1 / r[: len(self.sigma)]
        third = (self.sigma * inverse) ** 3
        sixth = third * third
        return (self.coulomb * inverse + self.epsilon * (sixth * (sixth - 1))).sum(0)


class ImplicitSolvent:
    """Generalised Born energy with Born radii by OBC II, and the surface term of ACE.

    ``pairs`` (2, pair) are the atoms of each distance; charges (atom) in e, radii (atom) in nm, scale factors
    (atom); relative permittivities; ``surface_tension`` in kJ/mol/nm^2.

    Source: A. Onufriev, D. Bashford and D. A. Case, Proteins 55, 383 (2004), doi:10.1002/prot.20033; the
    formulas of OpenMM's GBSAOBCForce.
    """

    def __init__(
        self,
        pairs: Tensor,
        charges: Tensor,
        radii: Tensor,
        scales: Tensor,
        *,
        solute_dielectric: float,
        solvent_dielectric: float,
        surface_tension: float,
    ) -> None:
        self.pairs, self.radii = pairs, radii[:, None]
        self.dielectric = self.radii - OFFSET
        # Each pair descreens both ways: the first atoms by the second, then the second by the first.
        self.screened = pairs.reshape(-1)
        by = pairs.flip(0).reshape(-1)
        self.own = self.dielectric[self.screened]
        self.other = (scales[:, None] * self.dielectric)[by]
        self.twice_own_inverse, self.other_squared = 2 / self.own, self.other**2
        prefactor = -COULOMB * (1 / solute_dielectric - 1 / solvent_dielectric)
        self.products = prefactor * (charges[pairs[0]] * charges[pairs[1]])[:, None]
        self.selves = 0.5 * prefactor * charges[:, None] ** 2
        self.surface = 4 * math.pi * surface_tension * (self.radii + PROBE) ** 2 * self.radii**6

    def __call__(self, r: Tensor) -> Tensor:
        born = self.born_radii(r)
        first, second = (born.index_select(0, atoms) for atoms in self.pairs)
        product, square = first * second, r * r
        screened = (square + product * torch.exp(-0.25 * square / product)).rsqrt()
        energy = (self.products * screened).sum(0) + (self.selves / born).sum(0)
        return energy + (self.surface / (born**3) ** 2).sum(0)

    def born_radii(self, r: Tensor) -> Tensor:
        """Born radii (atom, conformation) in nm."""
        descreening = r.new_zeros(len(self.radii), r.shape[1]).index_add(
            0, self.screened, self._descreening(r)
        )
        psi = 0.5 * self.dielectric * descreening
        tanh = torch.tanh(psi * (ALPHA - psi * (BETA - psi * GAMMA)))
        return 1 / (1 / self.dielectric - tanh / self.radii)

    def _descreening(self, r: Tensor) -> Tensor:
        """Integral (2 pair, conformation) of 1 / r^4 over the part of the other atom outside of one's own."""
        inverse = 1 / r
        r, inverse = torch.cat([r, r]), torch.cat([inverse, inverse])
        inside, reach = self.other - r, self.other + r
        nearest = torch.maximum(self.own, inside.abs())
        lower, upper = 1 / nearest, 1 / reach
        # An atom that lies within the other counts twice what is between its own surface and the other's.
        start = torch.where(inside > self.own, self.twice_own_inverse - lower, lower)
        quadratic = 0.25 * (r - self.other_squared * inverse) * (upper * upper - lower * lower)
        integral = start - upper + quadratic + 0.5 * inverse * torch.log(nearest * upper)
        return torch.where(reach > self.own, integral, 0)
