"""The layout of the explorer: header, tools at the left, map and structures, and the strip below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui
import param
from panel.viewable import Viewable

from fel_explorer.app.shell.cards import Cards
from fel_explorer.app.shell.header import device_text
from fel_explorer.app.workarounds.bokeh_late_figures import late_figures
from fel_explorer.app.workarounds.panel_material_ui_names import widget_names

if TYPE_CHECKING:
    from fel_explorer.app.shell.explorer import Explorer


ON_BAR = {"color": "inherit", "borderColor": "currentColor", "& .MuiChip-icon": {"color": "inherit"}}


class Layout:
    """Where the parts of an explorer stand; the tour's `parts` are among them.

    A part that is not shown at first, such as the second map, is laid out when it is first shown.
    """

    def __init__(self, explorer: Explorer):
        self.explorer = explorer
        stretched = {"sizing_mode": "stretch_both", "margin": 0}
        self.right = pmui.Column(explorer.structure, **stretched)  # or the second map
        self.tree = pmui.Column(**stretched)
        self.tools = self._accordion()
        self.cards = Cards(
            map=explorer.map,
            structure=self.right,
            selection=explorer.selection,
            tree=self.tree,
            strip=explorer.strip,
        )
        self.centre = pmui.Column(self.cards, explorer.dialogs, **stretched)
        self.show()

    @property
    def parts(self) -> dict[str, Viewable]:
        """The parts that the tour frames."""
        names = {"map": self.cards.map, "structure": self.right, "strip": self.cards.strip}
        return {**names, "tools": self.tools, "buttons": self.explorer.buttons.layout}

    def header(self) -> list:
        """What stands in the bar at the top."""
        explorer = self.explorer
        device = pmui.Chip(device_text(), icon="memory", size="small", variant="outlined", sx=ON_BAR)
        repairs = filter(None, [late_figures(), widget_names()])
        # the jobs come last: what appears and grows there moves nothing
        return [device, explorer.buttons, explorer.jobs, *repairs]

    def show(self) -> None:
        """Show the second map in the place of the structures, and the tree, while there are such."""
        explorer, result = self.explorer, self.explorer.session.shown
        second = bool(explorer.session.beside)
        tree = explorer.strip.open and result is not None and result.tree is not None
        if second and len(self.right) == 1:
            self.right.append(explorer.second_map)
        if len(self.right) == 2:
            self.right[0].visible, self.right[1].visible = not second, second
        if tree and not len(self.tree):
            self.tree.append(explorer.dendrogram)
        self.cards.param.update(open=explorer.strip.open, second=second, tree_shown=tree)

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
