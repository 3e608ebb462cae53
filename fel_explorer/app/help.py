"""The help overlay: a first session in six steps, and the shortcuts from the command table."""

from __future__ import annotations

import panel_material_ui as pmui

from fel_explorer.app.commands import COMMANDS
from fel_explorer.app.header import shortcut_text

STEPS = """
**A first session**

1. **Data**: open trajectories, or load the sample data: alanine dipeptide, a molecule with two slow torsions.
2. **Features**: choose what describes a structure to the model, such as distances or torsions.
3. **Model**: press *Train*. IDM learns a map on which metastable states lie apart, and the states themselves.
4. **Map**: valleys of the free energy are states. Draw a lasso, or click a point.
5. **Structure**: see the molecule behind the selection or the point: observed frames, or decoded by the model.
6. **Selection**: export the frames as PDB, XTC or CSV.

The free energy is -ln of the population, in units of kT: a state 1 kT higher is e = 2.7 times rarer.
"""


def help_dialog() -> pmui.Dialog:
    """The dialog, closed."""
    rows = "\n".join(f"| **{shortcut_text(c.shortcut)}** | {c.title} |" for c in COMMANDS)
    return pmui.Dialog(
        pmui.Row(
            pmui.Typography(STEPS, width=420, margin=(0, 16, 0, 0)),
            pmui.Typography(f"**Keyboard**\n\n| | |\n|---|---|\n{rows}", width=320),
        ),
        title="Help",
        open=False,
        close_on_click=True,
        show_close_button=True,
        width_option="lg",
    )
