"""The autoencoder of W. Zhang's slides [zhang2024slides] with its own settings, in a loop as plain as theirs.

Encoder 2-30-30-30-30-1 and decoder 1-30-30-30-2 with tanh on raw coordinates, Adam at .005, 70,000 of the
100,000 points drawn anew in each of 2000 epochs, no schedule, no clipping, nothing held out.  The
regularizer is that of slide loss 8: two networks 1-10-10-1 on the embedding, the published loss (omega 1 and
.8, alpha 20) of the generator, weight 1 next to gamma_1 = .1 of the reconstruction.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from fel_explorer.methods.slow_modes import eigenfunction_objective as objective
from fel_explorer.methods.slow_modes.eigenfunction_nets import EigenfunctionNets

SEED = 2046  # as on the slide
BATCH = 70_000
EPOCHS = 2000
LEARNING_RATE = 5e-3
GAMMA = (0.1, 1.0)  # weights of reconstruction and regularizer
OMEGA, ALPHA = (1.0, 0.8), 20.0
CHUNK = 4096  # of a batch at once, which fits the processor's cache: twice as fast, the same gradient


def tanh_net(sizes) -> nn.Sequential:
    """Linear layers of the given sizes with tanh between them."""
    layers = [layer for widths in pairwise(sizes) for layer in (nn.Linear(*widths), nn.Tanh())]
    return nn.Sequential(*layers[:-1])


class SlidesAutoencoder:
    """Has `transform` and `inverse_transform` as a method of the library; points are (frame, 2) arrays."""

    def __init__(self, regularised: bool, *, seed: int = SEED, epochs: int = EPOCHS, batch: int = BATCH):
        self.regularised, self.seed, self.epochs, self.batch = regularised, seed, epochs, batch

    def fit(self, x, diffusion: float) -> SlidesAutoencoder:
        """Train on points (frame, 2) of overdamped dynamics with this diffusion coefficient."""
        torch.manual_seed(self.seed)
        self.encoder = tanh_net([2, 30, 30, 30, 30, 1])
        self.decoder = tanh_net([1, 30, 30, 30, 2])
        self.modes = EigenfunctionNets(1, [10, 10], 2, torch.Generator().manual_seed(self.seed))
        self.diffusion = torch.tensor([diffusion])
        x = torch.as_tensor(np.asarray(x), dtype=torch.float32)
        networks = [self.encoder, self.decoder, *([self.modes] if self.regularised else [])]
        parameters = [p for network in networks for p in network.parameters()]
        optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
        for _ in range(self.epochs):
            batch = x[torch.randperm(len(x))[: self.batch]]
            optimizer.zero_grad()
            for part in batch.split(self.batch if self.regularised else CHUNK):
                (self._loss(part) * (len(part) / len(batch))).backward()
            optimizer.step()
        return self

    def _loss(self, x):
        x = x.requires_grad_(self.regularised)
        z = self.encoder(x)
        error = (self.decoder(z) - x.detach()).square().sum(1).mean()
        if not self.regularised:
            return error
        values, by_z = self.modes.values_and_gradients(z)
        (slope,) = torch.autograd.grad(z.sum(), x, create_graph=True)
        gamma = objective.carre_du_champ(by_z * slope[:, None, :], self.diffusion)
        forms = objective.generator_forms(values, gamma, torch.ones(len(x)))
        regularizer = objective.penalty_loss(*forms, torch.tensor(OMEGA, dtype=torch.float64), ALPHA)
        return GAMMA[0] * error + GAMMA[1] * regularizer

    @torch.no_grad()
    def transform(self, x) -> np.ndarray:
        """Embedding (frame, 1)."""
        return self.encoder(torch.as_tensor(np.asarray(x), dtype=torch.float32)).numpy()

    @torch.no_grad()
    def inverse_transform(self, z) -> np.ndarray:
        """Points (frame, 2) of the decoder's curve."""
        return self.decoder(torch.as_tensor(np.asarray(z), dtype=torch.float32)).numpy()
