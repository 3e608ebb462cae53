"""Lesson 2: why PCA can miss the slow mode."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui
import param

from fel_explorer.app.pages.lessons.base import Figure, Lesson
from fel_explorer.app.pages.lessons.models import two_motions as physics
from fel_explorer.plots import drawing, sheet
from fel_explorer.plots.colours import state_colours, underlay

N_DOTS = 800
REACH = 7.2  # of the picture from its middle
ARROW = 4.6
HALF = 0.62  # height of a trace above and below its middle
ROWS = {"TICA": 0.95, "PCA": -0.95}  # where the traces lie
COLOURS = {"PCA": 5, "TICA": 0, "right": 1}

TEXT = """
This molecule does two things at once: it **hops** between two wells, rarely (amber: the right one), and
it **wobbles** across, fast.

**PCA** finds the direction in which frames *differ most*. **TICA** finds the one that *changes most slowly*.

The kinetics don't care how wide a motion is: that depends on the units of a feature, and on what you chose to
measure.

**Try:** widen the wobble. When does PCA turn away from the hop, and what is left of the hop in its trace?
"""


class SlowModeLesson(Lesson):
    """A rare hop and a wide wobble, and the first components of PCA and TICA."""

    route = "2-slow-mode"
    text = TEXT

    width = param.Number(0.6, bounds=(0.2, 3.0), step=0.1, label="Width of the wobble")

    def __init__(self, **params):
        self._motions = physics.two_motions()
        hops = np.abs(np.diff(self._motions.well.astype(int), axis=1)).sum(axis=1)
        self._run = int(np.argmax(hops))
        super().__init__(**params)

    def _controls(self):
        return [
            pmui.FloatSlider.from_param(self.param.width, sizing_mode="stretch_width", margin=(4, 12)),
        ]

    def _figures(self):
        return {"frames": Figure(self._draw_frames), "traces": Figure(self._draw_traces)}

    def _picture(self):
        return pmui.Row(*(f.pane for f in self.figures.values()), sizing_mode="stretch_both", margin=0)

    @param.depends("width", watch=True)
    def _on_width(self):
        self.refresh()

    def angle(self, name: str) -> float:
        """Degrees between the first component of "PCA" or "TICA" and the hop."""
        hop = [np.cos(physics.TURN), np.sin(physics.TURN)]
        return float(np.degrees(np.arccos(min(1.0, abs(self._axes[name].direction @ hop)))))

    def _update(self):
        self._axes = self._motions.axes(self.width)
        rows = [
            f"| **{name}** | {axis.variance:.0%} | {axis.timescale:.1f} | {self.angle(name):.0f}° |"
            for name, axis in self._axes.items()
        ]
        head = ["| first axis | variance | memory | off the hop |", "|---|---|---|---|"]
        self.readout.object = "\n".join([*head, *rows])

    def _palette(self):
        colours = state_colours(COLOURS.values(), dark=self.dark)
        return {name: colours[state] for name, state in COLOURS.items()}

    def _draw_frames(self, size):
        # one unit is as long up as across
        width, height = (REACH * length / min(size) for length in size)
        page = sheet.Sheet(((-width, width), (-height, height)), ("feature 1", "feature 2"))
        palette, rng = self._palette(), np.random.default_rng(0)
        xy = self._motions.features(self.width).reshape(-1, 2)
        right, grey = self._motions.well.ravel(), underlay(self.dark)
        page.dots = [
            sheet.dot(*xy[i], palette["right"] if right[i] else grey, 6.0)
            for i in rng.choice(len(xy), N_DOTS, replace=False)
        ]
        middle = xy.mean(axis=0)
        for name, axis in self._axes.items():
            ends = middle + ARROW * np.outer([-1, 1], axis.direction)
            page.lines.append(sheet.line(*ends.T, palette[name], 5.0))
            above = np.sign(axis.direction[1]) if name == "PCA" else 1  # apart where both axes are one
            place = middle - (ARROW + 0.8) * axis.direction * (-1 if name == "TICA" else above)
            page.words.append(sheet.word(*place, name, palette[name], size="15pt", style="bold"))
        return page

    def _draw_traces(self, _size):
        features = self._motions.features(self.width)[self._run]
        time = physics.FRAME * np.arange(len(features))
        end = physics.FRAME * len(features)
        page = sheet.Sheet(((0, end), (-1.9, 1.9)), ("time", "along the first axis"), ticks={1: [(1e9, "")]})
        palette, well = self._palette(), self._motions.well[self._run]
        bold = {"align": "left", "size": "15pt", "style": "bold"}
        for name, axis in self._axes.items():
            along = features @ axis.direction
            along = along - (along.min() + along.max()) / 2
            along *= HALF / np.abs(along).max()
            page.lines.append(sheet.line(time, ROWS[name] + along, palette[name], 1.4))
            page.words.append(sheet.word(0.01 * end, ROWS[name] + 0.82, f"{name} 1", palette[name], **bold))
        for first, last in np.flatnonzero(np.diff(np.r_[0, well, 0])).reshape(-1, 2):
            x = physics.FRAME * np.array([first, last])
            page.areas.append(drawing.area(np.repeat(x, 2), [-2, 2, 2, -2], palette["right"], 0.25))
        return page
