"""The Python that makes what the page shows, as text that runs as printed.  No panel import."""

from __future__ import annotations

import json
import keyword
import re
from pathlib import Path

import numpy as np

from fel_explorer.app.evidence import selected_state
from fel_explorer.app.kinetics_job import BOOTSTRAPS, default_lag, lag_times
from fel_explorer.app.results import Result
from fel_explorer.app.session import Session
from fel_explorer.data.cache import cache_directory

STORE = "data.zarr"
N_STRUCTURES = 3


def sections(session: Session) -> dict[str, str]:
    """``{title: code}`` of what is loaded and shown; each runs after those above it."""
    if session.dataset is None:
        return {}
    parts = {"Data and features": data_code(session)}
    result = session.shown
    if result is None:
        return parts
    name = variable(result.label)
    parts["Model"] = model_code(result)
    parts["Map"] = map_code(session, result, name)
    if result.state is not None:
        parts["States"] = states_code(session, result, name)
        parts["Kinetics"] = kinetics_code(session, result, name)
    if session.way is not None and set(session.way.route.axes) <= set(result.cv_names):
        parts["Path"] = path_code(session, result, name)
    return parts | selection_code(session)


def script(session: Session) -> str:
    """All sections as one script."""
    return "\n".join(f"# {title}\n{code}" for title, code in sections(session).items())


def variable(label: str) -> str:
    """'IDM 1' -> 'idm_1'."""
    name = re.sub(r"\W+", "_", label.lower()).strip("_") or "model"
    return f"model_{name}" if name[0].isdigit() or keyword.iskeyword(name) else name


# ---- data


def data_code(session: Session) -> str:
    """From files to the dataset; where the files are not known, from a saved dataset."""
    trajectories = session.trajectories
    opened = None if trajectories is None else _trajectories_code(trajectories)
    featurizers = json.loads(session.dataset.attrs.get("featurizers", "[]"))
    lines = ["import numpy as np", "import fel_explorer as fel", ""]
    if opened:
        lines.append(f"trajs = {opened}")
    if opened and featurizers:
        specs = [(one["name"], one["options"]) if one["options"] else one["name"] for one in featurizers]
        return _text(*lines, f"data = fel.featurize(trajs, {specs!r})")
    return _text(
        *lines,
        f'# these data came from Python; keep them with fel.save_dataset(data, "{STORE}")',
        f'data = fel.open_dataset("{STORE}")',
    )


def _trajectories_code(trajectories) -> str | None:
    folder = Path(trajectories.files[0]).parent
    if folder.parent == cache_directory() / "samples":
        return f'fel.sample_data("{folder.name.rpartition("-")[0]}")'
    topology = trajectories.topology_source
    if isinstance(topology, list | tuple) and all(isinstance(one, str | Path) for one in topology):
        topology = [str(one) for one in topology]
    elif topology is not None and not isinstance(topology, str | Path):
        return None  # it was given as an object
    given = [repr([str(file) for file in trajectories.files])]
    if topology is not None:
        given.append(f"topology={topology if isinstance(topology, list) else str(topology)!r}")
    if trajectories.stride > 1:
        given.append(f"stride={trajectories.stride}")
    if trajectories.atoms is not None:
        given.append(f"atoms={[int(atom) for atom in trajectories.atoms]}")
    return f"fel.load_trajectories({', '.join(given)})"


# ---- model


def model_code(result: Result) -> str:
    """The training of a result's method with the values that are not the defaults."""
    lines, method = [], result.method
    fit = "data"
    embedding = getattr(method, "embedding_", None)
    if embedding is not None:
        lines.append(f"embedding = {_made(embedding)}.fit(data)")
        fit = "data, embedding=embedding"
    if result.partial:
        lines.append("# on the page this training was stopped before its end")
    lines.append(f"{variable(result.label)} = {_made(method)}.fit({fit})")
    return _text(*lines)


def _made(method) -> str:
    cls = type(method)
    changed = {
        name: value for name, value in method.hyperparameters().items() if value != cls.param[name].default
    }
    return f"fel.methods.{cls.__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"


# ---- what is shown of it


