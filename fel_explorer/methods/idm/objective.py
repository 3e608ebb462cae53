"""The objective of information distilling of metastability (IDM).

Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012; numbers of
equations are those of the preprint, doi:10.48550/arXiv.1906.02852.

Symbols: x and x' a pair of frames within the lag, chi (frame, state) their memberships, z = G(x) (frame, cv)
the matching space, c (state, cv) the prototypes in it.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fel_explorer.methods.idm.partition import merge_gains

SIMILARITIES = ("negative squared distance", "scaled dot product", "cosine")
EPS = 1e-9  # of a joint probability; float32 resolves it next to 1 in every sum used here


def similarity(
    z: Float[Tensor, "frame cv"], c: Float[Tensor, "state cv"], kind: str = SIMILARITIES[0]
) -> Float[Tensor, "frame state"]:
    """S(x, c), (frame, state): how well each frame matches each prototype.

    "negative squared distance" is -|z - c|^2, "scaled dot product" z . c / sqrt(d) (the attention form of
    Eq. S9 of the source), "cosine" the cosine of the angle between them.
    """
    if kind == "scaled dot product":
        return z @ c.T / z.shape[1] ** 0.5
    if kind == "cosine":
        return torch.nn.functional.normalize(z, dim=1) @ torch.nn.functional.normalize(c, dim=1).T
    return 2 * z @ c.T - c.square().sum(1) - z.square().sum(1, keepdim=True)


def log_memberships(
    z: Float[Tensor, "frame cv"], c: Float[Tensor, "state cv"], gamma: float, kind: str = SIMILARITIES[0]
) -> Float[Tensor, "frame state"]:
    """ln chi_j(x) = ln softmax_j gamma S(x, c_j), (frame, state).  Eq. 5 of the source."""
    return torch.log_softmax(gamma * similarity(z, c, kind), dim=1)


def joint_matrix(
    chi: Float[Tensor, "pair state"],
    chi_later: Float[Tensor, "pair state"],
    weight: Float[Tensor, "pair"] | None = None,
) -> Float[Tensor, "state state"]:
    """P = <chi(x) chi(x')^T>, (state, state): symmetrised (detailed balance) and summing to 1.

    ``chi`` and ``chi_later`` (pair, state) belong to the two frames of each pair, ``weight`` (pair,) to the
    pair.
    """
    joint = (chi if weight is None else chi * weight[:, None]).T @ chi_later
    joint = joint + joint.T
    return joint / joint.sum()


def information(joint: Float[Tensor, "state state"], beta: float = 1.0) -> Float[Tensor, ""]:
    """I_beta = sum_ij P_ij ln [P_ij / (P_i^beta P_j^beta)] in nats.  Eq. 2 of the source.

    At beta = 1 the mutual information of the states of two frames within the lag.  In general
    I_beta = I_1 + (beta - 1) (H(chi) + H(chi')), Eq. 4: beta > 1 spreads the frames over all states, and
    beta < 1 charges a price of 2 (1 - beta) for each nat of entropy, which only states with memory pay
    back.  The same as the loss of X. Ji, J. F. Henriques and A. Vedaldi, ICCV
    (2019), doi:10.1109/ICCV.2019.00996, with lambda = beta.
    """
    joint = joint.clamp_min(EPS)
    entropy = -(joint.sum(1) * joint.sum(1).log()).sum()
    return (joint * joint.log()).sum() + 2.0 * beta * entropy


def merged_states(joint: Float[Tensor, "state state"], beta: float) -> Int[Tensor, "state"]:
    """The state (state,) that each state becomes when pairs are merged while that raises I_beta.

    The pair that gains most goes first.  Gradients find such merges only slowly: where two states meet on
    a barrier there are hardly any frames to move the border by, so that a split that no longer raises I_beta
    with falling beta stays.
    """
    target, table = np.arange(len(joint)), joint.detach().double().cpu().numpy()
    alive = np.flatnonzero(table.sum(1) > EPS)
    while len(alive) > 1:
        gains = merge_gains(table[np.ix_(alive, alive)], beta)
        pair = np.unravel_index(gains.argmax(), gains.shape)
        if gains[pair] <= 0:
            break
        kept, gone = sorted(alive[list(pair)], key=lambda state: (-round(table[state].sum(), 9), state))
        target[target == gone] = kept
        table[kept] += table[gone]
        table[:, kept] += table[:, gone]
        alive = alive[alive != gone]
    return torch.from_numpy(target).to(joint.device)


def koopman_matrix(
    chi: Float[Tensor, "frame state"],
    starts: Int[Tensor, "start"],
    lag: int,
    weight: Float[Tensor, "frame"] | None = None,
) -> tuple[Float[Tensor, "state state"], Float[Tensor, ""]]:
    """K(tau) = C00^-1 C0t of memberships with detailed balance, and their VAMP-2 score.

    Parameters
    ----------
    chi
        (frame, state), no state empty.
    starts
        (start,) frames with a frame ``lag`` later in the same trajectory.
    weight
        (frame,).

    Returns
    -------
    transition_matrix
        (state, state) float64, rows sum to 1.
    vamp2
        Sum of the squared singular values of C00^-1/2 C0t C00^-1/2; the constant one counts 1.

    Notes
    -----
    Source: H. Wu and F. Noe, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y, Eq. 30 with r =
    2.
    """
    earlier, later = chi[starts].double(), chi[starts + lag].double()
    weighted = earlier if weight is None else earlier * weight[starts].double()[:, None]
    weighted_later = later if weight is None else later * weight[starts].double()[:, None]
    instant = weighted.T @ earlier + weighted_later.T @ later
    lagged = weighted.T @ later
    lagged = lagged + lagged.T
    values, vectors = torch.linalg.eigh(instant)
    keep = values > 1e-12 * values.max()
    whiten = vectors[:, keep] / values[keep].sqrt()
    half = whiten.T @ lagged @ whiten
    return whiten @ whiten.T @ lagged, half.square().sum()
