"""Jobs, mostly without threads: `JobManager(workers=0)` runs them when the test says so."""

import gc
import threading

import numpy as np
import pytest

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.job import KEPT_LOSSES
from fel_explorer.app.jobs.manager import KEPT_JOBS, Cancelled, JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.methods import IDM, PCA
from fel_explorer.progress import Progress


class Clock:
    """Moves on by one second at each look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def manager():
    return JobManager(workers=0, clock=Clock())


def steps(n, log=None):
    """A job of n steps that keeps what it has when it is asked to stop."""

    def run(report, should_stop):
        for step in range(1, n + 1):
            if log is not None:
                log.append(step)
            report(Progress(step, n, {"loss": 1 / step}, eta=n - step), preview=step)
            if should_stop():
                break
        return step

    return run


def test_a_job_runs_and_tells_everything():
    jobs = manager()
    events = jobs.subscribe()
    job = jobs.submit("IDM 1", steps(3), kind="model", key="data")
    assert job.state == "queued" and job.active and jobs.work()
    assert (job.state, job.result, job.preview, job.fraction) == ("done", 3, 3, 1.0)
    assert job.losses == {"loss": [(1, 1.0), (2, 0.5), (3, pytest.approx(1 / 3))]}
    assert job.finished - job.started == 1.0
    assert [event.kind for event in events.drain()] == ["queued", "running", "progress", "done"]
    assert events.drain() == [] and not jobs.work()


def test_cancel_takes_effect_within_a_step_and_keeps_what_was_reached():
    jobs, log = manager(), []

    def cancelling(report, should_stop):
        def report_and_cancel(progress, preview=None):
            report(progress, preview)
            if progress.step == 2:
                jobs.cancel(job)
                assert job.stopping

        return steps(100, log)(report_and_cancel, should_stop)

    job = jobs.submit("IDM 1", cancelling)
    jobs.work()
    assert (job.state, job.result, log) == ("cancelled", 2, [1, 2])


def test_a_waiting_job_that_is_cancelled_never_starts():
    jobs, log = manager(), []
    job = jobs.submit("IDM 1", steps(3, log))
    jobs.cancel(job)
    assert job.state == "cancelled" and not job.active
    jobs.work()
    assert log == [] and job.result is None


def test_a_stopped_job_with_nothing_to_keep_is_cancelled_not_failed():
    jobs = manager()

    def run(report, should_stop):
        raise Cancelled

    job = jobs.submit("Features", run)
    jobs.work()
    assert (job.state, job.error, job.result) == ("cancelled", None, None)


@pytest.mark.parametrize("error", [FelError("lag_time=5.", "At most 1.", "Shorter."), RuntimeError("boom")])
def test_an_exception_arrives_as_an_event_with_its_traceback_and_the_worker_lives(error):
    jobs = manager()
    events = jobs.subscribe()

    def fail(report, should_stop):
        raise error

    job = jobs.submit("IDM 1", fail)
    after = jobs.submit("IDM 2", steps(1))
    jobs.work()
    jobs.work()
    assert job.state == "failed" and job.error is error and "in fail" in job.trace
    assert [e.job for e in events.drain() if e.kind == "failed"] == [job]
    assert after.state == "done"


def test_resume_goes_on_from_the_checkpoint(tmp_path):
    jobs = manager()
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    saved = folder / "step"

    def run(report, should_stop):
        step = int(saved.read_text()) if saved.exists() else 0
        while step < 10:
            step += 1
            saved.write_text(str(step))
            report(Progress(step, 10, {"loss": 1.0 / step}))
            if step == 4 and job.state == "running":
                jobs.cancel(job)
            if should_stop():
                break
        return step

    job = jobs.submit("IDM 1", run, key="data", owner="page", checkpoint_dir=folder)
    assert not job.resumable
    jobs.work()
    assert job.state == "cancelled" and job.resumable and job.result == 4
    again = jobs.resume(job)
    jobs.work()
    assert (again.state, again.result, again.key, again.owner) == ("done", 10, "data", "page")
    assert [step for step, _ in again.losses["loss"]] == list(range(1, 11))
    assert jobs.jobs() == [again]


def test_a_job_without_checkpoint_says_how_to_go_on():
    jobs = manager()
    job = jobs.submit("IDM 1", steps(1))
    jobs.work()
    with pytest.raises(FelError, match="Start it again"):
        jobs.resume(job)


def test_histories_and_finished_jobs_do_not_grow_without_end():
    jobs = manager()
    job = jobs.submit("long", steps(3 * KEPT_LOSSES))
    jobs.work()
    history = job.losses["loss"]
    assert len(history) <= KEPT_LOSSES and history[0][0] == 1 and history[-1][0] == 3 * KEPT_LOSSES
    assert np.all(np.diff([step for step, _ in history]) > 0)
    for _ in range(KEPT_JOBS + 20):
        jobs.submit("short", steps(1))
        jobs.work()
    assert len(jobs.jobs()) <= KEPT_JOBS + 1


def test_a_dropped_subscription_is_forgotten():
    jobs = manager()
    events = jobs.subscribe()
    assert len(jobs._subscribers) == 1
    del events
    gc.collect()
    assert len(jobs._subscribers) == 0


def test_threads_run_jobs_side_by_side():
    jobs, both = JobManager(workers=2), threading.Barrier(2, timeout=5)
    events = jobs.subscribe()

    def meet(report, should_stop):
        both.wait()
        return threading.get_ident()

    first, second = (jobs.submit(name, meet) for name in ("a", "b"))
    ended = [events._events.get(timeout=5) for _ in range(6)]
    assert {e.job.id for e in ended if e.kind == "done"} == {first.id, second.id}
    assert first.result != second.result


# ---- jobs of pages


def dataset(seed=0):
    rng = np.random.default_rng(seed)
    side = np.repeat(rng.integers(0, 2, 30), 20) * 2.0 - 1
    values = np.column_stack([side + 0.1 * rng.normal(size=600), 0.1 * rng.normal(size=600)])
    return as_dataset(values.astype(np.float32))


def page(jobs, data=None, owner=""):
    return PageJobs(Session(dataset() if data is None else data), jobs, owner)


def test_pages_on_the_same_data_share_jobs_and_results_but_not_selections():
    jobs = manager()
    mine, theirs, other = page(jobs), page(jobs), page(jobs, dataset(1))
    job = mine.submit(
        "PCA 1", featurize_and_train.training(PCA(), mine.session.dataset, "PCA 1"), kind="model"
    )
    assert mine.jobs == theirs.jobs == [job] and other.jobs == [] and theirs.current is job
    jobs.work()
    for board in (mine, theirs, other):
        board.tick()
    mine.session.select(np.ones(600, bool), "all")
    assert list(mine.session.results) == list(theirs.session.results) == ["PCA 1"]
    assert (mine.session.active, theirs.session.active) == ("PCA 1", "")
    assert other.session.results == {} and theirs.session.selection.count == 0
    assert mine.ended is job and other.ended is None


def test_a_reload_finds_running_jobs_and_finished_results_again():
    jobs = manager()
    before = page(jobs)
    before.submit("PCA 1", featurize_and_train.training(PCA(), before.session.dataset, "PCA 1"), kind="model")
    jobs.work()
    waiting = before.submit(
        "PCA 2", featurize_and_train.training(PCA(), before.session.dataset, "PCA 2"), kind="model"
    )
    before.close()
    after = page(jobs)
    assert list(after.session.results) == ["PCA 1"] and after.session.active == "PCA 1"
    assert after.current is waiting and after.new_label("PCA") == "PCA 3"


def test_a_reload_finds_the_data_that_the_page_had_loaded():
    jobs = manager()
    data, trajectories = dataset(), object()
    before = PageJobs(Session(), jobs, "token")
    before.submit("Features", lambda report, should_stop: (data, trajectories), kind="data")
    jobs.work()
    before.tick()
    assert before.session.dataset is data
    stranger, after = PageJobs(Session(), jobs, "another"), PageJobs(Session(), jobs, "token")
    assert after.session.dataset is data and after.session.trajectories is trajectories
    assert stranger.session.dataset is None


def test_a_reload_finds_all_feature_sets_and_the_data_before_with_their_models():
    jobs = manager()
    trajectories = object()
    named = [dataset(seed).assign_attrs(featurizers=f'[{{"name": "{seed}"}}]') for seed in (0, 1)]
    elsewhere = dataset(2)
    before = PageJobs(Session(), jobs, "token")
    for data in named:
        before.submit("Features", lambda report, should_stop, data=data: (data, trajectories), kind="data")
        while jobs.work():  # the first map too
            before.tick()
    assert list(before.session.features_of.items()) == [("TICA 1", "0"), ("TICA 2", "1")]
    before.submit("Open", lambda report, should_stop: (elsewhere, None), kind="data")
    while jobs.work():
        before.tick()
    after = PageJobs(Session(), jobs, "token")
    assert after.session.dataset is elsewhere and after.session.active == "TICA 3"
    after.session.undo()
    for session in (before.session, after.session):
        session.show_data("arrays") if session.dataset is elsewhere else None
        assert list(session.features_of.items()) == [("TICA 1", "0"), ("TICA 2", "1")]
        assert session.active == "TICA 2" and session.feature_set == "1"


def test_a_model_that_is_trained_while_other_features_are_shown_joins_its_own():
    jobs = manager()
    trajectories = object()
    board = PageJobs(Session(), jobs, "token")
    board.session.load(dataset(0), trajectories)
    task = featurize_and_train.training(PCA(), board.session.dataset, "PCA 1")
    board.submit("PCA 1", task, kind="model", show=False)
    board.session.add_features(dataset(1), "others")
    jobs.work()
    board.tick()
    assert board.session.features_of == {"PCA 1": "given features"}
    embedding = board.session.results["PCA 1"].embedding
    assert embedding == pytest.approx(PCA().fit(dataset(0)).transform(dataset(0)).values, abs=1e-5)


def test_new_data_get_a_first_map():
    jobs = manager()
    board = PageJobs(Session(), jobs, "token")
    board.submit("Features", lambda report, should_stop: (dataset(), None), kind="data")
    jobs.work()
    board.tick()
    assert board.current.label == "TICA 1"
    jobs.work()
    board.tick()
    assert board.session.active == "TICA 1" and board.session.result.embedding.shape == (600, 2)


def test_a_cancelled_training_gives_its_partial_model_and_resumes_to_the_same_numbers(tmp_path):
    jobs, data = manager(), dataset()
    settings = {"lag_time": 5.0, "n_states": 2, "n_steps": 60, "hidden": [8], "batch_size": 64}
    folder = tmp_path / "checkpoint"
    board = page(jobs, data)

    def train(report, should_stop):
        def stop_once(progress, preview=None):
            report(progress, preview)
            if job.state == "running":
                jobs.cancel(job)

        return featurize_and_train.training(method, data, "IDM 1", device="cpu", checkpoint_dir=folder)(
            stop_once, should_stop
        )

    method = IDM(**settings)
    job = board.submit("IDM 1", train, kind="model", checkpoint_dir=folder)
    jobs.work()
    board.tick()
    assert job.state == "cancelled" and job.resumable and job.preview is not None
    assert board.session.result.partial and len(board.session.result.state) == 600
    board.resume(job)
    jobs.work()
    board.tick()
    assert not board.session.result.partial and not folder.exists()
    unbroken = IDM(**settings).fit(data, device="cpu").transform(data).values
    np.testing.assert_array_equal(board.session.result.embedding, unbroken)


def test_previews_come_at_most_twice_a_second_and_leave_half_of_the_time_to_training():
    class Slow:
        has_states = False
        now = 0.0

        def transform(self, frames):
            self.now += 2.0
            return as_dataset(frames)["features"]

    method = Slow()
    preview = featurize_and_train.Previewer(method, dataset(), clock=lambda: method.now)
    assert len(preview(1).points) == 600
    for method.now in (2.1, 3.9):
        assert preview(2) is None
    method.now = 4.0
    assert preview(3).step == 3


def test_fingerprint_knows_what_models_see():
    data = dataset()
    renamed = data.assign_coords(feature=["a", "b"])
    changed = data.copy(deep=True)
    changed["features"][5, 0] += 1
    weighted = data.assign(weight=("frame", np.ones(600)))
    prints = [featurize_and_train.fingerprint(d) for d in (data, renamed, changed, weighted)]
    assert len(set(prints)) == 4
    assert featurize_and_train.fingerprint(data.assign(energy=("frame", np.ones(600)))) == prints[0]
