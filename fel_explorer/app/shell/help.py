"""The help overlay: a first session in six steps, the views, and the shortcuts from the command table."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.shell.commands import by_shortcut
from fel_explorer.app.shell.header import shortcut_text
from fel_explorer.app.views.tabs import TABS
from fel_explorer.app.widgets.text import Text

NO_BREAK = "\N{NON-BREAKING HYPHEN}"
STEPS = """
**A first session**

1. **Data**: open trajectories, or load the sample data: alanine dipeptide, a molecule with two slow torsions.
2. **Features**: choose the features that describe a structure, such as distances or torsions.
3. **Model**: press *Train*. IDM learns the metastable states, and a map on which they are separated.
4. **Map**: valleys of the free energy are states. Draw a lasso, or click a point.
5. **Structure**: see the structures of the selection or the point, observed or decoded.
6. **Selection**: export the frames as PDB, XTC or CSV.

The free energy is -kT ln of the population: a state 1 kT higher is e = 2.7 times rarer.
"""


class Help(Viewer):
    """The dialog; its content is made when it is first opened."""

    def __init__(self, **params):
        super().__init__(**params)
        self.dialog = pmui.Dialog(
            title="Help", open=False, close_on_click=True, show_close_button=True, width_option="lg"
        )

    def __panel__(self):
        return self.dialog

    def toggle(self) -> None:
        if not self.dialog.objects:
            keys = (
                f"| **{shortcut_text(key).replace('-', NO_BREAK)}** | {one.title} |"
                for key, one in by_shortcut().items()
            )
            views = (f"- **{tab.title}**: {tab.about}" for tab in TABS)
            about_views = "\n".join(["**Views below the map**", "", *views])
            about_keys = "\n".join(["**Keyboard**", "", "| Key | Does |", "|---|---|", *keys])
            self.dialog[:] = [
                pmui.Row(
                    Text(f"{STEPS}\n{about_views}", width=420, margin=(0, 16, 0, 0)),
                    Text(about_keys, width=320),
                )
            ]
        self.dialog.open = not self.dialog.open
