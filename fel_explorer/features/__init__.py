"""Features of molecules: kinds, featurizers that choose atoms, and the computation of a dataset."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
