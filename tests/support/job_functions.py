"""Job functions for tests of worker processes, which import this module too."""

import os
import sys
import time

import numpy as np

from fel_explorer.app.jobs.call import process_job
from fel_explorer.app.jobs.job import Cancelled
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress


@process_job
def squares(report, should_stop, n):
    for i in range(n):
        report(Progress(i + 1, n, {"square": float(i * i)}, message=f"number {i}"), preview=i)
    return os.getpid(), [i * i for i in range(n)]


@process_job
def given(report, should_stop, *objects):
    """What it was given, in a new list, and doubled arrays."""
    return [*objects], [2 * one for one in objects if isinstance(one, np.ndarray)]


@process_job
def endless(report, should_stop, keep=True):
    """Steps of 10 ms until it is stopped; the number of steps after the last report."""
    step = 0
    while not should_stop():
        step += 1
        report(Progress(step, 10**6, message="running" if step == 1 else "going on"))
        time.sleep(0.01)
    if not keep:
        raise Cancelled
    return step


@process_job
def wrong_lag(report, should_stop):
    raise FelError("lag_time=50 ps.", "Lags up to 10 ps fit.", "Take a shorter lag.")


@process_job
def divides_by_zero(report, should_stop):
    return 1 / 0


class Awkward(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")


@process_job
def raises_awkwardly(report, should_stop):
    raise Awkward(1, 2)


@process_job
def ends_its_process(report, should_stop):
    os._exit(3)


@process_job
def prints(report, should_stop):
    print("to the log")
    sys.stdout.flush()
    os.write(1, b"and this\n")
    return "printed"


@process_job
def priority(report, should_stop):
    import torch

    return os.nice(0), torch.get_num_threads()
