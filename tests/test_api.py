"""Public names and their signatures are those of `api.json`.

``python tests/test_api.py --update`` records intended changes.
"""

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from fel_explorer.methods.base import Model

RECORD = Path(__file__).parent / "api.json"
PACKAGES = (
    "", "data", "export", "features", "free_energy", "kinetics", "methods", "plots", "sampling",
    "structures", "systems",
)  # fmt: skip


def public_api():
    """{name: signature} of public functions, classes and their own public methods."""
    table = {}
    for package in PACKAGES:
        module = importlib.import_module(".".join(filter(None, ("fel_explorer", package))))
        for name in dir(module):
            if name.startswith("_"):
                continue
            thing = getattr(module, name)
            if (
                package == "methods"
                and inspect.isclass(thing)
                and issubclass(thing, Model)
                and thing is not Model
            ):
                continue  # they are names of fel, too
            if inspect.isfunction(thing) or inspect.isclass(thing):
                table.update(entries(".".join(filter(None, ("fel", package, name))), thing))
    return dict(sorted(table.items()))


def entries(name, thing):
    """A function's signature; of a class that of its constructor, and those of its own methods."""
    if inspect.isfunction(thing):
        return {name: signature(thing)}
    if issubclass(thing, Model):
        found = {
            name: "("
            + ", ".join(f"{p}={thing.param[p].default!r}" for p in thing.hyperparameter_names())
            + ")"
        }
    else:
        found = {name: signature(thing)}
    for own, member in vars(thing).items():
        if not own.startswith("_") and inspect.isfunction(member):
            found[f"{name}.{own}"] = signature(member)
    return found


def signature(thing):
    """Names, kinds and defaults of the arguments, without annotations and addresses."""
    try:
        plain = inspect.signature(thing)
    except ValueError:
        return "(...)"
    arguments = [p.replace(annotation=p.empty) for p in plain.parameters.values()]
    text = str(plain.replace(parameters=arguments, return_annotation=plain.empty))
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def test_public_names_and_signatures_are_the_recorded_ones():
    recorded = json.loads(RECORD.read_text())
    done = subprocess.run(  # other tests of this process register methods of their own
        [sys.executable, __file__, "--print"],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(RECORD.parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    gone = sorted(set(recorded) - set(found))
    new = sorted(set(found) - set(recorded))
    changed = [
        f"{n}: {recorded[n]} -> {found[n]}" for n in recorded if n in found and found[n] != recorded[n]
    ]
    remedy = "If that is meant: python tests/test_api.py --update, and a line in CHANGELOG.md."
    assert not (gone or new or changed), f"gone: {gone}; new: {new}; changed: {changed}. {remedy}"


if __name__ == "__main__":
    text = json.dumps(public_api(), indent=0) + "\n"
    if sys.argv[1:] == ["--update"]:
        RECORD.write_text(text)
    else:
        print(text)
