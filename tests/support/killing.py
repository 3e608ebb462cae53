"""Kills of real processes: at random moments, and just before and after each rename.

    python tests/support/killing.py [--moments 2] [--renames 2] [--seed 0] [--groups models] [--only IDM]

This process makes what the cases need, and forks for each kill, so that no fork has to import anything.  It
prints a line of JSON for each case.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dask
import torch
from kill_cases import GROUPS, Case, digest, listing

from fel_explorer.data import atomic_folders
from fel_explorer.training import checkpoint

HANGS = 120.0  # seconds


class Renames:
    """Counts the renames of this process, and kills it next to one of them."""

    def __init__(self) -> None:
        self.count, self.nth, self.when = 0, 0, ""
        for module, name in ((os, "rename"), (os, "replace"), (atomic_folders, "_renameat2")):
            setattr(module, name, self._watched(getattr(module, name)))

    def arm(self, nth: int, when: str) -> None:
        """Kill the process "before" or "after" the ``nth`` rename from now on."""
        self.count, self.nth, self.when = 0, nth, when

    def _watched(self, function: Callable) -> Callable:
        def rename(*arguments, **options):
            self.count += 1
            mine = self.count == self.nth
            if mine and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            result = function(*arguments, **options)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return rename


@dataclass
class Outcome:
    """Of one case: kills that met the process at work, and what was wrong afterwards."""

    case: str
    kills: int = 0
    in_time: int = 0  # ended before the kill
    faults: list[str] = field(default_factory=list)


def killed(run: Callable, folder: Path, arm: Callable[[], None], limit: float) -> bool:
    """Whether a fork of this process that calls ``run`` was killed; after ``limit`` seconds it is."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process at once
            signal.setitimer(signal.ITIMER_REAL, limit)
            arm()
            run(folder)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(3)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        if os.WEXITSTATUS(status) != 0:
            raise RuntimeError("the fork failed before it was killed")
        return False
    if os.WTERMSIG(status) == signal.SIGALRM and limit >= HANGS:
        raise RuntimeError("the fork hangs")
    return True


def one_folder(root: Path, name: str) -> Path:
    """A new folder to work in, with the cache in it."""
    folder = root / name / "work"
    folder.mkdir(parents=True)
    os.environ["FEL_EXPLORER_CACHE"] = str(folder / "cache")
    return folder


def examine(name: str, case: Case, root: Path, renames: Renames, moments: int, n_renames: int, chance):
    """Kill a case, let it go on, and compare it with an unbroken run."""
    outcome = Outcome(name)
    folder = one_folder(root, "unbroken")
    case.prepare(folder)
    old = digest(case.read(folder))
    renames.arm(0, "")
    began = time.monotonic()
    expected = digest(case.run(folder))
    seconds, counted = time.monotonic() - began, renames.count
    new, left = digest(case.read(folder)), listing(folder)
    arms: list[tuple[str, float, Callable]] = [
        (f"at {100 * part:.0f} % of its time", max(part * seconds, 1e-3), lambda: None)
        for part in (chance.uniform(0.02, 1.0) for _ in range(moments))
    ]
    chosen = sorted(chance.sample(range(1, counted + 1), min(counted, n_renames)))
    arms += [
        (f"{when} rename {nth} of {counted}", HANGS, lambda nth=nth, when=when: renames.arm(nth, when))
        for nth in chosen
        for when in ("before", "after")
    ]
    for number, (where, limit, arm) in enumerate(arms):
        folder = one_folder(root, str(number))
        case.prepare(folder)
        try:
            if killed(case.run, folder, arm, limit):
                outcome.kills += 1
            else:
                outcome.in_time += 1
            if digest(case.read(folder)) not in (old, new):
                outcome.faults.append(f"killed {where}: neither the old version nor the new one")
            if digest(case.run(folder)) != expected:
                outcome.faults.append(f"killed {where}: ends in something else")
            if extra := sorted(set(listing(folder)) ^ set(left)):
                outcome.faults.append(f"killed {where}: other files than without: {', '.join(extra)[:300]}")
        except Exception as error:  # whatever it is, the kill led to it
            outcome.faults.append(f"killed {where}: {type(error).__name__}: {error}"[:400])
    return outcome


def main() -> None:
    """Examine all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=2, help="kills at random moments of each case")
    parser.add_argument("--renames", type=int, default=2, help="renames of each, chosen by chance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--groups", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--only", nargs="*", default=[], help="names of cases")
    given = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")
    dask.config.set(scheduler="synchronous")  # a fork has no threads of a pool
    torch.set_num_threads(1)
    checkpoint.INTERVAL = 0.0
    with tempfile.TemporaryDirectory() as name:
        root, renames = Path(name), Renames()
        os.environ["FEL_EXPLORER_CACHE"] = str(root / "cache")
        (root / "inputs").mkdir()
        cases = {k: v for group in given.groups for k, v in GROUPS[group](root / "inputs").items()}
        for number, (label, case) in enumerate(cases.items()):
            if given.only and label not in given.only:
                continue
            chance = random.Random(f"{given.seed} {label}")
            outcome = examine(label, case, root / str(number), renames, given.moments, given.renames, chance)
            print(json.dumps(vars(outcome)), flush=True)


if __name__ == "__main__":
    main()
