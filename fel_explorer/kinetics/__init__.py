"""Kinetics of states: lifetimes, master equation, time scales, Chapman-Kolmogorov test, transition paths."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
