"""The dialog that starts a tree of states: lag times proposed from the data, and how long it takes."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.states.tree_plan import TreePlan, planning
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.methods import DiscreteIDM, DivisiveIDM
from fel_explorer.plots.quantities import axis_label, seconds_text, time_text

WIDTH = 620
ABOUT = (
    "At a long lag time only the slowest motions count as changes of state; at shorter ones these states "
    "divide into parts. The tree has a level for each lag time."
)
PROPOSED = "Proposed from your data, with the states that a first look finds at each:"
ONE_STATE = "A first look finds one state at every lag time. Other features may show more."


class TreeDialog(Viewer):
    """Proposes lag times as a job, and starts the training; made when it is first opened.

    Parameters
    ----------
    make_method
        Called without arguments, gives the unfitted `DivisiveIDM` with the settings of the page.
    train
        Called with the name of a method and hyperparameters.
    """

    def __init__(
        self,
        session: Session,
        board: PageJobs,
        make_method: Callable[[], DivisiveIDM],
        train: Callable[..., None],
        **params,
    ):
        super().__init__(**params)
        self.session, self.board, self._make_method, self._train = session, board, make_method, train
        self.plan: TreePlan | None = None
        self._job = None
        self._planned: object = None  # the features that the plan is of
        self.text = Text("", width=WIDTH, margin=(0, 8))
        self.bar = pmui.LinearProgress(value=0, variant="determinate", width=WIDTH, margin=8, visible=False)
        self.levels = pmui.CheckBoxGroup(
            label="Lag times", options={}, value=[], inline=False, margin=(0, 8), visible=False
        )
        self.more = pmui.TextInput(
            label="Other lag times", placeholder="50, 10", size="small", width=220, margin=(8, 8),
            visible=False, description="Numbers in the time unit of the data, separated by commas.",
        )  # fmt: skip
        self.seconds = Text("", width=WIDTH, variant="body2", margin=(4, 8))
        self.start = pmui.Button(
            label="Start", icon="account_tree", color="primary", variant="contained", margin=8,
            on_click=lambda event: self._start(),
        )  # fmt: skip
        self.cancel = pmui.Button(
            label="Cancel", variant="text", margin=8, on_click=lambda event: self._cancel()
        )
        self.dialog = pmui.Dialog(
            pmui.Column(
                Text(ABOUT, variant="body2", width=WIDTH, margin=(0, 8, 8, 8)),
                self.text, self.bar, self.levels, self.more, self.seconds,
                pmui.Row(self.start, self.cancel, margin=0),
                margin=0,
            ),
            title="Tree of states", open=False, close_on_click=True, show_close_button=True,
            width_option="md",
        )  # fmt: skip
        self._watchers = [
            self.levels.param.watch(self._on_choice, "value"),
            self.more.param.watch(self._on_choice, ["value", "value_input"]),
        ]
        self._watcher = board.param.watch(self._show, "version")

    def __panel__(self):
        return self.dialog

    def close(self) -> None:
        """Stop watching the jobs."""
        self.board.param.unwatch(self._watcher)

    def open(self) -> None:
        """Show the proposal for the shown features; it is made where there is none yet."""
        dataset = self.session.dataset
        if dataset is None:
            raise FelError("No data to divide into states.", remedy="Load trajectories and compute features.")
        if self._planned is not dataset["features"].data or self.plan is None:
            self.plan, self._planned = None, dataset["features"].data
            if self._job is None or not self._job.active:
                call = planning(dataset, self._make_method(), self._known_scan())
                self._job = self.board.submit("Lag times of a tree", call, kind="plan")
        self._show()
        self.dialog.open = True

    def _known_scan(self) -> DiscreteIDM | None:
        """A scan over lag times of the shown features, where there is one."""
        found = [one.method for one in self.session.own_results.values() if not one.partial]
        return next((one for one in found[::-1] if isinstance(one, DiscreteIDM) and one.is_fitted), None)

    # ---- what is shown

    def _show(self, *_):
        job = self._job
        if job is None:
            return
        if self.plan is None and job.result is not None:
            self._take(job.result)
        self.bar.visible = job.active
        self.bar.value = round(100 * job.fraction) if job.progress.n_steps else 0
        ready = self.plan is not None
        self.levels.visible = self.more.visible = ready
        self.start.disabled = not ready or not self._chosen()
        if job.active:
            message = job.progress.message
            self.text.object = f"Looking at the data: {message}." if message else "Waits for other jobs."
        elif job.error is not None:
            self.text.object = f"It failed: {literal(job.error)}"
        elif ready:
            many = self.plan.n_states([one.lag_time for one in self.plan.lags]) > 1
            self.text.object = PROPOSED if many else ONE_STATE
        self._say_seconds()

    def _take(self, plan: TreePlan):
        unit = self.session.dataset.attrs["time_unit"]
        self.plan = plan
        self.more.label = axis_label("Other lag times", unit)
        lags = [plan.lags[i] for i in plan.proposed]
        options = {one.text(unit): one.lag_time for one in lags}
        self.levels.param.update(options=options, value=list(options.values()))

    def _on_choice(self, *_):
        if self.plan is not None:
            self.start.disabled = not self._chosen()
            self._say_seconds()

    def _say_seconds(self):
        if self.plan is None:
            self.seconds.object = ""
            return
        unit, lags = self.session.dataset.attrs["time_unit"], self._chosen()
        try:
            typed = self._typed()
        except ValueError:
            self.seconds.object = "**Other lag times** are positive numbers with commas between them."
            return
        if not lags:
            self.seconds.object = "Choose one lag time or more."
            return
        parts = [f"{self.plan.at(lag).text(unit)}." for lag in typed]
        seconds = seconds_text(self.plan.seconds(lags, self._make_method()))
        listed = ", ".join(time_text(lag, unit) for lag in lags)
        parts.append(
            f"**About {seconds}** for {listed}, from {self.plan.n_divisions(lags)} trainings as measured on "
            "this machine and these data. You can go on working meanwhile."
        )
        self.seconds.object = "\n\n".join(parts)

    # ---- what users do

    def _typed(self) -> list[float]:
        """Lag times typed by the user."""
        texts = [part.strip() for part in (self.more.value_input or self.more.value or "").split(",")]
        found = [float(part) for part in texts if part]
        if any(not 0 < lag < float("inf") for lag in found):
            raise ValueError("not positive")
        return found

    def _chosen(self) -> list[float]:
        """The chosen lag times, from long to short; none where what was typed is not a number."""
        try:
            return sorted({*self.levels.value, *self._typed()}, reverse=True)
        except ValueError:
            return []

    def _start(self):
        lags = self._chosen()
        most = max(DivisiveIDM.param["n_states"].default, self.plan.n_states(lags))
        self._train("DivisiveIDM", lag_times=lags, n_states=most)
        self.dialog.open = False

    def _cancel(self):
        if self._job is not None and self._job.active:
            self.board.cancel(self._job)
        self.dialog.open = False
