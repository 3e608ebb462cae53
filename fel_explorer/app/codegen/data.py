"""Python code that loads the data of a session and trains its models."""

from __future__ import annotations

import json
import keyword
import re
from pathlib import Path

from fel_explorer.app.session.result import Result, Split
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.view import shown_axes
from fel_explorer.data import files_of
from fel_explorer.data.cache import cache_directory
from fel_explorer.data.formulas import names_in
from fel_explorer.data.frame_values import has_values

STORE = "data.zarr"
USED = "np fel pd data trajs embedding cvs x xy profile surface states memberships names".split()
USED += "selected frames path pinned simulator".split()


def text(*lines) -> str:
    return "\n".join(lines) + "\n"


def variable(label: str) -> str:
    """'IDM 1' -> 'idm_1'."""
    name = re.sub(r"\W+", "_", label.lower()).strip("_") or "model"
    taken = name[0].isdigit() or keyword.iskeyword(name) or name in USED
    return f"model_{name}" if taken else name


def constructor_code(model) -> str:
    """Code of an unfitted model with the values that are not the defaults."""
    cls = type(model)
    return f"fel.methods.{cls.__name__}({', '.join(changed_arguments(model))})"


def changed_arguments(model) -> list[str]:
    """'lag_time=4.0' and so on: the hyperparameters that are not the defaults."""
    values = model.hyperparameters().items()
    return [f"{name}={value!r}" for name, value in values if value != type(model).param[name].default]


def model_code(result: Result, data: str = "data") -> str:
    """The training of a result's method on the dataset that is the variable ``data``."""
    lines, method = [], result.method
    fit = data
    if method.embedding_ is not None:
        lines.append(f"embedding = {constructor_code(method.embedding_)}.fit({data})")
        fit = f"{data}, embedding=embedding"
    if result.partial:
        lines.append("# on the page this training was stopped before its end")
    lines.append(f"{variable(result.label)} = {constructor_code(method)}.fit({fit})")
    return text(*lines)


# ---- data


def data_code(session: Session) -> str:
    """From files to the dataset with the columns that are used; else from a saved dataset."""
    lines = ["import numpy as np", "import fel_explorer as fel", ""]
    opened, columns = opening(session.trajectories), _column_lines(session)
    featurized = featurize_call(session.dataset)
    if opened and featurized and columns is not None:
        return text(*lines, f"trajs = {opened}", f"data = {featurized}", *columns)
    lines.append(f'# parts of these data came from Python; keep them with fel.save_dataset(data, "{STORE}")')
    lines.append(f'data = fel.open_dataset("{STORE}")')
    if opened:
        lines.append(f"trajs = {opened}")
    elif has_structures(session):
        lines.append("trajs = fel.data.trajectories_of(data)")
    return text(*lines)


def featurize_call(dataset) -> str:
    """The call that featurizes the trajectories; '' where it is not known how features were made."""
    featurizers = json.loads(dataset.attrs.get("featurizers", "[]"))
    specs = [(one["name"], one["options"]) if one["options"] else one["name"] for one in featurizers]
    return f"fel.featurize(trajs, {specs!r})" if specs else ""


def features_of_model(session: Session, label: str) -> tuple[str, list[str]] | None:
    """Variable with the features of a model, and lines that make it; None where they can't be made again."""
    name = session.features_of.get(label, session.feature_set)
    if name == session.feature_set:
        return "data", []
    call = featurize_call(session.feature_sets[name])
    if not call or not has_structures(session):
        return None
    made = variable(f"data {name}")
    lines = [f"{made} = {call}"]
    if "weight" in session.dataset:
        lines.append(f'{made}["weight"] = data["weight"]')
    return made, lines


def has_structures(session: Session) -> bool:
    """Whether the printed code has trajectories."""
    if session.trajectories is None:
        return False
    return opening(session.trajectories) is not None or bool(files_of(session.dataset))


