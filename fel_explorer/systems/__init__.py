"""Systems to learn from without files: analytic potentials with known answers, force fields, and dynamics."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
