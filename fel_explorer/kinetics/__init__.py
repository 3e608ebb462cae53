"""Kinetics of states: lifetimes, coarse master equation, implied time scales, Chapman-Kolmogorov test."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "lifetimes": ["Dwells", "dwells", "lifetimes", "survival"],
        "markov": ["ck_test", "implied_timescales", "markov_model"],
        "master_equation": ["CoarseMasterEquation"],
    },
)
