"""Where the server's trainings and tasks run: read and chosen by its pages."""

from __future__ import annotations

from fel_explorer import parallel
from fel_explorer.app.jobs.manager import AT_ONCE, JobManager
from fel_explorer.app.jobs.permission import pages_choose
from fel_explorer.errors import FelError


def choose(jobs: JobManager, address: str, at_once: int) -> None:
    """Run trainings and tasks on the dask cluster at ``address``, or where it is '' on this machine.

    Parameters
    ----------
    at_once
        Trainings that run at the same time on this machine, and processes that share other tasks.

    Raises
    ------
    FelError
        If pages may not choose, or there is no cluster at the address.
    """
    if not pages_choose():
        raise FelError(
            "This server has several users.",
            "Who starts it chooses where trainings run.",
            "Start it with --scheduler or --workers.",
        )
    if address:
        if "://" not in address:
            raise FelError(
                f"'{address}' as the address of a cluster.",
                "It is what `dask scheduler` prints, such as tcp://10.0.0.1:8786.",
            )
        parallel.set_scheduler(address)
        jobs.set_workers(parallel.n_workers())
        return
    # processes for tasks take seconds to start, which only more than usual repay
    parallel.set_scheduler("processes" if at_once > AT_ONCE else None, workers=max(0, at_once))
    jobs.set_workers(at_once)


def describe(jobs: JobManager) -> str:
    """Where trainings run, in a sentence."""
    chosen = parallel.scheduler() or ""
    here = f"the cluster at {chosen}" if "://" in chosen else "this machine"
    return f"Trainings run on {here}, {jobs.workers} at a time."
