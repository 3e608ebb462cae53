"""Tasks on threads, processes and a dask cluster give what a loop gives, also when a worker is killed."""

import os
import signal
import time
from functools import partial

import distributed
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer import executors, parallel
from fel_explorer.errors import FelError

RUNS = [parallel.map_tasks, lambda *a, **k: list(parallel.iterate_tasks(*a, **k))]
EVERYWHERE = pytest.mark.parametrize("where", ["threads", "processes", "cluster"])


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster.scheduler_address
        for client in executors._clients.values():
            client.close()
        executors._clients.clear()


@pytest.fixture
def scheduler(where, request):
    chosen = request.getfixturevalue("cluster") if where == "cluster" else where
    parallel.set_scheduler(chosen, workers=0 if where == "cluster" else 2)
    yield chosen
    parallel.set_scheduler(None)


def shifted(shared, item):
    return shared + item, os.getpid()


def killed_once(shared, item):
    """The square; the first task to come kills its worker, once."""
    marker = shared / "killed"
    if item == 3:
        try:
            marker.touch(exist_ok=False)
        except FileExistsError:
            return item**2
        os.kill(os.getpid(), signal.SIGKILL)
    return item**2


def always_killed(shared, item):
    os.kill(os.getpid(), signal.SIGKILL)


def refused(shared, item):
    raise FelError("Given.", "Valid.", "Remedy.")


def endless(folder, item):
    """Runs until it is asked to stop, and says that it began and that it heard."""
    (folder / f"begun-{item}").touch()
    while not parallel.should_stop():
        time.sleep(0.01)
    (folder / f"heard-{item}").touch()


def deaf(folder, item):
    """Never looks whether it is asked to stop."""
    (folder / "part").write_text(str(os.getpid()))
    (folder / "part").rename(folder / "pid")
    while True:
        time.sleep(0.01)


def wait_for(path, seconds=30.0):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def slow(shared, item):
    time.sleep(0.05)
    return item


@EVERYWHERE
def test_tasks_give_what_a_loop_gives_elsewhere(where, scheduler):
    results = parallel.map_tasks(shifted, range(10), shared=np.arange(3))
    for item, (values, process) in enumerate(results):
        np.testing.assert_array_equal(values, np.arange(3) + item)
        assert (process == os.getpid()) == (where == "threads")
    assert [r[0] for r in parallel.iterate_tasks(shifted, iter(range(20)), shared=1)] == list(range(1, 21))


@pytest.mark.parametrize("where", ["processes", "cluster"])
@pytest.mark.parametrize("run", RUNS)
def test_tasks_of_a_killed_worker_are_run_again(run, scheduler, tmp_path):
    assert run(killed_once, range(8), shared=tmp_path) == [item**2 for item in range(8)]
    assert (tmp_path / "killed").exists()


@pytest.mark.parametrize("run", RUNS)
def test_what_tasks_share_is_sent_again_where_its_only_worker_was_killed(run, tmp_path):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        parallel.set_scheduler(address)
        try:
            assert run(killed_once, range(8), shared=tmp_path) == [item**2 for item in range(8)]
        finally:
            parallel.set_scheduler(None)
            executors._clients.pop(address).close()


@pytest.mark.parametrize("where", ["processes"])
def test_a_task_that_kills_every_worker_ends_in_an_error(where, scheduler, monkeypatch):
    monkeypatch.setattr(executors, "RETRIES", 1)
    with pytest.raises(FelError, match="A worker was lost 2 times"):
        parallel.map_tasks(always_killed, [0])


@EVERYWHERE
def test_errors_come_back_with_their_parts(where, scheduler):
    with pytest.raises(FelError) as caught:
        parallel.map_tasks(refused, [0, 1])
    assert (caught.value.given, caught.value.valid, caught.value.remedy) == ("Given.", "Valid.", "Remedy.")


