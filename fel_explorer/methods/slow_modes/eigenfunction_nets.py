"""Separate networks for each eigenfunction, evaluated together, with gradients with respect to the input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import block_diag
from torch import Tensor, nn


class EigenfunctionNets(nn.Module):
    """``n_functions`` networks with tanh and one output each, weights drawn from ``generator`` (CPU).

    Separate, because in common layers functions take over each other's errors; smooth, because the
    generator's loss contains their gradients.
    """

    def __init__(
        self, n_inputs: int, hidden: Sequence[int], n_functions: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        for n_in, n_out in pairwise([n_inputs, *hidden, 1]):
            for parameters, shape in ((self.weights, (n_in, n_out)), (self.biases, (1, n_out))):
                values = torch.empty(n_functions, *shape)
                values.uniform_(-(n_in**-0.5), n_in**-0.5, generator=generator)
                parameters.append(nn.Parameter(values))

    def forward(self, x: Float[Tensor, "frame input"]) -> Float[Tensor, "frame function"]:
        """Values (frame, function) at points x (frame, input)."""
        return self._evaluate(x.expand(len(self.weights[0]), *x.shape))

    def values_and_gradients(
        self, x: Float[Tensor, "frame input"]
    ) -> tuple[Float[Tensor, "frame function"], Float[Tensor, "frame function input"]]:
        """Values (frame, function) and gradients (frame, function, input), both differentiable."""
        with torch.enable_grad():
            each = x.expand(len(self.weights[0]), *x.shape)
            each = each if each.requires_grad else each.detach().requires_grad_()
            values = self._evaluate(each)  # function i sees its own copy of x: one backward pass for all
            (gradients,) = torch.autograd.grad(values.sum(), each, create_graph=True)
        return values, gradients.transpose(0, 1)

    def as_one(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight (out, in) and bias (out,) of each layer of all networks side by side, float64."""
        layers = []
        for number, parameters in enumerate(zip(self.weights, self.biases, strict=True)):
            weight, bias = (p.detach().cpu().double().numpy() for p in parameters)
            blocks = list(weight.swapaxes(1, 2))
            weight = np.concatenate(blocks) if number == 0 else block_diag(*blocks)
            layers.append((weight, bias.ravel()))
        return layers

    def _evaluate(self, each):
        """Values (frame, function) at points (function, frame, input)."""
        last = len(self.weights) - 1
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            each = torch.baddbmm(bias, each, weight)
            each = each if layer == last else each.tanh()
        return each.squeeze(2).T
