"""CVs as text of PLUMED's ANN action, which needs no LibTorch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from fel_explorer.methods.base import Method
from fel_explorer.sampling.cv_function import map_of

LINEAR, TANH = "Linear", "Tanh"


def dense_layers(method: Method) -> list[tuple[np.ndarray, np.ndarray, str]] | None:
    """(weight (out, in), bias (out,), "Linear" or "Tanh") of each layer from features to CV, float64.

    None where the CV is not a chain of such layers: ANN knows no other.
    """
    transform = map_of(method)
    layers = method.dense_layers()
    return _affine(transform, len(method.fitted_feature_names())) if layers is None else layers


@torch.no_grad()
def _affine(transform, n: int):
    """The layer of a linear method, from its values at unit vectors."""
    corners = torch.cat([torch.zeros(1, n), torch.eye(n)]).float()
    values = transform(corners).double().cpu()
    bias, weight = values[0], (values[1:] - values[0]).T
    probe = 10.0 * torch.randn((20, n), generator=torch.Generator().manual_seed(0))
    expected = transform(probe).double().cpu()
    size = expected.abs().max().clamp(min=1e-12)
    if (probe.double() @ weight.T + bias - expected).abs().max() > 1e-4 * size:
        return None
    return [(weight.numpy(), bias.numpy(), LINEAR)]


def ann_action(layers: Sequence[tuple[np.ndarray, np.ndarray, str]], label: str, arguments: list[str]) -> str:
    """The ANN action ``label`` on the PLUMED values ``arguments``; its outputs are label.node-0, ..."""
    nodes = [layers[0][0].shape[1], *(len(bias) for _, bias, _ in layers)]
    lines = [
        f"{label}: ANN ...",
        f"  ARG={','.join(arguments)}",
        f"  NUM_LAYERS={len(nodes)}",
        f"  NUM_NODES={','.join(map(str, nodes))}",
        f"  ACTIVATIONS={','.join(name for _, _, name in layers)}",
    ]
    for index, (weight, bias, _) in enumerate(layers):
        lines += [f"  WEIGHTS{index}={_numbers(weight)}", f"  BIASES{index}={_numbers(bias)}"]
    return "\n".join([*lines, "..."])


def _numbers(values) -> str:
    return ",".join(f"{value:.9g}" for value in np.ravel(values))
