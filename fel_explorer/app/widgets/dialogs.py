"""A place on the page for dialogs, each of which is put there when it is first opened."""

from __future__ import annotations

from typing import TypeVar

import panel_material_ui as pmui
from panel.viewable import Viewable, Viewer

Part = TypeVar("Part", bound=Viewable | Viewer)


class Dialogs(Viewer):
    """The dialogs that were opened so far."""

    def __init__(self, **params):
        super().__init__(**params)
        self.layout = pmui.Column(width=0, height=0, margin=0)

    def __panel__(self):
        return self.layout

    @property
    def any_open(self) -> bool:
        """Whether one of them is open."""
        return any(dialog.open for dialog in self.layout.select(pmui.Dialog))

    def add(self, dialog: Part) -> Part:
        """Put a dialog on the page; returns it."""
        self.layout.append(dialog)
        return dialog
