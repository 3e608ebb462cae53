"""Disks that are full and folders that can't be written, for all that trains, computes and saves.

    python tests/support/refused_writes.py [--groups models computations files] [--only NAME ...]

A fork of this process may write no byte to any file ("full"), half of the largest file ("half full"), or
nothing into the folder ("protected").  It prints a line of JSON for each case and kind.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import dask
import torch
from kill_cases import GROUPS, Case, digest, listing
from killing import one_folder

from fel_explorer.errors import FelError
from fel_explorer.training import checkpoint

ENDS = {
    "models": "goes on",
    "computations": "goes on",
    "files": "refused",
    "featurize into a store": "refused",
}
DAC_OVERRIDE, VERSION = 1, 0x20080522  # of Linux's capabilities
CAPGET, CAPSET = (125, 126) if os.uname().machine == "x86_64" else (90, 91)


def limit_files(size: int) -> None:
    """Let this process write no more than ``size`` bytes to any file."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error instead
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def protect(folder: Path) -> None:
    """Take from this process the permission to write into a folder."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)
    if os.geteuid() == 0 and sys.platform == "linux":  # root may, unless it gives that up
        system = ctypes.CDLL(None, use_errno=True).syscall
        head, sets = (ctypes.c_uint32 * 2)(VERSION, 0), (ctypes.c_uint32 * 6)()
        system(CAPGET, head, sets)
        sets[0] &= ~(1 << DAC_OVERRIDE)  # of those in force
        if system(CAPSET, head, sets) != 0:
            raise OSError(ctypes.get_errno(), "capset")


def in_fork(function: Callable[[], dict]) -> dict:
    """What ``function`` returns in a fork of this process."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            answer = json.dumps(function()).encode()
        except BaseException as error:
            answer = json.dumps({"ended": f"{type(error).__name__}: {error}"[:400]}).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return json.loads(answer) if answer else {"ended": "the process died"}


class Collector(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def attempt(case: Case, folder: Path, refuse: Callable[[], None], expected: str) -> dict:
    """How a case ends where it is refused to write."""
    heard = Collector()
    logging.getLogger("fel_explorer").addHandler(heard)
    refuse()
    try:
        ended = "goes on" if digest(case.run(folder)) == expected else "something else"
        text = ""
    except FelError as error:
        ended, text = "refused", str(error)
    return {"ended": ended, "text": text, "notices": heard.texts}


def examine(name: str, end: str, case: Case, root: Path):
    """A case with each kind of refusal."""
    folder = one_folder(root, "unhindered")
    case.prepare(folder)
    expected = digest(case.run(folder))
    largest = max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)
    kinds: dict[str, Callable[[Path], None]] = {
        "full": lambda folder: limit_files(0),
        "half full": lambda folder: limit_files(largest // 2),
        "protected": protect,
    }
    for kind, refuse in kinds.items():
        folder = one_folder(root, kind.replace(" ", "-"))
        case.prepare(folder)
        old, left = digest(case.read(folder)), listing(folder)
        found = in_fork(
            lambda folder=folder, refuse=refuse: attempt(case, folder, lambda: refuse(folder), expected)
        )
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        faults = []
        # also the folder for temporary files is full
        elsewhere = kind != "protected" and "temporary files" in found.get("text", "")
        # a simulator makes a folder for each part, and says at once where it can't
        at_once = kind == "protected" and "cannot be made: Permission denied" in found.get("text", "")
        if found["ended"] != end and not (elsewhere or at_once):
            faults.append(f"{found['ended']}: {found.get('text', '')}")
        if end == "refused":
            if "full" not in found.get("text", "") and "permission denied" not in found.get("text", ""):
                faults.append(f"does not say why: {found.get('text')}")
            if digest(case.read(folder)) != old:
                faults.append("the old version is lost")
            if listing(folder) != left:
                faults.append(f"leftovers: {sorted(set(listing(folder)) - set(left))}"[:300])
        yield {"case": name, "kind": kind, "faults": faults, **found}


def main() -> None:
    """Examine all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--groups", nargs="*", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--only", nargs="*", default=[], help="names of cases")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    dask.config.set(scheduler="synchronous")  # a fork has no threads of a pool
    torch.set_num_threads(1)
    checkpoint.INTERVAL = 0.0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        os.environ["FEL_EXPLORER_CACHE"] = str(root / "cache")
        (root / "inputs").mkdir()
        for group in given.groups:
            for number, (label, case) in enumerate(GROUPS[group](root / "inputs").items()):
                if given.only and label not in given.only:
                    continue
                end = ENDS.get(label, ENDS[group])
                for found in examine(label, end, case, root / f"{group}{number}"):
                    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
