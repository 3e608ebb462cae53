"""The layout of the explorer: header, tools at the left, map and structures, and the strip below."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable

from fel_explorer.app.shell.header import device_text
from fel_explorer.app.workarounds.bokeh_late_figures import late_figures

if TYPE_CHECKING:
    from fel_explorer.app.shell.explorer import Explorer

UPPER = 496  # px, at least, for map and structures
THIN = {"scrollbar-width": "thin"}


class Layout:
    """Where the parts of an explorer stand; the tour's `parts` are among them.

    A part that is not shown at first, such as the second map, is laid out when it is first shown.
    """

    def __init__(self, explorer: Explorer):
        self.explorer = explorer
        paper = partial(pmui.Paper, elevation=1, sizing_mode="stretch_both", margin=4)
        self.map = paper(explorer.map)
        self.structure = paper(explorer.structure)
        self.selection = pmui.Paper(
            explorer.selection,
            elevation=1,
            sizing_mode="stretch_width",
            margin=4,
            styles={"max-height": "240px", "overflow-y": "auto", **THIN},
        )
        self.strip = pmui.Paper(explorer.strip, elevation=1, sizing_mode="stretch_width", margin=4)
        self.second_map: pmui.Paper | None = None
        self.tree: pmui.Paper | None = None
        self.tools = self._accordion()
        self._right = pmui.Column(self.structure, self.selection, sizing_mode="stretch_both")
        self._lower = pmui.Row(self.strip, sizing_mode="stretch_width", margin=0)
        strut = pmui.Column(width=0, min_height=UPPER, margin=0)  # panel counts the children's heights only
        upper = self.map, self._right, strut, explorer.dialogs
        self.centre = pmui.Column(
            pmui.Row(*upper, sizing_mode="stretch_both", margin=0),
            self._lower,
            sizing_mode="stretch_both",
            margin=4,
            scroll="y-auto",  # on small screens map and strip together don't fit
            styles=THIN,
        )
        self.show_second_map()
        self.show_tree()

    @property
    def parts(self) -> dict[str, Viewable]:
        """The parts that the tour frames."""
        names = ("map", "structure", "tools", "strip")
        return {name: getattr(self, name) for name in names} | {"buttons": self.explorer.buttons.layout}

    def header(self) -> list:
        """What stands in the bar at the top."""
        explorer, space = self.explorer, pmui.Row(sizing_mode="stretch_width")
        device = pmui.Chip(device_text(), icon="memory", size="small", variant="outlined", color="default")
        return list(filter(None, [space, explorer.jobs, device, explorer.buttons, late_figures()]))

    def show_second_map(self) -> None:
        """Show the second map in the place of structures and selection while there is one."""
        shown = bool(self.explorer.session.beside)
        if shown and self.second_map is None:
            second_map = self.explorer.second_map
            self.second_map = pmui.Paper(second_map, elevation=1, sizing_mode="stretch_both", margin=4)
            self._right.insert(0, self.second_map)
        if self.second_map is not None:
            self.second_map.visible = shown
        self.structure.visible = self.selection.visible = not shown

    def show_tree(self) -> None:
        """Show the dendrogram while there is a tree and the strip next to it is open."""
        result = self.explorer.session.shown
        shown = self.explorer.strip.open and result is not None and result.tree is not None
        if shown and self.tree is None:
            self.tree = pmui.Paper(
                self.explorer.dendrogram,
                elevation=1,
                sizing_mode="stretch_width",
                margin=4,
                styles={"flex": "0 0 36%"},
            )
            self._lower.insert(0, self.tree)
        if self.tree is not None:
            self.tree.visible = shown

    def _accordion(self):
        explorer, session = self.explorer, self.explorer.session
        titles = {"1  Data": explorer.data, "2  Features": explorer.features, "3  Model": explorer.model}
        return pmui.Accordion(
            *titles.items(),
            active=pn.bind(_when_changed(_unfolded), session.param.trajectories, session.param.dataset),
            dynamic=True,
            disable_gutters=True,
            title_variant="subtitle1",
            sizing_mode="stretch_width",
            margin=0,
        )


def _unfolded(trajectories, dataset) -> list[int]:
    """The sections of the tools that are open: that of the features while they are the next step."""
    return [0, 2] if trajectories is None or dataset is not None else [0, 1]


def _when_changed(function):
    """``function``, skipped while its value is the same, so that what the user changed meanwhile stays."""
    last: list = []

    def changed(*arguments):
        value = function(*arguments)
        if last and last[0] == value:
            raise param.Skip
        last[:] = [value]
        return value

    return changed
