"""Export of what a panel shows: the figure as SVG, PDF or PNG, and its numbers as CSV."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import pandas as pd
import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.plots.export import KINDS, figure_bytes

ABOUT = {
    "svg": "The figure with real text and lines, for Inkscape and the web; light colours.",
    "pdf": "The figure with real text and lines, for LaTeX and print; light colours.",
    "png": "The figure as an image of 300 dpi; light colours.",
    "csv": "The numbers behind it as a table.",
}


class FigureExport(Viewer):
    """A row of small download buttons.

    Parameters
    ----------
    draw
        Returns the HoloViews element to write, or None for a panel that is only a table.
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
        kinds = [*(KINDS if draw is not None else ()), "csv"]
        self.buttons = {kind: self._button(kind) for kind in kinds}
        self.layout = pmui.Row(*self.buttons.values(), margin=0)

    def __panel__(self):
        return self.layout

    def _button(self, kind):
        button = pmui.FileDownload(
            callback=partial(self.export, kind),
            filename=f"figure.{kind}",
            label=kind.upper(),
            description=ABOUT[kind],
            size="small",
            margin=(8, 0),
            auto=True,
            embed=False,
            sx={"minWidth": "44px", "px": 0.5, "& .MuiButton-startIcon": {"display": "none"}},
        )
        button.param.update(variant="text", color="primary")  # as arguments pmui 0.16 warns of them
        return button

    def refresh(self) -> None:
        """Take the files' name anew."""
        for kind, button in self.buttons.items():
            button.filename = f"{self._file_name()}.{kind}"

    def disable(self, disabled: bool) -> None:
        """Whether there is nothing to write."""
        for button in self.buttons.values():
            button.disabled = disabled

    def export(self, kind: str) -> io.BytesIO:
        """What a button of ``kind`` downloads."""
        if kind == "csv":
            return io.BytesIO(self._table().to_csv(index=False).encode())
        return io.BytesIO(figure_bytes(self._draw(), kind))
