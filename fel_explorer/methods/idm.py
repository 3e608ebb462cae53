"""Information distilling of metastability."""

from __future__ import annotations

import numpy as np
import param
import torch

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import idm_objective as objective
from fel_explorer.methods.base import Method, register
from fel_explorer.methods.idm_network import MatchingNetwork
from fel_explorer.methods.idm_training import MIN_POPULATION, Trainer
from fel_explorer.methods.timescales import implied_timescales
from fel_explorer.training.data import BLOCK, Frames, Scaling
from fel_explorer.training.loop import threads
from fel_explorer.training.pairs import pair_starts, segments_of

FITTED = (
    "populations_",
    "n_populated_",
    "mutual_information_",
    "transition_matrix_",
    "vamp2_",
    "implied_timescales_",
)


@register
class IDM(Method):
    """Learns an embedding and its metastable states together: states are what a frame and its near future share.

    A network G maps frames to the matching space, the embedding.  Memberships chi are a softmax over the
    similarity to one prototype per state.  Training maximises the mutual information I_beta between
    the memberships of two frames at most ``lag_time`` apart.  ``n_states`` is an upper bound: states without
    memory stay empty.

    Source: paper 000 (IDM), Eqs. 1-5.

    Attributes
    ----------
    populations_
        (state,) share of frames (of weight, in a weighted dataset) whose largest membership is that state;
        states are numbered by it, largest first.
    n_populated_
        Number of states that hold at least 0.1 % of the frames.
    mutual_information_
        I at beta = 1 between frames up to ``lag_time`` apart, in nats.
    transition_matrix_
        (populated state, populated state): K(tau) = C00^-1 C0t of the memberships, with detailed balance.
    vamp2_
        VAMP-2 score of the memberships at ``lag_time``, at most `n_populated_`.
    implied_timescales_
        (populated state - 1,) of `transition_matrix_`, longest first, in the dataset's time unit.
    """

    needs_lag = True
    has_states = True
    has_decoder = True

    lag_time = param.Number(
        10.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=1,
        label="Lag time",
        doc="Time resolution, in the data's time unit (ps for molecules). Motions faster than this are smoothed "
        "over: states that interconvert within the lag become one. A shorter lag shows more states.",
    )
    n_states = param.Integer(
        16,
        bounds=(2, 512),
        precedence=1.1,
        label="States at most",
        doc="Upper bound on the number of states. States that are not needed stay empty, so take about twice "
        "as many as expected.",
    )
    n_dims = param.Integer(
        2,
        bounds=(1, 64),
        precedence=1.2,
        label="Dimensions",
        doc="Dimensions of the embedding. Two make a map.",
    )
    n_steps = param.Integer(
        3000,
        bounds=(1, None),
        precedence=1.3,
        label="Training steps",
        doc="Steps of training. More steps give sharper states and take proportionally longer.",
    )
    beta_end = param.Number(
        0.9,
        bounds=(0.5, 1.5),
        inclusive_bounds=(False, True),
        precedence=1.4,
        label="Memory threshold (final beta)",
        doc="How much memory a split must have to count as metastable. A state must still tell, after the lag, "
        "at least the share 2 (1 - beta) of the information it tells now: 20 % at 0.9, 40 % at 0.8. At exactly 1 "
        "any split is free and wells are divided at random; 0.5 merges everything.",
    )
    n_restarts = param.Integer(
        1,
        bounds=(1, 100),
        precedence=1.5,
        label="Restarts",
        doc="Trainings from different random weights; the one with the best objective is kept. Helps to find "
        "rare states.",
    )
    batch_size = param.Integer(
        1024,
        bounds=(2, None),
        precedence=10,
        label="Batch size",
        doc="Pairs of frames in each training step.",
    )
    learning_rate = param.Number(
        1e-3,
        bounds=(0, 1),
        inclusive_bounds=(False, True),
        precedence=10.1,
        label="Learning rate",
        doc="Step size of the Adam optimizer. Take a smaller one if the loss jumps.",
    )
    hidden = param.List(
        [128, 128],
        item_type=int,
        bounds=(0, 10),
        precedence=10.2,
        label="Hidden layers",
        doc="Widths of the network's hidden layers (SiLU). The decoder has the same in reverse.",
    )
    similarity = param.Selector(
        default=objective.SIMILARITIES[0],
        objects=list(objective.SIMILARITIES),
        precedence=10.3,
        label="Similarity",
        doc="How a frame is matched with a state's prototype in the embedding. The negative squared distance is the "
        "robust one; the other two need the auxiliary task.",
    )
    gamma = param.Number(
        5.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=10.4,
        label="Sharpness (gamma)",
        doc="Factor on the similarity: larger makes memberships harder.",
    )
    beta_start = param.Number(
        1.5,
        bounds=(0.5, 5),
        precedence=10.5,
        label="Initial beta",
        doc="Above 1, beta spreads the frames over all states early in the training, so that none is missed. Far above "
        "1 (3) nothing but the spreading counts and the training can collapse.",
    )
    beta_decay = param.Magnitude(
        0.6,
        precedence=10.6,
        label="Beta decay",
        doc="Share of the training during which beta falls linearly from its initial to its final value.",
    )
    reconstruction = param.Number(
        0.3,
        bounds=(0, None),
        precedence=10.7,
        label="Reconstruction weight",
        doc="Weight of the auxiliary task, which decodes the features from the embedding. It keeps "
        "structure in the embedding beyond the states and steadies the training. At 0 decoded structures mean nothing.",
    )
    gradient_clip = param.Selector(
        default="norm",
        objects=["norm", "adaptive"],
        precedence=10.8,
        label="Gradient clipping",
        doc="'norm' limits the whole gradient to 1. 'adaptive' first limits the gradient of the mutual "
        "information to that of the auxiliary task.",
    )
    seeding = param.Selector(
        default="farthest_point",
        objects=["farthest_point", "uniform"],
        precedence=10.9,
        label="Seeding",
        doc="How batches are drawn. 'uniform': in proportion to population. 'farthest_point': half of each batch "
        "evenly over cells around landmarks spread as far apart as possible, so that rare structures are "
        "seen; weights undo the bias.",
    )
    n_landmarks = param.Integer(
        100, bounds=(2, 10_000), precedence=11, label="Landmarks", doc="Cells of farthest point seeding."
    )
    validation_fraction = param.Number(
        0.0,
        bounds=(0, 0.9),
        precedence=11.1,
        label="Validation share",
        doc="Share of the data held out (whole trajectories, or blocks a lag apart). Above 0, training stops once "
        "the objective on it is no longer improving, and the best weights are kept. 0 trains on everything.",
    )
    n_threads = param.Integer(
        1,
        bounds=(0, 1024),
        precedence=11.2,
        label="CPU threads",
        doc="Threads for training on the CPU. One is best for small networks; 0 leaves it to torch.",
    )

    def fit(self, X, *, prototypes=None, device="auto", callback=None, checkpoint_dir=None) -> IDM:
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

    def _fit(self, dataset, *, device, callback, checkpoint_dir) -> None:
        schema.lag_in_frames(dataset, self.lag_time)  # before anything slow
        if any(width < 1 for width in self.hidden):
            raise FelError(f"hidden={self.hidden}.", "Widths are at least 1.")
        scaling = Scaling.of(dataset)
        codes, structures = self._codes(scaling)
        self._scaling = scaling.to(device)
        frames = Frames(dataset, scaling, device)
        try:
            with threads(self.n_threads):
                trainer = Trainer(
                    self,
                    dataset,
                    frames,
                    build=lambda generator: self._build(codes, structures, generator),
                    show=lambda network: setattr(self, "_network", network),
                    callback=callback,
                    checkpoint_dir=checkpoint_dir,
                )
                self._network, self.history = trainer.run()
                self._describe(dataset, frames, trainer)
        finally:
            frames.close()

    def _codes(self, scaling):
        """Codes of the states (state, code), and whether they are structures."""
        if self._given_prototypes is None:
            return torch.eye(self.n_states), False
        prototypes = np.asarray(self._given_prototypes, np.float32)
        if prototypes.shape != (self.n_states, len(scaling.mean)) or not np.isfinite(prototypes).all():
            raise FelError(
                f"prototypes has shape {prototypes.shape}.",
                f"It is finite and of shape (n_states, feature) = ({self.n_states}, {len(scaling.mean)}).",
                "Set n_states to the number of prototypes and featurize them like the data.",
            )
        return scaling(torch.from_numpy(prototypes)), True

    def _build(self, codes, structures, generator) -> MatchingNetwork:
        return MatchingNetwork(
            int(self._scaling.keep.sum()),
            self.n_dims,
            self.hidden,
            codes.clone(),
            structures=structures,
            similarity=self.similarity,
            gamma=self.gamma,
            generator=generator,
        )

    @torch.no_grad()
    def _describe(self, dataset, frames, trainer) -> None:
        """Renumber the states by population and set the fitted attributes."""
        network, device = self._network, self._scaling.mean.device
        chi = torch.cat(
            [network.memberships(network.encoder(x.to(device))) for x in frames.values.split(BLOCK)]
        )
        weight = torch.ones(len(chi), dtype=torch.float64, device=device)
        if "weight" in dataset:
            weight = torch.as_tensor(dataset["weight"].values, device=device).double()
        population = torch.zeros(self.n_states, dtype=torch.float64, device=device)
        population.index_add_(0, chi.argmax(1), weight / weight.sum())
        order = population.argsort(descending=True, stable=True)
        network.reorder(order)
        self.populations_ = population[order].cpu().numpy()
        self.n_populated_ = int((self.populations_ >= MIN_POPULATION).sum())
        self.mutual_information_ = trainer.score(network, beta=1.0)
        chi = chi[:, order[: self.n_populated_]]
        starts = pair_starts(segments_of(schema.trajectory_lengths(dataset)), trainer.lag)
        matrix, vamp2 = objective.koopman_matrix(
            chi / chi.sum(1, keepdim=True), torch.as_tensor(starts, device=device), trainer.lag, weight
        )
        self.transition_matrix_, self.vamp2_ = matrix.cpu().numpy(), float(vamp2)
        self.implied_timescales_ = implied_timescales(
            np.linalg.eigvals(self.transition_matrix_), self.lag_time
        )

    # ---- the verbs

    def _embed(self, features) -> torch.Tensor:
        return self._network.encoder(self._scaling(features.to(self._scaling.mean.device)))

    def _transform(self, features):
        return self._embed(features)

    def _predict_proba(self, features):
        return self._network.memberships(self._embed(features))

    def _inverse_transform(self, points):
        return self._scaling.inverse(self._network.decoder(points.to(self._scaling.mean.device)))

    # ---- the file

    def _get_arrays(self):
        arrays = {f"network.{name}": tensor for name, tensor in self._network.state_dict().items()}
        scaling = self._scaling
        arrays |= {"mean": scaling.mean, "scale": scaling.scale, "keep": scaling.keep}
        fitted = {name: torch.as_tensor(np.asarray(getattr(self, name))) for name in FITTED}
        return arrays | fitted

    def _set_arrays(self, arrays):
        self._scaling = Scaling(arrays["mean"], arrays["scale"], arrays["keep"])
        codes = arrays["network.codes"]
        structures = not any(name.startswith("network.prototype_net.") for name in arrays)
        self._network = self._build(codes, structures, torch.Generator())
        prefix = "network."
        self._network.load_state_dict(
            {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        )
        for name in FITTED:
            value = arrays[name].numpy()
            setattr(self, name, value if value.ndim else value.item())
