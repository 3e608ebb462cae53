"""The dashboard; the only place that imports panel."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["jobs", "session"],
    submod_attrs={
        "explorer_pages": ["explore"],
        "session.result": ["Result"],
        "session.selection": ["Selection"],
        "session.session": ["Session"],
        "shell.explorer": ["Explorer"],
    },
)
