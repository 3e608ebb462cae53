"""Lesson 1: what a free-energy landscape is."""

from __future__ import annotations

from functools import partial

import numpy as np
import panel_material_ui as pmui
import param

from fel_explorer.app.pages.lessons import maps
from fel_explorer.app.pages.lessons.base import Figure, Lesson
from fel_explorer.app.pages.lessons.models import surface as physics
from fel_explorer.app.pages.lessons.models.walkers import Walkers
from fel_explorer.app.widgets.page_timer import PageTimer
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours

N_WALKERS = 300
PERIOD = 100  # ms between two pictures
STEPS = 60  # of the dynamics from picture to picture
COUNT_EVERY = 5  # pictures
REST_AFTER = 6000  # pictures, ten minutes: then nobody looks any more
CEILING = 12.0  # above the lowest energy, where the map ends
FREE_ENERGIES, SHARES = (-2.0, 10.0), 8.6  # ends of the axis, and where the words are
UNFILLED = "#00000000"
FAR = 1e9

TEXT = """
Each dot is a molecule. It feels the slope of its energy (the map) and the kicks of the heat, nothing else.
Yet **where many dots are, the free energy is low**:

**F(x) = −kT ln p(x)**

Below, all dots with the same *x* are counted together: the rings. The line is Boltzmann's prediction, and
the percentages are fractions of the dots, now → by Boltzmann.

**Try:** put all dots into B, then into C. How long does the count take to find the line when it is hot,
and when it is cold?
"""


class LandscapeLesson(Lesson):
    """Live Langevin walkers on Müller-Brown, and the free energy that one counts from them."""

    route = "1-landscape"
    text = TEXT

    temperature = param.Number(
        1.0, bounds=(0.4, 2.5), step=0.1, label="Temperature kT (barrier out of A: 5.3)"
    )
    playing = param.Boolean(True, doc="Whether the walkers walk.")

    def __init__(self, **params):
        self._surface = physics.surface()
        start = self._surface.start_in(2, N_WALKERS)
        self.walkers = Walkers(self._surface.system, start, time_step=physics.TIME_STEP)
        self.seen = physics.RunningProfile(self._surface.grid.domain[0])
        self._timer, self._pictures = PageTimer(self._tick, PERIOD), 0
        super().__init__(**params)
        self.walkers.kT = self.temperature

    # ---- layout

    def _controls(self):
        temperature = pmui.FloatSlider.from_param(
            self.param.temperature, sizing_mode="stretch_width", margin=(4, 12)
        )
        small = {"variant": "outlined", "size": "small", "margin": (4, 2)}
        self._play = pmui.Button(label="Pause", icon="pause", width=104, **small)
        self._play.on_click(self._on_play)
        gather = []
        for well, name in enumerate(physics.WELLS):
            gather.append(pmui.Button(label=f"All to {name}", **small))
            gather[-1].on_click(partial(self._on_gather, well))
        return [temperature, pmui.Row(self._play, *gather, margin=0)]

    def _figures(self):
        return {
            "map": Figure(self._draw_map),
            "profile": Figure(self._draw_profile, sizing_mode="stretch_width", height=250),
        }

    def _picture(self):
        return pmui.Column(*(f.pane for f in self.figures.values()), sizing_mode="stretch_both", margin=0)

    # ---- life

    def _start(self):
        self._timer.start()

    def _stop(self):
        self._timer.stop()

    def _tick(self):
        if self.playing and not self.is_stale and self.figures["map"].is_ready:
            self.walk()

    def walk(self) -> None:
        """Walk on to the next picture."""
        self.seen.add(self.walkers.step(STEPS)[:, 0])
        self._pictures += 1
        self.figures["map"].move(self.walkers.x)
        if self._pictures % COUNT_EVERY == 0:
            self._show_count()
        if self._pictures >= REST_AFTER:
            self.playing = False

    def gather(self, well: int) -> None:
        """Put all walkers into a well: 0 is A, 1 B, 2 C."""
        self.walkers.x = self._surface.start_in(well, N_WALKERS)
        self.seen.clear()
        self.playing = True
        self.figures["map"].move(self.walkers.x)

    def _on_gather(self, well, _event):
        self.gather(well)

    def _on_play(self, _event):
        self.playing = not self.playing

    @param.depends("playing", watch=True)
    def _on_playing(self):
        self._pictures = 0
        self._play.param.update(
            label="Pause" if self.playing else "Play", icon="pause" if self.playing else "play_arrow"
        )

    @param.depends("temperature", watch=True)
    def _on_temperature(self):
        self.walkers.kT = self.temperature
        self.seen.clear()  # what was counted at another temperature
        self._pictures = 0
        self.refresh()

    # ---- drawing

    def _show_count(self):
        self.figures["profile"].move(self._counted())
        self.figures["profile"].set_texts(self.fractions())

    def fractions(self) -> list[str]:
        """'A 74% → 81%' for each well: the fraction of the walkers in it, and Boltzmann's."""
        expected, counted = self._surface.populations(self.temperature), self._surface.count(self.walkers.x)
        rows = zip(physics.WELLS, counted, expected, strict=True)
        return [f"{name} {n:.0%} → {p:.0%}" for name, n, p in rows]

    def _draw_map(self, _size):
        page = maps.energy_map(self._surface.grid, ceiling=CEILING, dark=self.dark, labels=("", "y"))
        for name, (x, y) in zip(physics.WELLS, self._surface.system.minima.tolist(), strict=True):
            page.words.append(maps.label(x + 0.16, y + 0.1, name))
        page.dots = maps.walkers(self.walkers.x)
        return page

    def _draw_profile(self, _size):
        grid, kT = self._surface.grid, self.temperature
        page = sheet.Sheet((grid.domain[0], FREE_ENERGIES), ("x", "free energy F"))
        page.lines = [sheet.line(grid.x, grid.profile(kT), drawing.ink(self.dark), 3.0)]
        colour = state_colours([5], dark=self.dark)[5]
        page.dots = [sheet.dot(x, y, UNFILLED, 9.0, rim=colour) for x, y in self._counted()]
        page.words = [
            sheet.word(minimum[0], SHARES, text, drawing.ink(self.dark), size="13pt", style="bold")
            for minimum, text in zip(self._surface.system.minima.tolist(), self.fractions(), strict=True)
        ]
        return page

    def _counted(self):
        """(bin, 2) places of the rings, far off where nobody was seen."""
        return np.nan_to_num(np.column_stack([self.seen.x, self.seen.free_energy(self.temperature)]), nan=FAR)
