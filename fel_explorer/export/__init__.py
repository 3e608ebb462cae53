"""Collective variables out of the package: files that PLUMED and torch load."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "ann": ["ann_action", "dense_layers"],
        "plumed": ["plumed"],
        "torch_files": ["save_archive", "save_torchscript"],
    },
)
