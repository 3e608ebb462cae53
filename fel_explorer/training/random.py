"""Seeded random generators."""

from __future__ import annotations

import numpy as np
import torch


def random_generator(device: str | torch.device, *key: int) -> torch.Generator:
    """Generator whose seed mixes all integers of ``key``."""
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    return torch.Generator(device).manual_seed(seed)
