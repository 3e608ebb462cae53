"""Training on several processes, the ranks of torch.distributed: each computes a part of every batch.

All ranks hold the data and draw the same batches from the same seed.  What an objective needs of a batch,
sums over its pairs, is reduced across ranks, so that each has the loss of the whole batch.  The gradient of a
rank is that of its own pairs, and the sum over ranks is the gradient of one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from fel_explorer.training.pairs import Batch


def n_ranks() -> int:
    """How many processes train together; 1 without torch.distributed."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Number of this process among them."""
    return dist.get_rank() if n_ranks() > 1 else 0


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Join the processes that ``torchrun`` started; yields the device of this one.

    Without torchrun it yields ``device`` and does nothing.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield device
        return
    on_cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if on_cuda:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_cuda else "gloo")
    try:
        yield device if on_cuda else "cpu"
    finally:
        dist.destroy_process_group()


def own_share(batch: Batch) -> Batch:
    """The pairs of a batch that this rank computes; their sum over ranks is the batch."""
    n, own = n_ranks(), rank()
    if n == 1:
        return batch
    earlier, later = batch.halves(batch.frames)
    return Batch(torch.cat([earlier[own::n], later[own::n]]), batch.weight[own::n])


class _Sum(torch.autograd.Function):
    """Sum over ranks.  Each goes on with the same function of it, so a rank's own gradient is passed on."""

    @staticmethod
    def forward(ctx, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


def summed(values: Tensor) -> Tensor:
    """``values`` summed over all ranks; what follows must be the same on each of them."""
    return _Sum.apply(values) if n_ranks() > 1 else values


def sum_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradient of each parameter by its sum over all ranks."""
    if n_ranks() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    joined_gradients = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(joined_gradients)
    for gradient, total in zip(
        gradients, joined_gradients.split([g.numel() for g in gradients]), strict=True
    ):
        gradient.copy_(total.view_as(gradient))
