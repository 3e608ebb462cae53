"""Selection by value: a condition that is typed, or a range of one quantity."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.session.selection import Selection
from fel_explorer.app.session.session import Session
from fel_explorer.data.frame_values import FRAME_NUMBERS, frame_values, quantities, unit_of

MODES = {"New selection": "replace", "And": "intersect", "Or": "add", "And not": "subtract"}
EXAMPLE = "`phi ALA2` < 0 and time > 100"
ABOUT = (
    "Compare columns, torsions (degrees) and features with < <= > >= == !=, and join by and, or, not. Names "
    "of more than one word stand in backticks. Enter selects."
)


class GateForm(Viewer):
    """Fields that select frames by their values, alone or with the selection that there is."""

    session = param.ClassSelector(class_=Session)

    def __init__(self, session: Session, **params):
        super().__init__(session=session, **params)
        self._base: Selection | None = None  # before the range was moved
        self._made: Selection | None = None  # by the range
        self._filling = False
        small = {"size": "small", "sizing_mode": "stretch_width"}
        self.mode = pmui.Select(
            label="Combine", options=MODES, value="replace", size="small", width=126, margin=(8, 6),
            description="With the frames that are selected, by lasso, state or value.",
        )  # fmt: skip
        self.where = pmui.TextInput(
            label="Frames where", placeholder=EXAMPLE, description=ABOUT, margin=(8, 6), **small
        )
        self.quantity = pmui.Select(label="Range of", options=[], size="small", width=150, margin=(8, 6))
        self.range = pmui.RangeSlider(
            label="", start=0.0, end=1.0, value=(0.0, 1.0), step=0.01, margin=(14, 14), **small
        )
        self.column = pmui.TextInput(
            label="Keep the selection as", placeholder="left basin", margin=(8, 6),
            description="Name of a column, 1 in the selection and 0 elsewhere: to colour by, and for "
            "conditions such as `left basin` == 1 and not time < 100. Press Enter.", **small,
        )  # fmt: skip
        self.where.param.watch(self._on_where, "value")
        self.quantity.param.watch(self._on_quantity, "value")
        self.range.param.watch(self._on_range, "value_throttled")
        self.column.param.watch(self._on_name, "value")
        self.layout = pmui.Column(
            pmui.Row(self.mode, self.where, sizing_mode="stretch_width", margin=0),
            pmui.Row(self.quantity, self.range, sizing_mode="stretch_width", margin=0),
            self.column, sizing_mode="stretch_width", margin=0, visible=False,
        )  # fmt: skip

    def __panel__(self):
        return self.layout

    def open(self, shown: bool) -> None:
        """Show or hide the fields."""
        if shown:
            self.offer()
        self.layout.visible = shown

    def offer(self) -> None:
        """Offer the quantities that the data have."""
        data = self.session.dataset
        names = [] if data is None else [*quantities(data), *FRAME_NUMBERS]
        self.quantity.options = names
        if names and self.quantity.value not in names:
            self.quantity.value = names[0]

    def _on_where(self, event):
        if event.new.strip():
            self.session.select_where(event.new.strip(), self.mode.value)

    def _on_name(self, event):
        if event.new.strip():
            self.session.name_selection(event.new)
            self.column.value = ""
            self.offer()

    def _on_quantity(self, event):
        """The range of another quantity: all of its values, which selects nothing yet."""
        if not event.new:
            return
        values = frame_values(self.session.dataset, event.new)
        values = values[np.isfinite(values)]
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
        step = 10.0 ** np.floor(np.log10(max(high - low, 1e-6) / 100))
        low, high = np.floor(low / step) * step, np.ceil(high / step) * step
        high = high if high > low else low + step
        unit = unit_of(self.session.dataset, event.new)
        self._base = self._made = None
        self._filling = True
        self.range.param.update(
            start=float(low), end=float(high), value=(float(low), float(high)), step=float(step),
            label=f"{event.new} ({unit})" if unit else event.new,
        )  # fmt: skip
        self._filling = False

    def _on_range(self, event):
        if self._filling or event.new is None or self.session.dataset is None:
            return
        if self.session.selection is not self._made:  # changed by something else since
            self._base = self.session.selection
        low, high = event.new
        name = self.quantity.value if self.quantity.value.isidentifier() else f"`{self.quantity.value}`"
        self.session.select_where(f"{low:.6g} <= {name} <= {high:.6g}", self.mode.value, self._base)
        self._made = self.session.selection
