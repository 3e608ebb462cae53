"""ln q(x) of a latent density by quadrature over z, refined for each sample until it is stable.

A grid over all z costs its size for every sample; where q(x|z) is narrow it must be fine, but only few z
matter to a sample then.  So each refinement halves the spacing and keeps, for each sample that still changes,
the neighbourhoods of the nodes that hold its density.
"""

from __future__ import annotations

import warnings
from itertools import product
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from fel_explorer.methods.embedded_physics.density import LatentDensity

TOLERANCE = 0.01  # of ln q between spacings, where q is largest
FAR = 10.0  # in ln q below the largest: there the tolerance doubles, at twice as far it triples, ...
STABLE = 2  # refinements in a row with changes below it: one can be chance,
CERTAIN = 1e-3  # unless its change is below this
MAX_REFINEMENTS = 7  # each halves the spacing
NEGLIGIBLE = 13.0  # nodes so far in ln below the best of a sample are left out
CHUNK = 2**19  # terms of samples and nodes at once


@torch.no_grad()
def refined_log_prob(model: LatentDensity, x: Tensor) -> Tensor:
    """ln q(x) (sample,), float64, of a `LatentDensity`; a warning where it is not stable in the end.

    Without a quadrature (more than two CVs) it is ``model.log_prob(x)``.
    """
    if not model.exact:
        return model.log_prob(x).double()
    terms = model.log_components(x).double()
    found = torch.logsumexp(terms, 1)
    n_axis = round(len(model.nodes) ** (1 / model.n_dims))
    sample, node = torch.nonzero(terms > terms.max(1, keepdim=True).values - NEGLIGIBLE, as_tuple=True)
    del terms
    change, stable = torch.zeros_like(found), torch.zeros(len(x), dtype=torch.long, device=x.device)
    for _ in range(MAX_REFINEMENTS):
        sample, node, n_axis = _children(sample, node, n_axis, model.n_dims)
        values = _terms(model, x, sample, node, n_axis)
        finer, best = _log_sums(values, sample, len(x))
        used = torch.isfinite(finer)
        change = torch.where(used, (finer - found).abs(), 0.0)
        found = torch.where(used, finer, found)
        tolerance = TOLERANCE * (1 + (found.max() - found) / FAR)
        stable = torch.where(change > tolerance, 0, stable + 1)
        stable = torch.where(change < CERTAIN, STABLE, stable)
        kept = (stable[sample] < STABLE) & (values > best[sample] - NEGLIGIBLE)
        sample, node = sample[kept], node[kept]
        if not len(sample):
            return found
    unstable = change > tolerance
    if not unstable.any():
        return found
    warnings.warn(
        f"ln q(x) of {int(unstable.sum())} of {len(x)} samples is not stable: halving the finest spacing of z"
        f" changed it by up to {float(change.max()):.2g}. The model's noise is too narrow for its CVs:"
        " importance weights of these samples are rough.",
        stacklevel=2,
    )
    return found


def _children(sample, node, n_axis, n_dims):
    """Nodes of the grid with half the spacing next to the given ones, each once for its sample."""
    finer = 2 * n_axis - 1
    index = torch.stack([node // n_axis**power % n_axis for power in reversed(range(n_dims))], 1)
    steps = torch.tensor(list(product((-1, 0, 1), repeat=n_dims)), device=node.device)
    index = (2 * index[:, None] + steps).reshape(-1, n_dims)
    sample = sample.repeat_interleave(len(steps))
    inside = ((index >= 0) & (index < finer)).all(1)
    number = torch.zeros_like(sample)
    for column in index.T:
        number = number * finer + column
    both = torch.unique(sample[inside] * finer**n_dims + number[inside])
    return both // finer**n_dims, both % finer**n_dims, finer


def _terms(model, x, sample, node, n_axis):
    """ln of weight times density (term,), float64."""
    nodes, which = torch.unique(node, return_inverse=True)
    z, log_weight = model.grid(nodes, n_axis)
    mean = torch.cat([model.mean(part) for part in z.split(CHUNK)])
    parts = zip(sample.split(CHUNK), which.split(CHUNK), strict=True)
    terms = [model.log_conditional(x[s], mean[w]).double() + log_weight[w] for s, w in parts]
    return torch.cat(terms)


def _log_sums(values, sample, n):
    """ln of the sum of exp(values) and the largest value of each sample, -inf without any."""
    empty = torch.full((n,), -torch.inf, dtype=values.dtype, device=values.device)
    best = empty.scatter_reduce(0, sample, values, "amax")
    sums = torch.zeros_like(empty).index_add(0, sample, (values - best[sample]).exp())
    return torch.where(torch.isfinite(best), sums.log() + best, empty), best
