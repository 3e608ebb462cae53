"""Networks trained on different parts of the data, and what they agree on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from fel_explorer.errors import FelError
from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import Loop, from_columns, to_columns
from fel_explorer.training.pairs import segments_of
from fel_explorer.training.split import folds


class Committee(nn.Module):
    """Networks side by side: outputs (frame, member * output) of inputs (frame, input)."""

    members: nn.ModuleList

    def __init__(self, members: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Float[Tensor, "frame input"]) -> Float[Tensor, "frame output"]:
        return torch.cat([member(x) for member in self.members], dim=1)


def parts(
    lengths: Sequence[int] | np.ndarray, n_members: int, fraction: float, gap: int, seed: int
) -> list[tuple]:
    """(training, held-out) segments for each member, as `training.split.folds` makes them.

    Each member holds out another part of the data, about ``fraction`` of it, and only when every part was
    held out once the data are dealt anew; with fraction 0 all train on everything, and None is held out.

    Raises
    ------
    FelError
        If the data are too short to hold out a part.
    """
    if not fraction:
        return [(segments_of(lengths), None)] * n_members
    n_parts = max(2, round(1 / fraction))
    try:
        shuffled_folds = [folds(lengths, n_parts, gap, seed + i) for i in range(-(-n_members // n_parts))]
    except FelError as error:
        remedy = "Take a shorter lag_time, longer trajectories or validation_fraction=0."
        raise FelError(error.given, error.valid, remedy) from error
    return [part for parts in shuffled_folds for part in parts][:n_members]


def train(
    committee: Committee,
    n: int,
    loop: Callable[[int], Loop],
    checkpoint: Checkpoint | None,
    device: torch.device,
) -> xr.Dataset:
    """Train ``n`` members one after another; returns their histories, one behind the other.

    A training that is cancelled keeps the members that were trained, at least the first: one hardly trained
    would only disturb the others.

    Parameters
    ----------
    loop
        Of an index: appends an untrained member to the committee and makes the loop that trains it.
    checkpoint
        That of the loops; it holds which member is trained, and the ones before.
    """
    saved = checkpoint.load(device) if checkpoint else None
    context = checkpoint.context if checkpoint and saved else {}
    histories: list[xr.Dataset] = []
    for k in range(n):
        training = loop(k)
        if saved and k < context["member"]:
            continue
        if saved:
            committee.load_state_dict(context["members"])
            histories = [from_columns(columns) for columns in context["histories"]]
            training.load_state_dict(saved)
            saved = None
        if checkpoint:
            columns = [to_columns(history) for history in histories]
            checkpoint.context = {"member": k, "members": committee.state_dict(), "histories": columns}
        history = training.run()
        if training.cancelled and k:
            del committee.members[k]
            break
        histories.append(history.assign_coords(step=history["step"] + training.steps_before))
        if training.cancelled:
            break
    return xr.concat(histories, "step")


def consensus(
    covariance: Float[Tensor, "function function"], bases: Iterable[Tensor], n: int
) -> Float[Tensor, "function direction"]:
    """Basis (function, direction) of the ``n`` directions most common to several spaces of functions.

    Parameters
    ----------
    covariance
        C (function, function) of the functions.
    bases
        (function, direction) of each space, orthonormal: V^T C V = 1.

    Notes
    -----
    The directions are the eigenvectors of the mean of the projectors onto the spaces.  What one network
    overfitted is in one space only, so it is left out; the slowest combinations of all functions would
    prefer it, because it looks slow.
    """
    together = torch.cat(list(bases), dim=1)
    _, vectors = torch.linalg.eigh(together.T @ covariance @ together)
    return together @ vectors[:, -n:]
