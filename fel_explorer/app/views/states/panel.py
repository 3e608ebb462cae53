"""The states in a table: population, lifetime, verdict and observables; sorts, exports, selects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.observables import Observing
from fel_explorer.app.views.states.choices import can_compare
from fel_explorer.app.views.states.choices_dialog import ChoicesDialog
from fel_explorer.app.views.states.evidence import (
    evidence_of,
    observables,
    selected_state,
    state_table,
    unweighted_note,
    verdict,
)
from fel_explorer.app.widgets.after_draw import AtRest
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.tab_view import TabView
from fel_explorer.app.widgets.text import Text
from fel_explorer.plots.quantities import interval_text, time_text

LIFETIME = (
    "Mean duration of the visits, frame by frame, with its 95 % interval; visits cut off by the end of a "
    "trajectory are accounted for. Rates under Kinetics are of a model at a lag time, for which quick "
    "recrossings count less: its lifetimes may be longer."
)
VERDICT = (
    "Does the time spent per visit decay exponentially, as for a metastable state? A chi-square test of a "
    "constant exit rate at 1 %; deviations of less than 10 % in amplitude are accepted."
)
PROPOSED = "What sets the state apart: a proposed name. Select the state to give it another one."
MEASURED = ("rmsd", "native_contacts", "radius_of_gyration")
WATCHED = ["shown", "state_names", "dataset"]


class StatesPanel(TabView):
    """Table of the shown result's states; it follows the session while ``active``.

    Structures are measured as a job of the board.
    """

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self.observing = Observing(session, board)
        self.table = SortableTable(sizing_mode="stretch_both", margin=(0, 8))
        self.export = FigureExport(None, self.frame, lambda: f"states-{session.active.replace(' ', '-')}")
        self.summary = Text("", variant="body2", margin=(2, 12, 6, 12), sizing_mode="stretch_width")
        self.divide = pmui.Button(
            label="Tree of states", icon="account_tree", size="small", variant="text", margin=(0, 8),
            on_click=lambda event: self.train("DivisiveIDM"), sx={"whiteSpace": "nowrap"},
            description="States at long lag times, divided at shorter ones. Lag times are proposed first.",
        )  # fmt: skip
        self.refine = pmui.Button(
            label="Refine with a network", icon="auto_fix_high", size="small", variant="text", margin=(0, 8),
            on_click=lambda event: self._refine(), sx={"whiteSpace": "nowrap"}, visible=False,
            description="Train IDM at this lag time: a map, soft memberships and decoded structures.",
        )  # fmt: skip
        self.measure = pmui.Button(
            label="Measure structures", icon="straighten", size="small", variant="text", margin=(0, 8),
            on_click=lambda event: self.observing.ask(MEASURED), sx={"whiteSpace": "nowrap"}, visible=False,
            description="Mean and spread in each state of RMSD and native contacts Q, to the first frame, "
            "and of the radius of gyration, where the molecule has them.",
        )  # fmt: skip
        self.choices = ChoicesDialog(session, board)
        self.compare = pmui.Button(
            label="Other choices", icon="balance", size="small", variant="text", margin=(0, 8),
            on_click=lambda event: self.choices.open(), sx={"whiteSpace": "nowrap"}, visible=False,
            description="How far the states agree with those of another memory threshold, number of "
            "microstates, seed, and of half of the features.",
        )  # fmt: skip
        self.layout = pmui.Column(
            pmui.Row(
                self.summary,
                self.measure,
                self.compare,
                self.divide,
                self.refine,
                sizing_mode="stretch_width",
                margin=0,
            ),
            self.table,
            self.choices,
            sizing_mode="stretch_both",
            margin=0,
        )
        self.table.param.watch(self._on_click, "clicked")
        self._refresh_at_rest = AtRest(self._refresh)
        self._watchers = [
            (session, session.param.watch(self._on_session, WATCHED)),
            (session, session.param.watch(self._mark, ["selection"])),
        ]
        self._refresh()

    def close(self) -> None:
        """Stop watching the session."""
        super().close()
        self.choices.close()

    def frame(self) -> pd.DataFrame:
        """The table's numbers, one row per state."""
        session = self.session
        names = {state: session.state_name(state) for state in session.shown.states()}
        return state_table(session.shown, session.dataset, names)

    def _name_cell(self, result, state):
        """The user's name or the number of a state, and its proposed name."""
        named, words = self.session.given_name(state), result.words.get(result.node(state), "")
        number = result.numbered_name(state)
        less = f"{number.removeprefix('state ')}, {words}" if named and words else words
        return {"text": named or number, "less": less, "about": PROPOSED if words and not named else ""}

    def _on_click(self, _event):
        self.session.select_state(self.table.state)

    def _refine(self):
        """Train IDM at the shown time resolution."""
        self.train("IDM", lag_time=self.session.shown.lag_time)

    def _on_session(self, *events):
        """While the time resolution is dragged the table waits."""
        ends = [(event.old, event.new) for event in events if event.name == "shown"]
        same = len(ends) == len(events) and all(None not in end for end in ends)
        dragged = same and all(old.method is new.method and new.tree is not None for old, new in ends)
        (self._refresh_at_rest if dragged else self._refresh)()

    @param.depends("active", "dark", watch=True)
    def _refresh(self, *_):
        result = self.session.shown
        if not self.active or result is None or result.state is None:
            return
        dataset, frame = self.session.dataset, self.frame()
        unit, columns = dataset.attrs["time_unit"], observables(dataset)
        lives = evidence_of(result, dataset).lifetimes
        colours = result.colours(frame["state"], dark=self.dark)
        rows = []
        for row in frame.to_dict("records"):
            sentence = verdict(lives.sel(state=row["state"]), dataset.attrs["time_step"], unit)[1]
            cells = _cells(row, sentence, unit, columns)
            rows.append({"state": row["state"], "colour": colours[row["state"]], "cells": cells})
        for one in rows:
            one["cells"]["name"] |= self._name_cell(result, one["state"])
        rows.sort(key=lambda row: -row["cells"]["population"]["value"])
        self.table.param.update(rows=rows, columns=_columns(dataset, columns))
        self.summary.object = _summary(frame, self.session.active)
        self.divide.visible = result.tree is None or result.method.has_microstates
        self.compare.visible = self.board is not None and can_compare(result)
        self.refine.visible = result.method.has_microstates
        self.measure.visible = any(map(self.observing.pending, MEASURED))
        self._mark()

    def _mark(self, *_):
        chosen = selected_state(self.session) if self.active else None
        self.table.chosen = -1 if chosen is None else chosen


