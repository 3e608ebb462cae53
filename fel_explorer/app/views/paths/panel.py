"""A path over the map: its anchors are set by clicks, its free energy is drawn, its images are played."""

from __future__ import annotations

import io
import tempfile
from functools import partial
from pathlib import Path as File

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer.scenes import frame_name
from fel_explorer.app.views.paths import landscape_path
from fel_explorer.app.views.tabs import has_data
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.layout import beside
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.tab_view import PlotView
from fel_explorer.app.widgets.text import Text
from fel_explorer.errors import FelError
from fel_explorer.plots.path_profile import plot_path_profile
from fel_explorer.structures.paths import KINDS
from fel_explorer.structures.pdb import models_text

HOW = (
    "Press **Draw**, then click on the map where the path starts, passes and ends. Undo removes the "
    "last anchor."
)
ABOUT = {
    "minimum free energy": "Path of largest flux, through the valleys and over the lowest saddles.",
    "straight": "Straight lines between the anchors.",
    "nearest frames": "The observed frames nearest to the straight lines.",
    "graph": "Observed frames, connected by short steps between similar frames.",
}


ENDS = {
    (True, True): "Both ends were moved to the minima of their basins.",
    (True, False): "The start was moved to the minimum of its basin, in which the end lies.",
    (False, True): "The end was moved to the minimum of its basin, in which the start lies.",
    (False, False): "The ends are where they were clicked.",
}


