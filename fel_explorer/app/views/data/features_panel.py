"""Features panel: choose what describes a structure to the models, see what that gives, and compute it."""

from __future__ import annotations

from dataclasses import fields

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.feature_sets import readable
from fel_explorer.app.session.session import Session
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.notifications import show_notice
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.features import list_featurizers

SHOWN_NAMES = 4


class FeaturesPanel(Viewer):
    """Featurizers of the registry, their preview, and the job that runs them."""

    def __init__(self, session: Session, board: PageJobs, **params):
        super().__init__(**params)
        self.session, self.board = session, board
        self.choice = pmui.MultiChoice(
            label="Features",
            options={readable(n): n for n in list_featurizers()},
            value=[featurize_and_train.DEFAULT_FEATURIZER],
            sizing_mode="stretch_width",
            description="Features that describe a structure to the model. Several kinds can be combined.",
        )
        self.shown = pmui.Select(
            label="Shown features",
            size="small",
            sizing_mode="stretch_width",
            description="Each model belongs to the features that it was trained on.",
        )
        self.options_area = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.preview = Text("", variant="caption", margin=(0, 10), sizing_mode="stretch_width")
        self.button = pmui.Button(
            label="Compute",
            icon="calculate",
            color="primary",
            variant="contained",
            on_click=self._compute,
            sizing_mode="stretch_width",
        )
        parts = self.shown, self.choice, self.options_area, self.preview, self.button
        self.layout = pmui.Column(*parts, sizing_mode="stretch_width", margin=0)
        self._options: dict[str, dict] = {}
        self.choice.param.watch(self._on_choice, "value")
        self.shown.param.watch(self._on_shown, "value")
        self._watchers = [
            session.param.watch(self._on_data, ["trajectories", "dataset", "feature_sets"]),
            board.param.watch(self._update_button, "version"),
        ]
        self._usual = self.choice.value
        self._on_choice()

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.session.param.unwatch(self._watchers[0])
        self.board.param.unwatch(self._watchers[1])

    @property
    def featurizers(self) -> list:
        """The chosen featurizers with options, as `features.featurize` takes them."""
        return [(name, {o: w.value for o, w in self._options[name].items()}) for name in self.choice.value]

    def compute(self) -> None:
        """Featurize the trajectories as a job; they join those that are there."""
        if self.session.trajectories is None:
            raise FelError(
                "No trajectories to featurize.", remedy="Open files or load the sample data first."
            )
        if not self.choice.value:
            raise FelError("No features are chosen.", f"There are {', '.join(list_featurizers())}.")
        self.board.submit(
            "Features",
            featurize_and_train.featurizing(self.session.trajectories, self.featurizers),
            kind="data",
        )

    def _compute(self, _event):
        self.compute()

    def _on_shown(self, event):
        if event.new and event.new in self.session.feature_sets:
            self.session.show_features(event.new)

    def _on_data(self, *events):
        for event in events:
            if event.name == "feature_sets" and event.old and [*event.new][:-1] == [*event.old]:
                show_notice(kept_notice(self.session, list(event.old)))
        trajectories = self.session.trajectories
        if trajectories is not None and self.choice.value == self._usual:  # not chosen by hand
            if any(event.name == "trajectories" for event in events) and self.session.dataset is None:
                self._usual = self.choice.value = [
                    featurize_and_train.usual_featurizer(trajectories.topology)
                ]
        self._update()

    def _on_choice(self, *_):
        self._options = {name: self._options.get(name) or option_widgets(name) for name in self.choice.value}
        self.options_area[:] = [w for widgets in self._options.values() for w in widgets.values()]
        for widgets in self._options.values():
            for widget in widgets.values():
                widget.param.watch(self._update, "value")
        self._update()

    def _update(self, *_):
        sets = list(self.session.feature_sets)
        self.shown.param.update(options=sets, value=self.session.feature_set or None, visible=len(sets) > 1)
        self.preview.object = self._describe()
        self._update_button()

    def _update_button(self, *_):
        computing = any(job.active and job.kind == "data" for job in self.board.jobs)
        self.button.disabled = self.session.trajectories is None or not self.choice.value or computing
        self.button.label = "Computing" if computing else "Compute"

    def _describe(self) -> str:
        if self.session.trajectories is None:
            if self.session.dataset is not None:
                return f"{self.session.dataset.sizes['feature']} features, given as arrays."
            return "Load data first."
        registry, topology, names = list_featurizers(), self.session.trajectories.topology, []
        try:
            for name, options in self.featurizers:
                names += registry[name](**options).describe(topology)
        except FelError as error:
            return f"**{literal(error)}**"
        shown = ", ".join(names[:SHOWN_NAMES]) + (", ..." if len(names) > SHOWN_NAMES else "")
        return f"**{len(names)} features**: {literal(shown)}"


def kept_notice(session: Session, names: list[str]) -> str:
    """What is still there after other features were computed, and where."""
    n = sum(name in names for name in session.features_of.values())
    models = f" with {n} model{'s' if n > 1 else ''}" if n else ""
    stay = f"{' and '.join(names)}{models} stay{'' if len(names) > 1 else 's'}"
    return f"Shown: {session.feature_set}. {stay}: choose under Features, or undo (Ctrl-Z)."


def option_widgets(name: str) -> dict:
    """{option: widget} for a featurizer's options that are texts or numbers; the rest keep their defaults."""
    cls, widgets = list_featurizers()[name], {}
    for option in fields(cls):
        about = {"label": f"{readable(name)}: {option.name.replace('_', ' ')}", "size": "small",
                 "sizing_mode": "stretch_width"}  # fmt: skip
        if isinstance(option.default, str):
            widgets[option.name] = pmui.TextInput(value=option.default, **about)
        elif isinstance(option.default, int) and not isinstance(option.default, bool):
            widgets[option.name] = pmui.IntInput(value=option.default, start=1, **about)
        elif isinstance(option.default, float):
            widgets[option.name] = FloatField(value=option.default, **about)
    return widgets
