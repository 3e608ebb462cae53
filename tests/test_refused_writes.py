"""On a full disk or without permission old versions stay, trainings go on, and a sentence says why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kill_cases import GROUPS

SCRIPT = Path(__file__).parent / "support" / "refused_writes.py"


@pytest.mark.skipif(sys.platform == "win32", reason="no forks")
@pytest.mark.parametrize("group", GROUPS)
def test_what_cannot_be_written_loses_nothing(group, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, str(SCRIPT), "--groups", group]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome for outcome in outcomes if outcome["faults"]] == []
    assert {outcome["kind"] for outcome in outcomes} == {"full", "half full", "protected"}
    if group == "models":  # those with checkpoints say that there are none
        silent = {one["case"] for one in outcomes if one["ended"] == "goes on" and not one["notices"]}
        assert silent <= {"LinearPropagator"}
