"""Collective variables out of the package: files that PLUMED and torch load."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
