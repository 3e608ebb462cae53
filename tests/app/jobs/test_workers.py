"""Jobs in worker processes: real processes, each test with a few calls."""

import contextlib
import errno
import mmap
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import job_functions
import numpy as np
import pytest

import fel_explorer
from fel_explorer.app.jobs import featurize_and_train, stopping
from fel_explorer.app.jobs.array_files import LARGE, PREFIX, ArrayFiles, take, write_once
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.jobs.workers import WorkerPool
from fel_explorer.app.pages.embedded_physics import options, training
from fel_explorer.app.session.result import Result
from fel_explorer.app.views.certificate import analysis as certificates
from fel_explorer.app.views.runs import scores
from fel_explorer.app.views.simulate import simulation
from fel_explorer.data import as_dataset, sample_data
from fel_explorer.errors import FelError
from fel_explorer.methods import (
    IDM,
    PCA,
    TICA,
    LatentSpaceSimulator,
    Method,
    MixtureDensityPropagator,
    list_methods,
)

SUPPORT = Path(job_functions.__file__).parent


@pytest.fixture(scope="module")
def pool():
    pool = WorkerPool()
    yield pool
    pool.close()


@pytest.fixture
def jobs(pool):
    return JobManager(workers=0, pool=pool)


@pytest.fixture
def threaded(pool):
    """Of a page: jobs run while the test goes on."""
    return JobManager(workers=1, pool=pool)


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    walks = [np.cumsum(random.normal(size=(n, 4)), axis=0) for n in (300, 150)]
    data = as_dataset(walks, time_unit="ps")
    first = data["features"].values[:, 0]
    return data.assign(basin=("frame", (first > 0).astype(int)), energy=("frame", first**2))


def run(jobs, call, **about):
    job = jobs.submit("a job", call, quick=True, **about)
    assert jobs.work()
    return job


