"""The line below the structures while atoms are measured: names, value, and a button for a column of it."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer import Layer, StructureViewer
from fel_explorer.app.viewer.measurement import in_words, measuring
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Text
from fel_explorer.data.frame_values import has_values
from fel_explorer.structures.measurement import measurement_name


class MeasureBar(Viewer):
    """Says what the clicked atoms are and how far they are apart, and makes it a column.

    Parameters
    ----------
    session, board
        The board runs the job that measures all frames; without one there is no such button.
    viewer
        Where atoms are clicked.
    shown
        Returns the layer whose value is shown, or None.
    """

    def __init__(
        self, session: Session, board: PageJobs | None, viewer: StructureViewer,
        shown: Callable[[], Layer | None], **params,
    ):  # fmt: skip
        super().__init__(**params)
        self.session, self.board, self.viewer, self._shown = session, board, viewer, shown
        self._awaited = ""  # column to colour by when it is there
        self.text = Text("", variant="body2", margin=(10, 4, 4, 12), sizing_mode="stretch_width")
        self.column = pmui.Button(
            label="As a column", icon="playlist_add", size="small", variant="outlined", margin=(4, 2),
            description="Compute it for every frame, and colour the map by it.", on_click=self._on_column,
        )  # fmt: skip
        end = pmui.IconButton(
            icon="close",
            size="small",
            description="End measuring (Esc)",
            on_click=self._on_end,
            margin=(4, 6),
        )
        self.layout = pmui.Row(
            self.text, self.column, end, sizing_mode="stretch_width", margin=0, visible=False
        )
        self._viewed = viewer.param.watch(self._refresh, ["measuring", "measured", "frame", "scene"])
        self._watcher = session.param.watch(self._on_dataset, "dataset")

    def __panel__(self):
        return self.layout

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)
        self.viewer.param.unwatch(self._viewed)

    def measure_all(self) -> None:
        """Make the present measurement a column of the dataset, and colour the map by it.

        Raises
        ------
        FelError
            If fewer than two atoms are clicked.
        """
        session, atoms = self.session, self.viewer.measured
        name = measurement_name(session.trajectories.topology, atoms)
        if has_values(session.dataset, name):  # a distance may be a feature
            session.colour(name)
            return
        self._awaited = name
        self.board.submit(f"Measure {name}", measuring(session.trajectories, list(atoms)), kind="columns")

    def _on_column(self, _event):
        self.measure_all()

    def _on_end(self, _event):
        self.viewer.param.update(measuring=False, measured=[])

    def _on_dataset(self, *_):
        dataset = self.session.dataset
        if self._awaited and dataset is not None and self._awaited in dataset:
            name, self._awaited = self._awaited, ""
            self.session.colour(name)

    def _refresh(self, *events):
        self.layout.visible = self.viewer.measuring
        session = self.session
        if not self.viewer.measuring or session.trajectories is None:
            return
        atoms, topology = self.viewer.measured, session.trajectories.topology
        self.text.object = literal(in_words(self._shown(), self.viewer.frame, atoms, topology))
        dataset = session.dataset
        fits = dataset is not None and dataset.sizes["frame"] == session.trajectories.n_frames
        self.column.visible = self.board is not None and fits
        self.column.disabled = len(atoms) < 2