def _columns(dataset, names):
    counted = "frame weights" if "weight" in dataset else "frames"
    lifetime = f"{LIFETIME} {unweighted_note(dataset)}".strip()
    fixed = [
        {"key": "name", "title": "State"},
        {"key": "population", "title": "Population", "number": True, "about": f"Fraction of the {counted}."},
        {"key": "lifetime", "title": "Mean lifetime", "number": True, "about": lifetime},
        {"key": "verdict", "title": "Decay", "about": VERDICT},
    ]
    units = {name: dataset[name].attrs.get("units", "") for name in names}
    titles = {name: dataset[name].attrs.get("long_name", name) for name in names}
    return fixed + [
        {
            "key": f"column {name}",
            "title": f"{titles[name]} ({units[name]})" if units[name] not in ("", "1") else titles[name],
            "number": True,
            "about": "Mean and standard deviation over the frames of the state.",
        }
        for name in names
    ]


def _cells(row, sentence, unit, columns):
    """Text and sort key of each cell of a row."""
    interval = interval_text(row["lower"], row["upper"], unit)
    lifetime = row["mean_lifetime"]
    cells = {
        "name": {"text": row["name"], "value": row["name"]},
        "population": {"text": f"{100 * row['population']:.3g} %", "value": row["population"]},
        "lifetime": {
            "text": time_text(lifetime, unit) if np.isfinite(lifetime) else "never left",
            "less": interval,
            "value": lifetime if np.isfinite(lifetime) else 1e300,
        },
        "verdict": {"text": row["verdict"], "value": row["verdict"], "about": sentence},
    }
    for name in columns:
        mean, spread = row[name], row[f"{name} std"]
        known = bool(np.isfinite(mean))
        cells[f"column {name}"] = {
            "text": f"{mean:.3g}" if known else "",
            "less": f"± {spread:.2g}" if known else "",
            "value": float(mean) if known else None,
        }
    return cells


def _summary(frame, label):
    exponential = int((frame["verdict"] == "exponential").sum())
    states = "state" if len(frame) == 1 else "states"
    return f"**{literal(label)}**: {len(frame)} {states}, {exponential} with exponential decay"