def wait_until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(pid):
    """Whether a process runs; one that has ended and that nobody waited for does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def small(name):
    values = {
        "n_steps": 20, "hidden": [8], "batch_size": 32, "n_states": 3, "lag_time": 2.0,
        "lag_times": [20.0, 2.0], "n_threads": 1, "n_microstates": 12,
    }  # fmt: skip
    cls = list_methods()[name]
    return cls(**{key: value for key, value in values.items() if key in cls.hyperparameter_names()})


def test_a_call_runs_in_another_process_and_reports(jobs):
    job = run(jobs, job_functions.squares(4))
    pid, values = job.result
    assert pid != os.getpid() and values == [0, 1, 4, 9]
    assert job.progress.n_steps == 4 and job.preview == 3
    assert job.losses["square"] == [(1, 0.0), (2, 1.0), (3, 4.0), (4, 9.0)]


def test_short_jobs_share_a_worker_and_long_ones_have_their_own(jobs):
    first, second = (run(jobs, job_functions.squares(1)).result[0] for _ in range(2))
    assert first == second
    long = jobs.submit("training", job_functions.squares(1))
    assert jobs.work() and long.result[0] == first
    wait_until(lambda: not lives(first))
    assert run(jobs, job_functions.squares(1)).result[0] != first


@pytest.mark.parametrize("name", sorted(list_methods()))
def test_a_method_trained_in_a_worker_is_the_one_that_fit_gives(name, jobs, data):
    job = run(jobs, featurize_and_train.training(small(name), data, name, device="cpu"), kind="model")
    assert job.error is None, job.trace
    expected = Result.of(name, small(name).fit(data, device="cpu"), data)
    np.testing.assert_array_equal(job.result.embedding, expected.embedding)
    assert (job.result.state is None) == (expected.state is None)
    if expected.state is not None:
        np.testing.assert_array_equal(job.result.state, expected.state)
        np.testing.assert_array_equal(job.result.membership, expected.membership)
    assert job.result.n_levels == expected.n_levels
    mine, theirs = job.result.method._get_arrays(), expected.method._get_arrays()
    assert mine.keys() == theirs.keys()
    for key, array in theirs.items():
        np.testing.assert_array_equal(mine[key].numpy(), array.detach().numpy())
    assert job.result.method.hyperparameters() == expected.method.hyperparameters()
    assert job.result.method.history.drop_vars("seconds", errors="ignore").equals(
        expected.method.history.drop_vars("seconds", errors="ignore")
    )


def test_what_was_given_comes_back_as_itself(jobs, data):
    model = TICA(lag_time=2.0).fit(data)
    result = Result.of("TICA 1", model, data)
    (same, of_model, dataset), _ = run(jobs, job_functions.given(result, model, data)).result
    assert same is result and of_model is model and dataset is data
    again = run(jobs, featurize_and_train.applying(model, data, "copy")).result
    assert again.method is model
    np.testing.assert_array_equal(again.embedding, result.embedding)


def test_a_model_on_the_embedding_of_another_refers_to_that_one(jobs, data):
    base = PCA(n_dims=2).fit(data)
    call = featurize_and_train.training(small("KMeans"), data, "states", embedding=base)
    assert run(jobs, call).result.method.embedding_ is base


def test_trajectories_come_back_as_themselves_and_give_the_same_features(jobs):
    trajectories = sample_data("alanine-dipeptide")
    dataset, same = run(jobs, featurize_and_train.featurizing(trajectories, "backbone_torsions")).result
    assert same is trajectories
    expected, _ = featurize_and_train.featurizing(trajectories, "backbone_torsions")(
        lambda *_: None, lambda: False
    )
    assert dataset.identical(expected)


def test_large_arrays_are_files_that_are_written_once_and_go_with_the_array(jobs, pool):
    array = np.random.default_rng(0).normal(size=LARGE // 8)
    for _ in range(2):
        _, (twice,) = run(jobs, job_functions.given([array], array)).result
        np.testing.assert_array_equal(twice, 2 * array)
    (file,) = pool.files.folder.glob("*.npy")
    written = file.stat().st_mtime_ns
    other = array.copy()
    (_, (twice,)) = run(jobs, job_functions.given(other, [array])).result
    np.testing.assert_array_equal(twice, 2 * array)
    (again,) = pool.files.folder.glob("*.npy")
    assert again == file and file.stat().st_mtime_ns == written


def test_a_large_result_is_mapped_and_its_file_has_no_name(tmp_path):
    path = write_once(np.arange(LARGE, dtype="f8"), tmp_path)
    array = take(str(path))
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap) and not list(tmp_path.iterdir())
    array[0] = 7.0  # as any other array
    np.testing.assert_array_equal(array[:3], [7.0, 1.0, 2.0])


def test_the_file_of_an_array_is_removed_with_the_last_array_of_its_content():
    files = ArrayFiles()
    first, second = np.arange(5.0), np.arange(5.0)
    path = files.path(first)
    assert files.path(second) == path != files.path(np.arange(5))
    np.testing.assert_array_equal(np.load(path), first)
    del first
    assert path.exists()
    del second
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_an_error_that_says_what_to_do(pool, monkeypatch):
    files = ArrayFiles()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(FelError, match=r"No space left .* TMPDIR"):
        files.path(np.arange(5.0))


def test_a_long_job_hears_at_once_that_it_is_cancelled(threaded):
    job = threaded.submit("training", job_functions.endless(), quick=True)
    wait_until(lambda: job.progress.step > 2)
    seen, began = job.progress.step, time.monotonic()
    threaded.cancel(job)
    wait_until(lambda: not job.active)
    assert job.state == "cancelled" and job.result >= seen
    assert time.monotonic() - began < 5
    nothing = threaded.submit("training", job_functions.endless(keep=False), quick=True)
    wait_until(lambda: nothing.progress.step > 2)
    threaded.cancel(nothing)
    wait_until(lambda: not nothing.active)
    assert nothing.state == "cancelled" and nothing.result is None


def test_a_job_that_does_not_hear_that_it_is_cancelled_is_ended(threaded, monkeypatch):
    monkeypatch.setattr(stopping, "GRACE", 0.3)
    job = threaded.submit("KMeans 1", job_functions.deaf(), quick=True)
    wait_until(lambda: job.progress.step > 0)
    threaded.cancel(job)
    wait_until(lambda: not job.active)
    assert job.state == "cancelled" and job.error is None and job.result is None
    assert job.notices == ["'KMeans 1' was ended within a step. Nothing of it was kept."]
    wait_until(lambda: not lives(job.progress.step))
    assert threaded.submit("next", job_functions.squares(2), quick=True)._stop.is_set() is False


def test_a_call_with_long_steps_is_granted_two_of_them():
    asked, ended = [], []
    stop = stopping.Stopping(lambda: asked.append(1), lambda: ended.append(1))
    stop.stop()
    assert asked == [1] and stop._timer.interval == stopping.GRACE
    stop.pace(0.01)
    assert stop._timer.interval == stopping.GRACE
    stop.pace(5.0)
    assert stop._timer.interval == 10.0
    stop.heard()
    stop._timer.join()
    stop.close()
    stop.stop()
    assert asked == [1] and not ended and not stop.ended


def test_a_worker_says_how_long_its_call_goes_on_without_asking(threaded, monkeypatch):
    paces = []
    monkeypatch.setattr(stopping.Stopping, "pace", lambda self, seconds: paces.append(seconds))
    job = threaded.submit("training", job_functions.long_steps(0.3), quick=True)
    wait_until(lambda: job.progress.step > 2)
    threaded.cancel(job)
    wait_until(lambda: not job.active)
    assert job.result >= 3 and not job.notices and paces[0] >= 0.3


def test_a_job_that_is_cancelled_twice_is_ended(threaded, tmp_path):
    (tmp_path / "checkpoint.pt").touch()
    job = threaded.submit("IDM 1", job_functions.finishes_slowly(), quick=True, checkpoint_dir=tmp_path)
    wait_until(lambda: job.progress.step > 0)
    threaded.cancel(job)
    wait_until(lambda: job.progress.step > 1)
    assert job.stopping
    threaded.cancel(job)
    wait_until(lambda: not job.active)
    assert job.state == "cancelled" and job.resumable
    assert job.notices == ["'IDM 1' was ended within a step. Resume it from its last checkpoint."]


def test_the_next_job_of_a_worker_is_not_stopped_by_the_last_cancel(threaded):
    job = threaded.submit("one", job_functions.endless(), quick=True)
    wait_until(lambda: job.progress.step > 0)
    threaded.cancel(job)
    wait_until(lambda: not job.active)
    threaded.cancel(job)
    after = threaded.submit("two", job_functions.squares(3), quick=True)
    wait_until(lambda: not after.active)
    assert after.state == "done" and after.result[1] == [0, 1, 4]


def test_the_error_of_a_worker_has_its_three_parts(jobs):
    error = run(jobs, job_functions.wrong_lag()).error
    assert type(error) is FelError
    assert (error.given, error.valid) == ("lag_time=50 ps.", "Lags up to 10 ps fit.")
    assert error.remedy == "Take a shorter lag."


def test_other_exceptions_come_with_their_traceback(jobs):
    job = run(jobs, job_functions.divides_by_zero())
    assert job.state == "failed" and isinstance(job.error, ZeroDivisionError)
    assert "return 1 / 0" in job.trace
    assert "Awkward: 1 and 2" in str(run(jobs, job_functions.raises_awkwardly()).error)


def test_a_worker_that_ends_by_itself_fails_its_job_only(jobs):
    job = run(jobs, job_functions.ends_its_process())
    assert job.state == "failed" and "ended with status 3" in str(job.error)
    assert run(jobs, job_functions.squares(2)).state == "done"


def test_a_killed_worker_is_an_error_that_says_what_to_do(threaded, pool):
    job = threaded.submit("IDM 1", job_functions.endless(), quick=True)
    wait_until(lambda: job.progress.step > 2)
    (worker,) = pool._busy
    worker.process.kill()
    wait_until(lambda: not job.active)
    assert job.state == "failed" and isinstance(job.error, FelError)
    assert job.error.given == "The process of 'IDM 1' was killed (SIGKILL)."
    assert "memory" in job.error.valid and "Resume" in job.error.remedy


def test_a_training_whose_worker_was_killed_resumes_to_the_same_model(threaded, pool, data, tmp_path):
    method = IDM(n_states=3, hidden=[64, 64], lag_time=2.0, n_steps=4000, batch_size=128, seed=1)
    folder = tmp_path / "checkpoint"
    call = featurize_and_train.training(method, data, "IDM 1", device="cpu", checkpoint_dir=folder)
    job = threaded.submit("IDM 1", call, kind="model", checkpoint_dir=folder)
    wait_until(lambda: (folder / "checkpoint.pt").exists() or not job.active, 120)
    (worker,) = pool._busy
    os.kill(worker.process.pid, signal.SIGKILL)
    wait_until(lambda: not job.active)
    assert job.state == "failed" and job.resumable
    again = threaded.resume(job)
    wait_until(lambda: not again.active, 200)
    assert again.state == "done", again.trace
    expected = type(method)(**method.hyperparameters()).fit(data, device="cpu")
    np.testing.assert_array_equal(again.result.embedding, expected.transform(data).values)
    assert not folder.exists()


def test_warnings_of_a_worker_come_to_the_page(jobs, data, tmp_path, caplog):
    (tmp_path / "file").touch()
    options = {"device": "cpu", "checkpoint_dir": tmp_path / "file" / "checkpoint"}
    job = run(jobs, featurize_and_train.training(PCA(n_dims=2), data, "mine", **options), kind="model")
    assert job.state == "done"
    [notice] = job.notices
    assert notice.startswith("'mine' is trained without checkpoints") and notice in caplog.text
    assert any(notice in line for line in job.log)


def test_folders_of_killed_servers_are_removed_and_others_stay(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = (f"{PREFIX}{ended.pid}-a", f"{PREFIX}{os.getpid()}-b", f"fel-jobs-other.host-{ended.pid}-c", "d")
    for name in names:
        (tmp_path / name).mkdir()
    folder = ArrayFiles().folder
    left = {path.name for path in tmp_path.iterdir()}
    assert left - {folder.name} == set(names[1:])


def test_what_a_job_prints_does_not_reach_the_page(jobs):
    assert run(jobs, job_functions.prints()).result == "printed"
    assert run(jobs, job_functions.squares(2)).result[1] == [0, 1]


def test_workers_yield_to_the_page(jobs):
    nice, threads = run(jobs, job_functions.priority()).result
    assert nice > os.nice(0) and 1 <= threads <= max(1, os.cpu_count() - 1)


def test_what_cannot_be_sent_runs_in_the_page_and_the_log_says_so(jobs):
    job = run(jobs, job_functions.given(lambda: 1))
    assert job.state == "done" and job.result[0][0]() == 1
    assert any("page's own process" in line for line in job.log)

    class Own(Method):
        """A method that only this script knows."""

    Own.__module__ = "__main__"
    job = run(jobs, job_functions.given(Own))
    assert job.result[0] == [Own] and any("notebook" in line for line in job.log)


def test_without_a_pool_the_same_calls_run_in_threads():
    job = run(JobManager(workers=0), job_functions.squares(3))
    assert job.result == (os.getpid(), [0, 1, 4])


def test_a_model_learns_from_energies_in_a_worker_as_it_does_here(jobs):
    subject = options.CHOICES["Double well"].make(1.0)
    call = training.training_job(subject, {"n_dims": 1, "n_steps": 30, "seed": 1}, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # thirty steps leave a poor model
        here = call(lambda *_: None, lambda: False)
    job = run(jobs, call)
    assert job.error is None, job.trace
    assert job.result.subject is subject and job.preview.subject is subject
    np.testing.assert_array_equal(job.result.samples.x, here.samples.x)
    np.testing.assert_array_equal(job.result.samples.log_weight, here.samples.log_weight)


def test_a_simulator_trained_in_a_worker_moves_in_the_embedding_of_the_page(jobs, data):
    encoder = TICA(lag_time=2.0, n_dims=1).fit(data)
    propagator = MixtureDensityPropagator(lag_time=2.0, n_steps=10)
    simulator = LatentSpaceSimulator(encoder, propagator, lag_time=2.0, n_dims=1)

    def stop_before_the_decoder(progress, preview=None):
        if progress.message.startswith("propagator") and progress.step == 10:
            job._stop.set()

    job = jobs.submit("a simulator", simulation.training_simulator(simulator, data, None), quick=True)
    record = job.record
    job.record = lambda *about: (record(*about), stop_before_the_decoder(*about))
    assert jobs.work()
    assert job.error is None, job.trace
    trained = job.result
    assert trained.simulator.encoder is encoder and trained.partial and not trained.has_decoder
    call = simulation.simulating(trained, encoder.transform(data).values, 20, 2, 0, device="cpu")
    moved, here = run(jobs, call).result, call(lambda *_: None, lambda: False)
    assert moved.trained is trained
    np.testing.assert_array_equal(moved.latents["features"], here.latents["features"])


def test_scores_from_a_worker_are_known_in_the_page(jobs, data):
    results = [Result.of("PCA", PCA(n_dims=2).fit(data), data), Result.of("TICA", TICA().fit(data), data)]
    run(jobs, scores.scoring(results, data, 2.0))
    for result in results:
        np.testing.assert_equal(vars(scores.known_scores(result, 2.0)), vars(scores.score(result, data, 2.0)))


def test_a_certificate_from_a_worker_is_known_in_the_page(jobs, data):
    result = Result.of("TICA", TICA(lag_time=2.0, n_dims=1).fit(data), data)
    job = run(jobs, certificates.certifying([result], data, 2.0, train_again=True))
    assert job.error is None, job.trace
    assert certificates.known_certificate(result) is job.result[0]
    assert np.isfinite(certificates.known_measure(result, "held_out_vamp2"))


def test_only_jobs_on_the_pages_own_objects_run_in_its_process():
    package = Path(fel_explorer.__file__).parent
    made = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "def run(report, should_stop)" in path.read_text()
    }
    assert made == {
        "app/storage/autosave.py",
        "app/storage/session_opening.py",
        "app/views/data/session_files_panel.py",
        "app/views/runs/place_form.py",
    }


SERVER = """
import sys, threading, time
import job_functions
from fel_explorer.app.jobs.manager import manager
jobs = manager()
jobs.prepare()
job = jobs.submit("training", job_functions.endless())
while job.progress.step < 3 or len(jobs.pool.workers) < 2:
    time.sleep(0.01)
print(*[worker.process.pid for worker in jobs.pool.workers], jobs.pool.files.folder, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["killed", "terminated", "ended"])
def test_no_worker_outlives_the_server(end):
    path = os.pathsep.join([str(SUPPORT), *filter(None, sys.path)])
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path, "FEL_EXPLORER_JOBS": "process"},
    )  # fmt: skip
    with server:
        *pids, folder = server.stdout.readline().split()
        assert len(pids) == 2 and all(map(lives, pids))
        if end == "killed":
            server.kill()
        elif end == "terminated":
            server.terminate()
        else:
            server.stdin.close()
    wait_until(lambda: not any(map(lives, pids)) and not Path(folder).exists(), 30)


def test_a_server_started_with_threads_has_no_workers(monkeypatch):
    from fel_explorer.app.jobs import manager as module

    monkeypatch.setenv("FEL_EXPLORER_JOBS", "thread")
    assert module.manager.__wrapped__().pool is None
    monkeypatch.setenv("FEL_EXPLORER_JOBS", "elsewhere")
    with pytest.raises(FelError, match="process or thread"):
        module.manager.__wrapped__()
