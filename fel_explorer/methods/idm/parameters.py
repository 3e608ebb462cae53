"""Hyperparameters of IDM: what the form shows."""

from __future__ import annotations

import param

from fel_explorer.methods import parameters
from fel_explorer.methods.base import Method
from fel_explorer.methods.idm.objective import SIMILARITIES

STARTS = ("discrete", "random")
MIN_POPULATION = 0.001  # fraction of frames from which a state counts as populated


class IDMParameters(Method):
    """Hyperparameters of `IDM` but its lag; `DivisiveIDM` has them too.  ``benchmarks/`` measures them."""

    n_states = parameters.n_states(
        16,
        doc="Upper bound on the number of states. States that are not needed stay empty, so take about twice "
        "as many as expected.",
        label="States at most",
    )
    n_dims = parameters.n_dims(doc="Dimensions of the embedding. Two make a map.", precedence=1.2)
    n_steps = parameters.n_steps(
        3000,
        doc="Steps of training at most. From a random start all are done. From discrete states at most 1000, "
        "or a third of these if that is more, and fewer once the objective rises no more.",
    )
    beta_end = param.Number(
        0.9,
        bounds=(0.5, 1.5),
        inclusive_bounds=(False, True),
        precedence=1.4,
        label="Sensitivity to states (beta)",
        doc="Higher values find more states, lower ones fewer that live longer: within the lag, a state must "
        "keep more than the fraction 2 (1 - beta) of its information, 20 % at 0.9 and 40 % at 0.8. At 1 "
        "wells are divided at random; near 0.5 everything merges.",
    )
    n_restarts = parameters.n_restarts(
        doc="Trainings from different random weights; the one with the best objective is kept. Helps to find "
        "rare states from a random start."
    )
    min_evidence = param.Number(
        1.5,
        bounds=(0, 10),
        precedence=1.6,
        label="Evidence for a state",
        doc="How many standard errors the objective must gain by separating a state from its neighbour. "
        "The error is that of a bootstrap over trajectories, or blocks of them. More gives fewer, surer "
        "states. For a discrete start.",
    )
    start: param.Selector[str] = param.Selector(
        default=STARTS[0],
        objects=list(STARTS),
        precedence=10.01,
        label="Start",
        doc="'discrete' first finds the states from counts of pairs between microstates, in a second and the "
        "same ones each time; the network learns them and then refines them. 'random' trains random weights "
        "while beta falls.",
    )
    min_visits = param.Number(
        10.0,
        bounds=(0, None),
        precedence=10.02,
        label="Visits of a state",
        doc="How often a state must have been entered, counted at the resolution of the lag. For a discrete "
        "start.",
    )
    n_microstates = parameters.n_microstates(
        doc="Cells of the data, of which the discrete start puts states together; at most one per 20 frames.",
        precedence=10.03,
    )
    n_searches = param.Integer(
        5,
        bounds=(1, 100),
        precedence=10.04,
        label="Searches",
        doc="Searches for the discrete states, each with other microstates; a frame is in the state that "
        "most of them give. With more the states depend less on the seed.",
    )
    batch_size = parameters.batch_size(1024, doc="Pairs of frames in each training step.")
    learning_rate = parameters.learning_rate()
    hidden = parameters.layers(
        [64, 64], doc="Widths of the network's hidden layers (SiLU). The decoder has the same in reverse."
    )
    similarity: param.Selector[str] = param.Selector(
        default=SIMILARITIES[0],
        objects=list(SIMILARITIES),
        precedence=10.3,
        label="Similarity",
        doc="How a frame is matched with a state's prototype in the embedding. The negative squared distance "
        "is the robust one; the other two need the auxiliary task.",
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
        doc="Above 1, beta spreads the frames over all states early in the training, so that none is missed. "
        "Far above 1 (3) nothing but the spreading counts and the training can collapse. For a random start.",
    )
    beta_cycles = param.Integer(
        1,
        bounds=(1, 100),
        precedence=10.55,
        label="Beta cycles",
        doc="How often beta falls from its initial to its final value. More than once, states that were lost "
        "in one fall can come back in the next. For a random start.",
    )
    beta_decay = param.Magnitude(
        0.6,
        precedence=10.6,
        label="Beta decay",
        doc="Fraction of the training during which beta falls linearly from its initial to its final value, "
        "in all cycles together. For a random start.",
    )
    reconstruction = param.Number(
        0.3,
        bounds=(0, None),
        precedence=10.7,
        label="Reconstruction weight",
        doc="Weight of the auxiliary task, which decodes the features from the embedding. It steadies the "
        "training and keeps structure in the embedding beyond the states. At 0 decoded structures mean "
        "nothing.",
    )
    gradient_clip: param.Selector[str] = param.Selector(
        default="norm",
        objects=["norm", "adaptive"],
        precedence=10.8,
        label="Gradient clipping",
        doc="'norm' limits the whole gradient to 1. 'adaptive' first limits the gradient of the mutual "
        "information to that of the auxiliary task.",
    )
    seeding: param.Selector[str] = param.Selector(
        default="uniform",
        objects=["uniform", "farthest_point", "alternate", "expanded"],
        precedence=10.9,
        label="Seeding",
        doc="How batches are drawn. 'uniform': in proportion to population. 'farthest_point': half of each "
        "batch evenly over cells around landmarks spread as far apart as possible, with weights that undo "
        "the bias by the end; finds rare states more often, others less reliably. 'alternate': one restart "
        "'uniform', the next 'farthest_point'; recommended with 4 restarts when states may be rare. "
        "'expanded': as published, half of each batch at random, expanded by the farthest points among four "
        "times as many, without weights; slower.",
    )
    n_landmarks = param.Integer(
        100, bounds=(2, 10_000), precedence=11, label="Landmarks", doc="Cells of farthest point seeding."
    )
    validation_fraction = parameters.validation_fraction(
        0.0,
        doc="Fraction of the data held out (whole trajectories, or blocks a lag apart). Above 0, training "
        "stops once the objective on it no longer improves, and the best weights are kept. 0 trains on "
        "everything; from discrete states training then stops by pairs that it is trained on.",
        precedence=11.1,
    )
    n_threads = parameters.n_threads(precedence=11.2)
