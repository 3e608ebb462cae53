"""Lesson 3: time scales and metastability."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui
import param

from fel_explorer.app.pages.lessons import maps
from fel_explorer.app.pages.lessons.base import Figure, Lesson
from fel_explorer.app.pages.lessons.models import nested_wells as physics
from fel_explorer.app.pages.lessons.models.grid import Grid
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours

TIMES = tuple(float(f"{t:.2g}") for t in np.geomspace(0.3, 200, 58))
N_WALKERS = 250
CEILING = 9.0  # kT, where the colours end
SHADES = 24
FINE = 5  # pixels along a cell of the grid
GROUNDS = {False: "#ffffff", True: "#121212"}  # of the page
NAMES = "ABCD"
NUMBERS = {1: "one state", 2: "two states", 3: "three states", 4: "four states"}

TEXT = """
How many states has this landscape? It depends on how long you wait.

The dots all started at ✕; you see them a time **τ** later. **A state is a place that they fill, but don't
leave, within τ.** What they cross faster than τ is one state: its parts have merged. The tree shows at which
time scale each merger happens.

**Try:** drag τ from short to long. Click on the map to start elsewhere.
"""


def nearest_time(tau: float) -> float:
    """The one of `TIMES`, where the slider stops, that is nearest to ``tau`` on a logarithmic scale."""
    return TIMES[int(np.argmin(np.abs(np.log(TIMES) - np.log(tau))))]


class TimeScalesLesson(Lesson):
    """Nested wells: their metastable states, and where walkers are, a time tau later."""

    route = "3-time-scales"
    text = TEXT

    tau = param.Number(TIMES[10], bounds=(TIMES[0], TIMES[-1]), doc="How long after the start.")
    start = param.XYCoordinates((-1.0, 1.0), doc="Where the walkers start.")

    def __init__(self, **params):
        self._wells = physics.nested_wells()
        cells = self._wells.grid
        self._pixels = Grid(physics.energy, cells.domain, cells.spacing[0] / FINE)
        super().__init__(**params)

    def _controls(self):
        self._slider = pmui.DiscreteSlider(
            label="Time τ",
            options={f"{t:g}": t for t in TIMES},
            value=nearest_time(self.tau),
            sizing_mode="stretch_width",
            margin=(4, 12),
        )
        self._slider.param.watch(self._on_slider, "value")
        return [self._slider]

    def _figures(self):
        return {
            "map": Figure(self._draw_map, tap=self._on_map),
            "tree": Figure(self._draw_tree, tap=self._on_tree, sizing_mode="stretch_height", width=330),
        }

    def _picture(self):
        return pmui.Row(*(f.pane for f in self.figures.values()), sizing_mode="stretch_both", margin=0)

    # ---- what happens

    def _on_map(self, x=None, y=None):
        if x is not None and y is not None:
            self.start = (x, y)

    def _on_tree(self, x=None, y=None):
        if y is not None:
            self.tau = nearest_time(10**y)

    def _on_slider(self, event):
        if event.new != nearest_time(self.tau):
            self.tau = event.new

    @param.depends("tau", "start", watch=True)
    def _on_change(self):
        self._slider.value = nearest_time(self.tau)
        self.refresh()

    def _update(self):
        cell = self._wells.grid.cell_at(*self.start)
        inside, equilibrium = self._wells.still_in_state(cell, self.tau)
        n_states = self._wells.n_states(self.tau)
        text = f"At τ = {self.tau:g} there {'is' if n_states == 1 else 'are'} **{NUMBERS[n_states]}**."
        if n_states > 1:
            text += f" {inside:.0%} of the dots are still in the state where they began; "
            text += f"in the end {equilibrium:.0%} will be."
        self.readout.object = text

    # ---- drawing

    def _colours(self):
        return state_colours(range(4), dark=self.dark)

    def _draw_map(self, _size):
        grid = self._pixels
        state = self._wells.labels[self._wells.n_states(self.tau)].reshape(self._wells.grid.shape)
        state = np.kron(state, np.ones((FINE, FINE), int))
        height = np.clip((grid.energy - grid.energy.min()).reshape(grid.shape) / CEILING, 0, 1)
        shade = np.minimum((height * SHADES).astype(int), SHADES - 1)
        palette = [
            maps.blend(colour, GROUNDS[self.dark], fraction)
            for colour in self._colours().values()
            for fraction in np.linspace(0.0, 0.9, SHADES)
        ]
        page = maps.energy_map(grid, ceiling=CEILING, dark=self.dark)
        page.image = (grid.x, grid.y, (state * SHADES + shade + 0.5) / len(palette), palette)
        cell = self._wells.grid.cell_at(*self.start)
        page.dots = maps.walkers(self._wells.scatter(cell, self.tau, N_WALKERS))
        x, y = self._wells.grid.points[cell]
        page.words = [maps.label(x, y, "✕", size="22pt")]
        page.words += [
            maps.label(1.42 * np.sign(a), 1.5 * np.sign(b), name)
            for name, (a, b) in zip(NAMES, physics.WELLS, strict=True)
        ]
        return page

    def _draw_tree(self, _size):
        limits = (-0.6, 3.6), (TIMES[0] / 1.8, TIMES[-1])
        page = sheet.Sheet(limits, ("", "time"), log=(False, True), ticks={0: [(1e9, "")]})
        colours, ink, ground = self._colours(), drawing.ink(self.dark), GROUNDS[self.dark]
        shown = self._wells.labels[self._wells.n_states(self.tau)][self._wells.wells]
        tips = {well: (float(well), TIMES[0]) for well in range(4)}
        for well, (x, y) in tips.items():
            colour = colours[shown[well]]
            page.dots.append(sheet.dot(x, y, colour, 24.0))
            page.words.append(sheet.word(x, y, NAMES[well], drawing.ink_on(colour), style="bold"))
        for time, winner, lost in self._wells.merges():
            middle = (tips[winner][0] + tips[lost][0]) / 2
            for well in (lost, winner):
                x, low = tips[well]
                page.lines.append(sheet.line([x, x, middle], [low, time, time], colours[well], 5.0))
            page.words.append(sheet.word(middle, time, f"{time:.2g}", ink, size="12pt", ground=ground))
            tips[winner] = (middle, time)
        x, y = tips[0]
        page.lines.append(sheet.line([x, x], [y, TIMES[-1]], colours[0], 5.0))
        page.dashes = [sheet.line(limits[0], [self.tau, self.tau], ink, 2.5)]
        tau = {"align": "right", "size": "16pt", "style": "bold", "ground": ground}
        page.words.append(sheet.word(3.5, self.tau, "τ", ink, **tau))
        return page
