"""Export of what a panel shows: the figure as SVG, PDF or PNG, and its numbers as CSV."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import pandas as pd
import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.plots.export import KINDS, figure_bytes

ABOUT = {  # figures are in light colours
    "svg": "text and lines, for Inkscape and the web",
    "pdf": "text and lines, for LaTeX and print",
    "png": "an image of 300 dpi",
    "csv": "the data of the figure as a table",
}


class FigureExport(Viewer):
    """A button that opens the kinds of file to choose from.

    Parameters
    ----------
    draw
        Returns the `Sheet` or HoloViews element to write, or None for a panel that is only a table.
    table
        Returns its numbers.
    name
        Returns the files' name without ending.
    """

    def __init__(
        self, draw: Callable | None, table: Callable[[], pd.DataFrame], file_name: Callable[[], str], **params
    ):
        super().__init__(**params)
        self._draw, self._table, self._file_name = draw, table, file_name
        what = "Save the figure or its data" if draw is not None else "Save the data"
        self.button = pmui.IconButton(
            icon="download", size="small", margin=(8, 4), description=what, on_click=self._open
        )
        self.popup = pmui.Popup(margin=0)
        self.downloads: dict[str, pmui.FileDownload] = {}  # made when first needed
        self.layout = pmui.Row(self.button, margin=0)

    def __panel__(self):
        return self.layout

    def _open(self, _event):
        if not self.downloads:
            kinds = [*(KINDS if self._draw is not None else ()), "csv"]
            self.downloads = {kind: self._download(kind) for kind in kinds}
            self.layout.append(self.popup)
            self.popup[:] = [pmui.Column(*self.downloads.values(), width=330, margin=(4, 0))]
        for kind, download in self.downloads.items():
            download.filename = f"{self._file_name()}.{kind}"
        self.popup.open = True

    def _download(self, kind):
        download = pmui.FileDownload(
            callback=partial(self.export, kind),
            filename=f"figure.{kind}",
            label=f"{kind.upper()}: {ABOUT[kind]}",
            size="small",
            margin=(2, 8),
            auto=True,
            embed=False,
            sizing_mode="stretch_width",
            sx={"justifyContent": "flex-start", "textTransform": "none", "textAlign": "left"},
        )
        download.param.update(variant="text", color="primary")  # as arguments pmui 0.16 warns of them
        return download

    def disable(self, disabled: bool) -> None:
        """Whether there is nothing to write."""
        self.button.disabled = disabled

    def export(self, kind: str) -> io.BytesIO:
        """File that a button of ``kind`` downloads."""
        if kind == "csv":
            return io.BytesIO(self._table().to_csv(index=False).encode())
        return io.BytesIO(figure_bytes(self._draw(), kind))
