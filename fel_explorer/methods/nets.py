"""Small networks with seeded weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from fel_explorer.training.data import Scaling


def on_features(weight: np.ndarray, bias: np.ndarray, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """A linear layer (out, kept) and (out,) on standardised features, as one on the features themselves."""
    mean, scale = (getattr(scaling, name).cpu().double().numpy() for name in ("mean", "scale"))
    whole = np.zeros((len(weight), len(mean)))
    whole[:, scaling.keep.cpu().numpy()] = weight
    return whole / scale, bias - whole @ (mean / scale)


def mlp(
    sizes: Sequence[int], generator: torch.Generator, activation: type[nn.Module] = nn.SiLU
) -> nn.Sequential:
    """Linear layers of the given sizes with ``activation`` between, weights drawn from ``generator`` (CPU).

    torch's default initialisation, but without its global random state, which other threads share.
    """
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes):
        linear = nn.utils.skip_init(nn.Linear, n_in, n_out)
        with torch.no_grad():
            for parameter in (linear.weight, linear.bias):
                parameter.uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def output_layer(network: nn.Sequential) -> nn.Linear:
    """The last layer of an `mlp`."""
    last = network[-1]
    assert isinstance(last, nn.Linear)
    return last
