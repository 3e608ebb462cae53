"""Model panel: choose a method, train it as a job, watch it, and switch between what has been trained."""

from __future__ import annotations

from functools import cached_property

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.recipe import Recipe, Sweep
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.model.advice_dialog import WhichMethod
from fel_explorer.app.views.model.cv_export_dialog import CVExport
from fel_explorer.app.views.model.lag_proposal import Proposal, proposing
from fel_explorer.app.views.model.trained_models_panel import ModelList
from fel_explorer.app.views.model.training_monitor_panel import Monitor
from fel_explorer.app.views.runs.place_form import PlaceForm
from fel_explorer.app.views.runs.sweep import plan
from fel_explorer.app.views.runs.sweep_form import SweepForm
from fel_explorer.app.widgets.device_select import DeviceSelect
from fel_explorer.app.widgets.dialogs import Dialogs
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.param_form import Form
from fel_explorer.app.widgets.text import Notice, Text
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import DivisiveIDM, list_methods

FIRST = ("IDM", "DivisiveIDM")  # offered first
FEATURES = "features"  # no embedding


class ModelPanel(Viewer):
    """Method, its form, device, training, and the list of trained models.

    Parameters
    ----------
    dialogs
        Where its dialogs are put when they are opened.
    """

    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, session: Session, board: PageJobs, dialogs: Dialogs | None = None, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self._dialogs = dialogs or Dialogs()  # laid out by the shell, as this panel may be folded away
        self.method = pmui.Select(
            label="Method", groups=method_groups(), value=FIRST[0], size="small", sizing_mode="stretch_width"
        )
        self.about = Text("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.embedding = pmui.Select(
            label="On the embedding of",
            options=[FEATURES],
            value=FEATURES,
            description="Model in whose embedding the states are searched, or all features.",
            size="small",
            sizing_mode="stretch_width",
        )
        self.form_area = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.device = DeviceSelect()
        self.button = pmui.Button(
            label="Train",
            icon="play_arrow",
            color="primary",
            variant="contained",
            sizing_mode="stretch_width",
            on_click=self._train,
        )
        self.monitor = Monitor(board)
        self.models = ModelList(session, board, lambda: self.exporter.open())
        wide = {"size": "small", "variant": "text", "sizing_mode": "stretch_width"}
        self.ask = pmui.Button(
            label="Which method should I use?", icon="quiz", on_click=lambda event: self.which.open(), **wide
        )
        self.propose = pmui.Button(
            label="Propose a lag time", icon="timelapse", on_click=self._ask_for_lag, **wide,
            description="From implied time scales of TICA at several lags, in a second or two.",
        )  # fmt: skip
        self.proposal = Text("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.hint = Notice("Load data and compute features first.", severity="info", variant="outlined")
        self.sweep_form = SweepForm(self.sweep)
        self.place_form = PlaceForm(board)
        train = pmui.Row(
            self.device, self.button, sizing_mode="stretch_width", margin=0, sx={"alignItems": "center"}
        )
        first = self.method, self.ask, self.about, train, self.embedding, self.propose, self.proposal
        self.controls = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.layout = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.method.param.watch(self._show_form, "value")
        self._watchers = [
            session.param.watch(self._on_dataset, "dataset"),
            session.param.watch(self._offer_embeddings, ["results", "feature_set"]),
            session.param.watch(self._on_recipe, "recipe"),
        ]
        self._ended = board.param.watch(self._on_ended, "ended")
        self._offer_embeddings()
        self._on_dataset()
        lay_out(self.controls, *first, self.form_area, self._folded_sweep())
        lay_out(self.layout, self.hint, self.models.layout, self.monitor.layout, self.controls)

    @cached_property
    def which(self) -> WhichMethod:
        return self._dialogs.add(WhichMethod(self.session, self.choose))

    @cached_property
    def exporter(self) -> CVExport:
        return self._dialogs.add(CVExport(self.session, self.board))

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self.board.param.unwatch(self._ended)
        self.monitor.close()
        self.models.close()
        self.place_form.close()
        if "exporter" in self.__dict__:
            self.exporter.close()

    def start(self, name: str, **hyperparameters) -> None:
        """Train the method of that name as a job: with what the form has for it, and ``hyperparameters``."""
        self.choose(name, hyperparameters)
        self.train()

    def unfitted_tree(self) -> DivisiveIDM:
        """A tree of states with the values of its form, or the usual ones while another form is shown."""
        return DivisiveIDM(**(self.form.values if self.method.value == "DivisiveIDM" else {}))

    def train(self, **hyperparameters) -> None:
        """Train the chosen method with the form's values, changed by ``hyperparameters``, as a job."""
        dataset = self.session.dataset
        if dataset is None:
            raise FelError("No data to train on.", remedy="Load trajectories and compute features first.")
        method = list_methods()[self.method.value](**{**self.form.values, **hyperparameters})
        if method.needs_lag and method.lag_time:
            schema.lag_in_frames(dataset, method.lag_time)
        self._refuse_twins([method])
        self._submit(method, self.board.new_label(self._name()))

    def sweep(self, parameter: str, values: list, n_seeds: int = 1) -> None:
        """Queue a training for each of ``values`` of a hyperparameter, each with ``n_seeds`` seeds."""
        cls = list_methods()[self.method.value]
        runs = plan(cls, self.form.values, parameter, values, n_seeds=n_seeds, dataset=self.session.dataset)
        self._refuse_twins([run.method for run in runs])
        labels = [self.board.free_label(f"{self._name()}, {run.differs}") for run in runs]
        for run, label in zip(runs, labels, strict=True):
            self._submit(run.method, label, show=False)
        self.session.sweep = Sweep(parameter, tuple(labels))

    def _base(self) -> str:
        """Label of the model in whose embedding the method is to work; '' for the features."""
        takes = list_methods()[self.method.value].takes_embedding
        return self.embedding.value if takes and self.embedding.value != FEATURES else ""

    def _name(self):
        return f"{self._base()} + {self.method.value}" if self._base() else self.method.value

    def _folder(self, method):
        base = self._base()
        return featurize_and_train.checkpoint_folder(
            f"{self.board.key} on {base}" if base else self.board.key, method
        )

    def _refuse_twins(self, methods):
        """Two trainings with the same settings would write into one checkpoint."""
        folders = {self._folder(method) for method in methods}
        for job in self.board.jobs:
            if job.active and job.checkpoint_dir in folders:
                raise FelError(
                    f"{job.label} already trains with these settings.",
                    remedy="Change the seed, or wait for it.",
                )

    def _submit(self, method, label, *, show=True):
        base, folder = self._base(), self._folder(method)
        embedding = self.session.results[base].method if base else None
        task = featurize_and_train.training(
            method,
            self.session.dataset,
            label,
            embedding=embedding,
            device=self.device.value,
            checkpoint_dir=folder,
        )
        recipe = Recipe.of(method, base)
        about = {"checkpoint_dir": folder, "show": show, "recipe": recipe}
        self.board.submit(label, task, kind="model", quick=method.has_microstates, **about)

    def choose(self, name: str, values: dict) -> None:
        """Set the form up for a method, with ``values`` of some of its hyperparameters."""
        self.method.value = name
        for key, value in values.items():
            self.form.widgets[key].value = value

    @param.depends("dark", watch=True)
    def _show_theme(self):
        self.monitor.dark = self.dark

    def _train(self, _event):
        self.train()

    def _folded_sweep(self):
        return pmui.Accordion(
            ("Sweep a parameter", self.sweep_form),
            ("Where trainings run", self.place_form),
            active=[], dynamic=True, disable_gutters=True, title_variant="body2", elevation=0,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _ask_for_lag(self, _event):
        self.board.submit("Lag time", proposing(self.session.dataset), kind="lag")

    def _on_ended(self, event):
        job = event.new
        if isinstance(job.result, Proposal) and job.key == self.board.key:
            self.proposal.object = job.result.text(self.session.dataset.attrs["time_unit"])
            if "lag_time" in self.form.widgets:
                self.form.widgets["lag_time"].value = job.result.lag_time

    def _on_dataset(self, *_):
        self.proposal.object = ""
        loaded = self.session.dataset is not None
        self.hint.visible, self.controls.visible = not loaded, loaded
        self._show_form()

    def _offer_embeddings(self, *_):
        fitted = [label for label, result in self.session.own_results.items() if result.method.is_fitted]
        options = [FEATURES, *fitted]
        value = self.embedding.value if self.embedding.value in options else FEATURES
        self.embedding.param.update(options=options, value=value)

    def _on_recipe(self, event):
        """Fill the form with how another model was made."""
        recipe = event.new
        if recipe is None:
            return
        self.method.value = recipe.method
        self._make_form(recipe.values)
        self.embedding.value = recipe.embedding or FEATURES

    def _show_form(self, *_):
        cls = list_methods()[self.method.value]
        self.embedding.visible = cls.takes_embedding
        self.propose.visible = self.proposal.visible = "lag_time" in cls.hyperparameter_names()
        self.about.object = (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
        dataset, overrides = self.session.dataset, {}
        if dataset is not None:
            if cls.needs_lag and cls.param["lag_time"].default:
                overrides["lag_time"] = fitting_lag(dataset, cls.param["lag_time"].default)
            if "lag_times" in cls.hyperparameter_names():
                overrides["lag_times"] = fitting_lags(dataset, cls.param["lag_times"].default)
            if cls.has_microstates:
                overrides["n_dims"] = min(cls.param["n_dims"].default, dataset.sizes["feature"])
        self._make_form(overrides)

    def _make_form(self, values):
        cls, dataset = list_methods()[self.method.value], self.session.dataset
        unit = "" if dataset is None else dataset.attrs["time_unit"]
        self.form = Form(cls, time_unit=unit, overrides=values)
        self.form_area[:] = [self.form]
        self.sweep_form.offer(cls)


def method_groups() -> dict[str, list[str]]:
    """The names of all methods, by what they find."""
    groups: dict[str, list[str]] = {"States": [], "Slow modes": [], "Other maps": []}
    methods = list_methods()
    for name in [*FIRST, *sorted(methods.keys() - set(FIRST))]:
        found = methods[name].has_states, methods[name].has_modes
        groups["States" if found[0] else "Slow modes" if found[1] else "Other maps"].append(name)
    return groups


def fitting_lag(dataset, lag_time: float) -> float:
    """The lag nearest to ``lag_time`` that the dataset allows."""
    step = schema.time_step(dataset)
    longest = max(int(schema.trajectory_lengths(dataset).max()) - 1, 1)
    return min(max(round(lag_time / step), 1), longest) * step


def fitting_lags(dataset, lag_times) -> list[float]:
    """``lag_times`` counted in frames, as times that the dataset allows: none twice, longest first."""
    step = schema.time_step(dataset)
    return sorted({fitting_lag(dataset, lag * step) for lag in lag_times}, reverse=True)
