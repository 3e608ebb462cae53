"""The pages of the view of simulators: the form, what is simulated, and the report."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from html import escape
from pathlib import Path

import numpy as np
import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.simulate import simulation as simulations
from fel_explorer.app.views.simulate.form import SimulatorForm
from fel_explorer.app.views.simulate.report_rows import as_html, rows_of
from fel_explorer.app.widgets.layout import beside
from fel_explorer.app.widgets.sparklines import losses_svg
from fel_explorer.app.widgets.text import Text
from fel_explorer.plots.quantities import time_text

ABOUT = """**A simulator of the map.** The shown model maps a structure to a point (encoder). A
*propagator* learns from the data how the point moves within one lag time; a *decoder* generates structures
there. Together they generate new trajectories in seconds.

Compare them with MD in the **report** before you use them."""
MAX_STEPS, MAX_TRAJECTORIES = 2000, 20
TABLE = """
:host {font: 13.5px/1.35 Roboto, "Helvetica Neue", Arial, sans-serif}
table {width: 100%; border-collapse: collapse;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
th {font-weight: 500; font-size: 12px; padding: 2px 8px; opacity: .75}
td {padding: 3px 8px; border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent)}
.number {width: 1%; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums}
tr:hover td {background: color-mix(in srgb, currentColor 7%, transparent)}
"""
NOTES = """
:host {font: 13.5px/1.35 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
p {margin: 4px 0; padding: 4px 10px; border-left: 4px solid #ed8b00; background: rgba(237, 139, 0, .12)}
p.fine {border-color: #2e7d32; background: rgba(46, 125, 50, .12)}
"""


def main_button(label, icon, act, about):
    """The button of a page that starts its job."""
    return pmui.Button(
        label=label, icon=icon, color="primary", variant="contained", size="small", margin=(8, 12),
        on_click=lambda event: act(), description=about,
    )  # fmt: skip


def text(words="", **options):
    """A paragraph."""
    return Text(words, variant="body2", sizing_mode="stretch_width", **options)


class TrainPage(Viewer):
    """The form, next to a text on what a simulator is."""

    def __init__(self, session: Session, train):
        super().__init__()
        self.form = SimulatorForm(session)
        self.button = main_button(
            "Train simulator", "play_arrow", train,
            "Train the propagator, then the decoder. Stop keeps the state of the training.",
        )  # fmt: skip
        self.layout = pmui.Column(self.form, self.button, sizing_mode="stretch_width", margin=0)
        about = Text(ABOUT, variant="body2", margin=(10, 24), width=540)
        self.losses = pn.pane.HTML("", width=330, margin=(0, 24))
        self.side = pmui.Column(about, self.losses, width=600, sizing_mode="stretch_height", margin=0)

    def show(self, _trained, _simulation) -> None:
        """Fit the form to the session."""
        self.form.offer()

    def watch(self, job) -> None:
        """Draw the losses of a training; None when there is none."""
        losses = {} if job is None else {term: list(values) for term, values in job.losses.items()}
        self.losses.object = losses_svg(losses) if losses else ""


class PlayPage(Viewer):
    """Length and number of trajectories, which of them is shown, and their files."""

    def __init__(self, session: Session, simulate, propose):
        super().__init__()
        self.session = session
        self.propose = pmui.Button(
            label="Propose new starting points", icon="add_location_alt", variant="text", size="small",
            margin=(4, 12), on_click=lambda event: propose(),
            description="Selects the frames from which new simulations would teach the simulator most: where "
            "propagators trained from other random weights disagree. Trains two more propagators.",
        )  # fmt: skip
        slider = {"size": "small", "width": 128, "margin": (4, 14)}
        self.n_steps = pmui.IntSlider(label="Steps", start=20, end=MAX_STEPS, step=20, value=200, **slider)
        self.n_trajectories = pmui.IntSlider(
            label="Trajectories", start=1, end=MAX_TRAJECTORIES, value=5, **slider
        )
        self.button = main_button(
            "Simulate", "play_arrow", simulate, "Each press generates new trajectories."
        )
        self.downloads = {
            "xtc": self._download("xtc", "All synthetic trajectories, one after another."),
            "pdb": self._download("pdb", "The shown trajectory; its first model is a topology for the XTC."),
        }
        self.said = text(margin=(2, 12))
        self.chosen = pmui.IntSlider(label="Shown trajectory", start=1, end=2, **{**slider, "width": 284})
        self.chosen.param.watch(self._on_chosen, "value")
        row = pmui.Row(self.button, *self.downloads.values(), margin=0)
        self.layout = pmui.Column(
            pmui.Row(self.n_steps, self.n_trajectories, margin=0), row, self.chosen, self.said, self.propose,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def _download(self, kind, about):
        button = pmui.FileDownload(
            callback=partial(self.file, kind), filename=f"synthetic.{kind}", label=kind.upper(),
            description=about, size="small", margin=(8, 0), auto=True, embed=False,
        )  # fmt: skip
        button.variant = "text"  # as an argument pmui 0.16 warns of it
        return button

    def _on_chosen(self, event):
        simulation = simulations.shown_simulation(self.session)
        if simulation is not None and simulation.number_at(self.session.step) != event.new:
            self.session.step = (event.new - 1) * simulation.n_steps

    def show(self, _trained, simulation) -> None:
        """Show a simulation, and one trajectory of it."""
        for download in self.downloads.values():
            download.visible = simulation is not None and simulation.file is not None
        self.chosen.visible = simulation is not None and simulation.n_trajectories > 1
        if simulation is None:
            self.said.object = "A step is one lag time. Trajectories start at frames of the data."
            return
        last, number = max(simulation.n_trajectories, 2), simulation.number_at(self.session.step)
        self.chosen.param.update(end=last, value=number)
        attrs = simulation.latents.attrs
        self.said.object = (
            f"**{simulation.n_trajectories} × {time_text(simulation.length, attrs['time_unit'])}**, "
            f"{attrs['clipped']:.1%} of the steps clipped to the data. Click on the curve to go there."
        )

    def file(self, kind: str) -> io.BytesIO:
        """All trajectories as XTC, or the shown one as PDB."""
        simulation = simulations.shown_simulation(self.session)
        if kind == "xtc":
            return io.BytesIO(simulation.file.read_bytes())
        shown = simulation.structures(*simulation.trajectory_at(self.session.step))
        with tempfile.TemporaryDirectory() as folder:  # mdtraj writes by path only
            path = Path(folder) / "synthetic.pdb"
            shown.save_pdb(str(path))
            return io.BytesIO(path.read_bytes())


class ReportPage(Viewer):
    """Warnings and choice of a figure, next to the numbers."""

    def __init__(self, choice, compare):
        super().__init__()
        self._shown = None
        self.button = main_button(
            "Compare with MD", "fact_check", compare,
            "Simulates 100 trajectories as long as the longest of the data, and draws 2,000 structures.",
        )  # fmt: skip
        self.rivals = pmui.Checkbox(
            label="Compare with rivals", value=False, size="small", margin=(2, 12),
            description="Also train a linear (Koopman) propagator and overdamped Langevin dynamics on the "
            "same map. Takes as long as the propagator's training.",
        )  # fmt: skip
        self.native = pmui.Checkbox(
            label="RMSD to the current frame", value=False, size="small", margin=(2, 12),
            description="Of both ensembles; click on the native state first.",
        )  # fmt: skip
        self.hint = text("Compare the synthetic trajectories with the MD data.", margin=(6, 12))
        self.choice = choice
        self.warnings = pn.pane.HTML("", sizing_mode="stretch_width", stylesheets=[NOTES], margin=(2, 12))
        self.table = pn.pane.HTML("", width=390, stylesheets=[TABLE], margin=(2, 4))
        self.layout = pmui.Column(
            self.choice,
            self.warnings,
            self.hint,
            self.rivals,
            self.native,
            self.button,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.side = beside(self.table, width=410)

    def show(self, trained, _simulation) -> None:
        """The simulator's report."""
        report = trained.report if trained is not None else None
        self.choice.visible, self.hint.visible = report is not None, report is None
        if report is self._shown:
            return
        self._shown = report
        self.button.label = "Compare with MD" if report is None else "Compare again"
        self.warnings.object = "" if report is None else _notes(report.warnings)
        self.table.object = "" if report is None else as_html(rows_of(report))


def _notes(warnings):
    if not warnings:
        return '<p class="fine">Time scales, memory and range agree with MD.</p>'
    return "".join(f"<p>{escape(words)}</p>" for words in warnings)


def nearest_step(simulation, step: int, time: float) -> int:
    """The frame of the trajectory at ``step`` that is nearest to ``time``."""
    first, last = simulation.trajectory_at(step)
    return first + int(np.abs(simulation.latents["time"].values[first:last] - time).argmin())
