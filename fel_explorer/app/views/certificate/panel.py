"""Certificates of the trained models, one row each, with the curves of the shown one."""

from __future__ import annotations

import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.certificates import known_certificate
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.certificate import analysis
from fel_explorer.app.views.certificate.drawing import ABOUT, CURVES, curves_of, draw_curve
from fel_explorer.app.views.kinetics.analysis import default_lag
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.data import schema
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.quantities import axis_label


class CertificatePanel(PlotView):
    """Makes and shows certificates; a click on a row shows its model."""

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._job = None
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._on_data, ["dataset"])),
            (session, session.param.watch(self._refresh, ["results", "active"])),
            (board, board.param.watch(self._on_board, "version")),
        ]
        self._on_data()

    def _make_widgets(self):
        small = {"size": "small", "margin": (6, 4, 2, 8)}
        self.lag = FloatField(
            label="Lag", width=110, description="Lag time of all kinetic measures.", **small
        )
        self.again = pmui.Checkbox(
            label="Train again for the held-out score", value=False, **small,
            description="Three more trainings of each model. Short trainings are repeated without asking.",
        )  # fmt: skip
        self.one = pmui.Button(
            label="Certify", icon="verified", variant="outlined", on_click=self._certify_one, **small,
            description="Certificate of the shown model.",
        )  # fmt: skip
        self.all = pmui.Button(
            label="Certify all", icon="fact_check", variant="text", on_click=self._certify_all, **small,
            description="Certificates of all models that have none at this lag.",
        )  # fmt: skip
        self.draw = pmui.Select(label="Curve", options=list(CURVES), width=190, **small)
        self.table = SortableTable(
            row_about="Show this model", sizing_mode="stretch_both", margin=(0, 8), min_height=130
        )
        self.text = Text("", variant="body2", margin=(4, 12), sizing_mode="stretch_width")
        self.limits = Text("", variant="caption", margin=(2, 12), sizing_mode="stretch_width")
        self.export = FigureExport(self.figure, self.frame, lambda: "certificates")
        self.layout = pmui.Column(
            pmui.Row(self.lag, self.one, self.all, self.draw, margin=0),
            pmui.Row(self.again, margin=0),
            self.text, self.table, self.limits, sizing_mode="stretch_both", margin=0,
            styles={"flex": "0 0 58%", "overflow-y": "auto"},
        )  # fmt: skip
        self.draw.param.watch(self._redraw, "value")
        self.table.param.watch(self._on_row, "clicked")

    # ---- the user acts

    def _on_row(self, _event):
        label = list(self.session.own_results)[self.table.state]
        if label != self.session.active:
            self.session.param.update(active=label, point=None)

    def _certify_one(self, _event=None):
        self._submit([self.session.own_results[self.session.active]])

    def _certify_all(self, _event=None):
        lag = self.lag.value
        self._submit(
            [
                result
                for result in self.session.own_results.values()
                if (found := known_certificate(result)) is None or found.lag_time != lag
            ]
        )

    def _submit(self, results):
        results = [result for result in results if analysis.can_certify(result)]
        if not results or self._job is not None:
            return
        schema.lag_in_frames(self.session.dataset, self.lag.value)
        task = analysis.certifying(
            results, self.session.dataset, self.lag.value, train_again=self.again.value
        )
        self._job = self.board.submit("Certificate", task, kind="certificate")
        self._refresh()

    # ---- the session changed

    def _on_data(self, *_):
        self._job = None
        self.lag.value = None
        if self.session.dataset is not None:
            self.lag.label = axis_label("Lag", self.session.dataset.attrs["time_unit"])
        self._refresh()

    def _on_board(self, *_):
        if self._job is not None and not self._job.active:
            self._job = None
            self.session.certified += 1
            self._refresh()
        elif self._job is not None and self.active:
            self._show_words()

    @param.depends("active", "dark", watch=True)
    def _refresh(self, *_):
        session = self.session
        if not (self.active and session.own_results):
            return
        if self.lag.value is None:
            own = session.own_results
            with_lag = [result for result in own.values() if result.lag_time is not None]
            self.lag.value = default_lag([*with_lag, session.shown][0], session.dataset)
        rows = [
            {"state": i, "colour": "transparent", "cells": analysis.cells(label, result)}
            for i, (label, result) in enumerate(session.own_results.items())
        ]
        labels = list(session.own_results)
        chosen = labels.index(session.active) if session.active in labels else -1
        self.table.param.update(rows=rows, columns=analysis.columns(), chosen=chosen)
        busy = self._job is not None
        self.one.disabled = busy or not analysis.can_certify(session.own_results.get(session.active))
        self.all.disabled = busy
        self._redraw()

    def _redraw(self, *_):
        self.draw.description = ABOUT[self.draw.value]
        self.draw.disabled = not curves_of(self._found())
        self._show_words()
        self.version += 1

    def _show_words(self):
        result = self.session.own_results.get(self.session.active)
        said = analysis.certificate_words(result) if result is not None else ""
        if self._job is not None:
            said = f"*{self._job.progress.message or 'Waiting for other jobs'} …*\n\n{said}"
        self.text.object = said
        self.limits.object = analysis.limits_words(result) if result is not None else ""

    # ---- what is shown

    @property
    def ready(self) -> bool:
        """Whether there is a model; without a certificate the figure says so."""
        return bool(self.session.own_results)

    def _found(self):
        result = self.session.own_results.get(self.session.active)
        return None if result is None else known_certificate(result)

    def figure(self, shape=None, *, dark=False):
        """The chosen curve of the shown model; any ``shape`` suits it."""
        if self.draw.value not in curves_of(self._found()):
            none = [(-1.0, "")]  # outside: an axis without marks has the usual ones
            page = sheet.Sheet(((0.0, 1.0), (0.0, 1.0)), ("", ""), ticks={0: none, 1: none})
            page.words = [sheet.word(0.5, 0.5, "no certificate yet", drawing.faint(dark))]
            return page
        return draw_curve(self._found(), self.draw.value, dark=dark)

    def frame(self):
        """The table's numbers, one row a model."""
        return analysis.certificate_table(self.session.own_results)
