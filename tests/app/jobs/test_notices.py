"""Warnings that a job logs are notifications of its page, and in the terminal as before."""

import errno
import logging

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.app.jobs.featurize_and_train import training
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session

log = logging.getLogger("fel_explorer")


@pytest.fixture
def board():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(120, 3)))
    return PageJobs(Session(data), JobManager(workers=0), owner="page")


def shown_by(board, function):
    shown = []
    board.param.watch(lambda event: shown.append(event.new[0]), "notice")
    job = board.submit("one", function, kind="model")
    while board.manager.work():
        board.tick()
    return job, shown


def test_warnings_come_to_the_page_of_the_job_alone(board):
    other = PageJobs(board.session, board.manager, owner="another")
    heard = []
    other.param.watch(lambda event: heard.append(event.new), "notice")

    def function(report, should_stop):
        log.warning("the disk is %s", "full")
        log.info("not this")
        log.warning("again")

    job, shown = shown_by(board, function)
    other.tick()
    assert shown == ["the disk is full", "again"] == job.notices and not heard
    assert any("the disk is full" in line for line in job.log)
    log.warning("after the job")
    board.tick()
    assert len(shown) == 2


def test_a_checkpoint_that_cannot_be_written_is_seen_and_the_training_goes_on(board, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    data = board.session.dataset
    method = fel.SRV(n_dims=2, lag_time=2.0, n_steps=3, hidden=[4], seed=0)
    function = training(method, data, "one", device="cpu", checkpoint_dir=tmp_path / "checkpoint")
    job, shown = shown_by(board, function)
    assert job.state == "done" and job.result is not None
    assert len(shown) == 1 and "the disk is full. The fit goes on" in shown[0]


def test_a_training_without_a_folder_for_checkpoints_says_so(board, tmp_path):
    (tmp_path / "file").touch()
    data = board.session.dataset
    function = training(fel.PCA(n_dims=2), data, "one", device="cpu", checkpoint_dir=tmp_path / "file" / "c")
    job, shown = shown_by(board, function)
    assert job.state == "done" and "trained without checkpoints" in shown[0]
