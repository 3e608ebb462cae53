"""Choice of the column of a table with frame weights, or with the bias that they come from."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.session.session import Session
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.data.columns import column_names

NONE = "all frames have equal weight"


class FrameWeights(Viewer):
    """A choice that is made anew for each table, and the temperature that a bias needs."""

    def __init__(self, session: Session, **params):
        super().__init__(**params)
        self.session = session
        self.source = pmui.Select(
            label="Frame weights",
            options=[NONE],
            value=NONE,
            size="small",
            sizing_mode="stretch_width",
            description="Biased simulations need weights: a column of them, or the bias energy in kJ/mol "
            "(such as metad.rbias), from which they are computed as exp(bias / kT).",
        )
        self.temperature = FloatField(
            label="Temperature (K)", value=None, start=0, size="small", width=150, visible=False
        )
        self.source.param.watch(self._update, "value")
        self._options: dict[str, dict] = {NONE: {}}
        self.layout = pmui.Row(
            self.source, self.temperature, sizing_mode="stretch_width", margin=0, visible=False
        )

    def __panel__(self):
        return self.layout

    def offer(self, tables) -> None:
        """Offer the columns of the tables, of which all have the same."""
        names = column_names(tables[0]) if tables else []
        likely = sorted(names, key=lambda name: ("weight" not in name.lower(), "bias" not in name.lower()))
        self._options = {NONE: {}}
        for name in likely:
            self._options[f"{name} is the weight"] = {"weight_column": name}
            self._options[f"{name} is a bias in kJ/mol"] = {"bias_column": name}
        value = "weight is the weight" if "weight" in names else NONE
        self.source.param.update(options=list(self._options), value=value)
        self.temperature.value = self.session.temperature
        self.layout.visible = bool(names)

    @property
    def chosen(self) -> dict:
        """Options of `data.attach_columns`."""
        options = dict(self._options[self.source.value])
        if "bias_column" in options:
            options["temperature"] = self.temperature.value
        return options

    def _update(self, *_):
        self.temperature.visible = "bias_column" in self._options[self.source.value]
