"""One file a plot: data in, HoloViews elements out.  No widgets, no session."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
