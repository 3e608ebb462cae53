"""The map of a training that runs."""

import numpy as np
import pytest

from fel_explorer.app.jobs.featurize_and_train import Preview
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.data import as_dataset
from fel_explorer.methods import PCA
from fel_explorer.progress import Progress

EVERY = 10


@pytest.fixture
def page():
    data = as_dataset(np.random.default_rng(0).normal(size=(1000, 3)), time_unit="ps")
    session = Session(data)
    session.add_result(Result.of("PCA 1", PCA(n_dims=2).fit(data), data))
    board = PageJobs(session, JobManager(workers=0), "page")
    return session, board, MapPanel(session, board)


def preview(step, scale=1.0):
    frames = np.arange(0, 1000, EVERY)
    points = scale * np.column_stack([np.cos(frames), np.sin(frames)])
    return Preview(step, points, None, frames)


def during(board, look, *previews, **about):
    """Call ``look`` while a job runs that has reported ``previews``."""

    def run(report, should_stop):
        for one in previews:
            report(Progress(one.step, 100), one)
            board.tick()
        look()

    job = board.submit("IDM 1", run, kind="model", **about)
    board.tick()
    assert board.manager.work()
    assert job.error is None, job.trace
    board.tick()


def test_while_a_model_is_trained_the_map_shows_what_it_learns(page):
    _, board, panel = page
    before = panel._scene()

    def look():
        scene = panel._scene()
        np.testing.assert_array_equal(scene.landscape.xy, preview(20).points)
        np.testing.assert_array_equal(scene.landscape.values, before.landscape.values[::EVERY])
        assert scene.view > before.view and panel.training.running
        assert panel.legend.widget.note == "IDM 1: training, step 20, every 10th frame"

    during(board, look, preview(10), preview(20))
    after = panel._scene()
    assert not panel.training.running and len(after.landscape.xy) == 1000
    np.testing.assert_array_equal(after.landscape.xy, before.landscape.xy)


def test_the_map_that_was_there_can_be_kept(page):
    _, board, panel = page

    def look():
        assert len(panel._scene().landscape.xy) == 100
        panel.training.follow = False
        assert len(panel._scene().landscape.xy) == 1000 and panel.training.running
        panel.training.follow = True
        assert len(panel._scene().landscape.xy) == 100

    during(board, look, preview(10))


def test_the_axes_stand_still_while_the_points_suit_them(page):
    _, board, panel = page
    limits = []

    def note():
        limits.append(panel.training.view.limits)

    for scales in ((1.0, 0.9), (1.0, 1.4), (1.0, 0.2)):
        during(board, note, *(preview(i, scale) for i, scale in enumerate(scales, 1)))
    first, second, third = ((one[0][1] - one[0][0]) for one in limits)
    assert first > 2.0 * 0.9 and second > 2.0 * 1.4 and third < 2.0 * 0.4
    during(board, note, preview(1, 1.0))
    assert limits[-1] == limits[0]


def test_a_lasso_and_a_click_on_the_map_of_a_training_concern_the_frames_that_it_shows(page):
    session, board, panel = page

    def look():
        panel.gestures.box((0.0, -2.0, 2.0, 2.0))
        frames = np.arange(0, 1000, EVERY)
        np.testing.assert_array_equal(np.flatnonzero(session.selection.mask), frames[np.cos(frames) > 0])
        assert panel._scene().landscape.selected.sum() == session.selection.count
        panel.gestures.tap(np.cos(500.0), np.sin(500.0))
        assert session.point.frame == 500
        panel.set_window(((0.0, 1.0), (0.0, 1.0)))

    during(board, look, preview(10))
    assert panel._window is None


@pytest.mark.parametrize("about", [{"show": False}, {"other": True}])
def test_trainings_of_a_sweep_and_of_other_pages_leave_the_map(page, about):
    session, board, panel = page
    submitter = PageJobs(session, board.manager, "other") if about.pop("other", False) else board

    def look():
        board.tick()
        assert not panel.training.running and len(panel._scene().landscape.xy) == 1000

    during(submitter, look, preview(10), **about)


def test_other_data_end_the_map_of_a_training(page):
    session, board, panel = page

    def look():
        session.load(as_dataset(np.random.default_rng(1).normal(size=(50, 2))), None)
        board.tick()
        assert len(panel._scene().landscape.xy) == 50 and not panel.training.running

    during(board, look, preview(10))
