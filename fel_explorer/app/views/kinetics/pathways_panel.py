"""From which state to which: two selects, also set by clicks on the states, and the pathways found."""

from __future__ import annotations

import pandas as pd
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.drawing import state_ground
from fel_explorer.app.views.kinetics.pathways import (
    Pathways,
    default_ends,
    pathway_table,
    pathway_words,
    pathways_job,
)
from fel_explorer.app.widgets.layout import offer
from fel_explorer.plots.network import node_at
from fel_explorer.plots.pathways import plot_pathways

MAX_KEPT = 20
SHAPE = (720, 420)  # pixels of the plot before it is drawn


class PathwaysControls(Viewer):
    """The pathways between two states, found by a job when they are first looked at."""

    active = param.Boolean(False, doc="Whether the tab is shown: only then they are computed.")
    lag_time = param.Number(None, allow_None=True, doc="Of the Markov model, in the data's time unit.")
    version = param.Integer(0, doc="Counts up when the figure or the words are others.")

    def __init__(self, session: Session, board: PageJobs, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self.found: Pathways | None = None
        self._kept: list[Pathways] = []
        self.job = self._asked = self._clicked = None
        self._shape, self._setting = SHAPE, False
        select = {"size": "small", "width": 88, "margin": (4, 2, 2, 2)}
        self._source = pmui.Select(label="From", **select)
        self._target = pmui.Select(label="To", **select)
        self.layout = pmui.Row(self._source, self._target, margin=(0, 8), visible=False)
        for widget in (self._source, self._target):
            widget.param.watch(self._look, "value")
        self._watcher = board.param.watch(self._on_job, "version")

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        """Stop watching the jobs."""
        self.board.param.unwatch(self._watcher)

    @property
    def ready(self) -> bool:
        """Whether there is a figure."""
        return self.found is not None and self.found.table is not None

    @property
    def computing(self) -> bool:
        """Whether the job is queued or running."""
        return self.job is not None and self.job.active

    def words(self) -> str:
        """Text on the pathways, or on why there are none."""
        if default_ends(self.session.shown) is None:
            return "Pathways need two states."
        if self._source.value == self._target.value:
            return "Choose two different states."
        if self.found is not None:
            unit = self.session.dataset.attrs["time_unit"]
            return f"{pathway_words(self.found, self._names(), unit)}  \nClick two states for other ends."
        return "Pathways: being computed." if self.computing else "Stopped before they were ready."

    def tapped(self, x: float, y: float) -> None:
        """A click on a state: the first one is where the pathways begin, the second where they end."""
        state = node_at(self._network(), x, y, self._shape) if self.ready else None
        if state is None:
            return
        if self._clicked is None:
            self._clicked = state
            target = self._source.value if state == self._target.value else self._target.value
            self._set_ends(state, target)
        elif state != self._clicked:
            self._set_ends(self._clicked, state)
            self._clicked = None

    def figure(self, shape=SHAPE, *, dark=False):
        """States and pathways, for so many screen pixels."""
        self._shape, network = shape, self._network()
        colours = self.found.result.colours(network.states, dark=dark)
        return plot_pathways.sheet(network, self.found.table, shape=shape, colours=colours, dark=dark)

    def table(self) -> pd.DataFrame:
        """The numbers behind the figure."""
        return pathway_table(self.found, self._names())

    @param.depends("active", "lag_time", watch=True)
    def refresh(self, *_):
        """Another result or lag, or the view is looked at."""
        self.layout.visible = self.active
        result = self.session.shown
        if not self.active or result is None or result.state is None or self.lag_time is None:
            return
        ends, states = default_ends(result), result.states()
        if ends is None:
            self.found = None
            self.version += 1
            return
        if self._source.value in states and self._target.value in states:
            ends = self._source.value, self._target.value
        self._set_ends(*ends)

    def _set_ends(self, source, target):
        names = {state: self.session.state_name(state) for state in self.session.shown.states()}
        choices = {name.removeprefix("state "): state for state, name in names.items()}
        self._setting = True  # one look when both are set
        offer(self._source, choices, source)
        offer(self._target, choices, target)
        self._setting = False
        self._look()

    def _look(self, *_):
        """Show what is known of these ends, and have it computed if nothing is."""
        source, target = self._source.value, self._target.value
        if self._setting or not self.active or source is None or target is None:
            return
        question = self.session.shown, self.lag_time, source, target
        known = [one for one in self._kept if one.question == question]
        self.found = known[-1] if known else None
        if not known and source != target and not (self.computing and self._asked == question):
            self._compute(question)
        self.version += 1

    def _compute(self, question):
        if self.computing:
            self.board.cancel(self.job)
        result, *about = self._asked = question
        task = pathways_job(result, self.session.dataset, *about)
        self.job = self.board.submit(f"Pathways of {result.label}", task, kind="kinetics")

    def _on_job(self, *_):
        found = None if self.job is None else self.job.result
        if found is None or any(one is found for one in self._kept):
            return
        self._kept = [*self._kept, found][-MAX_KEPT:]
        self._look()

    def _names(self):
        return {state: self.session.state_name(state) for state in self.session.shown.states()}

    def _network(self):
        return state_ground(self.session, self.found, self.found.result.states())
