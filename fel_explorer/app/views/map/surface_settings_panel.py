"""Settings of the free energy: unit, weights, kernel, contours."""

from __future__ import annotations

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.view import SMOOTHING
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.plots.energy_units import EnergyUnit

TEMPERATURE = "Temperature of the simulation (K), for energies per mole."


class SurfaceSettings(Viewer):
    """A button that opens the settings of the free energy."""

    contours = param.Boolean(True, doc="Lines of equal free energy: about ten, at least 1 kT apart.")
    filled = param.Boolean(
        False, doc="One colour between two contour lines, in place of colours that change smoothly."
    )
    weighted = param.Boolean(True, doc="Use the frame weights to correct for biased sampling.")
    smoothing = param.Number(
        SMOOTHING,
        bounds=(0.0, 5.0),
        doc="Width of the kernel that smooths the counts of frames, in bins of the map. Wider is smoother, "
        "but lowers barriers.",
    )

    def __init__(self, session: Session, **params):
        super().__init__(**params)
        self.session = session
        self.button = pmui.IconButton(
            icon="tune", size="small", margin=(7, 0), on_click=self._open,
            description="Unit, weights, smoothing and contours of the free energy",
        )  # fmt: skip
        self.popup = pmui.Popup(margin=0)
        self.layout = pmui.Row(self.button, margin=0)

    def __panel__(self):
        return self.layout

    @property
    def unit(self) -> EnergyUnit:
        """The session's unit of energies."""
        return self.session.unit

    def _open(self, _event):
        if not self.popup.objects:  # made when first asked for: each widget delays the page
            self.layout.append(self.popup)
            self.popup[:] = [self._form()]
        self._weights.visible = "weight" in self.session.dataset
        self._show_temperature()
        self.popup.open = True

    def _form(self):
        wide = {"size": "small", "sizing_mode": "stretch_width", "margin": (8, 12)}
        self._unit = pmui.Select.from_param(self.session.param.energy_unit, label="Unit of energies", **wide)
        self._temperature = FloatField.from_param(
            self.session.param.temperature, label="Temperature (K)", description=TEMPERATURE, **wide
        )
        self._unit.param.watch(self._show_temperature, "value")
        self._weights = pmui.Switch.from_param(self.param.weighted, label="Weights of the frames", **wide)
        return pmui.Column(
            self._unit,
            self._temperature,
            pmui.FloatSlider.from_param(self.param.smoothing, label="Smoothing (bins)", step=0.5, **wide),
            pmui.Switch.from_param(self.param.contours, label="Contours", **wide),
            pmui.Switch.from_param(self.param.filled, label="Filled contours", **wide),
            self._weights,
            width=300,
            margin=(8, 4),
        )

    def _show_temperature(self, *_):
        self._temperature.visible = self._unit.value != "kT"
