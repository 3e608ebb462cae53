"""Comparison of two sets of frames: a ranking, and the distributions of the chosen quantity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.atom_values import AtomValues
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.comparison import candidates
from fel_explorer.app.views.tabs import has_data
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.data.frame_values import label, unit_of
from fel_explorer.plots.comparison import plot_distributions
from fel_explorer.structures.comparison import distributions
from fel_explorer.structures.feature_atoms import largest_on_atoms

EFFECT = (
    "Effect size: 1 - overlap of the two distributions, with its 95 % interval. 0: equal distributions. "
    "1: no overlap."
)
ON_STRUCTURE = (
    "Colour each atom by the largest effect size of the distances, contacts and torsions that it is part of."
)
SOURCE = "comparison"  # whose values of atoms these are
COLUMNS = [
    {"key": "quantity", "title": "Quantity", "number": False, "about": "Sort by name"},
    {"key": "effect", "title": "Differs by", "number": True, "about": EFFECT},
    {"key": "first", "title": "Mean, first", "number": True, "about": "Mean and spread in the first set"},
    {"key": "second", "title": "Mean, second", "number": True, "about": "Mean and spread in the second set"},
]


class ComparisonPanel(PlotView):
    """Ranks torsions, columns and features by how far two sets of frames lie apart in them."""

    quantity = param.String("", doc="Whose distributions are drawn.")
    ready = param.Boolean(False, doc="Whether there is a figure.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self.kept: list[candidates.Kept] = []
        self.found = None
        self._job = None
        self._sets: tuple = ()
        self._chosen = False  # by the user: then a new selection does not change the sets
        self._offering = False
        self._masks: list[np.ndarray] = []
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_data, ["dataset"])),
            (session, session.param.watch(self._on_change, ["shown", "selection", "state_names"])),
            (session, session.param.watch(self._on_values, ["atom_values"])),
            (board, board.param.watch(self._on_job, "version")),
        ]

    # ---- what is built once

    def _make_widgets(self):
        small = {"size": "small", "width": 160, "margin": (10, 4, 0, 6)}
        self.first = pmui.Select(label="First set", description="First set of frames.", **small)
        self.second = pmui.Select(label="Second set", description="Second set of frames.", **small)
        self._keep = pmui.Button(
            label="Keep", icon="bookmark_add", size="small", variant="text", margin=(8, 2),
            description="Keep the selection, to compare it with another one.", on_click=self._on_keep,
        )  # fmt: skip
        self.on_structure = pmui.Switch(
            label="On the structure", size="small", description=ON_STRUCTURE, margin=(14, 4, 0, 8)
        )
        self.hint = Text("", variant="body2", margin=(4, 12), sizing_mode="stretch_width")
        self.table = SortableTable(
            columns=COLUMNS, row_about="Show its distributions", sizing_mode="stretch_both", margin=(0, 8)
        )
        self.export = FigureExport(self.figure, self._frame, lambda: "comparison")
        self.layout = pmui.Column(
            pmui.FlexBox(self.first, self.second, self._keep, margin=0),
            pmui.Row(self.hint, self.on_structure, sizing_mode="stretch_width", margin=0), self.table,
            sizing_mode="stretch_both", margin=0,
            styles={"flex": "0 0 66%", "max-width": "545px", "overflow-x": "auto"},
        )  # fmt: skip
        self.first.param.watch(self._on_choice, "value")
        self.second.param.watch(self._on_choice, "value")
        self.table.param.watch(self._on_row, "clicked")
        self.on_structure.param.watch(self._colour_structure, "value")

    # ---- the user acts

    def _on_choice(self, *_):
        if not self._offering:
            self._chosen = True
            self._look()

    def _on_keep(self, _event):
        n = len(self.kept) + 1
        self.kept.append(candidates.Kept(f"kept {n}", self.session.selection.mask))
        self._offer()

    def _on_row(self, _event):
        self.quantity = str(self.found["quantity"].values[self.table.state])

    # ---- the session changed

    def _on_data(self, event):
        if event.old is None or event.new is None or event.old.sizes["frame"] != event.new.sizes["frame"]:
            self.kept, self._chosen = [], False
        self._sets = ()
        self._on_change()

    def _on_change(self, *_):
        if self.active and has_data(self.session):
            self._look()

    @param.depends("active", watch=True)
    def _on_active(self):
        self._on_change()

    def _offer(self):
        """The sets there are now; those shown stay while they are among them."""
        names, wanted = candidates.choices(self.session, self.kept), candidates.defaults(self.session)
        shown = self.first.value, self.second.value
        keep = self._chosen and set(shown) <= set(names)
        values = shown if keep else wanted
        self._offering = True
        self.first.param.update(options=names, value=values[0])
        self.second.param.update(options=names, value=values[1])
        self._offering, self._chosen = False, keep
        self._keep.disabled = not self.session.selection.count
        located = "featurizers" in self.session.dataset.attrs and self.session.trajectories is not None
        self.on_structure.visible = located

    def _look(self):
        """Compare the chosen sets, unless that is what is shown."""
        self._offer()
        names = self.first.value, self.second.value
        masks = candidates.masks(self.session, *names, self.kept)
        sets = (*names, *(mask.tobytes() for mask in masks))
        if sets == self._sets:
            return
        self._sets, self._masks = sets, masks
        before, self._job = self._job, None  # whose result is not of these sets
        self.found, self.ready = None, False
        if before is not None and before.active:
            self.board.cancel(before)
        if not all(mask.any() for mask in masks):
            self._say("Select frames on the map, or choose two states, to see what differs.")
            return
        task = candidates.comparison_job(self.session.dataset, *masks)
        self._job = self.board.submit(f"Compare {names[0]} with {names[1]}", task, kind="comparison")
        self._on_job()

    def _on_job(self, *_):
        job = self._job
        if job is None or self.found is not None:
            return
        if job.active:
            self._say("Comparing ...")
        elif job.result is not None:
            self.found = job.result
            self._fill()

    def _say(self, text):
        self.hint.object = literal(text)
        self.table.rows = []
        self.export.disable(True)
        self.version += 1

    # ---- what is shown

    def _fill(self):
        counts = [f"{np.count_nonzero(mask):,}" for mask in self._masks]
        self.hint.object = f"{counts[0]} and {counts[1]} frames. Click a row for its curves."
        names = list(map(str, self.found["quantity"].values))
        if self.quantity not in names:
            self.quantity = names[0]
        self.table.param.update(rows=[self._row(i) for i in range(len(names))])
        self.export.disable(False)
        self.ready = True
        self._colour_structure()
        self._mark()

    def _colour_structure(self, *_):
        """Put the effect sizes on the structure, or take them away."""
        session, values = self.session, None
        if self.on_structure.value and self.found is not None:
            effects = self.found["effect"].to_series().to_dict()
            title = f"Effect size: {self.first.value} and {self.second.value}"
            values = AtomValues(largest_on_atoms(effects, session.dataset), title, (0.0, 1.0), SOURCE)
        if values is not None or (session.atom_values is not None and session.atom_values.source == SOURCE):
            session.atom_values = values

    def _on_values(self, event):
        """Someone else colours the structure, or nobody does any more."""
        if event.new is None or event.new.source != SOURCE:
            self.on_structure.value = False

    def _row(self, i):
        row = self.found.isel(quantity=i)
        effect, low, high = (float(row[key]) for key in ("effect", "lower", "upper"))
        interval = (
            f"{low:.2f} - {high:.2f}"
            if np.isfinite(low + high)
            else "no interval: present in too few blocks of the data"
        )
        name = str(row["quantity"].values)
        unit = "°" if bool(row["circular"]) else unit_of(self.session.dataset, name)
        unit = f" {unit}" if unit not in ("", "°") else unit
        cells = {
            "quantity": {"text": str(row["quantity"].values), "value": str(row["quantity"].values)},
            "effect": {"text": f"{effect:.2f}", "value": effect, "less": interval},
        }
        for key, mean, spread in zip(
            ("first", "second"), row["mean"].values, row["spread"].values, strict=True
        ):
            cells[key] = {"text": f"{mean:.3g}{unit}", "value": float(mean), "less": f"± {spread:.2g}{unit}"}
        return {"state": i, "colour": "transparent", "cells": cells}

    @param.depends("quantity", "dark", watch=True)
    def _mark(self):
        if self.found is not None:
            self.table.chosen = list(map(str, self.found["quantity"].values)).index(self.quantity)
        self.version += 1

    def figure(self, shape=None, *, dark=False):
        """Distributions of the chosen quantity; any ``shape`` suits it."""
        densities = distributions(self.session.dataset, self.quantity, self._masks)
        names = self.first.value, self.second.value
        effect = float(self.found["effect"].sel(quantity=self.quantity))
        note = f"differ by {effect:.2f}"
        axis = label(self.session.dataset, self.quantity)
        colours = [candidates.colour(self.session, name, dark=dark) for name in names]
        return plot_distributions.sheet(densities, names, colours=colours, label=axis, note=note, dark=dark)

    def _frame(self) -> pd.DataFrame:
        table = self.found
        frame = table.drop_dims("set").to_dataframe()
        for key in ("mean", "spread"):
            for i, which in enumerate(table["set"].values):
                frame[f"{key}_{which}"] = table[key].values[:, i]
        return frame.reset_index()
