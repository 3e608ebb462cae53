"""The form of a sweep: which number of the method, at which values, with how many seeds."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.views.runs.sweep import parse_values, sweepable
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError

FIRST_OFFERED = ("lag_time", "n_states", "seed")  # offered first
ABOUT = "Train the method once for each value; **Runs**, below the map, shows the scores."


class SweepForm(Viewer):
    """Asks what to sweep.

    Parameters
    ----------
    on_queue
        Called with the parameter's name, its values and the number of seeds.
    """

    def __init__(self, on_queue: Callable, **params):
        super().__init__(**params)
        self._on_queue = on_queue
        wide = {"size": "small", "sizing_mode": "stretch_width", "margin": (6, 10)}
        self.parameter = pmui.Select(label="Sweep", description="Parameter to vary.", **wide)
        self.values = pmui.TextInput(
            label="Values", placeholder="2, 5, 10, 20", description="Numbers, separated by commas.", **wide
        )
        self.n_seeds = pmui.IntInput(
            label="Seeds for each value", value=1, start=1, end=20, step=1, **wide,
            description="Several seeds show the variation by chance, as error bars.",
        )  # fmt: skip
        self.button = pmui.Button(
            label="Queue the runs", icon="playlist_add", variant="outlined", size="small",
            sizing_mode="stretch_width", margin=(6, 10), on_click=self._queue,
        )  # fmt: skip
        self.layout = pmui.Column(
            Text(ABOUT, variant="caption", margin=(0, 10), sizing_mode="stretch_width"),
            self.parameter, self.values, self.n_seeds, self.button,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        for widget, name in (
            (self.parameter, "value"),
            (self.values, "value_input"),
            (self.n_seeds, "value"),
        ):
            widget.param.watch(self._say, name)

    def __panel__(self):
        return self.layout

    def offer(self, cls) -> None:
        """Offer the numbers of another method; the one that is chosen stays where both have it."""
        self.cls, names = cls, sweepable(cls)
        preferred = [name for name in FIRST_OFFERED if name in names.values()]
        value = self.parameter.value if self.parameter.value in names.values() else preferred[0]
        self.parameter.param.update(options=names, value=value)
        self._say()

    def _parsed(self):
        text = self.values.value_input or self.values.value or ""
        return parse_values(self.cls.param[self.parameter.value], text)

    def _say(self, *_):
        """Show the number of runs that the button queues."""
        is_seed = self.parameter.value == "seed"
        self.n_seeds.visible = not is_seed
        try:
            n_runs = len(self._parsed()) * (1 if is_seed else self.n_seeds.value or 1)
        except FelError:  # reported when the button is pressed: one may still be typing
            self.button.label = "Queue the runs"
            return
        self.button.label = f"Queue {n_runs} run{'s' if n_runs > 1 else ''}"

    def _queue(self, _event):
        self._on_queue(self.parameter.value, self._parsed(), self.n_seeds.value or 1)
