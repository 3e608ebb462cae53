"""Gradient clipping, without waiting for the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def clip_norm(parameters: Sequence[Tensor], max_norm: float) -> None:
    """Scale all gradients together to a norm of at most ``max_norm``."""
    torch.nn.utils.clip_grad_norm_(parameters, max_norm, foreach=True)


def adaptive_backward(main: Tensor, auxiliary: Tensor, parameters: Sequence[Tensor]) -> None:
    """Set ``.grad`` to g_aux + min(1, |g_aux| / |g_main|) g_main.

    The norms are over the parameters that both losses reach.  So the main term, whose gradient can explode,
    never outweighs the auxiliary task.

    Source: M. I. Belghazi et al., ICML (2018), doi:10.48550/arXiv.1801.04062, appendix 8.1.1. J. Zhang et
    al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, section 2.3, names adaptive
    gradient clipping without giving its form.
    """
    main_gradients = torch.autograd.grad(main, parameters, retain_graph=True, allow_unused=True)
    auxiliary_gradients = torch.autograd.grad(auxiliary, parameters, allow_unused=True)
    pairs = list(zip(main_gradients, auxiliary_gradients, strict=True))
    shared = [(m, a) for m, a in pairs if m is not None and a is not None]
    if shared:
        main_norm = torch.nn.utils.get_total_norm([m for m, _ in shared])
        auxiliary_norm = torch.nn.utils.get_total_norm([a for _, a in shared])
        scale = (auxiliary_norm / (main_norm + 1e-12)).clamp(max=1.0)
    else:
        scale = torch.ones((), device=main.device)
    for parameter, (m, a) in zip(parameters, pairs, strict=True):
        if m is None:
            parameter.grad = a
        else:
            parameter.grad = m * scale if a is None else torch.addcmul(a, m, scale)
