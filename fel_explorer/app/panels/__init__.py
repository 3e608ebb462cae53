"""The panels, one file each: they read and write the session and never call each other."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data": ["DataPanel"],
        "dendrogram": ["DendrogramPanel"],
        "features": ["FeaturesPanel"],
        "insight": ["InsightPanel"],
        "map": ["MapPanel"],
        "model": ["ModelPanel"],
        "selection": ["SelectionPanel"],
        "structure": ["StructurePanel"],
    },
)
