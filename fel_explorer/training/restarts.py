"""Restarts: several trainings begin; the best of them after a trial is continued."""

from __future__ import annotations

from collections.abc import Callable

import torch
import xarray as xr

from fel_explorer.training.checkpoint import Checkpoint
from fel_explorer.training.loop import Loop


def train_best_restart(
    start: Callable[[int], Loop],
    merit: Callable[[xr.Dataset], float],
    *,
    n_restarts: int,
    trial: int,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
) -> tuple[Loop, xr.Dataset]:
    """Train several restarts for a trial, then the best one to its end; return its loop and its history.

    Parameters
    ----------
    start
        Makes the loop of a restart (0, 1, ...), with a network and a generator of its own and with
        ``checkpoint``; called again for the one that is chosen.
    merit
        A figure of merit of the history of a trial, lower is better.
    trial
        Steps after which the restarts are compared.  The chosen one goes on from there.
    checkpoint
        A run that was killed resumes from it to the same numbers.

    Notes
    -----
    A callback that ends the training ends it for all: the best so far is returned as it is.
    """
    saved = checkpoint.load(device) if checkpoint else None
    context = checkpoint.context if checkpoint and saved else {}
    first, best = context.get("restart", 0), context.get("best")
    cancelled = False
    for restart in range(first, n_restarts):
        loop = start(restart)
        if saved:
            loop.load_state_dict(saved)
            saved = None
        if checkpoint:
            checkpoint.context = {"restart": restart, "best": best}
        score = merit(loop.run(until=trial))
        if best is None or score < best["score"]:
            best = {"restart": restart, "score": score, "state": loop.state_dict()}
        cancelled = loop.cancelled
        if cancelled:
            break
    assert best is not None  # there is at least one restart
    loop = start(best["restart"])
    loop.load_state_dict(saved or best["state"])
    if cancelled:
        return loop, loop.history()
    loop.steps_before = (n_restarts - 1) * trial
    if checkpoint:
        checkpoint.context = {"restart": n_restarts, "best": {**best, "state": {}}}
    return loop, loop.run()