def opening(trajectories) -> str | None:
    """The call that opens trajectories; None where they came as objects or from files that are gone."""
    if trajectories is None:
        return None
    folder = Path(trajectories.files[0]).parent
    if folder.parent == cache_directory() / "samples":
        return f'fel.sample_data("{folder.name.rpartition("-")[0]}")'
    topology = trajectories.topology_source
    if isinstance(topology, str | Path):
        topology = str(topology)
    elif isinstance(topology, list | tuple) and all(isinstance(one, str | Path) for one in topology):
        topology = [str(one) for one in topology]
    elif topology is not None:
        return None  # it was given as an object
    if not all(Path(one).exists() for one in ([topology] if isinstance(topology, str) else topology or [])):
        return None
    given = [repr([str(file) for file in trajectories.files])]
    if topology is not None:
        given.append(f"topology={topology!r}")
    if trajectories.stride > 1:
        given.append(f"stride={trajectories.stride}")
    if trajectories.given_time_step is not None:
        given.append(f"time_step={trajectories.given_time_step!r}")
    if trajectories.joined:
        given.append("join=True")
    if trajectories.atoms is not None:
        given.append(f"atoms={[int(atom) for atom in trajectories.atoms]}")
    return f"fel.load_trajectories({', '.join(given)})"


# ---- columns


def _column_lines(session: Session) -> list[str] | None:
    """Lines for the columns that the code needs; None where the origin of one of them is not known."""
    dataset, trajectories = session.dataset, session.trajectories
    needed, lines = _needed(session), []
    for name, column in dataset.data_vars.items():
        if name not in needed:
            continue
        parts = names_in(column.attrs.get("formula", ""))
        if not all(has_values(dataset, part) for part in parts):
            return None  # it was computed with features of another feature set
        line = _column_line(str(name), column.attrs, trajectories)
        if line is None:
            return None
        if line and line not in lines:
            lines.append(line)
    return lines


def _column_line(name, attrs, trajectories) -> str | None:
    """'' for a column that the features come with."""
    if "formula" in attrs:
        units = f", units={attrs['units']!r}" if "units" in attrs else ""
        return f"data = fel.data.add_column(data, {name!r}, {attrs['formula']!r}{units})"
    if "observable" in attrs:
        compared = re.fullmatch(r"frame (\d+)", attrs.get("reference", "frame 0"))
        options = json.loads(attrs.get("options", "{}"))
        if compared is None:
            return None
        spec = (attrs["observable"], options) if options else attrs["observable"]
        measured = f"fel.structures.observables(trajs, {spec!r}, reference={compared[1]})"
        return f'data[{name!r}] = ("frame", {measured}[{attrs["observable"]!r}].values)'
    if "atoms" in attrs:
        return f"data[{name!r}] = fel.structures.measure(trajs, {json.loads(attrs['atoms'])})"
    if "table" in attrs:
        own = trajectories is not None and str(trajectories.columns_file) == attrs["table"]
        options = json.loads(attrs.get("table_options", "{}"))
        given = "".join(f", {option}={value!r}" for option, value in options.items())
        table = json.loads(attrs["table"]) if attrs["table"].startswith("[") else attrs["table"]
        return "" if own else f"data = fel.attach_columns(data, {table!r}{given})"
    return None


def _needed(session: Session) -> set[str]:
    """Columns that models, formulas, weights, selections and the path use."""
    dataset = session.dataset
    columns = {str(name): column for name, column in dataset.data_vars.items() if column.dims == ("frame",)}
    names = {name for name, column in columns.items() if "formula" in column.attrs} | {"weight"}
    if session.shown is not None:
        hyperparameters = session.shown.method.hyperparameters().values()
        names |= {value for value in hyperparameters if isinstance(value, str)}
        for change in session.shown.changes:
            names |= change.selection.axes if isinstance(change, Split) else set()
    names |= session.selection.axes | set(shown_axes(session))
    names |= set(session.path_anchors.axes) if session.path_anchors is not None else set()
    waiting = names & set(columns)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        parts = set(names_in(columns[name].attrs.get("formula", "")))
        waiting |= (parts & set(columns)) - found
    return found
