"""A page that learns from a force field, without data: `PhysicsPage`."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["pages"], submod_attrs={"page": ["PhysicsPage"]}
)
