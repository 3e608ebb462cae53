"""A tour in five steps: a card that says what each part of the page is for, and a frame around that part."""

from __future__ import annotations

from dataclasses import dataclass

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.widgets.text import Text

FRAME = "3px solid #d6006c"
NO_FRAME = {"outline": "none"}
CARD = {"position": "fixed", "right": "24px", "bottom": "24px", "z-index": "1400"}


@dataclass(frozen=True)
class Step:
    """``part`` of the page (a key of the tour's parts), a title, and two or three sentences."""

    part: str
    title: str
    text: str


STEPS = (
    Step(
        "map",
        "The landscape",
        "Every place on the map is a structure of the simulation, and dark places have a low free "
        "energy: the molecule is often there. **Click** anywhere, or draw a **lasso** around a valley.",
    ),
    Step(
        "structure",
        "The structures",
        "The structures of the clicked point or the selection, superposed. Turn them with "
        "the mouse; play the frames with the buttons below the viewer.",
    ),
    Step(
        "tools",
        "Find the states",
        "Press **Train** under *Model*. IDM finds the metastable states, and a map on which they are "
        "separated. You can follow the training, continue to work, and stop it at any time.",
    ),
    Step(
        "strip",
        "Is each state metastable?",
        "When states are found this strip opens: lifetimes with the evidence, rates, the states over "
        "time, differences between two states, and paths between them.",
    ),
    Step(
        "buttons",
        "Everything else",
        "**Ctrl-K** finds any command by its name, **Ctrl-Z** undoes, **?** lists the keys, **y**  "
        "shows the Python code of the page, and **r** writes a report as one HTML file.",
    ),
)


class Tour(Viewer):
    """The card; ``parts`` are {name: the layout that is framed}."""

    step = param.Integer(-1, bounds=(-1, len(STEPS) - 1), doc="Which step is shown; -1 while there is none.")

    def __init__(self, parts: dict, **params):
        super().__init__(**params)
        self.parts = parts
        self._framed = None
        self._styles: dict = {}
        small = {"size": "small", "margin": (4, 4)}
        self.title = Text("", variant="h6", margin=(12, 16, 0, 16))
        self.text = Text("", variant="body1", margin=(4, 16), width=360)
        self.count = Text("", variant="body2", color="textSecondary", margin=(10, 12))
        self.back = pmui.Button(label="Back", variant="text", on_click=lambda event: self.go(-1), **small)
        self.next = pmui.Button(label="Next", variant="contained", on_click=lambda event: self.go(1), **small)
        self.close = pmui.Button(
            label="End the tour", variant="text", on_click=lambda event: self.stop(), **small
        )
        self.card = pmui.Paper(
            self.title,
            self.text,
            pmui.Row(self.count, self.back, self.close, self.next, margin=(0, 8, 8, 8)),
            elevation=8, visible=False, styles=CARD, width=400,
        )  # fmt: skip

    def __panel__(self):
        return self.card

    def start(self) -> None:
        """Show the first step."""
        self.step = 0

    def stop(self) -> None:
        """Put the card away."""
        self.step = -1

    def go(self, by: int) -> None:
        """To the next step or back; past the last one the tour ends."""
        to = self.step + by
        self.step = to if to < len(STEPS) else -1

    @param.depends("step", watch=True)
    def _show(self):
        if self._framed is not None:  # a page keeps styles that are no longer given: they are taken back
            self._framed.styles, self._framed = {**self._styles, **NO_FRAME}, None
        self.card.visible = self.step >= 0
        if self.step < 0:
            return
        step, last = STEPS[self.step], self.step == len(STEPS) - 1
        self.title.object, self.text.object = step.title, step.text
        self.count.object = f"{self.step + 1} of {len(STEPS)}"
        self.back.disabled, self.close.visible = self.step == 0, not last
        self.next.label = "Done" if last else "Next"
        self._framed = self.parts[step.part]
        self._styles = dict(self._framed.styles or {})
        self._framed.styles = {**self._styles, "outline": FRAME, "outline-offset": "-2px"}
