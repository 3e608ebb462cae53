"""The first page of the course: what the lessons are about."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui
from panel.viewable import Viewer

from fel_explorer.app.pages.lessons.base import TITLES, lesson_page
from fel_explorer.app.pages.lessons.good_cv import GoodCVLesson
from fel_explorer.app.pages.lessons.landscape import LandscapeLesson
from fel_explorer.app.pages.lessons.slow_mode import SlowModeLesson
from fel_explorer.app.pages.lessons.time_scales import TimeScalesLesson
from fel_explorer.app.widgets.text import Text

LESSONS = (LandscapeLesson, SlowModeLesson, TimeScalesLesson, GoodCVLesson)
ABOUT = {
    "1-landscape": "Molecules walk on an energy map. Heat it, cool it, and count where they are: "
    "what is free energy, and why is it not energy?",
    "2-slow-mode": "A rare hop and a wide wobble. PCA looks for what is wide, TICA for what is slow: "
    "which one finds the hop?",
    "3-time-scales": "Four wells, three barriers. Drag the time τ and watch states merge: what makes a state "
    "metastable?",
    "4-good-cv": "One number for a whole molecule. Turn it, look at its barrier, and test it with "
    "committors: what makes it a good one?",
}


class Index(Viewer):
    """Links to the four lessons, with a question each."""

    def __init__(self, **params):
        super().__init__(**params)
        cards = [self._card(route) for route in TITLES]
        grid = pmui.Column(
            pmui.Row(*cards[:2], sizing_mode="stretch_width"),
            pmui.Row(*cards[2:], sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
            margin=(16, 40),
        )
        title = Text("Free-energy landscapes in four lessons", variant="h4", margin=(24, 52, 0, 52))
        self.page = lesson_page([title, grid], here="", dark=False, toggle=self._toggle)

    def _toggle(self, _event):
        self.page.dark_theme = not self.page.dark_theme

    @staticmethod
    def _card(route):
        return pmui.Paper(
            Text(f"{route[0]} · {TITLES[route]}", variant="h5", margin=(16, 20, 4, 20)),
            Text(ABOUT[route], variant="body1", margin=(0, 20), sx={"fontSize": "1.15rem"}),
            pmui.Button(
                label="Open", href=f"./{route}", target="_self", variant="contained", margin=(8, 20, 16, 20)
            ),
            elevation=2,
            sizing_mode="stretch_width",
            margin=10,
        )


def pages() -> dict[str, Callable]:
    """Pages for `server.serve`: the index and the lessons by their addresses."""
    return {"/": Index, **{f"/{lesson.route}": lesson for lesson in LESSONS}}
