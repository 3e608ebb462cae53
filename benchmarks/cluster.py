"""Speed-up of tasks on local processes and on a dask cluster of one machine, and what limits it.

Run from the repository's root; the numbers of all rows must be the same::

    python benchmarks/cluster.py --workers 1 2

Columns: seconds in all, the speed-up over this process, and the seconds of four tasks that do nothing, which
is what sending the data costs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import fel_explorer as fel
from fel_explorer import executors, parallel


def nothing(shared, item) -> int:
    return item


def cross_validation(data):
    method = fel.VAMPNet(lag_time=5.0, n_states=3, n_steps=300, n_threads=1)
    return fel.methods.cross_validate(method, data, n_folds=4, device="cpu")["score"].values


def timed(function, *arguments):
    began = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--frames", type=int, default=200_000)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    slow = np.sin(np.arange(options.frames)[:, None] / np.arange(50, 70))
    data = fel.as_dataset(slow + random.normal(size=slow.shape))
    alone, expected = timed(cross_validation, data)
    print("| where | workers | seconds | speed-up | tasks that do nothing (s) |\n|---|---|---|---|---|")
    print(f"| this process | 1 | {alone:.1f} | 1.00 | |")
    for workers in options.workers:
        report("processes", workers, data, alone, expected)
        import distributed

        with distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as c:
            report(c.scheduler_address, workers, data, alone, expected)
            executors._clients.pop(c.scheduler_address).close()


def report(scheduler: str, workers: int, data, alone: float, expected: np.ndarray) -> None:
    name = "processes" if scheduler == "processes" else "dask cluster"
    fel.set_scheduler(scheduler, workers=workers if name == "processes" else 0)
    parallel.map_tasks(nothing, range(workers))  # workers import what they need
    seconds, scores = timed(cross_validation, data)
    np.testing.assert_array_equal(scores, expected)
    empty, _ = timed(lambda: parallel.map_tasks(nothing, range(4), shared=data))
    fel.set_scheduler(None)
    print(f"| {name} | {workers} | {seconds:.1f} | {alone / seconds:.2f} | {empty:.1f} |")


if __name__ == "__main__":
    main()
