"""Kinetics of states: lifetimes, master equation, time scales, Chapman-Kolmogorov test, transition paths."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exits": ["exits"],
        "lifetimes": ["Dwells", "dwells", "lifetimes", "survival"],
        "markov": ["ck_test", "implied_timescales", "markov_model"],
        "master_equation": ["CoarseMasterEquation"],
        "passages": ["passages"],
        "state_edits": ["merge_states", "split_state"],
        "transition_paths": ["transition_paths"],
    },
)
