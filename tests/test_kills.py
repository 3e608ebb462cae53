"""A process that is killed spoils nothing: what it did ends as without the kill, and no leftovers stay.

`benchmarks/robustness.py --kills N` kills more often.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kill_cases import GROUPS

from fel_explorer.methods.registry import list_models

SCRIPT = Path(__file__).parent / "support" / "killing.py"


@pytest.mark.skipif(sys.platform == "win32", reason="no forks")
@pytest.mark.parametrize("group", GROUPS)
def test_no_kill_changes_what_comes_out(group, tmp_path):
    command = [sys.executable, str(SCRIPT), "--moments", "1", "--renames", "1", "--groups", group]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert [outcome["faults"] for outcome in outcomes if outcome["faults"]] == []
    assert sum(outcome["kills"] for outcome in outcomes) >= 2 * len(outcomes)
    if group == "models":
        assert {outcome["case"] for outcome in outcomes} == set(list_models())
