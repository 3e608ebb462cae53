"""The queue in words, and the dialog of jobs."""

import numpy as np
import pytest

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.jobs.queue_status import queue_text, situation, time_left
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.recipe import Recipe
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.jobs.panel import JobList
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def board(clock):
    board = PageJobs(Session(as_dataset(np.zeros((5, 1)))), JobManager(workers=0, clock=clock), "page")
    yield board
    board.close()


@pytest.fixture
def listed(board):
    listed = JobList(board)
    yield listed
    listed.close()


def taking(clock, seconds):
    def run(report, should_stop):
        clock.now += seconds
        report(Progress(10, 10, {"loss": 0.5}))

    return run


def fail(report, should_stop):
    raise FelError("A lag of 9 frames.", "At most 4.", "Take a shorter one.")


def queue(board, clock, *seconds, method="IDM"):
    return [
        board.submit(f"{method} {i}", taking(clock, s), kind="model", recipe=Recipe(method, {"seed": i}))
        for i, s in enumerate(seconds)
    ]


def test_what_waits_is_taken_to_last_as_long_as_its_like(board, clock):
    jobs = queue(board, clock, 10.0, 20.0, 5.0, 5.0)
    assert np.isnan(time_left(jobs, clock.now))
    assert queue_text(jobs, clock.now) == "4 waiting"
    board.manager.work()
    board.manager.work()
    assert [job.state for job in jobs] == ["done", "done", "queued", "queued"]
    assert time_left(jobs, clock.now, workers=1) == 30.0 and time_left(jobs, clock.now, workers=2) == 15.0
    assert queue_text(jobs, clock.now) == "2 waiting, about 15 s left"
    [other] = queue(board, clock, 1.0, method="PCA")
    assert np.isnan(time_left([*jobs, other], clock.now))
    board.cancel(other)
    assert time_left([*jobs, other], clock.now, workers=1) == 30.0
    assert situation(jobs[1], clock.now) == "done in 20 s" and situation(other, clock.now) == "stopped"


def test_a_training_that_runs_counts_with_what_it_still_needs(board, clock):
    def run(report, should_stop):
        clock.now += 30
        report(Progress(60, 100, eta=20.0))
        board.tick()
        assert situation(first, clock.now) == "step 60 of 100, 20 s left"
        assert time_left([first, second], clock.now, workers=1) == 70.0  # 20 and as much as the first in all
        assert queue_text([first, second], clock.now) == "1 running, 1 waiting, about 50 s left"

    first = board.submit("IDM 1", run, kind="model")
    second = board.submit("IDM 2", taking(clock, 1.0), kind="model")
    board.manager.work()
    assert first.error is None, first.trace


def test_quick_jobs_do_not_wait_behind_trainings(board, clock):
    training, quick = queue(board, clock, 5.0)[0], board.submit("Compare", taking(clock, 1.0), "comparison")
    assert board.manager._next(quick_only=True) is quick
    assert board.manager._next(quick_only=True) is None
    assert board.manager._next() is training


def test_the_dialog_lists_what_runs_then_the_queue_then_what_ended(board, clock, listed):
    first, second, third = queue(board, clock, 1.0, 1.0, 1.0)
    assert listed.rows == []  # a closed dialog costs nothing
    board.manager.work()
    listed.open()
    assert [row["id"] for row in listed.rows] == [second.id, third.id, first.id]
    listed._handle_msg({"act": "cancel", "id": third.id})
    assert third.state == "cancelled" and listed.rows[1]["again"] == "Try again"
    listed._handle_msg({"act": "empty"})
    assert second.state == "cancelled" and listed.queue == "Nothing runs."
    listed._handle_msg({"act": "again", "id": second.id})
    board.manager.work()
    board.tick()
    assert [job.state for job in board.jobs] == ["done", "cancelled", "done"]
    listed.shown = False  # by the page
    rows = listed.rows
    queue(board, clock, 1.0)
    assert listed.rows is rows


def test_a_failure_says_why_and_offers_its_parameters(board, clock, listed):
    job = board.submit("IDM 1", fail, kind="model", recipe=Recipe("IDM", {"lag_time": 9.0}))
    board.manager.work()
    listed.open()
    [row] = listed.rows
    assert row["what"] == "A lag of 9 frames. At most 4." and row["remedy"] == "Take a shorter one."
    assert row["recipe"] and row["again"] == "Try again"
    listed._handle_msg({"act": "reuse", "id": job.id})
    assert board.session.recipe.values == {"lag_time": 9.0}
    listed._handle_msg({"act": "log", "id": job.id})
    assert "failed: A lag of 9 frames." in listed.log and "in fail" in listed.log


def test_a_log_tells_messages_and_every_twentieth_of_the_steps(board, clock):
    def run(report, should_stop):
        for step in range(1, 101):
            report(Progress(step, 100, {"loss": 1.0 / step}, message="restart 1 of 1"))

    job = board.submit("IDM 1", run, kind="model")
    board.manager.work()
    lines = [line.split("  ", 1)[1] for line in job.log]
    assert lines[:3] == ["queued", "begins", "restart 1 of 1"] and lines[-1] == "done"
    assert lines[3] == "step 5 of 100  loss 0.2" and sum("step" in line for line in lines) == 20
