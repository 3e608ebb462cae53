"""The 3-D viewer component and its bundle."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "component": ["COLOURINGS", "COLOURS", "OF_CHAINS", "REPRESENTATIONS", "Layer", "StructureViewer"]
    },
)
