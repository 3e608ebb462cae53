"""State-free reversible VAMPnets: the slow modes of equilibrium dynamics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import param
import torch
import xarray as xr
from numpy.typing import ArrayLike

from fel_explorer.data import schema
from fel_explorer.methods import parameters
from fel_explorer.methods.encoders.method import EncoderMethod
from fel_explorer.methods.koopman import vamp
from fel_explorer.methods.koopman.ritz import orient, ritz
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.methods.network_method import frame_weight, lag_pairs
from fel_explorer.methods.registry import register
from fel_explorer.methods.slow_modes import committee
from fel_explorer.methods.slow_modes.deflation import deflation, nuisance, restrict
from fel_explorer.progress import Callback
from fel_explorer.training.data import BLOCK, Frames, Scaling, fingerprint
from fel_explorer.training.loop import Losses
from fel_explorer.training.random import random_generator

RIDGE = 1e-6  # of the mean variance of the outputs: dependent functions can be trained
VALIDATE_EVERY = 10  # steps: few transitions are overfitted within fifty
SPARE = 2  # functions beyond the wanted modes: with none a network may miss one, with five it learns noise


@register
class SRV(EncoderMethod):
    """Learns the slowest modes of equilibrium dynamics as functions of the features.

    A network's outputs, two more than modes are wanted, maximise the VAMP-2 score of frames ``lag_time``
    apart, symmetrised in time and with the mean removed; training stops when that of held-out data no longer
    gains.  Several networks (``n_networks``), each with another part of the data held out, make a committee:
    the directions that most of their spaces have in common are kept, and what a single network overfitted is
    not. Last, the eigenproblem C1 s = lambda C0 s over all data, in float64, turns these into eigenfunctions
    psi of the transfer operator: slowest first, mean 0, variance 1, the rare side positive.  Without hidden
    layers the method is TICA.  A fit that is stopped keeps the networks that were trained, at least the
    first.

    Source: W. Chen, H. Sidky and A. L. Ferguson, J. Chem. Phys. 150, 214114 (2019), doi:10.1063/1.5092521; H.
    Sidky, W. Chen and A. L. Ferguson, Chem. Sci. 11, 9459 (2020), doi:10.1039/d0sc03635h, section 2.1 and Eq.
    3. The committee is this package's own.

    Attributes
    ----------
    eigenvalues_
        (cv,) of the transfer operator at the lag, largest first.
    implied_timescales_
        (cv,) -tau / ln eigenvalue in the dataset's time unit; 0 where the eigenvalue is not positive.

    Examples
    --------
    >>> data = fel.as_dataset(np.cumsum(np.random.default_rng(0).normal(size=(500, 2)), axis=0) % 7)
    >>> fel.SRV(lag_time=5.0, n_dims=1, n_steps=10).fit(data).transform(data).sizes["cv"]
    1
    """

    needs_lag = True
    score_name = "score"
    has_modes = True
    has_timescales = True
    trains_on_ranks = True
    fitted = ("eigenvalues_", "implied_timescales_")
    _network: committee.Committee

    lag_time = parameters.lag_time()
    n_dims = parameters.n_dims(doc="Number of slow modes.")
    n_networks = param.Integer(
        4,
        bounds=(1, 64),
        precedence=1.4,
        label="Networks",
        doc="Trained one after another, each with another part of the data held out; the modes that they "
        "agree on are kept. One is faster; more depend less on chance.",
    )
    validation_fraction = param.Number(
        default=0.25,
        bounds=(0, 0.5),
        doc="Fraction of the data that each network holds out (whole trajectories, or blocks a lag apart) to "
        "stop early by. 0 trains on everything for all steps.",
    )

    deflated = param.String(
        default=None,
        precedence=10.5,
        label="Leave out",
        doc="Columns of the dataset, with commas between, that follow known slow processes which are not "
        "wanted, such as a rare isomerisation: the modes don't correlate with them. None: nothing.",
    )

    def fit(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        deflate: str | list[str] | ArrayLike | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> SRV:
        """Fit; see `Method.fit`.

        Parameters
        ----------
        deflate
            Known slow nuisance processes, such as a rare isomerisation: a column of the dataset or a list of
            them, or an array (frame,) or (frame, process), such as the mode of an earlier fit.  The modes
            that are found are the slowest ones uncorrelated with these.  They stay functions of the features
            alone, so `transform` does not need the processes again.  Default: the columns ``deflated``.
        """
        dataset = schema.as_dataset(X)
        if deflate is None:
            deflate = [name.strip() for name in (self.deflated or "").split(",") if name.strip()] or None
        self._nuisance = None if deflate is None else nuisance(dataset, deflate)
        self._n_outputs = self.n_dims + SPARE
        self._n_outputs += 0 if self._nuisance is None else self._nuisance.sizes["feature"]
        return super().fit(dataset, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    def score(self, X: xr.Dataset | np.ndarray | Sequence[np.ndarray]) -> float:
        """VAMP-2 score of the modes on data ``X``, 1 + the sum of their squared eigenvalues there.

        On trajectories that were not fitted it shows which lag, features or size generalise; compare at one
        ``lag_time`` and ``n_dims`` only.
        """
        dataset = schema.as_dataset(X)
        lag = schema.lag_in_frames(dataset, self.lag_time)
        modes = torch.from_numpy(self.transform(dataset).values)
        pairs = lag_pairs(modes, dataset, lag, frame_weight(dataset, "cpu"))
        values = vamp.koopman(vamp.covariances(*pairs, reversible=True)).singular_values
        return float(1.0 + values.square().sum())

    # ---- training

    def _build(self, n_features, generator):
        return committee.Committee([self._member(n_features, generator) for _ in range(self._n_members)])

    def _member(self, n_features, generator):
        return self._encoder(self._n_outputs, generator)

    def _fit(self, dataset, **options):
        self._n_members = 0  # networks join one by one
        super()._fit(dataset, **options)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        checkpoint, n = self._checkpoint(dataset, checkpoint_dir), self.n_networks
        lengths = schema.trajectory_lengths(dataset)
        held_out = committee.parts(lengths, n, self.validation_fraction, lag, self.seed)

        def loop(k):
            return self._loop(
                self._join(random_generator("cpu", self.seed, k, 0)),
                dataset,
                frames,
                lag,
                held_out[k],
                random_generator(frames.device, self.seed, k, 1),
                of=f", network {k + 1} of {n}" if n > 1 else "",
                callback=callback,
                checkpoint=checkpoint,
                steps_before=k * self.n_steps,
                steps_in_all=n * self.n_steps,
            )

        return committee.train(self._network, n, loop, checkpoint, frames.device)

    def _join(self, generator):
        """A new network, untrained; until the modes are known, a live map shows its outputs."""
        device = self._scaling.mean.device
        network = self._member(self._scaling.n_kept, generator).to(device)
        self._network.members.append(network)
        n_functions = len(self._network.members) * self._n_outputs
        self._mean = torch.zeros(n_functions, dtype=torch.float64, device=device)
        last = torch.eye(self._n_outputs, self.n_dims, dtype=torch.float64, device=device)
        self._axes = torch.nn.functional.pad(last, (0, 0, n_functions - self._n_outputs, 0))
        return network

    def _validate_every(self):
        return VALIDATE_EVERY

    def _patience(self):
        return max(10 * VALIDATE_EVERY, self.n_steps // 10)

    def _frames(self, dataset, scaling, device):
        if self._nuisance is None:
            return Frames(dataset, scaling, device)
        both = self._with_nuisance(dataset)
        other = Scaling.of(dataset.drop_dims("feature").assign(features=self._nuisance))
        joint = Scaling(
            *(torch.cat([getattr(s, name) for s in (scaling, other)]) for name in ("mean", "scale", "keep"))
        )
        return Frames(both, joint, device)

    def _with_nuisance(self, dataset):
        features = xr.concat([dataset["features"], self._nuisance], "feature")
        return dataset.drop_dims("feature").assign(features=features)

    def _checkpoint(self, dataset, folder):
        checkpoint = super()._checkpoint(dataset, folder)
        if checkpoint is not None and self._nuisance is not None:
            checkpoint.config["deflated"] = fingerprint(self._with_nuisance(dataset))
        return checkpoint

    def _covariances(self, batch):
        """Reversible covariances of the last network's outputs and, behind them, the nuisance processes."""
        n_features = self._scaling.n_kept
        outputs = self._network.members[-1](batch.frames[:, :n_features])
        values = torch.cat([outputs, batch.frames[:, n_features:]], dim=1)
        now, later = batch.halves(values)
        return vamp.covariances(now, later, batch.weight, reversible=True)

    def _losses(self, batch, generator):
        covariances = self._covariances(batch)
        deflated = restrict(covariances, deflation(covariances, self._n_outputs))
        ridge = RIDGE * deflated.c00.diagonal().mean().detach()
        score = vamp.vamp2(deflated, ridge)
        return Losses(-score, None, {"score": score.detach()})

    def _figure_of_merit(self, training, held_out):
        # not VAMP-E: it also charges for time scales, which few held-out transitions don't determine
        found = self._covariances(held_out)
        if self._nuisance is not None:
            found = restrict(found, deflation(self._covariances(training), self._n_outputs))
        return float(1.0 + vamp.koopman(found).singular_values.square().sum())

    def _describe(self, dataset, frames, lag):
        n_features, device = self._scaling.n_kept, frames.device
        blocks = []
        for block in frames.values.split(BLOCK):
            block = block.to(device)
            blocks.append(torch.cat([self._network(block[:, :n_features]), block[:, n_features:]], dim=1))
        values, weight = torch.cat(blocks), frame_weight(dataset, device)
        covariances = vamp.covariances(*lag_pairs(values, dataset, lag, weight), reversible=True)
        basis = committee.consensus(covariances.c00, self._member_modes(covariances), self.n_dims + SPARE)
        shared = restrict(covariances, basis)
        rates, vectors = (modes[..., : self.n_dims] for modes in ritz(shared.c00 - shared.c0t, shared.c00))
        found, n_functions = len(rates), len(self._mean)
        self._mean = covariances.mean[:n_functions]
        axes = orient(basis[:n_functions] @ vectors, values[:, :n_functions], self._mean, weight)
        self._axes = torch.nn.functional.pad(axes, (0, self.n_dims - found))
        self.eigenvalues_ = np.pad(1.0 - rates.cpu().numpy(), (0, self.n_dims - found))
        self.implied_timescales_ = implied_timescales([1.0, *self.eigenvalues_.clip(0)], self.lag_time)

    def _member_modes(self, covariances):
        """Basis (function, mode) of each network's slowest modes that are uncorrelated with the nuisance."""
        every = torch.eye(len(covariances.c00), dtype=torch.float64, device=covariances.c00.device)
        for own in every[:, : len(self._mean)].split(self._n_outputs, dim=1):
            own = torch.cat([own, every[:, len(self._mean) :]], dim=1)
            basis = own @ deflation(restrict(covariances, own), self._n_outputs)
            outputs = restrict(covariances, basis)
            _, vectors = ritz(outputs.c00 - outputs.c0t, outputs.c00)
            yield basis @ vectors[:, : self.n_dims + SPARE]

    # ---- the verbs and the file

    def _transform(self, features):
        outputs = self._network(self._scaled(features)).double()
        return ((outputs - self._mean) @ self._axes).float()

    def _get_arrays(self):
        by_member = self._mean.reshape(-1, self._n_outputs)
        return super()._get_arrays() | {"axes": self._axes, "mean_output": by_member}

    def _set_arrays(self, arrays):
        self._n_members, self._n_outputs = arrays["mean_output"].shape
        super()._set_arrays(arrays)
        self._axes, self._mean = arrays["axes"], arrays["mean_output"].flatten()
