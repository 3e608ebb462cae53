"""The left side of the page: system, settings and progress."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.jobs.manager import Job
from fel_explorer.app.pages.embedded_physics.options import CHOICES, PDB
from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.app.pages.embedded_physics.training import LOADED
from fel_explorer.app.shell.header import seconds_text
from fel_explorer.app.widgets.device_select import DeviceSelect
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.param_form import Form
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.methods import EmbeddedPhysics

WIDTH = 310  # px
NO_OPENMM = (
    'Molecules need OpenMM, which is not installed: `pip install "fel-explorer[md]"`. The model systems work '
    "without it."
)
TEXT = """
**No data needed.** The model generates structures from latent variables **z** and learns from the
energies of the force field. Training starts at a **high temperature** and cools down.
"""


class Controls(Viewer):
    """System, temperature, quick or careful, all settings, *Learn*, *Stop* and the progress.

    Parameters
    ----------
    learn, stop
        Called when the buttons are pressed.
    """

    subject = param.ClassSelector(class_=Subject, default=None, allow_None=True, doc="What is chosen.")

    def __init__(self, learn, stop, **params):
        super().__init__(**params)
        wide = {"size": "small", "sizing_mode": "stretch_width"}
        self.system = pmui.Select(
            label="System", options=list(CHOICES), description="What the model learns from: its energies.",
            margin=(8, 10, 4, 10), **wide,
        )  # fmt: skip
        self.file = pmui.FileInput(
            label="PDB file", accept=".pdb", variant="outlined", size="small", margin=(4, 10), visible=False
        )
        self.about = Text("", variant="body2", margin=(0, 10, 4, 10), sizing_mode="stretch_width")
        self.temperature = FloatField(margin=(6, 10, 4, 10), **wide)
        self.care = pmui.RadioButtonGroup(
            label="", options=["Quick", "Careful"], value="Quick", margin=(6, 10, 0, 10), **wide
        )
        self.cost = Text("", variant="caption", margin=(2, 10), sizing_mode="stretch_width")
        self.form_area = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.folded = pmui.Accordion(
            ("Settings", self.form_area), active=[], dynamic=True, disable_gutters=True, elevation=0,
            margin=0, title_variant="body2", sizing_mode="stretch_width",
        )  # fmt: skip
        self.device = DeviceSelect(margin=(6, 10, 0, 10), width=None, sizing_mode="stretch_width")
        self.learn = pmui.Button(
            label="Learn", icon="local_fire_department", color="primary", variant="contained",
            on_click=lambda event: learn(), margin=(6, 10), **wide,
            description="Start at a high temperature, where all states are easily reached, and cool down",
        )  # fmt: skip
        self.stop = pmui.Button(
            label="Stop", icon="stop", color="default", variant="outlined", visible=False,
            on_click=lambda event: stop(), margin=(6, 10), **wide,
            description="Stop and keep the model learned so far",
        )  # fmt: skip
        self.bar = pmui.LinearProgress(
            value=0, variant="determinate", visible=False, sizing_mode="stretch_width", margin=(0, 10)
        )
        self.status = Text("", variant="body2", margin=(4, 10), sizing_mode="stretch_width")
        self.layout = pmui.Column(
            Text("Learn from a force field", variant="h5", margin=(6, 10, 0, 10)),
            Text(TEXT, variant="body2", margin=(4, 10), sizing_mode="stretch_width"),
            self.system, self.about, self.file, self.temperature, self.care, self.cost, self.folded,
            self.device, self.learn, self.stop, self.bar, self.status,
            width=WIDTH, margin=0,
        )  # fmt: skip
        self.system.param.watch(self._on_system, "value")
        self.file.param.watch(self._on_file, "value")
        self.care.param.watch(self._on_care, "value")
        self.temperature.param.watch(self._prepare, "value")
        self._on_system()

    def __panel__(self):
        return self.layout

    # ---- what is chosen

    @property
    def choice(self):
        return CHOICES[self.system.value]

    @property
    def hyperparameters(self) -> dict:
        """Of `EmbeddedPhysics`, as the form has them."""
        return self.form.values

    def _on_system(self, *_):
        choice = self.choice
        self.about.object, self.file.visible = choice.about, choice.title == PDB
        self._on_care()
        molecule = choice.is_molecule
        self.temperature.param.update(
            label="Temperature (K)" if molecule else "Temperature kT",
            description="At which the model ends. It begins ten to twenty times hotter.",
            start=1.0 if molecule else 0.05,
            end=2000.0 if molecule else 20.0,
            step=10.0 if molecule else 0.1,
            value=choice.temperature,
        )
        self._prepare()

    def _on_care(self, *_):
        setting = self.choice.settings[self.care.value]
        self.form = Form(EmbeddedPhysics, overrides=setting.hyperparameters)
        self.form.widgets["temperature"].visible = False  # it has its own place
        self.form_area[:] = [self.form]
        self.cost.object = f"About {seconds_text(60 * setting.minutes)} on one core of a laptop."

    def _on_file(self, event):
        if event.new:
            made = CHOICES[PDB].make(event.new, self.file.filename or "peptide.pdb", self.temperature.value)
            self.subject = made
            self._prepare()

    def _prepare(self, *_):
        """Take what is chosen as the subject, or say what is missing."""
        temperature, known = self.temperature.value, self.subject
        missing = self.choice.is_molecule and importlib.util.find_spec("openmm") is None
        if temperature is None or not temperature > 0:
            raise FelError(f"A temperature of {temperature}.", "Temperatures are positive.")
        same = known is not None and known.choice == self.choice.title
        waits = "Choose a PDB file with all hydrogens." if self.choice.title == PDB and not same else ""
        if same and known.is_molecule and known.temperature != temperature:
            self.subject = replace(known, temperature=temperature)
        elif not waits and not (same and known.temperature == temperature):
            self.subject = self.choice.make(temperature)
        self.status.object = NO_OPENMM if missing else waits
        self.learn.disabled = bool(missing or waits)

    def follow(self, subject: Subject) -> None:
        """Choose what a job of this page already learns from."""
        self.subject = subject
        self.system.value = subject.choice
        self.temperature.value = subject.temperature
        self.subject = subject

    # ---- progress

    def show(self, job: Job | None) -> None:
        """Show the progress of a job."""
        active = job is not None and job.active
        self.learn.visible, self.stop.visible, self.bar.visible = not active, active, active
        self.system.disabled = self.temperature.disabled = self.care.disabled = active
        if job is None:
            return
        known = np.isfinite(job.fraction) and not job.stopping
        self.bar.param.update(
            variant="determinate" if known else "indeterminate",
            value=round(100 * job.fraction) if known else 0,
        )
        self.stop.disabled = job.stopping
        self.status.object = describe(job)


def describe(job: Job) -> str:
    """ "Step 300 of 1000, 12 s left"."""
    done = job.progress
    if job.state == "queued":
        return "Waits for a free worker."
    if job.state == "failed":
        return f"Failed: {literal(job.error)}"
    if job.state == "done" and done.message == LOADED:
        return "Loaded. Click in the picture of z."
    if job.state == "done":
        return f"Learned in {seconds_text(job.finished - job.started)}. Click in the picture of z."
    if job.state == "cancelled":
        return (
            "Stopped; the model learned so far is kept."
            if job.result
            else "Stopped before anything was learned."
        )
    if job.stopping:
        return "Stopping: evaluating the model."
    if done.n_steps <= 1:
        return f"{done.message.capitalize() or 'Begins'} ..."
    left = seconds_text(done.eta) if done.step < done.n_steps else ""
    return f"Step {done.step:,} of {done.n_steps:,}" + (
        f", {left} left." if left else ", evaluating the model."
    )
