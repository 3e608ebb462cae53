"""The hyperparameters of `MultitaskCV`."""

from __future__ import annotations

import param

from fel_explorer.methods import parameters
from fel_explorer.methods.encoders.method import EncoderMethod


class MultitaskParameters(EncoderMethod):
    """Base with the form of `MultitaskCV`; not a method itself."""

    n_dims = parameters.n_dims(doc="Dimensions of the CV.", precedence=1)
    label_column = parameters.label_column(
        "basin",
        doc="Column of the dataset with the basin of each frame, whole numbers; below 0: no label.",
        precedence=1.1,
    )
    energy_column = param.String(
        "energy",
        precedence=1.2,
        label="Column of energies",
        doc="Column of the dataset with the potential energy of each frame.",
    )
    n_steps = param.Integer(default=3000)
    n_restarts = parameters.n_restarts(
        4,
        doc="Trainings that begin with different random weights. After a tenth of the steps the one with the "
        "least loss goes on: some are stuck by then, with two basins in one place.",
        label="Starts",
        precedence=1.6,
    )
    learning_rate = param.Number(default=3e-3)
    hidden = param.List(default=[64, 64, 32])
    head_hidden = parameters.layers(
        [64, 64],
        label="Layers of the energy",
        doc="Widths of the hidden layers of the network that predicts the energy from the CV.",
        precedence=10.3,
    )
    classification_weight = parameters.weight(
        1.0, "Weight of basins", "Of the error of the predicted basins. 0 leaves the classifier out.", 1.4
    )
    energy_weight = parameters.weight(
        1.0, "Weight of energies", "Of the error of the predicted energies. 0 leaves the predictor out.", 1.5
    )
    pair_weight = parameters.weight(
        0.0,
        "Weight of pairs",
        "Of making distances in the CV differences of energy within each basin (in standard deviations "
        "of the energy). 0: not.",
        10.5,
    )
    pair_cutoff = param.Number(
        1.0,
        bounds=(0, None),
        precedence=10.51,
        label="Range of pairs",
        doc="Pairs whose energies differ by much more, in standard deviations of the energy, don't count.",
    )
    pair_width = param.Number(
        0.2,
        bounds=(0, None),
        inclusive_bounds=(False, True),
        precedence=10.52,
        label="Width of the range",
        doc="How softly the range of pairs ends, in standard deviations of the energy.",
    )
    reconstruction_weight = parameters.weight(
        0.0, "Weight of reconstruction", "Of rebuilding the features from the CV. 0: no decoder.", 10.6
    )
    forecast_weight = parameters.weight(
        0.0,
        "Weight of the forecast",
        "Of predicting from the CV the features a lag time later. 0: no forecast.",
        10.61,
    )
    lag_time = parameters.lag_time(
        0.0, zero=True, doc="How far ahead the forecast looks, in the data's time unit.", precedence=10.62
    )
    regularization_weight = parameters.weight(
        1e-5, "Weight of smoothness", "Of the squared weights of the encoder, which keep it smooth.", 10.7
    )
    n_intervals = param.Integer(
        3,
        bounds=(1, 10_000),
        precedence=10.8,
        label="Energy intervals",
        doc="Every one of so many intervals of energy counts the same, so that rare high energies matter. "
        "More of them predict the transition states better and the bottoms of the basins worse.",
    )
    random_share = param.Number(
        0.3,
        bounds=(0, 1),
        precedence=10.9,
        label="Random prefactors",
        doc="Initial fraction of the training in which each task's weight is drawn anew each epoch.",
    )
