"""The current selection: how many frames, how it was made, which states it holds, and its export."""

from __future__ import annotations

import io
import operator
from functools import partial

import numpy as np
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.selection.gate_form import GateForm
from fel_explorer.app.widgets.button_bar import BarButton, ButtonBar
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.structures import estimate_export_size, export_frames

LIMIT = 64_000_000  # bytes of a download, which the page holds in memory
EXAMPLE = "alpha helix"  # of a name
ABOUT = {
    "pdb": "Structures as text, one model per frame: opens in PyMOL, VMD, ChimeraX.",
    "xtc": "Structures as a compressed trajectory; needs a topology to open.",
    "csv": "Frame, trajectory, time and all columns as a table, with how the frames were selected.",
}


class SelectionPanel(Viewer):
    """Count, states and origin of the selection, with what can be done to it."""

    session = param.ClassSelector(class_=Session)
    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, session: Session, **params):
        super().__init__(session=session, **params)
        self._make_widgets()
        self._watchers = [
            session.param.watch(
                self._refresh,
                ["selection", "point", "dataset", "shown", "state_names", "trajectories"],
            ),
        ]
        self._refresh()
        lay_out(self._edit_row, *self._edits.values())
        lay_out(self._exports, *self._export_parts)
        lay_out(self._layout, *self._parts)

    def close(self) -> None:
        """Stop watching the session."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self._watchers = []

    def __panel__(self):
        return self._layout

    # ---- what is built once

    def _make_widgets(self):
        session = self.session
        self._count = Text("", variant="body2", margin=(7, 12, 4, 12), sizing_mode="stretch_width")
        self._how = Text("", variant="body2", margin=(0, 12, 2, 12), sizing_mode="stretch_width")
        actions = {
            "clear": ("close", "Clear the selection", lambda event: session.clear_selection()),
            "invert": ("flip", "Select all other frames", lambda event: session.invert_selection()),
        }
        self._actions = {
            name: BarButton(action, icon=icon, description=about)
            for name, (icon, about, action) in actions.items()
        }
        self.gate = GateForm(session)
        self._actions["gate"] = BarButton(
            self._on_gate, icon="tune", description="Select by value: a condition or a range", pressed=False
        )
        bar = ButtonBar(self._actions, margin=(0, 6))
        self._table = SortableTable(compact=True, sizing_mode="stretch_width", margin=(0, 8))
        self._table.param.watch(self._on_row, "clicked")
        self._name = pmui.TextInput(
            label="State name", placeholder=EXAMPLE, size="small", width=136,
            description="Press Enter to show the name on the map and in the table.", margin=(8, 6, 0, 10),
        )  # fmt: skip
        self._name.param.watch(self._on_name, "value")
        edits = {
            "merge": (
                "call_merge",
                "Merge",
                "Merge the selected states (key m). Undo restores them.",
                lambda event: session.merge_states(),
            ),
            "split": (
                "call_split",
                "Split",
                "Split off the selected part of a state as a new state (key s). Undo restores it.",
                lambda event: session.split_state(),
            ),
        }
        self._edits = {
            name: pmui.Button(
                label=label, icon=icon, description=about, size="small", variant="text", margin=(2, 4),
                on_click=action,
            )
            for name, (icon, label, about, action) in edits.items()
        }  # fmt: skip
        self._downloads = {
            kind: pmui.FileDownload(
                callback=partial(self.export, kind), filename=f"selection.{kind}", label=kind.upper(),
                description=about, size="small", margin=(8, 3), width=70, sx={"minWidth": "0", "px": "6px"},
            )
            for kind, about in ABOUT.items()
        }  # fmt: skip
        for download in self._downloads.values():
            download.variant = "outlined"  # as an argument pmui 0.16 warns of it
        self._every = pmui.IntInput(
            label="Every n-th frame", value=1, start=1, size="small", width=132, margin=(8, 6, 0, 6),
            description="1 exports all selected frames.",
        )  # fmt: skip
        self._every.param.watch(self._show_sizes, "value")
        self._sizes: dict[str, tuple[float, float]] = {}  # of files: base and bytes of a frame
        self._measured: tuple = ()  # what these sizes are of
        self._size = Text("", variant="caption", margin=(0, 12, 8, 12), sizing_mode="stretch_width")
        self._whole = pmui.Checkbox(
            label="Whole molecules", value=True, size="small", visible=False, margin=(10, 8),
            description="In exported structures, molecules that the periodic box cuts are made whole.",
        )  # fmt: skip
        label = Text("Export", variant="body2", margin=(14, 4, 0, 12))
        self._exports = pmui.FlexBox(margin=0)
        self._edit_row = pmui.Row(margin=0)
        self._parts = (
            pmui.Row(self._count, bar, sizing_mode="stretch_width", margin=0),
            self._how, self.gate.layout, self._table, self._edit_row, self._exports, self._size,
        )  # fmt: skip
        self._export_parts = self._name, label, *self._downloads.values(), self._every, self._whole
        self._layout = pmui.Column(sizing_mode="stretch_width", margin=0)

    # ---- what users do in this panel

    def export(self, kind: str) -> io.BytesIO:
        """The selected frames as a file of ``kind`` "pdb", "xtc" or "csv"."""
        session, buffer, every = self.session, io.BytesIO(), self._every.value
        export_frames(
            session.trajectories,
            self._frames(),
            buffer,
            kind,
            dataset=session.dataset,
            columns=self._columns() if kind == "csv" else (),
            how=session.selection.how + (f", every {ordinal(every)} frame" if every > 1 else ""),
            whole=self._whole.value,
        )
        buffer.seek(0)
        return buffer

    def _frames(self) -> np.ndarray:
        """The frames that are exported."""
        return self.session.selection.frames[:: self._every.value]

    def _columns(self) -> dict[str, np.ndarray]:
        """Everything known of each frame that is one number: dataset columns, embedding, state."""
        session, fixed = self.session, {"time", "trajectory", "frame_in_trajectory"}
        dataset, result = session.dataset, session.result
        columns = {
            str(name): dataset[name].values
            for name, variable in dataset.variables.items()
            if variable.dims == ("frame",) and name not in fixed
        }
        if result is not None:
            for i, name in enumerate(result.cv_names):
                columns[f"{result.label} {name}"] = result.embedding[:, i]
            if result.state is not None:
                columns[f"{result.label} state"] = result.state + 1
        return columns

    def _on_gate(self, _event):
        button = self._actions["gate"]
        button.pressed = not button.pressed
        self.gate.open(button.pressed)

    def _on_row(self, _event):
        self.session.select_state(self._table.state)

    def _on_name(self, event):
        state = self._single_state()
        if state is not None and event.new.strip() and event.new.strip() != self.session.state_name(state):
            self.session.name_state(state, event.new.strip())

    # ---- what happens in the session

    @param.depends("dark", watch=True)
    def _refresh(self, *_):
        session = self.session
        count, total = session.selection.count, len(session.selection.mask)
        share = f"  ({100 * count / total:.3g} %)" if count else ""
        nothing = f"**Nothing selected.** {self._hint(total)}"  # in one line: there is more room for states
        self._count.object = f"**{count:,} frames**{share}" if count else nothing
        self._how.param.update(visible=bool(count), object=_sentence(session.selection.how))
        self._actions["clear"].disabled = not count and session.point is None
        self._actions["invert"].disabled = self._actions["gate"].disabled = not total
        self._show_states(count)
        self._show_export(count)

    def _hint(self, total: int) -> str:
        if not total:
            return "Load data to select frames."
        states = self.session.result is not None and self.session.result.state is not None
        return "Lasso frames on the map" + (", or click a state." if states else ".")

    def _show_states(self, count):
        session, result = self.session, self.session.result
        shown = result is not None and result.state is not None
        self._table.visible = shown
        self._name.visible = shown and self._single_state() is not None
        self._edits["merge"].visible = shown and len(session.selected_states()) > 1
        self._edits["split"].visible = shown and session.divided_state() is not None
        self._edit_row.visible = any(button.visible for button in self._edits.values())
        if not shown:
            return
        within = result.state[session.selection.mask] if count else result.state
        frames = np.bincount(within, minlength=1)
        states = [int(s) for s in np.argsort(-frames, kind="stable") if frames[s]]
        colours = result.colours(states, dark=self.dark)
        fractions = frames / len(within)
        rows = [
            {
                "state": state,
                "colour": colours[state],
                "cells": {
                    "name": {"text": session.state_name(state), "value": state},
                    "frames": {"text": f"{frames[state]:,}", "value": int(frames[state])},
                    "fraction": {
                        "text": f"{100 * fractions[state]:.3g} %",
                        "value": float(fractions[state]),
                        "bar": float(fractions[state] / fractions.max()),
                    },
                },
            }
            for state in states
        ]
        columns = [
            {"key": "name", "title": "State"},
            {"key": "frames", "title": "Frames", "number": True},
            {
                "key": "fraction",
                "title": "% of the selection" if count else "% of all frames",
                "number": False,
            },
        ]
        self._table.param.update(rows=rows, columns=columns)
        if self._name.visible:
            state = self._single_state()
            name, proposed = session.given_name(state), result.words.get(result.node(state), "")
            self._name.param.update(value=name, value_input=name, placeholder=proposed or EXAMPLE)

    def _single_state(self) -> int | None:
        """The state that the selection is, if it is all of one state."""
        result, mask = self.session.result, self.session.selection.mask
        if result is None or result.state is None or not mask.any():
            return None
        state = int(result.state[mask.argmax()])
        return state if np.array_equal(result.state == state, mask) else None

    def _show_export(self, count):
        trajectories = self.session.trajectories
        self._exports.visible = self._size.visible = bool(count)
        if not count:
            for download in self._downloads.values():
                download.disabled = True
            return
        if trajectories is not None:
            self._whole.visible = trajectories.reference.unitcell_lengths is not None
        self._measure_sizes()
        base, each = self._sizes.get("pdb", (0.0, 0.0))
        self._every.param.update(value=max(1, int(np.ceil(count * each / (LIMIT - base)))), end=count)
        self._show_sizes()

    def _measure_sizes(self):
        """Find how large a frame is in each kind of file, once for data and shown model."""
        session = self.session
        measured = session.trajectories, session.dataset, session.result
        if len(self._measured) == len(measured) and all(map(operator.is_, self._measured, measured)):
            return
        frames, self._measured = np.arange(session.dataset.sizes["frame"]), measured
        kinds = ABOUT if session.trajectories is not None else ("csv",)
        try:
            self._sizes = {
                kind: estimate_export_size(
                    session.trajectories, frames, kind, dataset=session.dataset,
                    columns=self._columns() if kind == "csv" else (),
                )
                for kind in kinds
            }  # fmt: skip
        except FelError:  # a file that vanished: said where its structures are shown
            self._sizes, self._measured = {}, ()

    def _show_sizes(self, *_):
        count, every = len(self._frames()), self._every.value
        sizes = {kind: base + count * each for kind, (base, each) in self._sizes.items()}
        for kind, download in self._downloads.items():
            download.disabled = not 0 < sizes.get(kind, 0) <= LIMIT
        about = [f"{kind.upper()} {readable_size(size)}" for kind, size in sizes.items()]
        texts = [f"Every {ordinal(every)} frame: {count:,} frames." if every > 1 else ""]
        texts.append(f"About {', '.join(about)}." if about else "")
        if too_large := [kind.upper() for kind, size in sizes.items() if size > LIMIT]:
            limit, kinds = readable_size(LIMIT), ", ".join(too_large)
            texts.append(f"Too large for a download (over {limit}): {kinds}. Take fewer frames.")
        self._size.object = " ".join(filter(None, texts))


def ordinal(number: int) -> str:
    """ "1st", "2nd", "12th"."""
    ends = {1: "st", 2: "nd", 3: "rd"}
    return f"{number:,}{'th' if number % 100 in (11, 12, 13) else ends.get(number % 10, 'th')}"


def _sentence(how: str) -> str:
    return literal(how[:1].upper() + how[1:] + ".")


def readable_size(size: float) -> str:
    """ "3 kB", "1.2 MB"."""
    return f"{size / 1e6:.2g} MB" if size >= 1e6 else f"{max(size / 1e3, 1):.0f} kB"
