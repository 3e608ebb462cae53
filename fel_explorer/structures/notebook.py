"""Structures in notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mdtraj

from fel_explorer.errors import FelError

if TYPE_CHECKING:
    import nglview


def to_nglview(trajectory: mdtraj.Trajectory) -> nglview.NGLWidget:
    """An ``nglview.NGLWidget`` that shows ``trajectory`` and plays its frames, for notebooks.

    Raises
    ------
    FelError
        If nglview is not installed.
    """
    try:
        import nglview
    except ImportError as error:
        raise FelError(
            "The package nglview is not installed.",
            "It shows structures in notebooks.",
            "Install it with: pip install 'fel-explorer[notebook]'.",
        ) from error
    return nglview.show_mdtraj(trajectory)
