"""The pin above the structures, and the pinned structures as the 3-D viewer has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import panel_material_ui as pmui

from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer import Layer, StructureViewer
from fel_explorer.app.viewer.scenes import Scenes, frame_name


class Pinning:
    """Pins what is shown, keeps the pins as ``layers``, and has the viewer take their pictures.

    Parameters
    ----------
    session, viewer
        Where pins are kept, and where they are drawn.
    shown
        Returns (layer, frame or nearest frame, "" for observed or what else it is) of all that is shown.
    """

    def __init__(
        self,
        session: Session,
        viewer: StructureViewer,
        shown: Callable[[], Iterable[tuple[Layer, int, str]]],
    ):
        self.session, self.viewer, self._shown = session, viewer, shown
        self.layers: list[Layer] = []
        self.button = pmui.IconButton(
            icon="push_pin", size="small", margin=(8, 4, 0, 0), on_click=lambda event: self.pin(),
            description="Pin what is shown",
        )  # fmt: skip
        viewer.param.watch(self._on_thumbnails, "thumbnails")

    def pin(self) -> None:
        """Pin what is shown: the current frame, the representatives, what was decoded, an image of the path.

        It can be undone.

        Raises
        ------
        FelError
            If there are as many pins as there can be.
        """
        pinned = self.session.pinned
        for layer, frame, kind in self._shown():
            trajectory = layer.trajectory
            xyz = trajectory.xyz[min(self.viewer.frame, trajectory.n_frames - 1)]
            atoms = np.arange(len(xyz)) if layer.atoms is None else layer.atoms
            name = frame_name(self.session, frame)
            pinned = pinned.add(f"{kind}, nearest {name}" if kind else name, frame, not kind, xyz, atoms)
        self.session.pin(pinned)

    def load(self, scenes: Scenes | None) -> None:
        """Make layers of the session's pins, and have their pictures taken."""
        self.layers = scenes.pins(self.session.pinned) if scenes is not None else []
        self.viewer.pins = [layer.as_dict() for layer in self.layers]

    def overlaid(self, without: int = 0) -> list[Layer]:
        """The layers that lie over whatever is shown, but the pin ``without``."""
        keys = self.session.pinned.overlaid - {without}
        return [layer for layer in self.layers if layer.key in keys]

    def _on_thumbnails(self, event):
        self.session.thumbnails = event.new
