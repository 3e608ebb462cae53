"""Structures given latents by flow matching in internal coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import param
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fel_explorer.methods.latent_simulator.decoder import Decoder
from fel_explorer.methods.latent_simulator.internal_coordinates import wrap
from fel_explorer.methods.latent_simulator.internal_features import InternalFeatures
from fel_explorer.methods.nets import mlp
from fel_explorer.methods.registry import register_model
from fel_explorer.training.loop import Losses

FREQUENCIES = 4  # of the flow's time, in the network's input
HARMONICS = 3  # of each torsion that turns, in the network's input
TURN = math.pi / math.sqrt(3.0)  # spread of the difference of two random angles


class Velocity(nn.Module):
    """The velocity field v(x, t; latents) of a flow from noise at t = 0 to structures at t = 1.

    x (frame, feature) are components of unit variance, then ``n_turns`` angles in radians.
    """

    def __init__(
        self, n_latents: int, n_features: int, n_turns: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.n_features, self.n_turns = n_features, n_turns
        n_in = n_features + (2 * HARMONICS - 1) * n_turns + n_latents + 1 + 2 * FREQUENCIES
        self.net = mlp([n_in, *hidden, n_features], generator)
        for parameter in self.net[-1].parameters():  # untrained, the flow leaves noise as it is
            nn.init.zeros_(parameter)
        scale = torch.full((n_features,), math.pi / 2)
        scale[n_features - n_turns :] = TURN
        self.register_buffer("scale", scale)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Components and angles."""
        return x[:, : self.n_features - self.n_turns], x[:, self.n_features - self.n_turns :]

    def forward(
        self,
        x: Float[Tensor, "frame feature"],
        t: Float[Tensor, "frame 1"],
        latents: Float[Tensor, "frame cv"],
    ) -> Float[Tensor, "frame feature"]:
        components, angles = self.split(x)
        turns = [k * angles for k in range(1, HARMONICS + 1)]
        times = math.pi * t * torch.arange(1, FREQUENCIES + 1, device=x.device)
        waves = [f(a) for a in (*turns, times) for f in (torch.cos, torch.sin)]
        return self.scale * self.net(torch.cat([components, latents, t, *waves], dim=1))


@register_model
class ConditionalFlowMatching(Decoder):
    """Generates structures at points of the embedding by a flow from noise to bonds, angles and torsions.

    Structures are whitened internal coordinates x1, rebuilt atom by atom.  A network learns, given the
    latents, the velocity along paths from noise x0 to x1; Heun's method follows it.  Components of bonds,
    angles and stiff torsions go on quarter circles, x(t) = cos(pi t / 2) x0 + sin(pi t / 2) x1: there a
    normal distribution stays as it is and its velocity is 0, so that the network has only to learn what is
    not normal, and bonds keep the spread that they have in the data.  Torsions that turn start at random
    angles and take the shorter arc.

    Source: Y. Lipman et al., ICLR (2023), doi:10.48550/arXiv.2210.02747; the circles are the trigonometric
    interpolant of M. S. Albergo and E. Vanden-Eijnden, ICLR (2023), doi:10.48550/arXiv.2209.15571, the angles
    the flat torus of R. T. Q. Chen and Y. Lipman, ICLR (2024), doi:10.48550/arXiv.2302.03660. It takes the
    place of the published decoder, `ConditionalWGAN`.
    """

    representation = InternalFeatures
    _structure: InternalFeatures
    _network: Velocity

    n_steps = param.Integer(default=8000)
    batch_size = param.Integer(default=512, doc="Structures in each step.")
    learning_rate = param.Number(default=2e-3)
    hidden = param.List(default=[256, 256, 256], doc="Widths of the network's hidden layers.")
    validation_fraction = param.Number(
        default=0.0,
        doc="Fraction of the data held out to stop early by. 0 trains on everything for all steps.",
    )
    flow_steps = param.Integer(
        20,
        bounds=(1, 10_000),
        precedence=10.5,
        label="Steps of the flow",
        doc="Steps from noise to a structure. More are more exact and slower.",
    )

    def _build(self, n_features, generator):
        n_latents, n_features = self._sizes(n_features)
        return Velocity(n_latents, n_features, self._structure.n_turns, self.hidden, generator)

    def _losses(self, batch, generator):
        return Losses(self._error(batch, generator))

    def _error(self, batch, generator):
        """Mean squared error of the velocity, where 1 is that of an uninformed network.

        Components and angles count alike: the many components are mostly unpredictable noise, the few
        angles are the shape.
        """
        latents, x1, weight = self._latents_and_structure(batch)
        x1 = self._unscaled(x1, self._scaling)
        x0 = self._noise(len(x1), x1.device, generator)
        # evenly spread times instead of independent ones: less noise in the gradient
        t = torch.rand((), device=x1.device, generator=generator)
        t = ((t + torch.arange(len(x1), device=x1.device)) / len(x1))[:, None]
        x, velocity = path(x0, x1, t, self._structure.n_turns)
        error = ((self._network(x, t, latents) - velocity) / self._network.scale).square()
        kinds = [kind.mean(1) for kind in self._network.split(error) if kind.shape[1]]
        return (torch.stack(kinds).mean(0) * weight).sum() / weight.sum()

    def _figure_of_merit(self, training, held_out):
        device = held_out.frames.device
        return -float(self._error(held_out, torch.Generator(device).manual_seed(0)))  # always the same noise

    def _unscaled(self, x, scaling):
        """Components and angles of their own scale, of standardised features."""
        return x * scaling.scale[self._n_latents :] + scaling.mean[self._n_latents :]

    def _noise(self, n, device, generator):
        n_features, n_turns = self._structure.n_features, self._structure.n_turns
        x = torch.randn((n, n_features), device=device, generator=generator)
        x[:, n_features - n_turns :] = math.pi * (
            2 * torch.rand((n, n_turns), device=device, generator=generator) - 1
        )
        return x

    def _draw(self, network, latents, generator):
        x = self._noise(len(latents), latents.device, generator)
        h = 1.0 / self.flow_steps
        for step in range(self.flow_steps):
            t = torch.full_like(x[:, :1], step * h)
            slope = network(x, t, latents)
            x = x + h / 2 * (slope + network(x + h * slope, t + h, latents))
        scaling = self._scaling.to(x.device)
        return (x - scaling.mean[self._n_latents :]) / scaling.scale[self._n_latents :]


def path(x0: Tensor, x1: Tensor, t: Tensor, n_turns: int) -> tuple[Tensor, Tensor]:
    """Points (frame, feature) at times t (frame, 1) on the path from x0 to x1, and their velocities.

    The last ``n_turns`` features are angles in radians.
    """
    n_white = x0.shape[1] - n_turns
    angle = math.pi / 2 * t
    start, end = x0[:, :n_white], x1[:, :n_white]
    white = angle.cos() * start + angle.sin() * end
    swing = math.pi / 2 * (angle.cos() * end - angle.sin() * start)
    turn = wrap(x1[:, n_white:] - x0[:, n_white:])
    return torch.cat([white, x0[:, n_white:] + t * turn], dim=1), torch.cat([swing, turn], dim=1)