class PathPanel(PlotView):
    """Draws a path and says what it climbs."""

    kind: param.Selector[str] = param.Selector(
        default=KINDS[0], objects=list(KINDS), doc="How the anchors are connected."
    )

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self._make_widgets()
        self._watchers = [
            (session, session.param.watch(self._find, ["path_anchors", "shown", "dataset"])),
            (session, session.param.watch(self._show, ["image"])),
            (session, session.param.watch(self._on_drawing, ["drawing"])),
            (session, session.param.watch(self._on_unit, ["energy_unit", "temperature"])),
        ]
        self._find()

    @property
    def ready(self) -> bool:
        """Whether there is a figure."""
        return self.session.path is not None

    # ---- what is built once

    def _make_widgets(self):
        small = {"size": "small", "margin": (8, 4, 4, 8)}
        self.draw = pmui.Button(
            label="Draw", icon="timeline", variant="contained", on_click=self._toggle,
            description="Clicks on the map set the path's anchors (key p).", **small,
        )  # fmt: skip
        self.clear = pmui.Button(
            label="Clear", icon="close", variant="text", on_click=lambda event: self.session.clear_path(),
            description="Remove the path. Undo restores it.", **small,
        )  # fmt: skip
        self._kind = pmui.Select.from_param(
            self.param.kind, label="Kind of path", size="small", width=270, margin=(4, 8),
            description=" ".join(f"{name.capitalize()}: {text}" for name, text in ABOUT.items()),
        )  # fmt: skip
        self.to_minima = pmui.Switch(
            label="Ends in minima", value=True, size="small", margin=(4, 12),
            description="Move both ends to the minima of their basins, so that barriers are those of basins.",
        )  # fmt: skip
        self.to_minima.param.watch(self._find, "value")
        self.text = Text(HOW, variant="body2", margin=(4, 12), sizing_mode="stretch_width")
        self.downloads = {kind: self._download(kind) for kind in ("pdb", "xtc")}
        self.export = FigureExport(self.figure, self._table, lambda: "path")
        self.layout = beside(
            pmui.Row(self.draw, self.clear, *self.downloads.values(), margin=0),
            self._kind, self.to_minima, self.text,
            width=330,
        )  # fmt: skip

    def _download(self, kind):
        button = pmui.FileDownload(
            callback=partial(self.file, kind), filename=f"path.{kind}", label=kind.upper(),
            description="The observed frames along the path, in order.",
            size="small", margin=(8, 0), auto=True, embed=False,
        )  # fmt: skip
        button.variant = "text"  # as an argument pmui 0.16 warns of it
        return button

    # ---- the user acts

    def _toggle(self, _event):
        self.session.drawing = not self.session.drawing

    def _on_drawing(self, *_):
        drawing = self.session.drawing
        self.draw.param.update(label="Stop drawing" if drawing else "Draw")
        self._say()

    def tapped(self, x: float, _y: float) -> None:
        """A click on the profile shows the image there."""
        if self.session.path is not None:
            self.session.image = int(np.abs(self.session.path.curve.length - x).argmin())

    # ---- the session changed

    @param.depends("kind", watch=True)
    def _find(self, *_):
        """Find the path anew."""
        self._error = ""
        try:
            found, known = landscape_path.find_landscape_path, has_data(self.session)
            path = found(self.session, self.kind, to_minima=self.to_minima.value) if known else None
        except FelError as error:
            path, self._error = None, " ".join(filter(None, (error.given, error.remedy)))
        self.session.param.update(path=path, image=0)
        self.clear.disabled = self.session.path_anchors is None
        self.export.disable(path is None)
        for download in self.downloads.values():
            download.disabled = path is None or self.session.trajectories is None
        self._say()
        self._show()

    @param.depends("active", "dark", watch=True)
    def _show(self, *_):
        if self.active:
            self.version += 1

    def _on_unit(self, *_):
        self._say()
        self._show()

    def _say(self):
        path = self.session.path
        if path is None:
            n = len(self.session.path_anchors.anchors) if self.session.path_anchors is not None else 0
            drawn = {0: "Click on the map where the path starts.", 1: "Now click where it ends."}.get(n, "")
            self.text.object = literal(self._error) or (drawn if self.session.drawing else HOW)
            return
        highest, unit = path.barrier, self.session.unit
        self.text.object = (
            f"**Barrier** {unit.text(highest.left, highest.left_error)} from the start, "
            f"{unit.text(highest.right, highest.right_error)} from the end; the highest "
            f"image is {highest.index + 1} of {path.n_images}. {ENDS[path.moved]} It is a lower bound if "
            "other variables are slow as well.  \n"
            f"{ABOUT[path.curve.kind]}  \nClick on the curve to see the structure there."
        )

    # ---- drawing and export

    def figure(self, shape=None, *, dark=False):
        """The free energy along the path; any ``shape`` suits it."""
        path = self.session.path
        return plot_path_profile.sheet(
            path.curve.length, path.free_energy, error=path.error, barrier=path.barrier,
            image=self.session.image, unit=self.session.unit, dark=dark,
        )  # fmt: skip

    def _table(self) -> pd.DataFrame:
        return self.session.path.table().to_dataframe().reset_index()

    def file(self, kind: str) -> io.BytesIO:
        """The observed frames along the path as one file, aligned; times of an XTC are numbers of images."""
        trajectories, path = self.session.trajectories, self.session.path
        images = landscape_path.images(
            self.session, path, "observed", trajectories.frames(path.curve.frames[:1])
        )
        if kind == "pdb":
            return io.BytesIO(self._pdb(images).encode())
        images.time = np.arange(1.0, path.n_images + 1)  # those of the frames are not in order
        with tempfile.TemporaryDirectory() as folder:  # mdtraj writes by path only
            file = File(folder) / f"path.{kind}"
            images.save(str(file))
            return io.BytesIO(file.read_bytes())

    def _pdb(self, images) -> str:
        """One model for each image, with remarks that say which frame it is and how high it lies."""
        path, unit = self.session.path, self.session.unit
        about = [
            f"MODEL {i + 1} IS {frame_name(self.session, int(frame)).upper()}, {unit.text(energy).upper()}"
            for i, (frame, energy) in enumerate(zip(path.curve.frames, path.free_energy, strict=True))
        ]
        how = f"{path.curve.kind} path of {path.n_images} observed frames, by fel_explorer"
        return models_text(images, [how, *about])
