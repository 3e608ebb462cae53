"""The partition of microstates whose states carry the most information I_beta about each other within a lag.

Symbols: C (microstate, microstate) is the joint matrix of two frames of a pair, symmetric and summing to 1;
P (part, part) is that of the parts into which the microstates are merged, p (part,) its marginal.  The
objective is Eq. 2 of IDM for hard memberships, I_beta = sum_ab f(P_ab) - 2 beta sum_a f(p_a) with
f(x) = x ln x.
"""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

TOLERANCE = 1e-10  # nats; smaller gains are rounding


def xlogx(x: np.ndarray) -> np.ndarray:
    """x ln x, 0 at 0."""
    x = np.maximum(x, 0.0)  # differences may leave rounding below zero
    return xlogy(x, x)


def information(joint: np.ndarray, beta: float) -> float:
    """I_beta of the joint matrix (part, part), in nats."""
    return float(xlogx(joint).sum() - 2 * beta * xlogx(joint.sum(1)).sum())


def aggregate(joint: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Joint matrix (part, part) of the parts ``labels`` (microstate,), none of them empty."""
    member = np.eye(int(labels.max()) + 1)[labels]
    return member.T @ (joint @ member)


def merge_gains(joint: np.ndarray, beta: float) -> np.ndarray:
    """Change of I_beta by merging each pair of parts, (part, part); -inf on the diagonal."""
    together = np.stack([xlogx(joint + row).sum(1) for row in joint])
    return _merge_gains(joint, together, beta)


def _merge_gains(joint, together, beta):
    """`merge_gains` from ``together``[i, j] = sum_k f(P_ik + P_jk)."""
    own, p, f = joint.diagonal(), joint.sum(1), xlogx(joint)
    alone = f.sum(1)
    others = together - xlogx(own[:, None] + joint) - xlogx(own[None, :] + joint)
    others -= alone[:, None] + alone[None, :] - xlogx(own)[:, None] - xlogx(own)[None, :] - 2 * f
    pair = xlogx(own[:, None] + own[None, :] + 2 * joint) - xlogx(own)[:, None] - xlogx(own)[None, :] - 2 * f
    marginal = xlogx(p[:, None] + p[None, :]) - xlogx(p)[:, None] - xlogx(p)[None, :]
    gains = 2 * others + pair - 2 * beta * marginal
    np.fill_diagonal(gains, -np.inf)
    return gains


def merge_parts(joint: np.ndarray, beta: float, n_max: int | None = None) -> np.ndarray:
    """New label (part,) of each part after greedy merging: the pair that raises I_beta most goes first.

    Merging ends when no pair raises I_beta; with ``n_max`` it goes on until there are at most so many parts.
    """
    joint, labels = joint.copy(), np.arange(len(joint))
    together = np.stack([xlogx(joint + row).sum(1) for row in joint])
    while len(joint) > 1:
        gains = _merge_gains(joint, together, beta)
        kept, gone = sorted(divmod(int(gains.argmax()), len(joint)))
        if gains[kept, gone] <= TOLERANCE and not (n_max and len(joint) > n_max):
            break
        for column in (kept, gone):
            together -= xlogx(joint[:, column, None] + joint[None, :, column])
        joint[kept] += joint[gone]
        joint[:, kept] += joint[:, gone]
        rest = np.arange(len(joint)) != gone
        joint, together = joint[np.ix_(rest, rest)], together[np.ix_(rest, rest)]
        together += xlogx(joint[:, kept, None] + joint[None, :, kept])
        together[kept] = together[:, kept] = xlogx(joint + joint[kept]).sum(1)
        labels[labels == gone] = kept
        labels[labels > gone] -= 1
    return labels


def move_gains(
    rows: np.ndarray, own: np.ndarray, labels: np.ndarray, joint: np.ndarray, beta: float
) -> np.ndarray:
    """Change of I_beta by moving each microstate to each part, (microstate, part); 0 where it is.

    Parameters
    ----------
    rows
        (microstate, part) joint probability of a microstate and a part.
    own
        (microstate,) diagonal of C.
    labels
        (microstate,) part of each microstate.
    joint
        (part, part).
    """
    n = len(labels)
    every, p, mass, f = np.arange(n), joint.sum(1), rows.sum(1), xlogx(joint)
    own_row = rows[every, labels]  # r_a
    leave = xlogx(joint[labels] - rows) - f[labels]  # (microstate, c)
    enter = xlogx(joint[None] + rows[:, None, :]) - f[None]  # (microstate, b, c)
    diagonal = np.einsum("mbb->mb", enter)
    gains = 2 * (leave.sum(1)[:, None] - leave[every, labels][:, None] - leave)
    gains += 2 * (enter.sum(2) - diagonal - enter[every, :, labels])
    a = labels
    before_a, before_b = joint[a, a], joint.diagonal()
    gains += (xlogx(before_a - 2 * own_row + own) - f[a, a])[:, None]
    gains += xlogx(before_b[None] + 2 * rows + own[:, None]) - f.diagonal()[None]
    across = joint[a] - rows + (own_row - own)[:, None]
    gains += 2 * (xlogx(across) - f[a])
    gains -= 2 * beta * ((xlogx(p[a] - mass) - xlogx(p[a]))[:, None])
    gains -= 2 * beta * (xlogx(p[None] + mass[:, None]) - xlogx(p)[None])
    gains[every, labels] = 0.0
    return gains


def move_microstates(joint: np.ndarray, labels: np.ndarray, beta: float, max_sweeps: int = 100) -> np.ndarray:
    """Labels (microstate,) after moving one microstate at a time to the part that raises I_beta most.

    A sweep proposes all moves that gain, best first; each is made only if it still gains after those before.
    Ends when no move gains.
    """
    labels, n_parts = labels.copy(), int(labels.max()) + 1
    if n_parts < 2:
        return labels
    own = joint.diagonal()
    for _ in range(max_sweeps):
        member = np.eye(n_parts)[labels]
        rows = joint @ member  # anew each sweep: updates gather rounding
        parts = member.T @ rows
        gains = move_gains(rows, own, labels, parts, beta)
        best = gains.max(1)
        moved = False
        for m in np.argsort(-best):
            if best[m] <= TOLERANCE:
                break
            one = slice(m, m + 1)
            gain = move_gains(rows[one], own[one], labels[one], parts, beta)[0] if moved else gains[m]
            b = int(gain.argmax())
            if gain[b] <= TOLERANCE:
                continue
            a, labels[m], moved = labels[m], b, True
            _shift(parts, rows, joint, m, a, b)
        if not moved:
            break
    return np.unique(labels, return_inverse=True)[1]


def _shift(parts, rows, joint, m, a, b) -> None:
    """Update ``parts`` and ``rows`` in place for microstate ``m`` going from part ``a`` to ``b``."""
    row, own = rows[m].copy(), joint[m, m]
    parts[a] -= row
    parts[b] += row
    row[a] -= own
    row[b] += own
    parts[:, a] -= row
    parts[:, b] += row
    rows[:, a] -= joint[:, m]
    rows[:, b] += joint[:, m]


def optimise(joint: np.ndarray, labels: np.ndarray, beta: float) -> np.ndarray:
    """Labels (microstate,) from merging parts and moving microstates in turn until nothing gains."""
    n_before = None
    while True:
        merged = merge_parts(aggregate(joint, labels), beta)
        labels = move_microstates(joint, merged[labels], beta)
        if n_before == labels.max():
            return labels
        n_before = labels.max()
