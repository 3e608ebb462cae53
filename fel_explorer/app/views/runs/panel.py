"""The trained models side by side: a table with parameters, losses and scores, and a score over a sweep."""

from __future__ import annotations

import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.recipe import recipe_of
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.app.views.runs import scores as run_scores
from fel_explorer.app.views.runs.cells import columns_of, parameter_title, row_cells
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.data import schema
from fel_explorer.plots.colours import state_colours
from fel_explorer.plots.models import plot_models
from fel_explorer.plots.quantities import axis_label
from fel_explorer.plots.sweep import plot_sweep, run_at

LAG = (
    "Lag time of the VAMP-2 scores. All runs are scored at this one lag time, because scores at "
    "different lag times can't be compared."
)


class RunsPanel(PlotView):
    """Table of the session's results; a click shows one.  It follows the session while ``active``."""

    ready = param.Boolean(False, doc="Whether there is a figure.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._job = None
        self._drawn = pd.DataFrame()
        self._settling = False
        self._deleting = ""  # label of the model that the next click deletes
        # parameter that was swept, until it is chosen
        self._wanted = "" if session.sweep is None else session.sweep.parameter
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_data, ["dataset"])),
            (session, session.param.watch(self._on_sweep, ["sweep"])),
            (session, session.param.watch(self._refresh, ["results", "active", "beside", "certified"])),
            (board, board.param.watch(self._on_board, "version")),
        ]
        self._on_data()

    # ---- what is built once

    def _make_widgets(self):
        small = {"size": "small", "variant": "text", "margin": (0, 2)}
        self.reuse = pmui.Button(
            label="Use these parameters", icon="tune", on_click=self._reuse, **small,
            description="Fill the form of the Model panel with the parameters of the shown model.",
        )  # fmt: skip
        self.beside = pmui.Button(
            label="Second map", icon="vertical_split", on_click=self._show_beside, **small,
            description="Keep this model on a second map, next to the one that you choose next.",
        )  # fmt: skip
        self.rename = pmui.Button(
            label="Rename", icon="edit", on_click=self._ask_name, **small,
            description="Rename the shown model.",
        )  # fmt: skip
        self.delete = pmui.Button(
            label="Delete", icon="delete", on_click=self._delete, **small,
            description="Delete the shown model. This can't be undone; save it first if in doubt.",
        )  # fmt: skip
        choice = {"size": "small", "margin": (6, 4, 2, 8)}
        self.lag = FloatField(label="Score lag", width=130, description=LAG, **choice)
        self.measure = pmui.Select(label="Draw", width=190, description="Quantity to plot.", **choice)
        self.parameter = pmui.Select(
            label="Against", width=150, description="Parameter on the x axis.", **choice
        )
        self.text = Text("", variant="body2", margin=(2, 12), sizing_mode="stretch_width")
        self.table = SortableTable(row_about="Show this model", sizing_mode="stretch_both", margin=(0, 8))
        self.export = FigureExport(self.figure, self.frame, lambda: "runs")
        self.dialog = pmui.Dialog(show_close_button=True, close_on_click=True, width_option="sm")
        self.layout = pmui.Column(
            pmui.Row(self.lag, self.measure, self.parameter, self.dialog, margin=0),
            pmui.Row(self.reuse, self.beside, self.rename, self.delete, margin=0),
            self.text, self.table, sizing_mode="stretch_both", margin=0, styles={"flex": "0 0 61%"},
        )  # fmt: skip
        self.lag.param.watch(self._on_lag, "value")
        self.measure.param.watch(self._refresh, "value")
        self.parameter.param.watch(self._refresh, "value")
        self.table.param.watch(self._on_row, "clicked")

    # ---- the user acts

    def _on_row(self, _event):
        self._show(list(self.session.results)[self.table.state])

    def _show(self, label):
        if label != self.session.active:
            self.session.param.update(active=label, point=None)

    def tapped(self, x: float, y: float) -> None:
        """A click on the figure shows the run whose dot is nearest."""
        if not self.ready:
            return
        nearest = run_at(x, y, self._drawn["value"], self._drawn["score"])
        self._show(self._drawn["label"].iloc[nearest])

    def _on_lag(self, event):
        if self._settling or event.new is None:
            return
        try:
            schema.lag_in_frames(self.session.dataset, event.new)
        finally:  # the page reports an impossible lag, and the last one stays
            self._refresh()

    def _reuse(self, _event):
        self.session.recipe = None  # the same recipe twice in a row counts
        self.session.recipe = recipe_of(self.session.results[self.session.active], self.session.results)

    def _show_beside(self, _event):
        self.session.beside = "" if self.session.beside else self.session.active

    def _ask_name(self, _event):
        self.name_input = pmui.TextInput(
            label="Name", value=self.session.active, size="small", sizing_mode="stretch_width"
        )
        button = pmui.Button(label="Rename", color="primary", variant="contained", on_click=self._on_name)
        self.dialog.title = f"Rename {self.session.active}"
        self.dialog[:] = [self.name_input, button]
        self.dialog.open = True

    def _on_name(self, _event):
        self.dialog.open = False
        self.board.rename(self.session.active, self.name_input.value_input or self.name_input.value)

    def _delete(self, _event):
        """The first click asks, the second one deletes."""
        label, self._deleting = self.session.active, self.session.active if not self._deleting else ""
        if self._deleting:
            self.delete.param.update(label=f"Really delete {label}?", color="error")
        else:
            self.board.remove(label)

    # ---- the session changed

    def _on_data(self, *_):
        self._settling, self._job = True, None
        dataset = self.session.dataset
        if dataset is not None:
            unit = dataset.attrs["time_unit"]
            self.lag.param.update(label=axis_label("Score lag", unit), value=None)
        self._settling = False
        self._refresh()

    def _on_sweep(self, event):
        if event.new is not None:
            self._wanted = event.new.parameter
        self._refresh()

    def _on_board(self, *_):
        if self._job is not None and not self._job.active:
            self._job = None
            self._refresh()
        elif self.active and self.session.results:
            self._show_progress()

    @param.depends("active", "dark", watch=True)
    def _refresh(self, *_):
        if not (self.active and self.session.results) or self._settling:
            return
        self._settling = True
        self._settle()
        self._settling = False
        self._fill()

    def _settle(self):
        """Offer what there is, and ask for the scores that are missing."""
        session = self.session
        if self.lag.value is None:
            self.lag.value = default_lag(next(iter(session.results.values())), session.dataset)
        axes = {
            parameter_title(name, session): name for name in run_scores.sweepable_axes(session.own_results)
        }
        if len(session.own_results) > 1:
            axes["Models, side by side"] = run_scores.MODELS
        wanted = self._wanted if self._wanted in axes.values() else self.parameter.value
        value = wanted if wanted in axes.values() else next(iter(axes.values()), None)
        if wanted == self._wanted:
            self._wanted = ""
        self.parameter.param.update(options=axes, value=value, visible=bool(axes))
        offered = {title: name for name, title in run_scores.MEASURES.items() if self._has(name)}
        value = self.measure.value if self.measure.value in offered.values() else next(iter(offered.values()))
        self.measure.param.update(options=offered, value=value, visible=bool(axes))
        self._score()

    def _has(self, measure):
        """Whether any run has a measure, or will have it once it is scored."""
        if measure in ("states_vamp2", "n_states"):
            return any(result.state is not None for result in self.session.results.values())
        return measure in ("map_vamp2", "timescale") or self.frame()[measure].notna().any()

    def _score(self):
        lag, session = self._lag(), self.session
        missing = [r for r in session.results.values() if run_scores.known_scores(r, lag) is None]
        if missing and lag and self._job is None:
            task = run_scores.scoring(missing, session.dataset, lag)
            self._job = self.board.submit("Scores", task, kind="scores")

    def _lag(self) -> float:
        """The lag of the scores; one that does not fit the data is not asked for."""
        try:
            schema.lag_in_frames(self.session.dataset, self.lag.value)
        except ValueError:
            return 0.0
        return float(self.lag.value)

    # ---- what is shown

    def _fill(self):
        session, table = self.session, self.frame()
        self._drawn, parameter = pd.DataFrame(), self.parameter.value
        if parameter == run_scores.MODELS and self.measure.value:
            self._drawn = run_scores.side_by_side(session.own_results, table, self.measure.value)
        elif parameter and self.measure.value:
            self._drawn = run_scores.against(session.own_results, table, parameter, self.measure.value)
        self.ready = len(self._drawn) > 1
        swept = self.ready and parameter != run_scores.MODELS
        kinds = list(dict.fromkeys(self._drawn["curve"])) if swept else []
        colours = state_colours(range(len(kinds)), dark=self.dark)
        curve = dict(zip(self._drawn["label"], self._drawn["curve"], strict=True)) if swept else {}
        unit = session.dataset.attrs["time_unit"]
        rows = []
        for i, row in enumerate(table.to_dict("records")):
            colour = colours[kinds.index(curve[row["label"]])] if row["label"] in curve else "transparent"
            waits = (
                self._job is not None
                and run_scores.known_scores(session.results[row["label"]], self._lag()) is None
            )
            rows.append({"state": i, "colour": colour, "cells": row_cells(row, unit, waits=waits)})
        chosen = list(session.results).index(session.active) if session.active else -1
        self.table.param.update(rows=rows, columns=columns_of(table, session), chosen=chosen)
        self._deleting = ""
        self.delete.param.update(label="Delete", color="primary")
        shown = session.results.get(session.active)
        self.reuse.disabled = shown is None or recipe_of(shown, session.results) is None
        self.beside.disabled = self.rename.disabled = self.delete.disabled = shown is None
        self.beside.label = "Close the second map" if session.beside else "Second map"
        self._show_progress()
        self.version += 1

    def _show_progress(self):
        """Show the progress of the sweep."""
        sweep = self.session.sweep
        labels = sweep.labels if sweep is not None else ()
        waiting = sum(job.active and job.label in labels for job in self.board.jobs)
        self.text.visible = bool(waiting)
        self.text.object = f"**Sweep**: {len(labels) - waiting} of {len(labels)} runs have ended."

    def figure(self, shape=None, *, dark=False):
        """The chosen score over the chosen parameter; any ``shape`` suits it."""
        title = {name: label for label, name in self.measure.options.items()}[self.measure.value]
        unit = self.session.dataset.attrs["time_unit"]
        units = {name: unit for name in run_scores.MEASURES if name.endswith("timescale")} | {"seconds": "s"}
        name = axis_label(title, units.get(self.measure.value, ""))
        if self.parameter.value == run_scores.MODELS:
            labels, scores, errors = (self._drawn[column] for column in ("label", "score", "error"))
            about = {"name": name, "shown": self.session.active, "dark": dark}
            return plot_models.sheet(labels, scores, errors, **about)
        return plot_sweep.sheet(
            self._drawn["value"],
            self._drawn["score"],
            self._drawn["curve"],
            labels=list(self._drawn["label"]),
            names=(
                parameter_title(self.parameter.value, self.session),
                name,
            ),
            shown=self.session.active,
            dark=dark,
        )

    def frame(self) -> pd.DataFrame:
        """The table's numbers, one row per model."""
        session = self.session
        table = run_scores.run_table(session.results, self._lag())
        if len(session.feature_sets) > 1:
            table.insert(1, "features", [session.features_of[label] for label in table["label"]])
        return table
