"""Results next to the pictures of a model: numbers at any temperature, their reliability, and exports."""

from __future__ import annotations

import io

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.pages.embedded_physics import diagnostics, files
from fel_explorer.app.pages.embedded_physics import text as page_text
from fel_explorer.app.pages.embedded_physics.system import HOTTEST
from fel_explorer.app.pages.embedded_physics.training import ModelSnapshot
from fel_explorer.app.widgets.sortable_table import SortableTable
from fel_explorer.app.widgets.text import Notice, Text
from fel_explorer.errors import FelError
from fel_explorer.plots.colours import state_colours

COLDEST = 0.5  # times the fit's temperature


class Results(Viewer):
    """Temperature slider and table; and `actions`, separate: verdict, and buttons that save, load and export.

    Parameters
    ----------
    root
        The folder that sessions are saved to.
    explorer
        Address of an explorer page that takes ``?open=NAME``; "" where there is none.
    loaded
        Called with the model and its subject when a file was loaded.
    """

    def __init__(self, root, explorer: str, loaded, **params):
        super().__init__(**params)
        self.root, self.explorer, self._loaded = root, explorer, loaded
        self.snapshot: ModelSnapshot | None = None
        self.subject = None
        self._make_widgets()

    def __panel__(self):
        return self.layout

    def _make_widgets(self):
        small = {"size": "small", "margin": (4, 4)}
        self.temperature = pmui.FloatSlider(
            label="Temperature", start=0.5, end=2.0, value=1.0, step=0.01, size="small",
            sizing_mode="stretch_width", margin=(2, 16),
        )  # fmt: skip
        self.table = SortableTable(row_about="", sizing_mode="stretch_both", min_height=80, margin=(0, 8))
        self.verdict = Notice(
            "", severity="info", variant="outlined",
            sizing_mode="stretch_width", margin=(2, 8), sx={"py": 0, "& p": {"my": 0}},
        )  # fmt: skip
        self.open = pmui.Button(
            label="Open in the explorer", icon="explore", variant="outlined", on_click=self._ask_name,
            **small, description="Map, states and comparison of the samples: saves them as a session first",
        )  # fmt: skip
        self.export = pmui.FileDownload(
            callback=lambda: io.BytesIO(files.samples_zip(self._shown())), filename="samples.zip",
            label="Samples", icon="download", embed=False, auto=True, **small,
        )  # fmt: skip
        self.save = pmui.FileDownload(
            callback=lambda: io.BytesIO(files.model_bytes(self._shown().model)), filename="model.fel",
            label="Model", icon="download", embed=False, auto=True, **small,
        )  # fmt: skip
        self.export.variant = self.save.variant = "outlined"  # in the constructor it makes panel 1.9 warn
        self.export.description = "All samples with weights and CVs (CSV); structures as PDB and XTC"
        self.save.description = "The model's file, for EmbeddedPhysics.load and this page"
        self.load = pmui.FileInput(label="Load", accept=".fel", variant="outlined", **small)
        self.dialog = pmui.Dialog(show_close_button=True, close_on_click=True, width_option="sm")
        self.actions = pmui.Column(
            self.verdict,
            pmui.FlexBox(self.open, self.export, self.save, self.load, margin=(0, 6)),
            self.dialog,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.hint = Text(
            "Populations and averages are shown after the training.", variant="body2", margin=(4, 12)
        )
        self.numbers = pmui.Column(self.temperature, self.table, sizing_mode="stretch_both", margin=0)
        self.layout = pmui.Column(self.hint, self.numbers, sizing_mode="stretch_both", margin=0)
        self.temperature.param.watch(self._fill, "value")
        self.load.param.watch(self._on_load, "value")
        self.show(None)

    def _shown(self) -> ModelSnapshot:
        if self.snapshot is None:
            raise FelError("No model is trained yet.", remedy="Press Learn, or load a model.")
        return self.snapshot

    # ---- numbers

    def show(self, snapshot: ModelSnapshot | None) -> None:
        """Show a fitted model's numbers, or that there are none yet."""
        self.snapshot = snapshot
        for button in (self.open, self.export, self.save):
            button.disabled = snapshot is None
        self.hint.visible = snapshot is None
        self.numbers.visible = self.verdict.visible = snapshot is not None
        if snapshot is None:
            return
        subject = snapshot.subject
        own, unit = subject.temperature, " (K)" if subject.is_molecule else " kT"
        self.temperature.param.update(
            label=f"Temperature{unit}: reweighting",
            start=COLDEST * own, end=HOTTEST * own, step=own / 100, value=own,
        )  # fmt: skip
        severity, text = diagnostics.verdict(snapshot)
        self.verdict.param.update(severity=severity, object=text)
        self._fill()

    def _fill(self, *_):
        snapshot, temperature = self.snapshot, self.temperature.value
        if snapshot is None:
            return
        colours = state_colours(range(len(snapshot.subject.states)), dark=True)
        number = {name: i for i, name in enumerate(snapshot.subject.states)}
        exact = snapshot.subject.exact is not None
        worth = diagnostics.effective_samples(snapshot, temperature)
        titles = [("name", "", False, "Quantity"), ("drawn", "unweighted", True, page_text.DRAWN)]
        titles.append(("weighted", f"weighted ({worth:,.0f} effective)", True, page_text.WEIGHTED))
        if exact:
            titles.append(("exact", "exact", True, page_text.EXACT))
        rows = []
        for row in diagnostics.table(snapshot, temperature):
            cells = {"name": {"text": row.name, "value": row.name, "about": row.about}}
            cells["drawn"] = {"text": row.text(row.drawn), "value": row.drawn}
            error = row.text(row.error).removesuffix(f" {row.unit}")
            cells["weighted"] = {"text": row.text(row.weighted), "less": f"± {error}", "value": row.weighted}
            cells["exact"] = {"text": row.text(row.exact), "value": row.exact}
            colour = colours[number[row.name]] if row.name in number else "transparent"
            rows.append({"state": number.get(row.name, -2), "colour": colour, "cells": cells})
        columns = [dict(zip(("key", "title", "number", "about"), title, strict=True)) for title in titles]
        self.table.param.update(columns=columns, rows=rows)

    # ---- save and load

    def _ask_name(self, _event):
        name = self._shown().subject.title.lower().replace(" ", "-")
        self.name_input = pmui.TextInput(
            label="Name", value=f"{name}-model", size="small", sizing_mode="stretch_width",
            description="The folder NAME.session is created where fel-explorer was started.",
        )  # fmt: skip
        button = pmui.Button(label="Save", color="primary", variant="contained", on_click=self._on_name)
        self._tell("Samples as a session", self.name_input, button)

    def _on_name(self, _event):
        path = self.save_session(self.name_input.value_input or self.name_input.value)
        text = Text(
            f"Saved as **{path.name}**: samples with weights, and z, energy and angles as columns. "
            f"`fel-explorer {path.name}` opens it, too."
        )
        parts = [text]
        if self.explorer:
            parts.append(
                pmui.Button(
                    label="Open",
                    icon="explore",
                    href=f"{self.explorer}?open={path.name}",
                    target="_blank",
                    color="primary",
                    variant="contained",
                )
            )
        self._tell("Saved", *parts)

    def save_session(self, name: str):
        """Save the samples as a session below the root; returns its folder."""
        return files.save_for_explorer(self._shown(), self.root, name)

    def _tell(self, title, *parts):
        self.dialog.title = title
        self.dialog[:] = list(parts)
        self.dialog.open = True

    def _on_load(self, event):
        if event.new:
            self._loaded(files.read_model(event.new, self.subject))
