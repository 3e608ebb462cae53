"""Explore the free-energy landscapes of molecular simulations.  ``import fel_explorer as fel``."""

import lazy_loader

__version__ = "0.1.0"

# Lazy, because torch, mdtraj and panel each take a second to import and few uses need all three.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "app",
        "data",
        "export",
        "features",
        "free_energy",
        "kinetics",
        "methods",
        "plots",
        "sampling",
        "structures",
        "systems",
        "training",
    ],
    submod_attrs={
        "app": ["explore"],
        "data": [
            "as_dataset",
            "attach_columns",
            "load_trajectories",
            "open_dataset",
            "sample_data",
            "save_dataset",
        ],
        "errors": ["FelError"],
        "features": ["featurize", "list_featurizers"],
        "methods": [
            "Autoencoder",
            "DiffusionMap",
            "DivisiveIDM",
            "Eigenfunctions",
            "EmbeddedPhysics",
            "IDM",
            "KMeans",
            "LatentSpaceSimulator",
            "MultitaskCV",
            "PCA",
            "PCCA",
            "SPIB",
            "SRV",
            "TICA",
            "VAMPNet",
            "list_methods",
            "load_model",
        ],
    },
)
