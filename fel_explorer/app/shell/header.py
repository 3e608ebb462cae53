"""The header: menus and buttons made from the command table, the job bar, the device."""

from __future__ import annotations

import math
from functools import partial

import panel_material_ui as pmui
import torch
from panel.viewable import Viewer
from param.parameterized import batch_call_watchers

from fel_explorer.app.jobs.queue_status import time_left
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.shell.commands import COMMANDS, Command
from fel_explorer.app.widgets.button_bar import BarButton, ButtonBar
from fel_explorer.plots.quantities import seconds_text


def device_text() -> str:
    """Device of trainings by default: 'GPU NVIDIA H100' or 'CPU, 2 threads'."""
    if torch.cuda.is_available():
        return f"GPU {torch.cuda.get_device_name(0)}"
    return "CPU"


class JobBar(Viewer):
    """The running job: label, time left, a bar and a cancel button; invisible when nothing runs.

    A click on the text calls ``on_open``.
    """

    def __init__(self, board: PageJobs, on_open, **params):
        super().__init__(**params)
        self.board = board
        self.text = pmui.Button(
            label="",
            variant="text",
            color="light",
            size="small",
            description="Show the job list: queue, logs, failures",
            margin=(0, 8),
            align="center",
            on_click=lambda event: on_open(),
            sx={
                "textTransform": "none",
                "fontSize": "14px",
                "maxWidth": "max(160px, calc(100vw - 860px))",
                "display": "block",
                "overflow": "hidden",
                "textOverflow": "ellipsis",
                "whiteSpace": "nowrap",
            },
        )
        self.bar = pmui.LinearProgress(
            value=0,
            variant="determinate",
            color="light",
            width=160,
            margin=(0, 4),
            align="center",
            sx={"width": "160px"},
        )
        self.stop = pmui.IconButton(
            icon="stop_circle",
            description="Stop and keep the model trained so far",
            color="light",
            size="small",
            margin=0,
            on_click=self._cancel,
        )
        self.layout = pmui.Row(visible=False, margin=0, align="center", sx={"alignItems": "center"})
        self._watcher = board.param.watch(self._update, "version")
        self._update()

    def close(self):
        self.board.param.unwatch(self._watcher)

    def __panel__(self):
        return self.layout

    def _update(self, *_):
        job = self.board.current
        self.layout.visible = job is not None
        if job is None:
            return
        if not self.layout.objects:
            self.layout[:] = [self.text, self.bar, self.stop]
        waiting = sum(other.active for other in self.board.jobs) - 1
        parts = [job.label, job.progress.message if job.state == "running" else "waits"]
        if job.stopping:
            parts[1] = "stopping"
        elif left := seconds_text(job.progress.eta):
            parts.append(f"{left} left")
        if waiting:
            in_all = seconds_text(time_left(self.board.jobs, self.board.manager.clock()))
            parts.append(f"{waiting} more" + (f", about {in_all} in all" if in_all else ""))
        known = math.isfinite(job.fraction)
        self.text.label = " · ".join(filter(None, parts))
        self.bar.param.update(
            variant="determinate" if known else "indeterminate",
            value=round(100 * job.fraction) if known else 0,
        )
        self.stop.disabled = job.stopping

    def _cancel(self, *_):
        job = self.board.current
        if job is not None:
            self.board.cancel(job)


class CommandButtons(Viewer):
    """One icon button for every command that has an icon, enabled as the session allows."""

    def __init__(self, session, run, **params):
        super().__init__(**params)
        self.session = session
        self.buttons = {command.id: self._button(command, run) for command in COMMANDS if command.icon}
        self.layout = ButtonBar(self.buttons, colour="light", margin=0, align="center")
        self._watcher = session.param.watch(self._update, ["can_undo", "can_redo", "dataset", "selection"])
        self._update()

    def close(self):
        self.session.param.unwatch(self._watcher)

    def __panel__(self):
        return self.layout

    @staticmethod
    def _button(command: Command, run):
        about = f"{command.title} ({shortcut_text(command.shortcut)})"
        return BarButton(partial(_click, run, command), icon=command.icon, description=about)

    def _update(self, *_):
        with batch_call_watchers(self.layout):  # one message for all buttons
            for command in COMMANDS:
                if command.icon:
                    self.buttons[command.id].disabled = not command.enabled(self.session)


def _click(run, command, _event):
    run(command)


def shortcut_text(shortcut: str) -> str:
    """'ctrl+z' -> 'Ctrl-Z', 'arrowleft' -> '←'."""
    names = {"arrowleft": "←", "arrowright": "→", "escape": "Esc"}
    return "-".join(names.get(part, part.capitalize()) for part in shortcut.split("+"))
