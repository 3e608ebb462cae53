"""The labels of SPIB: their initial values, and their refinement while the network is trained."""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from fel_explorer.errors import FelError
from fel_explorer.methods.clustering.base import nearest
from fel_explorer.methods.spib.network import BottleneckNetwork
from fel_explorer.methods.subsample import frame_weights, random_frames
from fel_explorer.parallel import one_thread
from fel_explorer.training.data import BLOCK

SAMPLE = 20_000  # frames for the first clusters, and for watching the populations
RESTARTS = 3
CHECKS = 5  # looks at the populations in a round of full length
SETTLED = 0.01  # fraction of frames that may change their state between two checks


def clusters(dataset: xr.Dataset, features: Tensor, n: int, seed: int) -> Tensor:
    """At most ``n`` KMeans clusters (frame,) of standardised features (frame, feature)."""
    frames = random_frames(dataset, SAMPLE, seed)
    points = features[torch.as_tensor(frames, device=features.device)].cpu()
    n = min(n, len(points.unique(dim=0)))
    from sklearn.cluster import KMeans  # takes long to import, and a page opens without it

    model = KMeans(n, n_init=RESTARTS, random_state=seed)
    with one_thread():
        model.fit(points.numpy(), sample_weight=frame_weights(dataset, frames))
    centres = torch.from_numpy(model.cluster_centers_).float()
    return torch.cat([nearest(block.cpu(), centres) for block in features.split(BLOCK)])


def labels_of(dataset: xr.Dataset, column: str, most: int) -> Tensor:
    """States (frame,) named by a column of whole numbers; all frames below 0 are in one of their own.

    Raises
    ------
    FelError
        If there is no such column, it holds other numbers, or it names 1 state or more than ``most``.
    """
    columns = [str(n) for n in dataset.data_vars if dataset[n].dims == ("frame",) and n != "weight"]
    if column not in columns:
        raise FelError(
            f"There is no column '{column}' of labels.",
            f"Columns of the dataset are {columns}.",
            "Add one with fel.data.label_by_boxes or fel.attach_columns, or leave label_column empty.",
        )
    values = np.asarray(dataset[column].values, float)
    if (values != np.round(values)).any():
        raise FelError(
            f"Column '{column}' holds {values[values != np.round(values)][0]}.", "Labels are whole."
        )
    names, state = np.unique(np.maximum(values, -1), return_inverse=True)
    if not 2 <= len(names) <= most:
        raise FelError(
            f"Column '{column}' names {len(names)} states.",
            f"With n_states={most} it names 2 to {most}; frames without a label are one.",
            f"Take n_states={max(len(names), 2)}, or another column.",
        )
    return torch.from_numpy(state.reshape(-1))


class Refinement(nn.Module):
    """The label of each frame; frames are labelled anew once the predicted populations have settled.

    All that changes is in buffers, so that it is part of a checkpoint of the network that holds this.

    Parameters
    ----------
    network
        The network; its prior is set, and its states are switched off, when frames are labelled.
    features
        (frame, feature), standardised.
    weight
        (frame,) float64.
    labels
        (frame,) to begin with.
    sample
        Frames by which the populations are watched.
    n_rounds, longest
        How many times to label anew, and steps after which it is done although nothing has settled.
    """

    labels: Tensor
    rounds: Tensor
    began: Tensor
    populations: Tensor
    changed: Tensor

    def __init__(
        self,
        network: BottleneckNetwork,
        features: Tensor,
        weight: Tensor,
        labels: Tensor,
        *,
        sample: np.ndarray,
        n_rounds: int,
        longest: int,
    ) -> None:
        super().__init__()
        device = weight.device
        self._network = [network]  # in a list, so that it is not a submodule
        self._features, self._weight = features, weight
        self._sample = torch.as_tensor(sample, device=features.device)
        self.n_rounds, self.longest, self.every = n_rounds, longest, max(1, longest // CHECKS)
        n_states = len(network.alive)
        self.register_buffer("labels", labels.to(device, torch.int16))
        self.register_buffer("rounds", torch.zeros((), dtype=torch.int64))  # done
        self.register_buffer("began", torch.zeros((), dtype=torch.int64))  # step at which the last one ended
        self.register_buffer("populations", torch.zeros(n_states, dtype=torch.float64, device=device))
        self.register_buffer("changed", torch.zeros(n_rounds, dtype=torch.float64, device=device))
        self._settle()

    def advance(self, step: int) -> None:
        """Label anew if it is time; called before each step."""
        since = step - int(self.began)
        if int(self.rounds) >= self.n_rounds or not since or since % self.every:
            return
        weight = self._weight[self._sample.to(self._weight.device)]
        populations = self._populations(self._network[0].decide(self._features[self._sample]), weight)
        moved = 0.5 * float((populations - self.populations).abs().sum())
        self.populations.copy_(populations)
        settled = moved < SETTLED and since > self.every  # the first look of a round is before it has learned
        if settled or since >= self.longest:
            self.relabel()
            self.began.fill_(step)

    @torch.no_grad()
    def relabel(self) -> None:
        """Label each frame by its most probable state a lag later; states without frames are switched off."""
        before, self.labels = self.labels, self._network[0].decide(self._features).to(torch.int16)
        different = (self.labels != before).double()
        self.changed[self.rounds] = (different * self._weight).sum() / self._weight.sum()
        self.rounds += 1
        self._settle()

    @torch.no_grad()
    def _settle(self) -> None:
        """Set the prior by the labels: a state's pseudo-input is its frame nearest to its mean in z."""
        network, labels = self._network[0], self.labels.long()
        populations = self._populations(labels, self._weight)
        frames = torch.bincount(labels, minlength=len(populations))
        network.alive.copy_(frames > 0)
        network.prior_logits.copy_(populations.clamp_min(1e-12).log())
        z = network.embed(self._features)
        means = torch.zeros(len(populations), z.shape[1], device=z.device).index_add_(0, labels, z)
        distance = (z - (means / frames.clamp_min(1)[:, None])[labels]).square().sum(1)
        for state in network.alive.nonzero()[:, 0]:
            inside = (labels == state).nonzero()[:, 0]
            frame = inside[distance[inside].argmin()]
            network.pseudo_inputs[state] = self._features[frame.to(self._features.device)].to(z.device)

    def _populations(self, states: Tensor, weight: Tensor) -> Tensor:
        fraction = torch.zeros(len(self._network[0].alive), dtype=torch.float64, device=weight.device)
        return fraction.index_add_(0, states, weight / weight.sum())
