"""Hyperparameters common to many methods: bounds, label, position in the form and text, declared once.

A class takes one with a default and, where its meaning is special, a text of its own::

    class MyCV(Method):
        lag_time = parameters.lag_time()
        n_dims = parameters.n_dims(3, doc="Number of slow modes.")

A subclass changes the default of an inherited one by ``n_steps = param.Integer(3000)``: `param` takes from
the base class what is not given.
"""

from __future__ import annotations

from collections.abc import Sequence

import param

MAX_STEPS = 10_000_000
MAX_DIMS = 64
ENCODERS = ("dense", "graph")


def lag_time(
    default: float = 10.0,
    *,
    doc: str = "Processes slower than this are sought, in the data's time unit (ps for molecules).",
    zero: bool = False,
    precedence: float = 1,
) -> param.Number:
    """Lag time in the data's time unit; 0 is allowed where ``zero`` and means none."""
    return param.Number(
        default,
        bounds=(0, None),
        inclusive_bounds=(zero, True),
        precedence=precedence,
        label="Lag time",
        doc=doc,
    )


def n_dims(
    default: int = 2,
    *,
    doc: str = "Dimensions of the embedding.",
    maximum: int | None = MAX_DIMS,
    label: str = "Dimensions",
    precedence: float = 1.1,
) -> param.Integer:
    """Number of dimensions of the embedding."""
    return param.Integer(default, bounds=(1, maximum), precedence=precedence, label=label, doc=doc)


def n_states(
    default: int = 4,
    *,
    doc: str = "Number of states; all of them are used.",
    maximum: int = 512,
    label: str = "States",
    precedence: float = 1.1,
) -> param.Integer:
    """Number of states."""
    return param.Integer(default, bounds=(2, maximum), precedence=precedence, label=label, doc=doc)


def n_microstates(
    default: int = 400,
    *,
    doc: str = "Number of microstates at most; at most one per 20 frames.",
    label: str = "Microstates",
    precedence: float = 10,
) -> param.Integer:
    """Number of microstates."""
    return param.Integer(default, bounds=(2, 5000), precedence=precedence, label=label, doc=doc)


def n_steps(
    default: int = 2000,
    *,
    doc: str = "Steps of training at most; it stops earlier when held-out data no longer gain.",
    precedence: float = 1.3,
) -> param.Integer:
    """Number of training steps."""
    return param.Integer(
        default, bounds=(1, MAX_STEPS), precedence=precedence, label="Training steps", doc=doc
    )


def n_restarts(
    default: int = 1, *, doc: str, label: str = "Restarts", precedence: float = 1.5
) -> param.Integer:
    """Number of trainings from different random weights."""
    return param.Integer(default, bounds=(1, 100), precedence=precedence, label=label, doc=doc)


def batch_size(
    default: int = 2048, *, doc: str = "Frames, or pairs of them, in each step.", precedence: float = 10
) -> param.Integer:
    """Number of samples in a training step."""
    return param.Integer(default, bounds=(2, None), precedence=precedence, label="Batch size", doc=doc)


def learning_rate(
    default: float = 1e-3,
    *,
    doc: str = "Step size of the Adam optimizer. Take a smaller one if the loss jumps.",
    precedence: float = 10.1,
) -> param.Number:
    """Step size of the optimizer."""
    return param.Number(
        default,
        bounds=(0, 1),
        inclusive_bounds=(False, True),
        precedence=precedence,
        label="Learning rate",
        doc=doc,
    )


def layers(
    default: Sequence[int] = (100, 100),
    *,
    doc: str = "Widths of the network's hidden layers. None makes the method linear.",
    label: str = "Hidden layers",
    precedence: float = 10.2,
) -> param.List:
    """Widths of the hidden layers of a network."""
    return param.List(
        list(default), item_type=int, bounds=(0, 10), precedence=precedence, label=label, doc=doc
    )


def reversible(
    default: bool = True,
    *,
    doc: str = "Count each pair of frames in both directions of time, as equilibrium demands. Switch off for "
    "driven systems.",
    label: str = "Detailed balance",
    precedence: float = 10.3,
) -> param.Boolean:
    """Whether the data are at equilibrium: each pair of frames then counts in both directions of time."""
    return param.Boolean(default, precedence=precedence, label=label, doc=doc)


def validation_fraction(
    default: float = 0.2,
    *,
    doc: str = "Fraction of the data held out (whole trajectories, or blocks a lag apart) to stop early "
    "by. 0 trains on everything for all steps.",
    precedence: float = 10.4,
) -> param.Number:
    """Fraction of the data that is held out of the training."""
    return param.Number(default, bounds=(0, 0.9), precedence=precedence, label="Validation fraction", doc=doc)


def weight(default: float, label: str, doc: str, precedence: float) -> param.Number:
    """Weight of a term of the loss."""
    return param.Number(default, bounds=(0, None), precedence=precedence, label=label, doc=doc)


def label_column(default: str | None, *, doc: str, precedence: float) -> param.String:
    """Column of the dataset that holds states."""
    return param.String(default, precedence=precedence, label="Column of labels", doc=doc)


def n_threads(
    default: int = 1,
    *,
    doc: str = "Threads for training on the CPU. One is best for small networks; 0 leaves it to torch.",
    precedence: float = 11,
) -> param.Integer:
    """Number of CPU threads of a training."""
    return param.Integer(default, bounds=(0, 1024), precedence=precedence, label="CPU threads", doc=doc)


# ---- of encoders, see `methods.encoders`


def encoder(default: str = "dense") -> param.Selector[str]:
    """Kind of encoder."""
    return param.Selector(
        default=default,
        objects=list(ENCODERS),
        precedence=10.21,
        label="Encoder",
        doc="'dense': layers on any features. 'graph': a network of atoms that sees only distances within "
        "the cutoff, for coordinates of atoms as features: nobody has to choose descriptors. It is some ten "
        "times slower: take fewer steps and smaller batches.",
    )


def cutoff(default: float = 0.8) -> param.Number:
    """Distance up to which atoms of a graph encoder see each other."""
    return param.Number(
        default,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=10.22,
        label="Cutoff (nm)",
        doc="Of the graph encoder: atoms farther apart than this do not see each other.",
    )


def n_interactions(default: int = 2) -> param.Integer:
    """Number of exchanges between the atoms of a graph encoder."""
    return param.Integer(
        default,
        bounds=(1, 10),
        precedence=10.23,
        label="Interactions",
        doc="Of the graph encoder: how often neighbouring atoms exchange what they know.",
    )


def atom_width(default: int = 32) -> param.Integer:
    """Length of the vector of an atom in a graph encoder."""
    return param.Integer(
        default,
        bounds=(1, 1024),
        precedence=10.24,
        label="Width of an atom",
        doc="Of the graph encoder: numbers that describe an atom and its neighbourhood.",
    )
