"""The form of a latent space simulator: lag, atoms, decoder and steps."""

from __future__ import annotations

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.app.views.simulate.simulation import DECODERS, Settings, atom_choices
from fel_explorer.app.widgets.param_form import widget_for

NAMES = Settings.hyperparameter_names()
ROWS = [("lag_time", "propagator_steps"), ("decoder",), ("atoms", "decoder_steps")]


class SimulatorForm(Viewer):
    """Two widgets a row; `offer` fits them to what the session shows."""

    def __init__(self, session: Session, **params):
        super().__init__(**params)
        self.session = session
        self._offered: tuple = ()
        parameters = [Settings.param[name] for name in NAMES]
        self.widgets = {p.name: widget_for(p, p.default) for p in parameters}
        for widget in self.widgets.values():
            widget.margin = (7, 6, 3, 6)
        self.widgets["decoder"].param.watch(self._on_decoder, "value")
        wide = {"sizing_mode": "stretch_width"}
        rows = [pmui.Row(*(self.widgets[name] for name in row), margin=0, **wide) for row in ROWS]
        self.layout = pmui.Column(*rows, margin=(0, 6), **wide)

    def __panel__(self):
        return self.layout

    @property
    def values(self) -> dict:
        """{name: value} as `simulating.simulator_for` takes them."""
        return {name: widget.value for name, widget in self.widgets.items()}

    def offer(self) -> None:
        """Lag and atoms that suit the shown result and the trajectories, where these are others."""
        session, lag = self.session, self.widgets["lag_time"]
        offered = session.shown.method, session.trajectories
        if all(new is old for new, old in zip(offered, self._offered or (None, None), strict=True)):
            return
        unit, step = session.dataset.attrs["time_unit"], float(session.dataset.attrs["time_step"])
        lag.param.update(
            label="Lag time" if unit == "1" else f"Lag time ({unit})", step=step, start=step,
            value=default_lag(session.shown, session.dataset),
        )  # fmt: skip
        if not self._offered or self._offered[1] is not session.trajectories:
            choices = atom_choices(session.trajectories.topology)
            self.widgets["atoms"].param.update(options=choices, value=choices[0])
        self._offered = offered

    def _on_decoder(self, event):
        """Each decoder has a number of steps that suits it."""
        self.widgets["decoder_steps"].value = DECODERS[event.new].param.n_steps.default
