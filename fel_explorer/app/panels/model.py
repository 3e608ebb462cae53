"""Model panel: choose a method, train it as a job, watch it, and switch between what has been trained."""

from __future__ import annotations

import panel_material_ui as pmui
import param
import torch
from panel.viewable import Viewer

from fel_explorer.app import tasks
from fel_explorer.app.board import Board
from fel_explorer.app.forms import Form
from fel_explorer.app.panels.models import ModelList
from fel_explorer.app.panels.monitor import Monitor
from fel_explorer.app.session import Session
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import Method, list_methods

FIRST = "IDM"  # offered first
FEATURES = "features"  # no embedding


class ModelPanel(Viewer):
    """Method, its form, device, training, and the list of trained models."""

    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, session: Session, board: Board, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        names = sorted(list_methods(), key=lambda name: (name != FIRST, name))
        self.method = pmui.Select(
            label="Method", options=names, value=names[0], size="small", sizing_mode="stretch_width"
        )
        self.about = pmui.Typography("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.embedding = pmui.Select(
            label="On the embedding of",
            options=[FEATURES],
            value=FEATURES,
            description="The trained model in whose embedding the states are looked for, or all features.",
            size="small",
            sizing_mode="stretch_width",
        )
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
            pmui.Row(
                self.device, self.button, sizing_mode="stretch_width", margin=0, sx={"alignItems": "center"}
            ),
            self.embedding,
            self.form_area,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.layout = pmui.Column(
            self.hint, self.models, self.monitor, self.controls, sizing_mode="stretch_width", margin=0
        )
        self.method.param.watch(self._show_form, "value")
        self._watchers = [
            session.param.watch(self._on_dataset, "dataset"),
            session.param.watch(self._offer_embeddings, "results"),
        ]
        self._offer_embeddings()
        self._on_dataset()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self.monitor.close()
        self.models.close()

    def train(self, **hyperparameters) -> None:
        """Train the chosen method with the form's values, changed by ``hyperparameters``, as a job."""
        dataset = self.session.dataset
        if dataset is None:
            raise FelError("No data to train on.", remedy="Load trajectories and compute features first.")
        method = list_methods()[self.method.value](**{**self.form.values, **hyperparameters})
        if method.needs_lag and method.lag_time:
            schema.lag_in_frames(dataset, method.lag_time)
        on = self.embedding.value if method.takes_embedding else FEATURES
        embedding = None if on == FEATURES else self.session.results[on].method
        key = self.board.key if embedding is None else f"{self.board.key} on {on}"
        folder = tasks.checkpoint_folder(key, method)
        for job in self.board.jobs:
            if job.active and job.checkpoint_dir == folder:
                raise FelError(
                    f"{job.label} already trains with these settings.",
                    remedy="Change the seed, or wait for it.",
                )
        name = self.method.value if embedding is None else f"{on} + {self.method.value}"
        label = self.board.new_label(name)
        task = tasks.training(
            method, dataset, label, embedding=embedding, device=self.device.value, checkpoint_dir=folder
        )
        self.board.submit(label, task, kind="model", checkpoint_dir=folder)

    @param.depends("dark", watch=True)
    def _show_theme(self):
        self.monitor.dark = self.dark

    def _train(self, _event):
        self.train()

    def _on_dataset(self, *_):
        loaded = self.session.dataset is not None
        self.hint.visible, self.controls.visible = not loaded, loaded
        self._show_form()

    def _offer_embeddings(self, *_):
        fitted = [
            label for label, result in self.session.results.items() if isinstance(result.method, Method)
        ]
        options = [FEATURES, *fitted]
        value = self.embedding.value if self.embedding.value in options else FEATURES
        self.embedding.param.update(options=options, value=value)

    def _show_form(self, *_):
        cls = list_methods()[self.method.value]
        self.embedding.visible = cls.takes_embedding
        self.about.object = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        dataset, overrides, unit = self.session.dataset, {}, ""
        if dataset is not None:
            unit = dataset.attrs["time_unit"]
            if cls.needs_lag and cls.param["lag_time"].default:
                overrides["lag_time"] = fitting_lag(dataset, cls.param["lag_time"].default)
            if "lag_times" in cls.hyperparameter_names():
                overrides["lag_times"] = fitting_lags(dataset, cls.param["lag_times"].default)
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


def fitting_lags(dataset, lag_times) -> list[float]:
    """``lag_times`` counted in frames, as times that the dataset allows: none twice, longest first."""
    step = schema.time_step(dataset)
    return sorted({fitting_lag(dataset, lag * step) for lag in lag_times}, reverse=True)
