"""The condition of each trajectory: the button and its dialog."""

from __future__ import annotations

from functools import cached_property

import panel_material_ui as pmui

from fel_explorer.app.session.session import Session
from fel_explorer.app.widgets.button_bar import BarButton
from fel_explorer.app.widgets.dialogs import Dialogs
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Text
from fel_explorer.data.conditions import (
    BY_FOLDER,
    BY_NAME,
    conditions_by_trajectory,
    set_conditions,
    trajectory_files,
)
from fel_explorer.data.schema import trajectory_lengths
from fel_explorer.errors import FelError

WAYS = {"Folder of the file": BY_FOLDER, "Name of the file, up to its number": BY_NAME, "Typed below": ""}
ABOUT = (
    "What sets trajectories apart: mutant, ligand, temperature, force field. The view **Conditions** then "
    "shows their maps next to each other, and what differs significantly."
)
SHOWN = 8  # conditions listed


class ConditionsDialog:
    """The ``button`` that gives trajectories their condition."""

    def __init__(self, session: Session, dialogs: Dialogs | None = None):
        self.session, self._dialogs = session, dialogs or Dialogs()
        self.button = BarButton(
            self._ask, label="Conditions",
            description="Say which trajectories are of which system, to compare them",
        )  # fmt: skip

    @cached_property
    def dialog(self) -> pmui.Dialog:
        return self._dialogs.add(pmui.Dialog(show_close_button=True, close_on_click=True, width_option="sm"))

    def set(self, way: str, typed: str = "") -> None:
        """Give each trajectory its condition: by "folder" or "name", or by lines ``typed``.

        A line is "pattern = condition", where the first pattern that fits the name of a file or the number of
        a trajectory decides; or there is one condition for each trajectory, a line each.

        Raises
        ------
        FelError
            If a trajectory has none.
        """
        session = self.session
        if session.dataset is None:
            raise FelError("No data.", remedy="Load trajectories first.")
        session.attach(set_conditions(session.dataset, way or _typed(typed)))

    def _ask(self, _event):
        wide = {"size": "small", "sizing_mode": "stretch_width"}
        data = self.session.dataset
        files, names = trajectory_files(data), conditions_by_trajectory(data)
        self.way = pmui.Select(
            label="From",
            options=WAYS,
            value=BY_NAME if files and not names else "",
            disabled=not files,
            **wide,
        )
        self.lines = pmui.TextAreaInput(
            label="Conditions", rows=6, value="\n".join(names), placeholder="*apo* = apo\n*holo* = holo",
            description="One line for each trajectory, or lines such as *apo* = apo: the first pattern that "
            "fits the name of a file decides.", **wide,
        )  # fmt: skip
        number = len(trajectory_lengths(data))
        known = (
            f"  \n{number} trajectories: {literal(_listed(files))}"
            if files
            else f"  \n{number} trajectories."
        )
        text = Text(ABOUT + known, variant="body2", sizing_mode="stretch_width")
        apply = pmui.Button(label="Set", color="primary", variant="contained", on_click=self._on_set)
        self.way.param.watch(self._on_way, "value")
        self.dialog.title = "Conditions of the trajectories"
        self.dialog[:] = [text, self.way, self.lines, apply]
        self._on_way()
        self.dialog.open = True

    def _on_way(self, *_):
        self.lines.visible = not self.way.value

    def _on_set(self, _event):
        self.set(self.way.value, self.lines.value_input or self.lines.value)
        self.dialog.open = False


def _typed(text: str) -> list[str] | dict[str, str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not any("=" in line for line in lines):
        return lines
    pairs = [line.rpartition("=") for line in lines]
    return {pattern.strip(): name.strip() for pattern, _, name in pairs}


def _listed(files: list[str]) -> str:
    names = [file.replace("\\", "/").rpartition("/")[2] for file in files]
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
