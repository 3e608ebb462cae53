"""The time left of a tree in training does not jump and is about right, on the progress of real runs."""

import itertools
import math

import pytest

from fel_explorer.methods.idm.division_progress import Report
from fel_explorer.progress import Progress, SteadyTimeLeft

N_SEARCHES, STEPS = 5, 1000
# Recorded on two processors that also ran other programs: seconds until the end of three levels, and for each
# state (level, state, begin of each search, [(seconds, step of training), ...]), states that stayed whole
# without steps.
RUNS = {
    "alanine": (
        166.5,
        [
            (
                1,
                1,
                [12.4, 16.1, 17.6, 19.2, 20.7],
                [
                    (25.7, 1),
                    (34.7, 76),
                    (43.8, 152),
                    (53.7, 228),
                    (68.6, 303),
                    (75.9, 379),
                    (81.6, 464),
                    (86.5, 540),
                    (92.3, 600),
                ],
            ),
            (
                2,
                1,
                [96.1, 97.6, 99.0, 100.5, 101.9],
                [
                    (103.5, 1),
                    (104.4, 80),
                    (105.2, 156),
                    (106.3, 234),
                    (107.8, 310),
                    (109.0, 389),
                    (110.4, 466),
                    (111.7, 541),
                    (112.9, 600),
                ],
            ),
            (2, 2, [116.8, 117.3, 117.7, 118.1, 118.5], []),
            (3, 1, [125.0, 126.6, 128.2, 129.5, 131.0], []),
            (3, 2, [132.9, 134.5, 136.3, 138.2, 140.0], []),
            (
                3,
                3,
                [142.0, 142.5, 143.0, 143.5, 144.0],
                [
                    (144.7, 1),
                    (145.9, 81),
                    (147.3, 159),
                    (148.7, 234),
                    (150.2, 310),
                    (151.8, 390),
                    (153.4, 465),
                    (155.1, 544),
                    (156.4, 600),
                ],
            ),
        ],
    ),
    "pentapeptide": (
        86.7,
        [
            (
                1,
                1,
                [9.9, 13.6, 14.8, 16.1, 17.5],
                [
                    (23.6, 1),
                    (25.7, 78),
                    (27.5, 156),
                    (29.7, 233),
                    (32.0, 310),
                    (34.6, 385),
                    (37.1, 463),
                    (39.5, 540),
                    (41.4, 600),
                ],
            ),
            (2, 1, [43.9, 46.1, 48.3, 50.0, 51.7], []),
            (2, 2, [53.8, 54.3, 54.8, 55.2, 55.6], []),
            (
                3,
                1,
                [57.2, 59.8, 62.1, 64.8, 67.1],
                [
                    (69.6, 1),
                    (71.3, 78),
                    (73.2, 158),
                    (74.6, 233),
                    (76.3, 312),
                    (78.3, 389),
                    (80.3, 464),
                    (82.4, 544),
                    (83.7, 600),
                ],
            ),
            (3, 2, [84.6, 84.9, 85.2, 85.4, 85.7], []),
        ],
    ),
}
FRACTIONS = {
    "alanine": [[1.0], [0.952, 0.048], [0.541, 0.411, 0.048]],
    "pentapeptide": [[1.0], [0.971, 0.029], [0.971, 0.029]],
}


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def replay(run):
    """[(seconds, `Progress`), ...] of a recorded run."""
    end, divisions = RUNS[run]
    clock, said = Clock(), []
    report = Report(lambda progress: said.append((clock.now, progress)), STEPS, 3, clock=clock)
    before = 0
    for level, _, searches, steps in divisions:
        if before:
            report.division_ended()
        if level != before:
            report.next_level(level - 1, FRACTIONS[run][level - 1])
            before = level
        for number, clock.now in enumerate(searches):
            report.search(number, N_SEARCHES)
        callback = report.restart(0, STEPS)
        for clock.now, step in steps:
            begun, first = steps[0]
            pace = (clock.now - begun) / (step - first) if step > first else 0.05
            callback(Progress(step, STEPS, {"loss": 1.0}, pace * (STEPS - step)))
    return end, said


@pytest.mark.parametrize("run", RUNS)
def test_the_time_left_of_a_real_run_does_not_jump(run):
    end, said = replay(run)
    known = [(now, progress.eta) for now, progress in said if math.isfinite(progress.eta)]
    assert known[0][0] < 0.3 * end  # from the first step of training on
    for (now, left), (later, after) in itertools.pairwise(known):
        passed = later - now
        assert after - left < 0.06 * end  # it hardly rises
        assert left - after < 3.5 * passed + 3  # nor falls at once
    for now, left in known:
        if end - now > 15:
            assert 1 / 2.5 < left / (end - now) < 2.5, (now, left)


@pytest.mark.parametrize("run", RUNS)
def test_steps_and_their_number_never_fall_back(run):
    _, said = replay(run)
    fractions = [progress.step / progress.n_steps for _, progress in said]
    assert fractions == sorted(fractions) and fractions[-1] <= 1
    assert len({progress.n_steps for _, progress in said}) <= 2  # fewer divisions than expected, once


def test_of_random_starts_all_states_are_trained():
    clock = Clock()
    said = []
    report = Report(said.append, 300, 2, searches=False, clock=clock)
    report.next_level(0, [1.0])
    clock.now = 10.0
    report.restart(0, 300)(Progress(100, 300, {}, 20.0))
    assert said[-1].n_steps == 900  # and two states at the next level
    assert said[-1].eta == pytest.approx(80.0)  # 0.1 s a step


def test_a_steady_time_left_runs_like_a_clock():
    steady = SteadyTimeLeft()
    assert math.isnan(steady(math.nan, 0.0))
    assert steady(60.0, 1.0) == 60.0
    assert steady(59.0, 2.0) == pytest.approx(59.0)
    assert steady(math.nan, 12.0) == pytest.approx(49.0)
    assert steady(60.0, 13.0) <= 49.0  # an estimate that is a little larger only stops it
    shown = [steady(400.0, 13.0 + seconds) for seconds in range(1, 60)]
    assert shown == sorted(shown) and shown[0] < 100 and 195 < shown[-1] < 400
    shown = [steady(5.0, 80.0 + seconds) for seconds in range(1, 200)]
    assert shown == sorted(shown, reverse=True) and shown[-1] < 6.0