@pytest.mark.parametrize("where", [None, "threads", "processes"])
def test_progress_is_reported_and_cancels_what_has_not_begun(where):
    parallel.set_scheduler(where, workers=2)
    try:
        seen = []
        results = parallel.map_tasks(
            slow, range(30), callback=lambda p: seen.append(p) or p.step >= 3, message="sleeping"
        )
    finally:
        parallel.set_scheduler(None)
    steps = [p.step for p in seen]
    assert steps == sorted(steps) and {1, 2, 3} <= set(steps) <= {0, 1, 2, 3}
    assert seen[0].n_steps == 30 and seen[0].message == "sleeping"
    done = [r for r in results if r is not parallel.NOT_DONE]
    assert len(done) == 3 and len(results) == 30


@pytest.mark.parametrize("where", [None, "threads", "processes", "cluster"])
def test_begun_tasks_hear_that_they_are_cancelled(where, scheduler, tmp_path):
    began = time.monotonic()
    results = parallel.map_tasks(
        endless, range(4), shared=tmp_path, callback=lambda p: any(tmp_path.glob("begun-*"))
    )
    assert results == [parallel.NOT_DONE] * 4 and time.monotonic() - began < 30
    for begun in list(tmp_path.glob("begun-*")):
        wait_for(tmp_path / begun.name.replace("begun", "heard"))


def test_a_process_whose_task_does_not_hear_is_ended(tmp_path):
    parallel.set_scheduler("processes", workers=1)
    try:
        parallel.map_tasks(deaf, [0], shared=tmp_path, callback=lambda p: (tmp_path / "pid").exists())
        pid = int((tmp_path / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            for _ in range(3000):
                os.kill(pid, 0)
                time.sleep(0.01)
        assert parallel.map_tasks(shifted, [1], shared=1)[0][0] == 2
    finally:
        parallel.set_scheduler(None)


def test_a_fit_that_is_cancelled_is_not_among_the_results():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(300, 3)))
    methods = [fel.PCA(), fel.VAMPNet(lag_time=1.0, n_steps=20_000, hidden=[4], n_threads=1)]
    fitted = fel.methods.fit_many(methods, data, callback=lambda p: p.step == 1)
    assert fitted[1] is None
    calls = []
    alone = fel.methods.fit_many(methods[1:], data, callback=lambda p: calls.append(p) or len(calls) > 5)
    assert alone == [None] and len(calls) == 6


def test_schedulers_that_do_not_exist_are_refused(monkeypatch):
    with pytest.raises(FelError, match="'threads', 'processes' or an address"):
        fel.set_scheduler("fast")
    monkeypatch.setattr(executors, "TIMEOUT", 0.3)
    with pytest.raises(FelError, match="no dask scheduler"):
        fel.set_scheduler("tcp://127.0.0.1:9")
    assert parallel.scheduler() is None and parallel.n_workers() == 1


@EVERYWHERE
def test_folds_features_observables_and_embeddings_are_the_same_on_workers(where, scheduler, tmp_path):
    random = np.random.default_rng(0)
    data = fel.as_dataset([np.cumsum(random.normal(size=(n, 3)), axis=0) for n in (200, 150)])
    fel.save_dataset(data, tmp_path / "data.zarr")
    stored = fel.open_dataset(tmp_path / "data.zarr")
    whole = fel.sample_data("alanine-dipeptide")
    trajs = fel.load_trajectories(whole.files[:2], topology=whole.topology, stride=100)
    validate = partial(fel.methods.cross_validate, n_folds=2, parameter="lag_time", values=[1.0, 2.0])
    featurize = partial(fel.featurize, trajs, "backbone_torsions", cache=False, chunk_size=150)
    measure = partial(fel.structures.observables, trajs, ["rmsd", "radius_of_gyration"], cache=False)
    fit = partial(fel.methods.fit_many, [fel.TICA(lag_time=1.0), fel.PCA()], data)

    def everything():
        tica, pca = fit()
        return [
            validate(fel.TICA(), stored)["score"].values,
            validate(fel.TICA(), data)["train_score"].values,
            featurize()["features"].values,
            measure(chunk_size=150).to_array().values,
            tica.transform(stored).values,
            pca.transform(data).values,
        ]

    elsewhere = everything()
    parallel.set_scheduler(None)
    for ours, theirs in zip(everything(), elsewhere, strict=True):
        np.testing.assert_array_equal(ours, theirs)
