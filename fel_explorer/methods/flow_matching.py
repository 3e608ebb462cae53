"""Structures given latents by flow matching in internal coordinates."""

from __future__ import annotations

import math

import param
import torch
from torch import Tensor, nn

from fel_explorer.methods.base import register_model
from fel_explorer.methods.decoder import Decoder
from fel_explorer.methods.internal_features import InternalFeatures
from fel_explorer.methods.nets import mlp
from fel_explorer.training.loop import Losses

FREQUENCIES = 4  # of the flow's time, in the network's input


class Velocity(nn.Module):
    """The velocity field v(x, t; latents) of a flow from noise at t = 0 to structures at t = 1."""

    def __init__(self, n_latents: int, n_features: int, hidden, generator: torch.Generator):
        super().__init__()
        n_in = n_features + n_latents + 1 + 2 * FREQUENCIES
        self.net = mlp([n_in, *hidden, n_features], generator)

    def forward(self, x: Tensor, t: Tensor, latents: Tensor) -> Tensor:
        angle = math.pi * t * torch.arange(1, FREQUENCIES + 1, device=x.device)
        return self.net(torch.cat([x, latents, t, angle.cos(), angle.sin()], dim=1))


@register_model
class ConditionalFlowMatching(Decoder):
    """Draws structures at points of the embedding: a flow carries noise to bonds, angles and torsions.

    A network learns the velocity x1 - x0 of straight lines from noise x0 to structures x1, given the point on
    the line, the time and the latents; Heun's method follows it.  Structures are whitened internal
    coordinates, rebuilt atom by atom, so that bonds and angles have the spread that they have in the data.

    Source: Lipman et al., ICLR 2023 (arXiv:2210.02747), Eq. 23 with sigma_min = 0.  The modern form of the
    decoder of paper 002.
    """

    representation = InternalFeatures

    n_steps = param.Integer(
        4000,
        bounds=(1, 10_000_000),
        precedence=1.3,
        label="Training steps",
        doc="Steps of training at most; it stops earlier when held-out data no longer gain.",
    )
    batch_size = param.Integer(
        512, bounds=(2, None), precedence=10, label="Batch size", doc="Structures in each step."
    )
    hidden = param.List(
        [256, 256, 256],
        item_type=int,
        bounds=(0, 10),
        precedence=10.2,
        label="Hidden layers",
        doc="Widths of the network's hidden layers.",
    )
    validation_fraction = param.Number(
        0.0,
        bounds=(0, 0.9),
        precedence=10.4,
        label="Validation share",
        doc="Share of the data held out to stop early by. 0 trains on everything for all steps.",
    )
    flow_steps = param.Integer(
        20,
        bounds=(1, 10_000),
        precedence=10.5,
        label="Steps of the flow",
        doc="Steps from noise to a structure. More are more exact and slower.",
    )

    def _build(self, n_features, generator):
        return Velocity(*self._sizes(n_features), self.hidden, generator)

    def _losses(self, batch, generator):
        latents, x1, weight = self._latents_and_structure(batch)
        x0 = torch.randn(x1.shape, device=x1.device, generator=generator)
        t = torch.rand((len(x1), 1), device=x1.device, generator=generator)
        return Losses(self._error(x0, x1, t, latents, weight))

    def _error(self, x0, x1, t, latents, weight):
        velocity = self._network(x0 + t * (x1 - x0), t, latents)
        return ((velocity - (x1 - x0)).square().mean(1) * weight).sum() / weight.sum()

    def _figure_of_merit(self, training, held_out):
        latents, x1, weight = self._latents_and_structure(held_out)
        generator = torch.Generator(x1.device).manual_seed(0)  # the same noise at each validation
        x0 = torch.randn(x1.shape, device=x1.device, generator=generator)
        t = torch.rand((len(x1), 1), device=x1.device, generator=generator)
        return -float(self._error(x0, x1, t, latents, weight))

    def _draw(self, network, latents, generator):
        n_features = network.net[-1].out_features
        x = torch.randn((len(latents), n_features), device=latents.device, generator=generator)
        h = 1.0 / self.flow_steps
        for step in range(self.flow_steps):
            t = torch.full_like(x[:, :1], step * h)
            slope = network(x, t, latents)
            x = x + h / 2 * (slope + network(x + h * slope, t + h, latents))
        return x
