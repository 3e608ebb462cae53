"""A training whose process ended is found again, and goes on to the same numbers."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.training import checkpoint

SETTINGS = {"lag_time": 5.0, "n_states": 2, "n_steps": 60, "hidden": [8], "batch_size": 64}


class Killed(BaseException):
    """What no code expects, as when the process is killed."""


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))
    monkeypatch.setattr("fel_explorer.training.loop.REPORT_INTERVAL", 0.0)
    rng = np.random.default_rng(0)
    state = np.repeat(rng.integers(2, size=12), 50)
    return fel.as_dataset([np.column_stack([state, state]) + 0.1 * rng.normal(size=(600, 2))])


def killed_in_training(dataset, at):
    """Train until the ``at``-th report of progress after the first checkpoint."""
    reports = []

    def report(progress, preview=None):
        if folder.is_dir() and any(folder.iterdir()):
            reports.append(progress)
        if len(reports) == at:
            raise Killed

    method = fel.IDM(**SETTINGS)
    folder = featurize_and_train.checkpoint_folder(featurize_and_train.fingerprint(dataset), method)
    with pytest.raises(Killed):
        featurize_and_train.training(method, dataset, "IDM 7", device="cpu", checkpoint_dir=folder)(
            report, lambda: False
        )
    return folder


def test_another_process_finds_it_and_goes_on(dataset, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    folder = killed_in_training(dataset, at=3)
    jobs = JobManager(workers=0)  # of the new process
    board = PageJobs(Session(dataset), jobs, "token")
    [job] = board.jobs
    assert (job.label, job.state, job.resumable) == ("IDM 7", "cancelled", True)
    assert PageJobs(Session(dataset), jobs, "other").jobs == [job]  # once, however many pages
    board.resume(job)
    jobs.work()
    board.tick()
    unbroken = fel.IDM(**SETTINGS).fit(dataset, device="cpu").transform(dataset).values
    np.testing.assert_array_equal(board.session.results["IDM 7"].embedding, unbroken)
    assert not folder.exists() and featurize_and_train.interrupted(dataset) == []


def test_other_data_have_other_trainings(dataset, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    killed_in_training(dataset, at=3)
    other = dataset.copy()
    other["features"] = dataset["features"] + 1
    assert featurize_and_train.interrupted(other) == []
