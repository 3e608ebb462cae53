"""Structures given latents by a conditional Wasserstein GAN in Cartesian coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import param
import torch
from jaxtyping import Float
from torch import Tensor, nn

from fel_explorer.methods.latent_simulator.decoder import Decoder
from fel_explorer.methods.latent_simulator.internal_features import CartesianFeatures
from fel_explorer.methods.nets import mlp
from fel_explorer.methods.registry import register_model
from fel_explorer.training.loop import Losses


class Adversaries(nn.Module):
    """Generator G(noise, latents) of structures and critic C(structure, latents)."""

    def __init__(
        self, n_latents: int, n_features: int, n_noise: int, hidden: Sequence[int], generator: torch.Generator
    ) -> None:
        super().__init__()
        self.generator = mlp([n_noise + n_latents, *hidden, n_features], generator)
        self.critic = mlp([n_features + n_latents, *hidden, 1], generator)

    def make(
        self, noise: Float[Tensor, "frame noise"], latents: Float[Tensor, "frame cv"]
    ) -> Float[Tensor, "frame feature"]:
        """Structures (frame, feature)."""
        return self.generator(torch.cat([noise, latents], dim=1))

    def score(
        self, x: Float[Tensor, "frame feature"], latents: Float[Tensor, "frame cv"]
    ) -> Float[Tensor, "frame"]:
        """Scores (frame,), high for structures like the data."""
        return self.critic(torch.cat([x, latents], dim=1))[:, 0]


@register_model
class ConditionalWGAN(Decoder):
    """Generates structures at points of the embedding by a network that was trained against a critic.

    The critic distinguishes structures of the data from generated ones at the same latents, with a penalty on
    gradients other than 1; the generator learns to be taken for data.  Structures are coordinates laid on the
    first one.  The published decoder; `ConditionalFlowMatching` keeps bonds and angles much better.

    Source: H. Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, section
    2.3 and Eq. 6; I. Gulrajani et al., NeurIPS (2017), doi:10.48550/arXiv.1704.00028. As published: three
    hidden layers of 200 with Swish, 50 numbers of noise, penalty 10, 5 steps of the critic for one of the
    generator, RMSprop at 5e-5.
    """

    representation = CartesianFeatures
    _network: Adversaries
    optimizer = "rmsprop"

    n_steps = param.Integer(
        default=30_000, doc="Steps of training, those of the critic and those of the generator."
    )
    batch_size = param.Integer(default=256, doc="Structures in each step.")
    learning_rate = param.Number(
        default=5e-5, doc="Step size of the RMSprop optimizer. Take a smaller one if the losses run away."
    )
    hidden = param.List(default=[200, 200, 200], doc="Widths of the hidden layers of generator and critic.")
    validation_fraction = param.Number(
        default=0.0, bounds=(0, 0), doc="Always 0: the losses of adversaries do not show when to stop."
    )
    n_noise = param.Integer(
        50,
        bounds=(1, 10_000),
        precedence=10.5,
        label="Noise",
        doc="Random numbers from which a structure is generated.",
    )
    critic_steps = param.Integer(
        5,
        bounds=(1, 1000),
        precedence=10.6,
        label="Critic steps",
        doc="Steps of the critic for one of the generator.",
    )
    gradient_penalty = param.Number(
        10.0,
        bounds=(0, None),
        precedence=10.7,
        label="Gradient penalty",
        doc="Weight of the squared deviation of the critic's gradient from 1.",
    )

    redraws = param.Integer(0)  # as published; there is no end to clashes where geometry is not kept

    def _build(self, n_features, generator):
        return Adversaries(*self._sizes(n_features), self.n_noise, self.hidden, generator)

    def _losses(self, batch, generator):
        latents, real, weight = self._latents_and_structure(batch)
        noise = torch.randn((len(real), self.n_noise), device=real.device, generator=generator)
        trains_critic = self._step % (self.critic_steps + 1) < self.critic_steps
        self._network.critic.requires_grad_(trains_critic)
        with torch.set_grad_enabled(not trains_critic):
            made = self._network.make(noise, latents)
        fooled = (self._network.score(made, latents) * weight).mean()
        distance = (self._network.score(real, latents) * weight).mean() - fooled
        report = {"distance": distance.detach()}
        if not trains_critic:  # what the loss does not reach stays as it is
            return Losses(-fooled, None, report)
        penalty = self._penalty(real, made, latents, generator)
        return Losses(self.gradient_penalty * penalty - distance, None, report)

    def _penalty(self, real, made, latents, generator):
        mix = torch.rand((len(real), 1), device=real.device, generator=generator)
        between = (mix * real + (1 - mix) * made).requires_grad_()
        scores = self._network.score(between, latents)
        (gradient,) = torch.autograd.grad(scores.sum(), between, create_graph=True)
        return (gradient.norm(dim=1) - 1).square().mean()

    def _draw(self, network, latents, generator):
        noise = torch.randn((len(latents), self.n_noise), device=latents.device, generator=generator)
        return network.make(noise, latents)