def map_code(session: Session, result: Result, name: str) -> str:
    """The free energy over the first CVs."""
    weighted = "weight" in session.dataset
    weights = ', data["weight"].values' if weighted else ""
    lines = [f"cvs = {name}.transform(data).values  # (frame, cv)"]
    if result.embedding.shape[1] == 1:
        lines += [
            f"profile = fel.plots.free_energy_profile(cvs[:, 0]{weights})  # kT",
            'fel.plots.save(fel.plots.plot_profile(profile), "free-energy.svg")',
        ]
    else:
        lines += [
            f"surface = fel.plots.free_energy_surface(cvs[:, :2]{weights})  # kT",
            'fel.plots.save(fel.plots.plot_free_energy(surface), "free-energy.svg")',
        ]
    return _text(*lines)


def states_code(session: Session, result: Result, name: str) -> str:
    """States, their lifetimes, and the survival curve of one."""
    level = "" if result.tree is None else f", level={result.level}"
    chosen = selected_state(session)
    state = int(np.bincount(result.state).argmax()) if chosen is None else chosen
    title, unit = session.state_name(state), session.dataset.attrs["time_unit"]
    numbers = '(float(life[n]) for n in ("mean_lifetime", "lower", "upper"))'
    lines = ["# merging and splitting of states on the page is not in this script"] * result.edited
    return _text(
        *lines,
        f"states = {name}.predict(data{level})  # (frame,)",
        f"memberships = {name}.predict_proba(data{level})  # (frame, state)",
        "lifetimes = fel.kinetics.lifetimes(states)",
        "print(lifetimes.to_dataframe())",
        f"life = lifetimes.sel(state={state})  # {title}",
        f"curve = fel.kinetics.survival(fel.kinetics.dwells(states).of({state}))",
        f'shown = fel.plots.Survival({title!r}, "{result.colours([state])[state]}", curve, *{numbers})',
        f'fel.plots.save(fel.plots.plot_survival([shown], time_unit="{unit}"), "survival.svg")',
    )


def kinetics_code(session: Session, result: Result, name: str) -> str:
    """Rates of the master equation, implied time scales and the Chapman-Kolmogorov test."""
    lag = default_lag(result, session.dataset)
    lags = lag_times(lag, session.dataset)
    n_timescales = int(np.clip(len(np.unique(result.state)) - 1, 1, 5))
    return _text(
        f"rates = fel.kinetics.CoarseMasterEquation(lag_time={lag!r}, n_bootstraps={BOOTSTRAPS})",
        "print(rates.fit(memberships).to_dataset())",
        f"timescales = fel.kinetics.implied_timescales(states, {lags}, n_timescales={n_timescales})",
        'fel.plots.save(fel.plots.plot_implied_timescales(timescales), "timescales.svg")',
        f"test = fel.kinetics.ck_test(states, {lag!r}, n_bootstraps={BOOTSTRAPS})",
        f"names = { ({s: session.state_name(s) for s in result.states()})!r}",
        'fel.plots.save(fel.plots.plot_ck_test(test, names), "ck-test.svg")',
    )


def path_code(session: Session, result: Result, name: str) -> str:
    """The path through the anchors, and its frames."""
    way = session.way
    columns = [result.cv_names.index(axis) for axis in way.route.axes]
    anchors = [tuple(round(float(value), 6) for value in anchor) for anchor in way.route.anchors]
    weights = ', data["weight"].values' if "weight" in session.dataset else ""
    return _text(
        f"positions = cvs[:, {columns}]",
        f"surface = fel.plots.free_energy_surface(positions{weights})",
        f'path = fel.structures.path(positions, data, {anchors}, "{way.path.kind}", free_energy=surface)',
        *(['fel.structures.export_frames(trajs, path.frames, "path.pdb")'] if session.trajectories else []),
    )


def selection_code(session: Session) -> dict[str, str]:
    """The frames of a selected state and their representatives; a lasso can't be said in a line."""
    state = selected_state(session)
    if state is None or session.trajectories is None:
        return {}
    code = _text(
        f"frames = np.flatnonzero(states.values == {state})",
        f"typical = fel.structures.representatives(cvs, data, n={N_STRUCTURES}, frames=frames)",
        'fel.structures.export_frames(trajs, typical.frames, "structures.pdb")',
    )
    return {"Structures of the selected state": code}


def _text(*lines) -> str:
    return "\n".join(lines) + "\n"
