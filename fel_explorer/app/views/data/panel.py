"""Data panel: open trajectories or the sample data, say what was loaded, attach per-frame columns."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.input_files import inside, known_files, matching, sort_out
from fel_explorer.app.views.data.conditions_dialog import ConditionsDialog
from fel_explorer.app.views.data.formula_panel import FormulaColumn
from fel_explorer.app.views.data.frame_weights_panel import FrameWeights
from fel_explorer.app.views.data.session_files_panel import SessionFiles
from fel_explorer.app.widgets.button_bar import BarButton, ButtonBar
from fel_explorer.app.widgets.dialogs import Dialogs
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.notifications import show_notice
from fel_explorer.app.widgets.text import Text
from fel_explorer.data.file_names import in_natural_order
from fel_explorer.data.molecule_names import molecule_text
from fel_explorer.errors import FelError


class DataPanel(Viewer):
    """The data of the explorer; ``root`` is the only folder that the page may read."""

    def __init__(self, session: Session, board: PageJobs, root=".", dialogs: Dialogs | None = None, **params):
        super().__init__(**params)
        self._dialogs = dialogs or Dialogs()  # laid out by the shell, as this panel may be folded away
        self.session, self.board, self.root = session, board, Path(root).resolve()
        wide = {"sizing_mode": "stretch_width", "size": "small"}
        self.sample = pmui.Button(
            label="Sample data",
            icon="science",
            variant="outlined",
            on_click=self._sample,
            description="Alanine dipeptide: a small molecule with a slow phi and a faster psi torsion",
            **wide,
        )
        self.browse = pmui.Button(
            label="Open files",
            icon="folder_open",
            variant="outlined",
            on_click=self._browse,
            description="Choose trajectories and a topology on this machine",
            **wide,
        )
        self.columns = BarButton(
            self._browse_columns,
            label="Columns",
            icon="table_chart",
            description="Attach per-frame values from tables (CSV, XVG, COLVAR): energies, weights, ...",
        )
        self.physics = pmui.Button(
            label="No data? Learn CVs from a force field",
            icon="local_fire_department",
            variant="text",
            target="_blank",
            visible=False,
            description="Page that learns CVs and structures from energies alone",
            **wide,
        )
        self.formula = FormulaColumn(session, self._dialogs)
        self.conditions = ConditionsDialog(session, self._dialogs)
        self.sessions = SessionFiles(session, board, self.root, self._dialogs)
        self.summary = Text("", variant="body2", margin=(5, 10), sizing_mode="stretch_width")
        self.opened = pmui.Select(
            label="Shown data",
            size="small",
            sizing_mode="stretch_width",
            description="Data that were opened, each with its models, selection and history.",
        )
        self.closing = pmui.Button(
            label="", size="small", variant="text", sizing_mode="stretch_width",
            description="Close the data that are not shown, with their models. This can't be undone.",
        )  # fmt: skip
        self._others = pmui.Column(
            self.opened, self.closing, sizing_mode="stretch_width", margin=0, visible=False
        )
        tables = {"columns": self.columns, "formula": self.formula.button}
        tables["conditions"] = self.conditions.button
        self._tables = ButtonBar(tables, colour="primary", sizing_mode="stretch_width", margin=(5, 10))
        self.layout = pmui.Column(sizing_mode="stretch_width", margin=0)
        files = pmui.Row(self.sample, self.browse, sizing_mode="stretch_width", margin=0)
        parts = files, self.physics, self._others, self.summary, self._tables, self.sessions.layout
        self.opened.param.watch(self._on_opened, "value")
        self.closing.on_click(self._on_close)
        self._watcher = session.param.watch(
            self._update, ["trajectories", "dataset", "data_name", "earlier_data"]
        )
        self._update()
        lay_out(self.layout, *parts)

    @cached_property
    def dialog(self) -> pmui.Dialog:
        return self._dialogs.add(
            pmui.Dialog(
                show_close_button=True, close_on_click=True, width_option="md", sizing_mode="stretch_width"
            )
        )

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        self.session.param.unwatch(self._watcher)
        self.sessions.close()

    def offer_physics(self, address: str) -> None:
        """Show the way to the page at ``address`` that needs no data."""
        self.physics.param.update(href=address, visible=True)

    # ---- what the buttons do

    def open(
        self,
        paths,
        topology=None,
        stride: int = 1,
        atoms: str | None = None,
        time_step: float | None = None,
        join: bool = False,
    ) -> None:
        """Open trajectories below the root, as a job; options as of `data.load_trajectories`.

        Raises
        ------
        FelError
            If a path is outside of the root, or the choice has no trajectory.
        """
        trajectories, found = sort_out(inside(self.root, paths))
        if topology is not None:
            [found] = inside(self.root, [topology])
        label = trajectories[0].name if len(trajectories) == 1 else f"{len(trajectories)} trajectories"
        self.board.submit(
            f"Open {label}",
            featurize_and_train.opening(trajectories, found, stride, atoms or None, time_step, join),
            kind="data",
        )

    def attach(self, *paths, **weights) -> None:
        """Attach the columns of a table below the root, or of one for each trajectory in natural order.

        ``weights`` are options of `data.attach_columns`.
        """
        if self.session.dataset is None:
            raise FelError("No dataset to attach columns to.", remedy="Compute features first.")
        from fel_explorer.data import attach_columns

        tables = in_natural_order(inside(self.root, paths))
        table = tables[0] if len(tables) == 1 else tables
        self.session.attach(attach_columns(self.session.dataset, table, **weights))

    def _sample(self, _event):
        self.board.submit("Sample data", featurize_and_train.sample(), kind="data")

    def _browse(self, _event):
        self._show(
            "Open files",
            "Choose one or more trajectories and, where they need one, their topology "
            "(PDB, GRO, PSF, PRMTOP): one for all, or for each trajectory one of its name or in its folder.",
            options=True,
        )

    def _browse_columns(self, _event):
        self._show(
            "Attach columns",
            "Choose a table (CSV, XVG, COLVAR, ...), or one for each trajectory. Rows belong to frames by "
            "their time, or by order where there are no times.",
            options=False,
        )

    def _make_dialog(self):
        """Make the content of the dialog, when it is first opened."""
        root = str(self.root)
        self.files = pmui.FileSelector(
            directory=root, root_directory=root, only_files=True, size=7, sizing_mode="stretch_width"
        )
        self.stride = pmui.IntInput(
            label="Stride", value=1, start=1, size="small", width=110, description="Use every n-th frame."
        )
        self.atoms = pmui.TextInput(
            label="Atoms",
            placeholder="all",
            size="small",
            sizing_mode="stretch_width",
            description="mdtraj selection such as protein, or name CA. Leave out water to save memory.",
        )
        self.time_step = FloatField(
            label="Frame step (ps)",
            placeholder="of the files",
            value=None,
            size="small",
            width=140,
            description="Time between two frames of the files. Needed where they hold no times, as DCD.",
        )
        self.join = pmui.Checkbox(
            label="Join parts of one simulation",
            size="small",
            description="Files that go on in time where the one before ends (part0001, part0002, restarts) "
            "become one trajectory; frames that overlap are dropped.",
        )
        self.weights = FrameWeights(self.session)
        self.files.param.watch(self._look, "value")
        self.confirm = pmui.Button(label="Open", color="primary", variant="contained", on_click=self._confirm)
        self.typed = pmui.TextInput(
            label="Or type paths",
            placeholder="run1/*.xtc, run1/top.pdb",
            size="small",
            sizing_mode="stretch_width",
            description="Paths below this folder, separated by commas; * stands for any letters.",
        )
        self.choose_all = pmui.Button(
            label="Choose all of this folder", size="small", variant="text", margin=(0, 10),
            on_click=self._choose_all,
        )  # fmt: skip
        self.help = Text("", variant="body2", sizing_mode="stretch_width")
        self.options = pmui.Row(
            self.stride, self.time_step, self.atoms, sizing_mode="stretch_width", margin=0
        )
        self.dialog[:] = [
            self.help,
            self.files,
            self.choose_all,
            self.typed,
            self.options,
            self.join,
            self.weights,
            self.confirm,
        ]

    def _choose_all(self, _event):
        self.files.value = known_files(self.root, self.files.directory)

    def _look(self, event):
        """Read which weights the chosen table offers."""
        if not self.options.visible:
            self.weights.offer(inside(self.root, event.new))

    def _show(self, title, text, options):
        if not self.dialog.objects:
            self._make_dialog()
        reach = f"Files below {literal(self.root)} can be opened. For others start fel-explorer with"
        self.dialog.title, self.help.object = title, f"{text}  \n{reach} **--root FOLDER**."
        self.typed.value = self.typed.value_input = ""
        self.choose_all.visible = self.options.visible = self.join.visible = options
        self.files.value = []
        self.weights.offer([])
        self.confirm.label = title.split()[0]
        self.dialog.open = True

    def _confirm(self, _event):
        typed = (self.typed.value_input or self.typed.value).split(",")
        found = [matching(self.root, path.strip()) for path in typed if path.strip()]
        chosen = [path for paths in found for path in paths] or list(self.files.value)
        if self.options.visible:
            self.open(
                chosen,
                stride=self.stride.value,
                atoms=self.atoms.value,
                time_step=self.time_step.value,
                join=self.join.value,
            )
        elif not chosen:
            raise FelError("No file is chosen.", "Columns come from one table, or one for each trajectory.")
        else:
            self.attach(*chosen, **self.weights.chosen)
        self.dialog.open = False

    def _on_opened(self, event):
        if event.new in self.session.earlier_data:
            self.session.show_data(event.new)

    def _on_close(self, _event):
        for name in list(self.session.earlier_data):
            self.session.close_data(name)

    def _update(self, *events):
        earlier = self.session.earlier_data
        names = sorted({*earlier, self.session.data_name})
        self.opened.param.update(options=names, value=self.session.data_name)
        self._others.visible = bool(earlier)
        size = sum(there.nbytes for there in earlier.values())
        self.closing.label = f"Close the other data ({size / 1e6:,.3g} MB)"
        for event in events:
            if event.name == "earlier_data" and len(event.new) > len(event.old):
                show_notice(f"{list(event.new)[-1]} stays open: choose it under Data, or undo (Ctrl-Z).")
        self.summary.object = describe(self.session.trajectories, self.session.dataset)
        self._tables.visible = self.session.dataset is not None


def files_text(files) -> str:
    """'a.xtc', '8 files, a.xtc to h.xtc'."""
    names = [Path(file).name for file in files]
    return names[0] if len(names) == 1 else f"{len(names)} files, {names[0]} to {names[-1]}"


def describe(trajectories, dataset) -> str:
    """Text on files, atoms, frames, simulated time and frame step."""
    if trajectories is None and dataset is None:
        return "No data are loaded. Start with the sample data."
    lines = []
    if trajectories is not None:
        joined = f" joined to {len(trajectories.lengths)}" if trajectories.joined else ""
        lines.append(f"**{literal(molecule_text(trajectories.topology))}**")
        lines.append(f"{literal(files_text(trajectories.files))}{joined}, {trajectories.n_atoms} atoms")
        frames, step, unit = trajectories.n_frames, trajectories.time_step, "ps"
    else:
        n = int(dataset["trajectory"].values[-1]) + 1
        lines.append(f"**{n} trajector{'ies' if n > 1 else 'y'}** of arrays")
        frames, step, unit = dataset.sizes["frame"], dataset.attrs["time_step"], dataset.attrs["time_unit"]
    lines.append(f"{frames:,} frames, one every {step:g}{'' if unit == '1' else ' ' + unit}")
    total = frames * step
    if unit == "ps":
        lines.append(f"{total / 1000:,.4g} ns in all" if total >= 1000 else f"{total:,.4g} ps in all")
    extra = [] if dataset is None else [str(n) for n in dataset.data_vars if n != "features"]
    if extra:
        lines.append("columns: " + literal(", ".join(extra)))
    if dataset is None:
        lines.append("Next: compute their **features** (2).")
    if trajectories is not None:
        lines += [f"*{literal(note)}*" for note in (trajectories.time_note, *trajectories.notes) if note]
    return "  \n".join(lines)
