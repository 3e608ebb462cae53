"""Lesson 4: what a collective variable is good for."""

from __future__ import annotations

import contourpy
import numpy as np
import panel_material_ui as pmui
import param

from fel_explorer.app.pages.lessons import maps
from fel_explorer.app.pages.lessons.base import Figure, Lesson
from fel_explorer.app.pages.lessons.models import projection as physics
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours

KINDS = {"Line": "line", "Learned": "learned", "Perfect": "perfect"}
N_LINES = 14
N_DOTS = 160
BINS = 20
FREE_ENERGIES = (-2.5, 7.0)
A, B = 0, 5  # colours
MIDDLE = "#b0b5ba"

TEXT = """
A CV is one number for each structure: the lines on the map. A good one **sees the slow motion from A to B**.

**The test:** start many runs at the top of its barrier (the dots). If half of them go either way, that is
the true bottleneck: the bars peak at ½. If the dots have long decided, blue or red, the CV hides the barrier.

**Try:** turn the line from *x* (0°) to *y* (90°) and on. Which angle sees most?
"""


class GoodCVLesson(Lesson):
    """Candidate CVs of Müller-Brown: profile, time scale, and committors at the top of the barrier."""

    route = "4-good-cv"
    text = TEXT

    kind: param.Selector[str] = param.Selector(
        default="line", objects=list(KINDS.values()), doc="Which kind of CV."
    )
    angle = param.Integer(0, bounds=(0, 175), step=5, label="Angle of the line (°)")

    def __init__(self, **params):
        self._reaction = physics.reaction()
        super().__init__(**params)

    # ---- layout

    def _controls(self):
        kind = pmui.RadioButtonGroup.from_param(
            self.param.kind, label="", options=KINDS, size="small", margin=(4, 4)
        )
        self._angle = pmui.IntSlider.from_param(self.param.angle, sizing_mode="stretch_width", margin=(4, 12))
        self.bar = pmui.LinearProgress(
            value=0, variant="determinate", sizing_mode="stretch_width", margin=(8, 4), sx={"height": "10px"}
        )
        return [kind, self._angle, self.bar]

    def _figures(self):
        return {
            "map": Figure(self._draw_map),
            "profile": Figure(self._draw_profile),
            "committors": Figure(self._draw_committors),
        }

    def _picture(self):
        map_, profile, committors = (figure.pane for figure in self.figures.values())
        right = pmui.Column(profile, committors, sizing_mode="stretch_both", margin=0)
        return pmui.Row(map_, right, sizing_mode="stretch_both", margin=0)

    # ---- what happens

    @param.depends("kind", "angle", watch=True)
    def _on_change(self):
        self._angle.disabled = self.kind != "line"
        self.refresh()

    def _update(self):
        reaction = self._reaction
        values = {
            "line": lambda: reaction.straight(self.angle),
            "learned": lambda: reaction.learned,
            "perfect": lambda: reaction.slowest,
        }[self.kind]()
        self.seen = reaction.look_along(values)
        fraction = self.seen.timescale / reaction.timescale
        self.bar.value = round(100 * fraction)
        text = (
            f"The slowest motion that it sees takes **{self.seen.timescale:.1f}** of {reaction.timescale:.1f}"
        )
        self.readout.object = f"{text}: **{fraction:.0%}**."

    # ---- drawing

    def _palette(self):
        """From A to B over the committor, `BINS` colours."""
        ends = state_colours([A, B], dark=self.dark)
        halves = np.linspace(-1, 1, BINS)
        return [maps.blend(MIDDLE, ends[A] if h < 0 else ends[B], abs(h)) for h in halves]

    def _draw_map(self, _size):
        reaction, seen, grid = self._reaction, self.seen, self._reaction.grid
        page = maps.energy_map(grid, ceiling=physics.CEILING, dark=self.dark)
        lines = contourpy.contour_generator(grid.x, grid.y, seen.values.reshape(grid.shape))
        page.lines = []
        for level in np.interp(
            np.linspace(seen.length[0], seen.length[-1], N_LINES + 2)[1:-1], seen.length, seen.levels
        ):
            page.lines += [sheet.line(*line.T, "#ffffffa0", 1.5) for line in lines.lines(level)]
        top = lines.lines(seen.levels[seen.top])
        page.lines += [sheet.line(*line.T, "#ffffff", 5.0) for line in top]
        rng, palette = np.random.default_rng(0), self._palette()
        cells = rng.choice(len(grid.points), N_DOTS, p=seen.at_top)
        places = grid.points[cells] + grid.spacing * (rng.random((N_DOTS, 2)) - 0.5)
        page.dots = [
            sheet.dot(x, y, palette[min(int(BINS * q), BINS - 1)], 9.0, rim=maps.RIM)
            for (x, y), q in zip(places, reaction.committor[cells], strict=True)
        ]
        page.words = [maps.label(-0.35, 1.75, "A"), maps.label(0.85, 0.2, "B")]
        return page

    def _draw_profile(self, _size):
        seen = self.seen
        inside = seen.free_energy < FREE_ENERGIES[1] + 1
        limits = seen.length[inside][[0, -1]]
        page = sheet.Sheet((limits, FREE_ENERGIES), ("length along the CV, from A", "free energy (kT)"))
        ink = drawing.ink(self.dark)
        page.lines = [sheet.line(seen.length, seen.free_energy, ink, 3.0)]
        x, y = seen.length[seen.top], seen.free_energy[seen.top]
        page.dots = [sheet.dot(x, y, ink, 13.0)]
        page.words = [sheet.word(x, y + 0.9, "top" if seen.has_barrier else "no barrier", ink, size="13pt")]
        return page

    def _draw_committors(self, _size):
        counts = np.bincount(
            np.minimum((BINS * self._reaction.committor).astype(int), BINS - 1), self.seen.at_top, BINS
        )
        page = sheet.Sheet(((0, 1), (0, 1)), ("probability to reach B before A", "fraction of the top"))
        page.areas = [
            drawing.area([i / BINS, i / BINS, (i + 1) / BINS, (i + 1) / BINS], [0, n, n, 0], colour, 1.0)
            for i, (n, colour) in enumerate(zip(counts, self._palette(), strict=True))
        ]
        return page
