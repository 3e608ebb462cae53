"""Sensitivity of collective variables to features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.features.names import feature_groups, torsion_pairs
from fel_explorer.methods import subsample
from fel_explorer.methods.base import Method

FUNCTIONS = {"embedding": ("_transform", "cv"), "memberships": ("_predict_proba", "state")}
BLOCK = 4096  # frames at once through a network with its gradients
ON_CIRCLE = 1e-3  # largest |cos^2 + sin^2 - 1| of a torsion, beyond rounding


def sensitivity(
    method: Method,
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    *,
    of: str = "embedding",
    n_frames: int = 10_000,
) -> xr.Dataset:
    """Sensitivity of each collective variable of a fitted method to each feature.

    The strength of a feature is the root mean square of the variable's derivative by it times the feature's
    standard deviation: how far the variable goes when that feature alone goes as far as it does in the data.
    A feature that the method does not use has none, however correlated with others.  Cosine and sine of one
    torsion count as one: their strength is that of the angle, derivatives across the circle left out.  The
    coordinates of one atom count as one too.

    Parameters
    ----------
    method
        Fitted, and smooth in the features: linear methods and networks.
    X
        Dataset, array (frame, feature) or list of arrays; frame weights count.
    of
        "embedding", or "memberships" of a method with states.
    n_frames
        At most so many frames are used, drawn by the method's seed.

    Returns
    -------
    Dataset over ``cv`` (or ``state``) with ``strength`` (cv, group) in the variable's unit, ``share``
    (cv, group), the strengths scaled to a sum of 1, groups ranked by the mean of it, largest first, and
    ``feature_share`` (cv, feature), the fractions of the groups divided over their features;
    ``group_of`` (feature) names the group of each.

    Raises
    ------
    FelError
        If the method has no derivatives, or no states for "memberships".

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(100, 3)) * [3, 1, 1]
    >>> table = fel.methods.sensitivity(fel.PCA(n_dims=1).fit(x), x)
    >>> str(table["group"].values[0])
    'x0'
    """
    if of not in FUNCTIONS or (of == "memberships" and not method.has_states):
        raise FelError(
            f"of={of!r} with {type(method).__name__}.",
            "It is 'embedding', or 'memberships' of a method with states.",
        )
    dataset = schema.as_dataset(X)
    method.transform(dataset.isel(frame=slice(0, 1)))  # says so where the method or the features do not fit
    frames = subsample.random_frames(dataset, n_frames, method.seed)
    features = subsample.take(dataset, frames)
    weight = torch.from_numpy(subsample.frame_weights(dataset, frames))
    function, dim = FUNCTIONS[of]
    names = [str(name) for name in dataset["feature"].values]
    smooth = getattr(type(method), function) is not getattr(Method, function)
    strength = None
    if smooth:
        strength = _strengths(getattr(method, function), features, weight / weight.sum(), names)
    if strength is None:
        raise FelError(
            f"{type(method).__name__} has no derivatives of its {of}.",
            "Sensitivities are those of linear methods and of networks.",
        )
    return _table(strength, names, dim)


def _strengths(function, features, weight, names) -> np.ndarray | None:
    """Strength (cv, feature) of each feature; those of a torsion's two add up in squares to the torsion's.

    None where ``function`` has no derivatives.
    """
    x = features.double()
    variance = weight @ (x - weight @ x).square()
    circles = [
        list(pair)
        for pair in torsion_pairs(names).values()
        if float((x[:, list(pair)].square().sum(1) - 1).abs().max()) < ON_CIRCLE
    ]
    for pair in circles:
        variance[pair] = variance[pair].sum()
    total: torch.Tensor | float = 0.0
    for start in range(0, len(features), BLOCK):
        part = slice(start, start + BLOCK)
        gradients = _gradients(function, features[part])
        if gradients is None:
            return None
        for pair in circles:
            cos, sin = x[part, pair].T
            along = cos * gradients[..., pair[1]] - sin * gradients[..., pair[0]]
            gradients[..., pair] = along[..., None] / np.sqrt(2)
        total = total + torch.einsum("f,cfi->ci", weight[part], gradients.square())
    return (total * variance).sqrt().cpu().numpy()


def _gradients(function, x) -> torch.Tensor | None:
    """Derivatives (cv, frame, feature) of ``function``, float64 on the CPU; None where there are none."""
    with torch.enable_grad():
        x = x.clone().requires_grad_()
        values = function(x)
        if not values.requires_grad:
            return None
        columns = [
            torch.autograd.grad(values[:, i].sum(), x, retain_graph=True)[0] for i in range(values.shape[1])
        ]
    return torch.stack(columns).double()


def _table(strength, names, dim) -> xr.Dataset:
    """The result of `sensitivity` from strengths (cv, feature)."""
    groups = feature_groups(names)
    joint = np.stack([np.sqrt(np.square(strength[:, i]).sum(1)) for i in groups.values()], axis=1)
    fraction = joint / np.maximum(joint.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    each = np.zeros_like(strength)
    for column, (i, whole) in enumerate(zip(groups.values(), joint.T, strict=True)):
        split = np.square(strength[:, i]) / np.maximum(np.square(whole), np.finfo(float).tiny)[:, None]
        each[:, i] = fraction[:, column, None] * split
    group_of = {i: name for name, places in groups.items() for i in places}
    table = xr.Dataset(
        {
            "strength": ((dim, "group"), joint),
            "share": ((dim, "group"), fraction),
            "feature_share": ((dim, "feature"), each),
        },
        coords={
            "group": list(groups),
            "feature": names,
            "group_of": ("feature", [group_of[i] for i in range(len(names))]),
            dim: np.arange(len(strength)),
        },
    )
    return table.isel(group=np.argsort(-fraction.mean(axis=0), kind="stable"))
