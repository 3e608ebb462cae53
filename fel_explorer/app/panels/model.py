"""Model panel: choose a method, train it as a job, watch it, and switch between what has been trained."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import panel_material_ui as pmui
import torch
from panel.viewable import Viewer

from fel_explorer.app import tasks
from fel_explorer.app.board import Board
from fel_explorer.app.forms import Form
from fel_explorer.app.panels.monitor import Monitor
from fel_explorer.app.header import seconds_text
from fel_explorer.app.session import Result, Session
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import list_methods, load_model

FIRST = "IDM"  # offered first


class ModelPanel(Viewer):
    """Method, its form, device, training, and the list of trained models."""

    def __init__(self, session: Session, board: Board, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        names = sorted(list_methods(), key=lambda name: (name != FIRST, name))
        self.method = pmui.Select(
            label="Method", options=names, value=names[0], size="small", sizing_mode="stretch_width"
        )
        self.about = pmui.Typography("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.form_area = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.device = pmui.Select(label="Device", options=devices(), size="small", width=110)
        self.button = pmui.Button(
            label="Train",
            icon="play_arrow",
            color="primary",
            variant="contained",
            sizing_mode="stretch_width",
            on_click=self._train,
        )
        self.monitor = Monitor(board)
        self.models = ModelList(session, board)
        self.hint = pmui.Alert("Load data and compute features first.", severity="info", variant="outlined")
        self.controls = pmui.Column(
            self.method,
            self.about,
            pmui.Row(self.device, self.button, sizing_mode="stretch_width", margin=0, sx={"alignItems": "center"}),
            self.form_area,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.layout = pmui.Column(
            self.hint, self.models, self.monitor, self.controls, sizing_mode="stretch_width", margin=0
        )
        self.method.param.watch(self._show_form, "value")
        self._watcher = session.param.watch(self._on_dataset, "dataset")
        self._on_dataset()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.session.param.unwatch(self._watcher)
        self.monitor.close()
        self.models.close()

    def train(self, **hyperparameters) -> None:
        """Train the chosen method with the form's values, changed by ``hyperparameters``, as a job."""
        dataset = self.session.dataset
        if dataset is None:
            raise FelError("No data to train on.", remedy="Load trajectories and compute features first.")
        method = list_methods()[self.method.value](**{**self.form.values, **hyperparameters})
        if method.needs_lag:
            schema.lag_in_frames(dataset, method.lag_time)
        folder = tasks.checkpoint_folder(self.board.key, method)
        for job in self.board.jobs:
            if job.active and job.checkpoint_dir == folder:
                raise FelError(
                    f"{job.label} already trains with these settings.", remedy="Change the seed, or wait for it."
                )
        label = self.board.new_label(self.method.value)
        task = tasks.training(method, dataset, label, device=self.device.value, checkpoint_dir=folder)
        self.board.submit(label, task, kind="model", checkpoint_dir=folder)

    def _train(self, _event):
        self.train()

    def _on_dataset(self, *_):
        loaded = self.session.dataset is not None
        self.hint.visible, self.controls.visible = not loaded, loaded
        self._show_form()

    def _show_form(self, *_):
        cls = list_methods()[self.method.value]
        self.about.object = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        dataset, overrides, unit = self.session.dataset, {}, ""
        if dataset is not None:
            unit = dataset.attrs["time_unit"]
            if cls.needs_lag:
                overrides["lag_time"] = fitting_lag(dataset, cls.param["lag_time"].default)
        self.form = Form(cls, time_unit=unit, overrides=overrides)
        self.form_area[:] = [self.form]


def fitting_lag(dataset, lag_time: float) -> float:
    """The lag nearest to ``lag_time`` that the dataset allows."""
    step = schema.time_step(dataset)
    longest = max(int(schema.trajectory_lengths(dataset).max()) - 1, 1)
    return min(max(round(lag_time / step), 1), longest) * step


def devices() -> list[str]:
    """'auto', 'cpu' and every CUDA device."""
    return ["auto", "cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]


class ModelList(Viewer):
    """The trained models: which is shown, what is known of it, save and load."""

    def __init__(self, session: Session, board: Board, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self.choice = pmui.Select(label="Shown model", size="small", sizing_mode="stretch_width")
        self.facts = pmui.Typography("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.save = pmui.FileDownload(
            callback=self._file, filename="model.fel", label="Save", icon="download", variant="outlined", size="small",
            sizing_mode="stretch_width", embed=False, auto=True,
        )
        self.load = pmui.FileInput(
            label="Load", accept=".fel", variant="outlined", size="small", sizing_mode="stretch_width"
        )
        self.layout = pmui.Column(
            self.choice, self.facts, pmui.Row(self.save, self.load, sizing_mode="stretch_width", margin=0),
            sizing_mode="stretch_width", margin=0,
        )
        self.choice.param.watch(self._on_choice, "value")
        self.load.param.watch(self._on_load, "value")
        self._watcher = session.param.watch(self._update, ["results", "active"])
        self._update()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.session.param.unwatch(self._watcher)

    def _update(self, *_):
        session = self.session
        self.choice.param.update(options=list(session.results), value=session.active or None)
        self.choice.visible = self.save.visible = self.facts.visible = bool(session.results)
        self.layout.visible = session.dataset is not None
        if session.result is not None:
            self.facts.object = facts(session.result, session.dataset)
            self.save.filename = f"{session.active.replace(' ', '-')}.fel"

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
        name = Path(self.load.filename or "model.fel").stem
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.fel"
            path.write_bytes(event.new)
            method = load_model(path)
        self.add(method, name)

    def add(self, method, label: str) -> None:
        """Apply a fitted method to the loaded data, as a job, and show it."""
        if label in self.board.labels:
            label = self.board.new_label(label)
        task = tasks.applying(method, self.session.dataset, label)
        self.board.submit(label, task, kind="model")


def facts(result: Result, dataset) -> str:
    """What a trained model is, in one line: populated states, training time, whether it was stopped early."""
    parts = []
    if result.state is not None:
        parts.append(f"{len(result.states())} populated states of {result.membership.shape[1]}")
    if result.method.needs_lag:
        unit = dataset.attrs["time_unit"]
        parts.append(f"lag {result.method.lag_time:g}{'' if unit == '1' else ' ' + unit}")
    if time := seconds_text(result.seconds):
        parts.append(f"trained in {time}")
    if result.partial:
        parts.append("stopped before its end")
    return ", ".join(parts)
