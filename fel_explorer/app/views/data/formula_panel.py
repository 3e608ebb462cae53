"""A column from a formula of others: the button and its dialog."""

from __future__ import annotations

from functools import cached_property

import panel_material_ui as pmui

from fel_explorer.app.session.session import Session
from fel_explorer.app.widgets.button_bar import BarButton
from fel_explorer.app.widgets.dialogs import Dialogs
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Text
from fel_explorer.data import add_column
from fel_explorer.data.formulas import EXAMPLE, FUNCTIONS
from fel_explorer.data.frame_values import quantities

SHOWN = 12  # names listed


class FormulaColumn:
    """The ``button`` that adds a column to colour the map by, place it along, or compare."""

    def __init__(self, session: Session, dialogs: Dialogs | None = None):
        self.session, self._dialogs = session, dialogs or Dialogs()
        self.button = BarButton(
            self._ask, label="Formula", icon="functions",
            description="New column calculated from others, such as energy / 4.184",
        )  # fmt: skip

    @cached_property
    def dialog(self) -> pmui.Dialog:
        return self._dialogs.add(pmui.Dialog(show_close_button=True, close_on_click=True, width_option="sm"))

    def add(self, name: str, formula: str) -> None:
        """Add the column and colour the map by it.

        Raises
        ------
        FelError
            If the name is taken or the formula can't be evaluated.
        """
        self.session.attach(add_column(self.session.dataset, name, formula))
        self.session.colour(name.strip())

    def _ask(self, _event):
        wide = {"size": "small", "sizing_mode": "stretch_width"}
        self.name_input = pmui.TextInput(label="Name of the column", **wide)
        self.formula_input = pmui.TextInput(label="Formula", placeholder="energy / 4.184", **wide)
        names = quantities(self.session.dataset)
        written = [name if name.isidentifier() else f"`{name}`" for name in names[:SHOWN]]
        shown = ", ".join(written) + (", ..." if len(names) > SHOWN else "")
        about = EXAMPLE.replace("`", "\\`") + (  # shown as they are to be typed
            "  \nPut names of more than one word in backticks; torsions are in degrees.  \n"
            f"**Columns** {literal(shown)}  \n**Functions** {', '.join(FUNCTIONS)}"
        )
        add = pmui.Button(label="Add", color="primary", variant="contained", on_click=self._on_add)
        self.dialog.title = "Column from a formula"
        text = Text(about, variant="body2", sizing_mode="stretch_width")
        self.dialog[:] = [self.name_input, self.formula_input, text, add]
        self.dialog.open = True

    def _on_add(self, _event):
        name, formula = (field.value_input or field.value for field in (self.name_input, self.formula_input))
        self.add(name, formula)
        self.dialog.open = False
