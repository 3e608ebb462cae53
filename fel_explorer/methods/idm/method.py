"""Information distilling of metastability."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import parameters
from fel_explorer.methods.encoders.method import EncoderMethod
from fel_explorer.methods.idm import objective
from fel_explorer.methods.idm.choices import alternatives, stability_table
from fel_explorer.methods.idm.discrete import evidence_of_frames
from fel_explorer.methods.idm.microstates import PairCounts
from fel_explorer.methods.idm.network import MatchingNetwork
from fel_explorer.methods.idm.parameters import MIN_POPULATION, IDMParameters
from fel_explorer.methods.idm.start import DiscreteStart
from fel_explorer.methods.idm.training import Trainer
from fel_explorer.methods.koopman.timescales import implied_timescales
from fel_explorer.methods.network_method import frame_weight
from fel_explorer.methods.registry import register
from fel_explorer.progress import Callback
from fel_explorer.training.data import BLOCK, Scaling
from fel_explorer.training.pairs import pair_starts, segments_of

FITTED = (
    "populations_",
    "n_populated_",
    "mutual_information_",
    "objective_",
    "transition_matrix_",
    "vamp2_",
    "implied_timescales_",
)
PER_STATE = ("gains_", "gain_errors_", "visits_")
OF_START = ("start_objective_", "start_agreement_", "states_objective_")
LATER = *PER_STATE, *OF_START, "stability_", "stability_states_"  # the first files lack these


@register
class IDM(IDMParameters, EncoderMethod):
    """Learns an embedding and its metastable states together, from pairs of frames that are close in time.

    A network G maps frames to the matching space, the embedding.  Memberships chi are a softmax over the
    similarity to one prototype per state.  Training maximises the mutual information I_beta between
    the memberships of two frames at most ``lag_time`` apart.  ``n_states`` is an upper bound: states without
    memory stay empty.

    By default training starts from the states that maximise I_beta among partitions of microstates, which are
    found from counts of pairs; the network learns them and refines them by gradient (``start``).

    Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, Eqs. 1-5
    (numbers of the preprint, doi:10.48550/arXiv.1906.02852). The end of beta below 1, the discrete start and
    restarts are this package's own.

    Attributes
    ----------
    populations_
        (state,) fraction of frames (of weight, in a weighted dataset) whose largest membership is that state;
        states are numbered by it, largest first.
    n_populated_
        Number of states that hold at least 0.1 % of the frames.
    mutual_information_
        I at beta = 1 between frames up to ``lag_time`` apart, in nats.
    objective_
        I_beta at the final beta, by which restarts are compared, in nats.
    transition_matrix_
        (populated state, populated state): K(tau) = C00^-1 C0t of the memberships, with detailed balance.
    vamp2_
        VAMP-2 score of the memberships at ``lag_time``, at most `n_populated_`.
    implied_timescales_
        (populated state - 1,) of `transition_matrix_`, longest first, in the dataset's time unit.
    gains_, gain_errors_
        (populated state,) gain in I_beta, in nats, from separating the state from its neighbour, and their
        standard errors by the block bootstrap; infinite and nan where there is one state.
    visits_
        (populated state,) how often the state was entered, counted at the resolution of the lag.
    start_objective_, states_objective_
        I_beta in nats of the discrete states that training started from, and on the same pairs that of the
        final states (largest membership); larger where the gradient found better states.  nan for a random
        start.
    start_agreement_
        Normalised mutual information of the final states with those of the start; nan for a random start.
    stability_
        (alternative,) normalised mutual information of the discrete states with those of another final beta,
        number of microstates and seed, with their numbers as coordinate ``n_states``; nan for a random
        start. `methods.compare_choices` compares any states, and other features too.
    """

    needs_lag = True
    score_name = "objective"
    has_states = True
    has_timescales = True
    has_decoder = True

    fitted = (*FITTED, *PER_STATE, *OF_START)
    _network: MatchingNetwork
    _given_prototypes: np.ndarray | None = None
    _given_start: DiscreteStart | None = None  # of a division of `DivisiveIDM`

    lag_time = parameters.lag_time(
        doc="Time resolution, in the data's time unit (ps for molecules). States that interconvert within "
        "the lag become one, so a shorter lag shows more states."
    )

    def fit(
        self,
        X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
        *,
        prototypes: np.ndarray | None = None,
        device: str | torch.device = "auto",
        callback: Callback | None = None,
        checkpoint_dir: str | Path | None = None,
    ) -> IDM:
        """Fit to ``X``; see `Method.fit`.

        Parameters
        ----------
        prototypes
            Optional array (state, feature): known structures, one per state, as features like those of
            ``X``.  They replace the learned prototypes.

        Raises
        ------
        FelError
            If the lag does not fit the data, all features are constant, or ``prototypes`` is misshapen.
        """
        self._given_prototypes = prototypes
        return super().fit(X, device=device, callback=callback, checkpoint_dir=checkpoint_dir)

    def _prepare(self, scaling, generator):
        self._structures = self._standardised_prototypes(scaling.to("cpu"))
        super()._prepare(scaling, generator)

    def _build(self, n_features, generator):
        n = self.n_states if self._structures is None else len(self._structures)
        return self._network_of(n, generator)

    def _network_of(self, n: int, generator: torch.Generator) -> MatchingNetwork:
        """Untrained network of ``n`` prototypes, learned ones or the given structures."""
        given = self._structures
        return self._matching_network(torch.eye(n) if given is None else given, given is not None, generator)

    def _train(self, dataset, frames, lag, callback, checkpoint_dir):
        trainer = Trainer(
            self,
            dataset,
            frames,
            build=lambda generator, n: self._network_of(n, generator),
            scaling=self._scaling,
            discrete=self.start == "discrete" and self._structures is None,
            start=self._given_start,
            show=lambda network: setattr(self, "_network", network),
            callback=callback,
            checkpoint_dir=checkpoint_dir,
        )
        self._network, history = trainer.run()
        self._describe_states(dataset, frames, trainer)
        return history

    def _standardised_prototypes(self, scaling) -> torch.Tensor | None:
        """The given prototypes (state, kept feature), standardised."""
        if self._given_prototypes is None:
            return None
        prototypes = np.asarray(self._given_prototypes, np.float32)
        if prototypes.shape != (self.n_states, len(scaling.mean)) or not np.isfinite(prototypes).all():
            raise FelError(
                f"prototypes has shape {prototypes.shape}.",
                f"It is finite and of shape (n_states, feature) = ({self.n_states}, {len(scaling.mean)}).",
                "Set n_states to the number of prototypes and featurize them like the data.",
            )
        return scaling(torch.from_numpy(prototypes))

    def _matching_network(self, codes, structures, generator) -> MatchingNetwork:
        return MatchingNetwork(
            self._encoder(self.n_dims, generator),
            self._scaling.n_kept,
            self.n_dims,
            self.hidden,
            codes.clone(),
            n_states=self.n_states,
            structures=structures,
            similarity=self.similarity,
            gamma=self.gamma,
            generator=generator,
        )

    @torch.no_grad()
    def _describe_states(self, dataset, frames, trainer) -> None:
        """Renumber the states by population and set the fitted attributes."""
        network, device = self._network, self._scaling.mean.device
        chi = torch.cat(
            [network.memberships(network.encoder(x.to(device))) for x in frames.values.split(BLOCK)]
        )
        weight = frame_weight(dataset, device)
        population = torch.zeros(self.n_states, dtype=torch.float64, device=device)
        population.index_add_(0, chi.argmax(1), weight / weight.sum())
        order = population.argsort(descending=True, stable=True)
        network.reorder(order)
        self.populations_ = population[order].cpu().numpy()
        self.n_populated_ = int((self.populations_ >= MIN_POPULATION).sum())
        self.mutual_information_ = trainer.score(network, beta=1.0)
        self.objective_ = trainer.score(network)
        chi = chi[:, order[: self.n_populated_]]
        starts = pair_starts(segments_of(schema.trajectory_lengths(dataset)), trainer.lag)
        matrix, vamp2 = objective.koopman_matrix(
            chi / chi.sum(1, keepdim=True), torch.as_tensor(starts, device=device), trainer.lag, weight
        )
        self.transition_matrix_, self.vamp2_ = matrix.cpu().numpy(), float(vamp2)
        self.implied_timescales_ = implied_timescales(
            np.linalg.eigvals(self.transition_matrix_), self.lag_time
        )
        self._describe_evidence(dataset, chi.argmax(1).cpu().numpy(), trainer)

    def _describe_evidence(self, dataset, states, trainer) -> None:
        """Set the evidence for the populated states (frame,), and how they compare with the start."""
        from sklearn.metrics import normalized_mutual_info_score

        pairs = PairCounts(schema.trajectory_lengths(dataset), trainer.weights, self.seed)
        evidence = evidence_of_frames(pairs, states, trainer.lag, self.beta_end, self.n_populated_)
        self.gains_, self.gain_errors_, self.visits_ = evidence.gain, evidence.error, evidence.visits
        self.start_objective_ = self.start_agreement_ = self.states_objective_ = float("nan")
        names = list(alternatives(self.beta_end, self.n_microstates, self.seed))
        self.stability_ = stability_table(names)
        if trainer.start is None:
            return
        self.start_objective_ = trainer.start.objective
        self.states_objective_ = trainer.states_objective(states)
        self.start_agreement_ = float(
            normalized_mutual_info_score(trainer.start.states, states[trainer.index])
        )
        if trainer.finder is not None:
            self.stability_ = trainer.stability()

    # ---- the verbs

    def _embed(self, features) -> torch.Tensor:
        return self._network.encoder(self._scaled(features))

    def _transform(self, features):
        return self._embed(features)

    def _predict_proba(self, features):
        return self._network.memberships(self._embed(features))

    def _inverse_transform(self, points):
        return self._scaling.inverse(self._network.decoder(points.to(self._scaling.mean.device)))

    # ---- the file

    def _get_arrays(self):
        stability = {"stability_": self.stability_, "stability_states_": self.stability_["n_states"]}
        return super()._get_arrays() | {n: torch.as_tensor(v.values) for n, v in stability.items()}

    def _set_arrays(self, arrays):
        self._scaling = Scaling(arrays["mean"], arrays["scale"], arrays["keep"])
        codes = arrays["network.codes"]
        structures = not any(name.startswith("network.prototype_net.") for name in arrays)
        self._network = self._matching_network(codes, structures, torch.Generator())
        prefix = "network."
        self._network.load_state_dict(
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        )
        if not any(name in arrays for name in LATER):
            arrays = arrays | self._unknown(int(arrays["n_populated_"]))
        for name in self.fitted:
            value = arrays[name].numpy()
            setattr(self, name, value if value.ndim else value.item())
        names = list(alternatives(self.beta_end, self.n_microstates, self.seed))
        nmi, n_states = (arrays[name].numpy() for name in ("stability_", "stability_states_"))
        self.stability_ = stability_table(names, nmi, n_states)

    def _unknown(self, n: int) -> dict[str, torch.Tensor]:
        """What the first files lack, for ``n`` populated states."""
        empty = stability_table(list(alternatives(self.beta_end, self.n_microstates, self.seed)))
        values = dict.fromkeys(PER_STATE, np.full(n, np.nan)) | dict.fromkeys(OF_START, np.array(np.nan))
        values |= {"stability_": empty.values, "stability_states_": empty["n_states"].values}
        return {name: torch.as_tensor(value) for name, value in values.items()}
