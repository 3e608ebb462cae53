"""The trained models: which is shown, what is known of it, save and load."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.model.summary import known_summary, summarizing
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Text
from fel_explorer.methods import load_model
from fel_explorer.plots.quantities import seconds_text


class ModelList(Viewer):
    """The trained models: which is shown, what is known of it, save, load and export.

    Parameters
    ----------
    on_export
        Called when the shown model's CV is to be exported.
    """

    def __init__(self, session: Session, board: PageJobs, on_export: Callable[[], None], **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self._summarized = self._failed = None  # results whose summary was asked for, and could not be made
        self.choice = pmui.Select(label="Shown model", size="small", sizing_mode="stretch_width")
        self.found = Text("", variant="body2", margin=(0, 10), sizing_mode="stretch_width")
        self.facts = Text("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.save = pmui.FileDownload(
            callback=self._file,
            filename="model.fel",
            label="Save",
            icon="download",
            size="small",
            sizing_mode="stretch_width",
            embed=False,
            auto=True,
        )
        self.save.variant = "outlined"  # given to the constructor it makes panel 1.9 warn
        self.load = pmui.FileInput(
            label="Load", accept=".fel", variant="outlined", size="small", sizing_mode="stretch_width"
        )
        self.export = pmui.Button(
            label="Export", variant="outlined", size="small", on_click=lambda event: on_export(),
            sizing_mode="stretch_width",
            description="Export the CV for simulations: PLUMED input, TorchScript, torch.export.",
        )  # fmt: skip
        files = (self.save, self.load, self.export)
        for button in files:
            button.param.update(margin=(5, 4), sx={"minWidth": 0, "px": "6px", "fontSize": "13px"})
        self.layout = pmui.Column(sizing_mode="stretch_width", margin=0)
        row = pmui.Row(*files, sizing_mode="stretch_width", margin=(0, 6))
        self.choice.param.watch(self._on_choice, "value")
        self.load.param.watch(self._on_load, "value")
        watched = ["results", "active", "shown", "feature_sets"]
        self._watcher = session.param.watch(self._update, watched)
        self._ended = board.param.watch(self._on_ended, "ended")
        self._update()
        lay_out(self.layout, self.choice, self.found, self.facts, row)

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.session.param.unwatch(self._watcher)
        self.board.param.unwatch(self._ended)

    def _update(self, *_):
        session = self.session
        choices = model_choices(session)
        self.choice.param.update(options=choices, value=session.active if choices else None)
        for part in (self.choice, self.save, self.export, self.facts):
            part.visible = bool(session.results)
        self.layout.visible = session.dataset is not None
        if session.result is not None:
            self.facts.object = facts(session.result, session.dataset)
            self._summarize()
            self.save.filename = f"{session.active.replace(' ', '-')}.fel"

    def _summarize(self):
        """Say what the shown states are; of what is not known yet, once that is computed."""
        session, result = self.session, self.session.result
        self.found.visible = result.state is not None
        if result.state is None:
            return
        self.found.object = literal(known_summary(result) or "")
        waits = any(job.active and job.kind == "summary" for job in self.board.jobs)
        if known_summary(result) is None and not waits and result is not self._failed:
            task = summarizing(result, session.dataset)
            self._summarized = result
            self.board.submit(f"What {result.label} found", task, kind="summary")

    def _on_ended(self, event):
        if event.new.kind == "summary":
            if event.new.error is not None:
                self._failed = self._summarized
            self._update()

    def _on_choice(self, event):
        if event.new and event.new != self.session.active:
            self.session.param.update(active=event.new, point=None)

    def _file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.fel"
            self.session.result.method.save(path)
            return io.BytesIO(path.read_bytes())

    def _on_load(self, event):
        if not event.new:
            return
        given = Path(self.load.filename or "model.fel").stem
        name = "".join(letter for letter in given if letter.isprintable())[:40] or "model"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.fel"
            path.write_bytes(event.new)
            method = load_model(path)
        self.add(method, name)

    def add(self, method, label: str) -> None:
        """Apply a fitted method to the loaded data, as a job, and show it."""
        if label in self.board.labels:
            label = self.board.new_label(label)
        task = featurize_and_train.applying(method, self.session.dataset, label)
        self.board.submit(label, task, kind="model")


def model_choices(session: Session) -> dict[str, str]:
    """``{text: label}`` of the models; with the names of their features where there are several.

    Where no model is shown, '' is one of the labels: a select without a value would choose the first model.
    """
    none = {} if session.active or not session.results else {f"none yet, {session.feature_set}": ""}
    if len(session.feature_sets) < 2:
        return none | {label: label for label in session.results}
    return none | {f"{label}, {session.features_of[label]}": label for label in session.results}


def facts(result: Result, dataset) -> str:
    """Summary of a trained model: populated states, training time, whether it was stopped early."""
    parts = []
    if result.state is not None:
        parts.append(f"{len(result.states())} populated states of {result.membership.shape[1]}")
    if result.method.needs_lag and result.method.lag_time:
        unit = dataset.attrs["time_unit"]
        parts.append(f"lag {result.method.lag_time:g}{'' if unit == '1' else ' ' + unit}")
    if time := seconds_text(result.seconds):
        parts.append(f"trained in {time}")
    if result.partial:
        parts.append("stopped before the end")
    return ", ".join(parts)
