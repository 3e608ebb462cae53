"""What damaged sessions, models, datasets, trajectories and tables, endless formulas and kills end in.

python benchmarks/robustness.py [--cases 300] [--kills 3]
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.torch import save_file

import fel_explorer as fel
from fel_explorer.app.storage.session_folder import ABOUT, save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.data.formulas import evaluate

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "data")]

from damage import WRONG, damage, damaged_csv, damaged_gro, damaged_pdb, places  # noqa: E402
from hostile_names import hostile_session  # noqa: E402
from peptides import make_trajectory  # noqa: E402
from test_atomic_folders import SAVE  # noqa: E402

FORMULAS = ["9**9**9**9", "10**10**10", "0x9**0x9**0x9**0x9", "(" * 900 + "x0" + ")" * 900, "x0 +" * 10**6]
SLOW = 2.0  # seconds


def damaged(about, chance):
    """A copy with one entry that is wrong or gone."""
    return damage(about, chance.choice(list(places(about))), chance.choice(WRONG))


def outcome(act) -> str:
    """What ``act`` ends in."""
    started = time.process_time()
    try:
        act()
        found = "opened"
    except fel.FelError:
        found = "clear error"
    except Exception as error:  # what the table is about
        found = f"raw {type(error).__name__}"
    return "slow" if time.process_time() - started > SLOW else found


def sessions(folder, n):
    """Outcomes of sessions with a damaged field."""
    path = save_session(hostile_session(), folder / "one.session")
    about, chance = json.loads((path / ABOUT).read_text()), random.Random(0)
    for _ in range(n):
        (path / ABOUT).write_text(json.dumps(damaged(about, chance)))
        yield outcome(lambda: open_session(path))


def models(folder, n):
    """Outcomes of model files with a damaged header, and with a flipped bit."""
    x = np.random.default_rng(0).normal(size=(120, 3)).astype("f4")
    path, bad, chance = folder / "good.fel", folder / "bad.fel", random.Random(0)
    fel.SRV(n_dims=2, lag_time=2.0, n_steps=2, hidden=[4], seed=0).fit(fel.as_dataset(x)).save(path)
    with safe_open(str(path), framework="pt") as stored:
        header = json.loads(stored.metadata()["fel"])
        del header["crc32"]  # as in files of earlier versions
        arrays = {name: stored.get_tensor(name) for name in stored.keys()}
    for number in range(n):
        if number % 2:
            content = bytearray(path.read_bytes())
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            bad.write_bytes(content)
        else:
            save_file(arrays, bad, metadata={"fel": json.dumps(damaged(header, chance))})
        yield outcome(lambda: fel.load_model(bad))


def datasets(folder, n):
    """Outcomes of datasets with a flipped bit in a block."""
    path = fel.save_dataset(fel.as_dataset(np.random.default_rng(0).normal(size=(200, 3))), folder / "a.zarr")
    blocks, chance = (
        [file for file in path.rglob("*") if file.is_file() and "c" in file.parts],
        random.Random(0),
    )
    for _ in range(n):
        file = chance.choice(blocks)
        good = file.read_bytes()
        content = bytearray(good)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(content)
        yield outcome(lambda: fel.open_dataset(path))
        file.write_bytes(good)


def features(path):
    """Torsions of a trajectory."""
    return fel.featurize(fel.load_trajectories(path), "torsions", cache=False)


def texts(folder):
    """Outcomes of damaged PDB, GRO and CSV files."""
    made = make_trajectory(n_frames=6, seed=0)
    made.time = 10.0 * np.arange(6)
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(30, 2)), time_step=10.0, time_unit="ps")
    rows = ["time,q,p", *(f"{10.0 * row},{row},{row + 0.5}" for row in range(30))]
    cases = [(".csv", lines) for at in (5, 12, 20) for lines in damaged_csv(rows, at).values()]
    for kind in (".pdb", ".gro"):
        made.save(str(folder / f"good{kind}"))
        lines = (folder / f"good{kind}").read_text().splitlines()
        atoms = [i for i, line in enumerate(lines) if line.startswith("ATOM")]
        for atom in (17, 30, 45):
            at = atoms[atom] if kind == ".pdb" else atom // 13 * 16 + 2 + atom % 13
            found = damaged_pdb(lines, at) if kind == ".pdb" else damaged_gro(lines, at, 13)
            cases += [(kind, damaged) for damaged in found.values()]
    for kind, damaged in cases:
        path = folder / f"bad{kind}"
        path.write_text("\n".join(damaged) + "\n")
        if kind == ".csv":
            yield outcome(lambda path=path: fel.attach_columns(data, path))
        else:
            yield outcome(lambda path=path: features(path))


def formulas():
    """Outcomes of formulas that would take hours."""
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(100, 2)))
    for formula in FORMULAS:
        yield outcome(lambda text=formula: evaluate(data, text))


def kills(folder):
    """Outcomes of killing a process that replaces a dataset, just before and after each rename."""
    for exchanges, nth in ((1, 1), (0, 1), (0, 2), (0, 3)):
        for when in ("before", "after"):
            path = folder / f"{exchanges}{nth}{when}.zarr"
            fel.save_dataset(fel.as_dataset(np.arange(40.0).reshape(20, 2)), path)
            command = [sys.executable, "-c", SAVE, str(path), str(nth), when, str(exchanges)]
            subprocess.run(command, check=False)
            yield outcome(lambda path=path: fel.open_dataset(path))


def killed_processes(group, n):
    """Outcomes of kills of all that trains, computes or writes; see `tests/support/killing.py`."""
    command = [sys.executable, str(TESTS / "support" / "killing.py"), "--groups", group]
    command += ["--moments", str(n), "--renames", str(n)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        found = json.loads(line)
        yield from ["opened"] * (found["kills"] - len(found["faults"]))
        yield from found["faults"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=300, help="of sessions and of model files")
    parser.add_argument("--kills", type=int, default=3, help="at random moments, and next to so many renames")
    given = parser.parse_args()
    n = given.cases
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = {
            "sessions with a damaged field": sessions(folder, n),
            "model files with a damaged header or a flipped bit": models(folder, n),
            "datasets with a flipped bit in a block": datasets(folder, n),
            "damaged PDB, GRO and CSV files": texts(folder),
            "endless formulas": formulas(),
            "kills next to a rename of a dataset": kills(folder),
            "kills of trainings": killed_processes("models", given.kills),
            "kills of sampling, sweeps and features": killed_processes("computations", given.kills),
            "kills of saves and exports": killed_processes("files", given.kills),
        }
        print("| what | cases | clear error | opened | other |\n|---|---|---|---|---|")
        for what, outcomes in rows.items():
            counts = Counter(outcomes)
            clear, opened = counts.pop("clear error", 0), counts.pop("opened", 0)
            other = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "0"
            total = clear + opened + sum(counts.values())
            print(f"| {what} | {total} | {clear} | {opened} | {other} |", flush=True)


if __name__ == "__main__":
    main()
