"""Job functions for tests of worker processes, which import this module too."""

import logging
import os
import signal
import sys
import time

import numpy as np

from fel_explorer import parallel
from fel_explorer.app.jobs.call import process_job, whole_job
from fel_explorer.app.jobs.job import Cancelled
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress


@process_job
def squares(report, should_stop, n):
    for i in range(n):
        report(Progress(i + 1, n, {"square": float(i * i)}, message=f"number {i}"), preview=i)
    return os.getpid(), [i * i for i in range(n)]


@process_job
def where_tasks_run(report, should_stop):
    return tuple(parallel.choice())


@whole_job
def squares_elsewhere(report, should_stop, n):
    """`squares`, as one task, with a warning."""
    logging.getLogger("fel_explorer.elsewhere").warning("careful")
    for i in range(n):
        report(Progress(i + 1, n, {"square": float(i * i)}, message=f"number {i}"), preview=i)
    return os.getpid(), [i * i for i in range(n)]


@whole_job
def endless_elsewhere(report, should_stop):
    """Steps until it is stopped."""
    step = 0
    while not should_stop():
        step += 1
        report(Progress(step, 0), preview=step)
        time.sleep(0.01)
    return "stopped"


@whole_job
def fails_elsewhere(report, should_stop):
    raise FelError("lag_time=50 ps.", "Lags up to 10 ps fit.", "Take a shorter lag.")


@whole_job
def kills_its_worker(report, should_stop, marker):
    """The process it runs in; its first run kills it."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return os.getpid()
    os.kill(os.getpid(), signal.SIGKILL)


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
def deaf(report, should_stop, seconds=600.0):
    """One long step, before and after which it asks whether to stop; its process is its progress."""
    should_stop()
    report(Progress(os.getpid(), 0))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.01)
    return should_stop()


@process_job
def long_steps(report, should_stop, seconds):
    """Steps of some seconds until it is stopped; the number of steps."""
    step = 0
    while not should_stop():
        step += 1
        report(Progress(step, 0))
        time.sleep(seconds)
    return step


@process_job
def finishes_slowly(report, should_stop):
    """Hears at once that it shall stop, and then goes on."""
    report(Progress(1, 0))
    while not should_stop():
        time.sleep(0.01)
    report(Progress(2, 0, message="finishing"))
    time.sleep(600)


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
