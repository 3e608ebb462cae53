"""PCCA+ states on any embedding."""

from __future__ import annotations

import numpy as np
import torch

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.kinetics.markov import markov_model
from fel_explorer.methods import parameters
from fel_explorer.methods.checks import warn_unused_weights
from fel_explorer.methods.clustering.base import EmbeddedStates, nearest
from fel_explorer.methods.registry import register

BATCH = 10_000  # frames in a step of the microstates' KMeans


@register
class PCCA(EmbeddedStates):
    """Merges small cells of an embedding into metastable states by PCCA+ on a Markov model.

    The cells (microstates) are those of mini-batch KMeans; a reversible Markov model at the lag counts the
    transitions between them, and PCCA+ finds the memberships of the cells in the ``n_states`` slowest
    states.  A cell outside the largest connected set has the memberships of the nearest connected one.

    Source: S. Roeblitz and M. Weber, Adv. Data Anal. Classif. 7, 147 (2013), doi:10.1007/s11634-013-0134-6;
    deeptime computes chi = X A, with X the slowest eigenvectors of the Markov model.

    Attributes
    ----------
    implied_timescales_
        (state - 1,) of the Markov model of the cells, longest first, in the dataset's time unit.
    """

    needs_lag = True
    has_timescales = True

    lag_time = parameters.lag_time(
        doc="Lag of the Markov model, in the data's time unit (ps for molecules). Long enough that the "
        "implied time scales no longer grow with it.",
        precedence=1.1,
    )
    n_microstates = parameters.n_microstates(
        100,
        doc="Number of small cells (microstates) that are joined into states.",
        label="Cells",
        precedence=1.2,
    )

    def _choose_space(self, dataset, embedding, frames):
        # every frame counts 1, in its own embedding too
        return super()._choose_space(dataset.drop_vars("weight", errors="ignore"), embedding, frames)

    def _find(self, dataset, points, frames):
        warn_unused_weights(self, dataset)
        self._check_distinct(points, self.n_microstates, f"n_microstates={self.n_microstates}")
        from sklearn.cluster import MiniBatchKMeans  # takes long to import, and a page opens without it

        cells = MiniBatchKMeans(self.n_microstates, batch_size=BATCH, n_init=3, random_state=self.seed)
        self._centres = torch.from_numpy(cells.fit(points.numpy()).cluster_centers_).float()
        cell = np.concatenate([nearest(block, self._centres).numpy() for _, block in self._blocks(dataset)])
        ends = np.cumsum(schema.trajectory_lengths(dataset))[:-1]
        step = schema.time_step(dataset)
        msm = markov_model(np.split(cell, ends), self.lag_time, time_step=step)
        if msm.n_states < self.n_states:
            raise FelError(
                f"n_states={self.n_states}, and {msm.n_states} of {self.n_microstates} cells are connected"
                f" at lag_time={self.lag_time:g}.",
                "There are at most as many states as cells that are visited back and forth.",
                f"Take n_states={msm.n_states} or fewer, more cells, or a shorter lag.",
            )
        self.implied_timescales_ = np.array(msm.timescales(k=self.n_states - 1)) * step
        chi = torch.from_numpy(np.clip(msm.pcca(self.n_states).memberships, 0.0, 1.0))
        connected = torch.from_numpy(np.array(msm.count_model.state_symbols)).long()
        chi = chi[nearest(self._centres, self._centres[connected])]
        self._chi = (chi / chi.sum(1, keepdim=True)).float()

    def _memberships(self, points):
        return self._chi[nearest(points, self._centres)]

    def _reorder(self, order):
        self._chi = self._chi[:, order]

    def _get_arrays(self):
        timescales = torch.from_numpy(self.implied_timescales_)
        return super()._get_arrays() | {
            "centres": self._centres,
            "chi": self._chi,
            "implied_timescales": timescales,
        }

    def _set_arrays(self, arrays):
        super()._set_arrays(arrays)
        self._centres, self._chi = arrays["centres"], arrays["chi"]
        self.implied_timescales_ = arrays["implied_timescales"].numpy()
