"""Texts on the queue of jobs: what each does, when it will end, why it failed."""

from __future__ import annotations

import math

from fel_explorer.app.jobs.job import Job
from fel_explorer.errors import FelError
from fel_explorer.plots.quantities import seconds_text

STATES = {"queued": "waits", "done": "done", "failed": "failed", "cancelled": "stopped"}


def duration(job: Job, now: float) -> float:
    """Seconds that a job took or will take in all; nan where that can't be known yet."""
    if job.state == "running":
        return now - job.started + job.progress.eta
    return job.finished - job.started if job.state == "done" else math.nan


def time_left(jobs: list[Job], now: float, workers: int = 2) -> float:
    """Seconds until all of ``jobs`` that run or wait have ended; nan while that is unknown.

    One that waits is taken to last as long as those of its kind and method do on average.
    """
    running = [job for job in jobs if job.state == "running"]
    waiting = [job for job in jobs if job.state == "queued"]
    left = [job.progress.eta for job in running] + [expected(job, jobs, now) for job in waiting]
    if not left:
        return 0.0
    # the longest that runs, or all shared evenly, whichever is later
    return max(max(left), sum(left) / min(workers, len(left))) if all(map(math.isfinite, left)) else math.nan


def expected(job: Job, jobs: list[Job], now: float) -> float:
    """Mean duration of the jobs that do the same as one that waits."""
    known = [duration(other, now) for other in jobs if _alike(job, other)]
    known = [seconds for seconds in known if math.isfinite(seconds)]
    return sum(known) / len(known) if known else math.nan


def _alike(job, other):
    methods = [one.recipe.method if one.recipe is not None else "" for one in (job, other)]
    return job.kind == other.kind and methods[0] == methods[1]


def situation(job: Job, now: float) -> str:
    """'step 300 of 3000, 12 s left', 'waits', 'done in 3 s', 'stopped', 'failed'."""
    done = job.progress
    if job.state == "done":
        return f"done in {seconds_text(duration(job, now))}"
    if job.state != "running":
        return STATES[job.state]
    if job.stopping:
        return "stopping"
    parts = [f"step {done.step} of {done.n_steps}" if done.n_steps else done.message or "begins"]
    if left := seconds_text(done.eta):
        parts.append(f"{left} left")
    return ", ".join(parts)


def cause(job: Job) -> dict[str, str]:
    """Cause of a failure and what to do: {"what", "remedy"}; empty for other jobs."""
    error = job.error
    if error is None:
        return {}
    if isinstance(error, FelError):
        return {"what": " ".join(filter(None, (error.given, error.valid))), "remedy": error.remedy or ""}
    what = f"{type(error).__name__}: {error}"
    return {"what": what, "remedy": "This is a bug. The log says where it occurred; try other parameters."}


def queue_text(jobs: list[Job], now: float) -> str:
    """'2 running, 5 waiting, about 3 min left', or 'Nothing runs.'"""
    running = sum(job.state == "running" for job in jobs)
    waiting = sum(job.state == "queued" for job in jobs)
    if not running + waiting:
        return "Nothing runs."
    parts = [f"{running} running"] if running else []
    parts += [f"{waiting} waiting"] if waiting else []
    if left := seconds_text(time_left(jobs, now)):
        parts.append(f"about {left} left")
    return ", ".join(parts)
