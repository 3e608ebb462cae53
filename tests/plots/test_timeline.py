"""The axis of times of the timeline."""

import numpy as np
import pytest

from fel_explorer.data.schema import assemble, common_start
from fel_explorer.plots.sheet import Sheet
from fel_explorer.plots.tick_places import readable_ticks
from fel_explorer.plots.timeline import place_at, plot_timeline


@pytest.mark.parametrize(
    ("start", "step", "scale"), [(0.0, 10.0, 1), (45_000.0, 10.0, 1), (7.5, 1000.0, 1000)]
)
def test_places_are_at_the_times_of_the_files(start, step, scale):
    lengths = [100, 60]
    for trajectory, frame in ((0, 0), (0, 99), (1, 0), (1, 59)):
        x = (start + frame * step) / scale
        assert place_at(x, 1.5 - trajectory, lengths, step, "ps", start) == (trajectory, frame)
    assert place_at((start - step) / scale, 1.5, lengths, step, "ps", start) is None
    assert place_at((start + 60 * step) / scale, 0.5, lengths, step, "ps", start) is None


@pytest.mark.parametrize(
    ("start", "step", "left", "right", "label"),
    [
        (45_000.0, 10.0, 45_000.0, 46_000.0, "time (ps)"),
        (45_000.0, 1000.0, 45.0, 145.0, "time (ns)"),
        (None, 10.0, 0.0, 1000.0, "time since the first frame (ps)"),
    ],
)
def test_the_axis_begins_at_the_time_of_the_first_frame(monkeypatch, start, step, left, right, label):
    monkeypatch.setattr(Sheet, "overlay", lambda self: self)
    colours = {0: "#ff0000"}
    page = plot_timeline([np.zeros(100, int)], colours, time_step=step, start=start, current=(0, 50))
    assert page.limits[0] == pytest.approx((left, right)) and page.labels[0] == label
    assert page.lines[0]["x"][0] == pytest.approx((left + right) / 2)
    assert left < page.image[0][0] < page.image[0][-1] < right


def dataset(starts):
    features = np.zeros((3 * len(starts), 1), np.float32)
    return assemble(features, ["x"], [3] * len(starts), time_step=2.0, start_times=starts)


def test_trajectories_that_begin_at_one_time_have_a_common_start():
    assert common_start(dataset([45.0, 45.0])) == 45.0
    assert common_start(dataset([45.0, 0.0])) is None
    assert dataset([45.0, 0.0])["time"].values.tolist() == [45, 47, 49, 0, 2, 4]


def test_ticks_are_thinned_until_their_words_do_not_touch():
    rows = [(n + 0.5, str(n + 1)) for n in range(16)]
    assert readable_ticks(rows, (0, 16), 400, upright=True) == rows
    assert readable_ticks(rows, (0, 16), 160, upright=True) == rows[::2]
    assert readable_ticks(rows, (0, 16), 60, upright=True) == rows[::5]
    words = [(float(n), f"a long word {n}") for n in range(6)]
    kept = readable_ticks(words, (0, 5), 330)
    assert kept == words[::2]  # 100 pixels each
    assert readable_ticks([], (0, 1), 100) == [] and readable_ticks(words[:1], (0, 5), 20) == words[:1]
