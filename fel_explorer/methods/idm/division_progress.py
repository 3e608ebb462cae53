"""Progress of all divisions of `DivisiveIDM`, and the time that they will still take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from fel_explorer.progress import Callback, Progress, SteadyTimeLeft

USED = 0.6  # fraction of the steps after which a training from discrete states ends, before one has ended
AFTER = 0.3  # seconds for the evidence of a division per second of a search, before one was measured
DIVIDING = 1 / 3  # expected fraction of the states that divide, from discrete states; at least one a level


class Report:
    """One progress over all divisions; which states divide is known only level by level.

    The time left is what searches and trainings took so far, times those that are expected. A search takes as
    long as its state has frames, a training the same in each state.

    Parameters
    ----------
    callback
        Called with each progress; True stops.
    steps
        Steps of training of a division at most.
    n_levels
        Levels of the tree.
    searches
        Whether each state is searched for discrete states first, and trained only where it divides.
    """

    def __init__(
        self,
        callback: Callback | None,
        steps: int,
        n_levels: int,
        searches: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.callback, self.steps, self.n_levels, self.searches = callback, steps, n_levels, searches
        self.clock, self.steady, self.stopped = clock, SteadyTimeLeft(), False
        self.level, self.tried, self.fractions = 0, 0, [1.0]
        self.trained = 0  # divisions so far
        self._pace = float("nan")  # seconds a step
        self._search_pace = float("nan")  # seconds to search all frames
        self._used: list[float] = []  # fraction of the steps of each training
        self._left_here = 1.0  # fraction of the search of this state that is left
        self._steps_here = 0
        self._divided_here = 0  # divisions of this level
        self._after: list[float] = []  # seconds between the last step of a training and what follows
        self._begun = self.clock()
        self._last_step = float("nan")

    def next_level(self, level: int, fractions: Sequence[float]) -> None:
        """Begin a level, whose parents hold ``fractions`` of the frames."""
        self.level, self.fractions, self.tried = level, list(fractions), 0
        self._divided_here = 0
        self._begin()

    def division_ended(self) -> None:
        """End the division of a parent, or the attempt at one."""
        if self._steps_here:
            self.trained += 1
            self._divided_here += 1
            self._used.append(self._steps_here / self.steps)
        self.tried += 1
        self._begin()

    def _note_after(self):
        if not np.isnan(self._last_step):
            self._after.append(self.clock() - self._last_step)
            self._last_step = float("nan")

    def _begin(self):
        self._left_here, self._steps_here, self._begun = 1.0, 0, self.clock()

    def search(self, number: int, n_searches: int) -> bool:
        """Report that a search for discrete states begins; returns whether to stop."""
        self._note_after()
        now, fraction = self.clock(), self._fraction()
        if not number:
            self._begun = now
        self._left_here = 1 - number / n_searches
        if number and fraction > 0:
            self._search_pace = n_searches * (now - self._begun) / number / fraction
        self._tell(f"{self._where()}: search {number + 1} of {n_searches}")
        return self.stopped

    def restart(self, number: int, per_restart: int) -> Callable[[Progress], bool]:
        """A callback for one restart of the division under way."""

        def callback(progress: Progress) -> bool:
            now = self.clock()
            if not self._steps_here and self.searches:
                self._search_pace = (now - self._begun) / max(self._fraction(), 1e-9)
            self._last_step = now
            self._left_here, self._steps_here = 0.0, number * per_restart + progress.step
            if progress.step < progress.n_steps:  # at its end a restart has nothing left, but others have
                self._pace = progress.eta / (progress.n_steps - progress.step)
            self._tell(self._where(), progress.losses)
            return self.stopped

        return callback

    # ---- what is left

    def _tell(self, message, losses=None):
        if self.callback is None:
            return
        step = self.trained * self.steps + self._steps_here
        total = max(step, self.steps * (self.trained + (self._steps_here > 0)) + self._steps_left())
        left = self.steady(self.seconds_left(), self.clock())
        report = Progress(step, total, losses or {}, left, message)
        self.stopped = bool(self.callback(report)) or self.stopped

    def _steps_left(self):
        """Steps of the divisions that are expected after the one under way."""
        return round(self.steps * (self._expected_here() + self._expected_later()))

    def seconds_left(self) -> float:
        """Seconds that are left as far as is known; nan before anything was measured."""
        training = self.steps * self._pace * (float(np.mean(self._used)) if self._used else self._usual())
        if np.isnan(training):
            training = 0.0
        search = 0.0 if not self.searches else self._search_pace
        if np.isnan(search) or (np.isnan(self._pace) and self.trained == 0):
            return float("nan")
        after = float(np.mean(self._after)) if self._after else AFTER * search
        under_way = 0.0
        if self._steps_here:
            under_way = after + max(training - self._steps_here * self._pace, 0.0)
        open_ = sum(self.fractions[self.tried + 1 :]) + self._left_here * self._fraction()
        later = self.n_levels - self.level - 1
        divisions = self._expected_here() + self._expected_later()
        return under_way + search * (open_ + later) + (training + after) * divisions

    def _usual(self):
        return USED if self.searches else 1.0

    def _expected_here(self):
        """Divisions at this level that are expected after the training under way."""
        parents = len(self.fractions) - self.tried - (self._steps_here > 0)
        if self.level == 0 or not self.searches:
            return max(parents, 0)
        expected = self._expected(len(self.fractions)) - self._divided_here - (self._steps_here > 0)
        return float(np.clip(expected, 0, max(parents, 0)))

    def _expected_later(self):
        """Divisions that are expected at the next levels."""
        parents, divisions = len(self.fractions), 0.0
        for level in range(self.level, self.n_levels - 1):
            parents += 1 if level == 0 else self._expected(parents)
            divisions += self._expected(parents)
        return divisions

    def _expected(self, n_parents):
        return max(1, round(DIVIDING * n_parents)) if self.searches else n_parents

    def _fraction(self):
        return self.fractions[self.tried] if self.tried < len(self.fractions) else 0.0

    def _where(self) -> str:
        where = f"Level {self.level + 1} of {self.n_levels}"
        return f"{where}, state {self.tried + 1} of {len(self.fractions)}" if self.level else where
