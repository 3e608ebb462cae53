"""Seeded random generators."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def random_generator(device: str | torch.device, *key: int) -> torch.Generator:
    """Generator whose seed mixes all integers of ``key``."""
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    return torch.Generator(device).manual_seed(seed)


def restore(generator: torch.Generator, state: torch.Tensor) -> None:
    """Set ``generator`` to a saved ``state``.

    The state of a generator on another kind of device has another form: then it is only a seed, so that
    what follows is reproducible but has other random numbers than the run that was saved.
    """
    state = state.cpu()
    if state.shape == generator.get_state().shape:
        generator.set_state(state)
    else:
        digest = hashlib.blake2b(state.numpy().tobytes(), digest_size=7).digest()
        generator.manual_seed(int.from_bytes(digest, "big"))
