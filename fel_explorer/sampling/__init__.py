"""Umbrella sampling along a learned collective variable, its free energies, and potential energies."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
