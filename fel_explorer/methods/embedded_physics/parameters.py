"""The hyperparameters of `EmbeddedPhysics`."""

from __future__ import annotations

import param

from fel_explorer.methods import parameters
from fel_explorer.methods.base import Model


class EmbeddedPhysicsParameters(Model):
    """Base of `EmbeddedPhysics`; not a model itself."""

    n_dims = parameters.n_dims(
        label="CVs", doc="Dimensions of the hidden collective variables.", precedence=1
    )
    temperature = param.Number(
        300.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=1.1,
        label="Temperature",
        doc="In K, of molecules. Model systems have their own kT.",
    )
    n_steps = parameters.n_steps(
        2200, doc="Steps of training in all, the hot model of further restarts apart.", precedence=1.2
    )
    n_restarts = parameters.n_restarts(
        doc="Hot models whose samples are pooled before the best is cooled: more find more modes.",
        label="Hot models",
        precedence=1.3,
    )
    schedule: param.Selector[str] = param.Selector(
        default="staged",
        objects=["staged", "adaptive"],
        precedence=2,
        label="Tempering",
        doc="staged: a hot model, whose weighted samples keep rare modes while it is cooled. adaptive: the "
        "published one, which cools as fast as the growth of the KL divergence allows.",
    )
    posterior: param.Selector[str] = param.Selector(
        default="exact",
        objects=["exact", "encoder"],
        precedence=2.1,
        label="CVs of a point",
        doc="exact: by quadrature over the CVs, up to two. encoder: a network, as published.",
    )
    batch_size = parameters.batch_size(500, doc="Energies evaluated in each step.")
    learning_rate = parameters.learning_rate(
        5e-3, doc="Step size of the Adam optimizer. Smaller ones lose fewer modes."
    )
    hidden = parameters.layers(label="Decoder", doc="Widths of the decoder's hidden layers.")
    encoder_hidden = parameters.layers(
        [100, 100, 100],
        label="Encoder",
        doc="Widths of the encoder's hidden layers, where there is one.",
        precedence=10.3,
    )
    width = param.Number(
        1.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=10.4,
        label="First width",
        doc="Noise of the untrained model, in quarters of the box: a narrow one loses modes.",
    )
    beta_start = param.Number(
        0.05,
        bounds=(0, 1),
        inclusive_bounds=(False, True),
        precedence=10.5,
        label="First beta",
        doc="Inverse temperature at the start, in units of the target's.",
    )
    beta_low = param.Number(
        0.3,
        bounds=(0, 1),
        inclusive_bounds=(False, True),
        precedence=10.6,
        label="Hot beta",
        doc="Inverse temperature, in units of the target's, at which samples are drawn that are "
        "weighted to the target.",
    )
    reverse_share = param.Number(
        0.5,
        bounds=(0, 1),
        precedence=10.7,
        label="Weight of the reverse KL",
        doc="Weight of the reverse KL divergence, which learns from energies, while cooling; the forward "
        "one has the rest (staged).",
    )
    reverse_share_end = param.Number(
        1 / 6,
        bounds=(0, 1),
        precedence=10.8,
        label="Weight of the reverse KL at the end",
        doc="The same in the last half: little makes widths right, much makes energies right.",
    )
    largest_increase = param.Number(
        1.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=10.9,
        label="Largest increase",
        doc="Relative growth of the KL divergence that a step of the adaptive tempering may bring.",
    )
    steps_per_temperature = param.Integer(
        10,
        bounds=(1, None),
        precedence=10.91,
        label="Steps per temperature",
        doc="Training steps at each temperature of the adaptive tempering.",
    )
    kappa = param.Number(
        3.0,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=10.92,
        label="Longest gradient",
        doc="Gradients of single samples are shortened to this multiple of their mean length.",
    )
    dtype: param.Selector[str] = param.Selector(
        default="float32",
        objects=["float32", "float64"],
        precedence=11,
        label="Precision",
        doc="Of the network. Energies are always in double precision.",
    )
    n_threads = parameters.n_threads(
        doc="Threads for training on the CPU; 0 leaves it to torch.", precedence=11.1
    )
