"""Jobs of the page on a dask cluster, and jobs whose tasks go where the server's do."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import distributed
import job_functions
import numpy as np
import pytest

from fel_explorer import executors, parallel
from fel_explorer.app.jobs import featurize_and_train, permission, place, stopping
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.jobs.workers import WorkerPool
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.app.views.runs.sweep import plan
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.methods import TICA, VAMPNet

SUPPORT = str(Path(job_functions.__file__).parent)


@pytest.fixture(scope="module")
def address():
    with pytest.MonkeyPatch.context() as patch:
        paths = [SUPPORT, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster:
            yield cluster.scheduler_address
            executors.client(cluster.scheduler_address).close()
            executors._clients.clear()


@pytest.fixture
def cluster(address):
    parallel.set_scheduler(address)
    yield address
    parallel.set_scheduler(None)


@pytest.fixture
def jobs(cluster):
    return JobManager(workers=1)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    return as_dataset([np.cumsum(random.normal(size=(n, 4)), axis=0) for n in (300, 150)], time_unit="ps")


@pytest.fixture
def jobs_of_page():
    return JobManager(workers=1)


@pytest.fixture
def explorer(jobs_of_page, data):
    session = Session(data)
    board = PageJobs(session, jobs_of_page, "page")
    model = ModelPanel(session, board)
    yield SimpleNamespace(board=board, model=model)
    model.close()
    board.close()


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_job_on_a_cluster_reports_and_its_result_comes_back(jobs):
    job = jobs.submit("training", job_functions.squares_elsewhere(4))
    wait_until(lambda: not job.active)
    assert job.state == "done", job.trace
    pid, values = job.result
    assert pid != os.getpid() and values == [0, 1, 4, 9]
    assert job.losses["square"] == [(1, 0.0), (2, 1.0), (3, 4.0), (4, 9.0)] and job.preview == 3
    assert job.notices == ["careful"]


def test_a_job_on_a_cluster_hears_that_it_is_cancelled(jobs):
    job = jobs.submit("training", job_functions.endless_elsewhere())
    wait_until(lambda: job.progress.step > 2)
    jobs.cancel(job)
    wait_until(lambda: not job.active)
    assert job.state == "cancelled" and job.result == "stopped" and not job.notices


def test_a_job_on_a_cluster_that_does_not_hear_it_is_left_to_itself(jobs, monkeypatch):
    monkeypatch.setattr(stopping, "GRACE", 0.2)
    call = job_functions.whole_job(job_functions.deaf.__wrapped__)(seconds=5.0)
    job = jobs.submit("training", call)
    wait_until(lambda: job.progress.step > 0)
    jobs.cancel(job)
    wait_until(lambda: not job.active)
    assert job.state == "cancelled" and "was ended within a step" in job.notices[0]


def test_an_error_on_a_cluster_has_its_three_parts(jobs):
    job = jobs.submit("training", job_functions.fails_elsewhere())
    wait_until(lambda: not job.active)
    assert type(job.error) is FelError and job.error.remedy == "Take a shorter lag."
    assert "fails_elsewhere" in job.trace


def test_a_job_whose_worker_is_killed_runs_on_another(jobs, tmp_path):
    job = jobs.submit("training", job_functions.kills_its_worker(tmp_path / "killed"))
    wait_until(lambda: not job.active)
    assert job.state == "done" and (tmp_path / "killed").exists(), job.trace


def test_a_sweep_of_the_page_runs_on_a_cluster_to_the_same_models(jobs, data):
    jobs.set_workers(parallel.n_workers())
    session = Session()
    session.load(data)
    board = PageJobs(session, jobs)
    values = {"lag_time": 2.0, "n_states": 3, "hidden": [8], "n_steps": 20, "n_threads": 1}
    planned = plan(VAMPNet, values, "seed", [0, 1, 2], dataset=data)
    runs = []
    for number, one in enumerate(planned):
        task = featurize_and_train.training(one.method, data, f"run {number}", device="cpu")
        runs.append(board.submit(f"run {number}", task, kind="model", show=False))
    wait_until(lambda: not any(job.active for job in runs), 120)
    board.tick()
    for job, one in zip(runs, planned, strict=True):
        assert job.state == "done", job.trace
        expected = type(one.method)(**one.method.hyperparameters()).fit(data, device="cpu")
        np.testing.assert_array_equal(session.results[job.label].embedding, expected.transform(data).values)
    board.close()


def test_the_page_trains_on_a_cluster_that_its_user_names(address, explorer, jobs_of_page):
    form = explorer.model.place_form
    assert form.text.object == f"Trainings run on this machine, {jobs_of_page.workers} at a time."
    try:
        form.address.value_input = "nowhere"
        press(explorer, form)
        assert "'nowhere' as the address" in str(explorer.board.ended.error)
        form.address.value_input = address
        press(explorer, form)
        assert form.text.object == f"Trainings run on the cluster at {address}, 2 at a time."
        form.address.value_input, form.at_once.value = "", 3
        press(explorer, form)
        assert form.text.object == "Trainings run on this machine, 3 at a time."
        assert parallel.choice() == ("processes", 3)
    finally:
        parallel.set_scheduler(None)


def test_a_page_of_a_server_with_passwords_does_not_choose(address, explorer, jobs_of_page):
    permission.let_pages_choose(False)
    try:
        with pytest.raises(FelError, match="several users"):
            place.choose(jobs_of_page, address, 2)
    finally:
        permission.let_pages_choose(True)
    assert parallel.scheduler() is None


def press(explorer, form):
    form._choose(None)
    assert form.button.disabled
    job = form._job
    wait_until(lambda: not job.active)
    explorer.board.tick()
    assert not form.button.disabled


def test_quick_jobs_stay_on_this_machine(jobs, data):
    job = jobs.submit("first look", featurize_and_train.training(TICA(lag_time=2.0), data, "a"), quick=True)
    wait_until(lambda: not job.active)
    assert job.state == "done" and executors.client(parallel.scheduler()).futures == {}


def test_the_tasks_of_a_job_go_where_the_server_says():
    pool = WorkerPool()
    jobs = JobManager(workers=0, pool=pool)

    def choice_in_a_job():
        job = jobs.submit("observables", job_functions.where_tasks_run(), quick=True)
        assert jobs.work() and job.error is None, job.trace
        return job.result

    try:
        assert choice_in_a_job() == (None, 0)
        parallel.set_scheduler("processes", workers=2)
        assert choice_in_a_job() == ("processes", 2)
        parallel.set_scheduler(None)
        assert choice_in_a_job() == (None, 0)
    finally:
        parallel.set_scheduler(None)
        pool.close()


def test_as_many_jobs_run_at_once_as_was_chosen():
    jobs = JobManager(workers=1)
    running = [jobs.submit(f"{n}", job_functions.endless(), kind="model") for n in range(3)]
    wait_until(lambda: running[0].state == "running")
    assert [job.state for job in running[1:]] == ["queued", "queued"]
    jobs.set_workers(3)
    wait_until(lambda: all(job.state == "running" for job in running))
    jobs.set_workers(1)
    for job in running:
        jobs.cancel(job)
    wait_until(lambda: not any(job.active for job in running))
