"""A session as a folder: dataset, models, states, selection and view, to be opened again.

The folder holds ``data.zarr`` (which names its trajectory files; further feature sets are ``data-1.zarr``,
...), ``models/*.fel``, ``simulators/*.fel``, ``session.json`` and ``arrays.npz`` (selection, and the states
that were merged or split).  Nothing in it is executed when it is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.session import pinned, selection_origin
from fel_explorer.app.session.pinned import Pinned
from fel_explorer.app.session.result import Merge, Result, Split
from fel_explorer.app.session.selection import PathAnchors, Point, Selection
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_schema import check_numbers, damaged, read_about, read_arrays
from fel_explorer.app.views.simulate.simulation import Trained, simulator_of
from fel_explorer.data import open_dataset, save_dataset, trajectories_of
from fel_explorer.data.atomic_folders import recover, whole_or_nothing, write_error
from fel_explorer.errors import FelError
from fel_explorer.methods import LatentSpaceSimulator, load_model
from fel_explorer.progress import Progress

KEPT = "feature_sets feature_set dataset features_of results active levels edits state_names".split()
KEPT += "selection point path_anchors colour_by".split()
KEPT += [
    "frame",
    "representation",
    "pinned",
    "simulators",
    "energy_unit",
    "temperature",
    "axes",
    "axes_beside",
    "beside",
]
ENDING = ".session"
VERSION = 2  # of sessions with several feature sets; others are of version 1, which older programs read
ABOUT, ARRAYS, DATA, MODELS = "session.json", "arrays.npz", "data.zarr", "models"
SIMULATORS = "simulators"


def is_session(path) -> bool:
    """Whether a folder holds a saved session."""
    return (recover(Path(path)) / ABOUT).is_file()


def save_session(session: Session, path, *, callback=None) -> Path:
    """Write ``session`` to the folder ``path``, whole or not at all; a session that is there is replaced.

    A dataset that did not change since the folder was written is not written again.

    Raises
    ------
    FelError
        If there is no dataset, ``path`` holds something else than a session, or it can't be written.
    """
    path = Path(path).expanduser()
    if session.dataset is None:
        raise FelError("Nothing is loaded.", remedy="Load trajectories or a dataset before saving a session.")
    if path.exists() and not is_session(path):
        raise FelError(
            f"'{path.name}' exists and is not a saved session.",
            "Only sessions are replaced.",
            "Use another name.",
        )
    try:
        with whole_or_nothing(path, replace=True) as made:
            _write(session, made, path, callback)
    except OSError as error:
        raise write_error(error, f"The session '{path.name}' can't be saved") from error
    return path


def _write(session, made, path, callback) -> None:
    """Write ``session`` to the new folder ``made``, with the unchanged datasets of the save at ``path``."""
    (made / MODELS).mkdir(parents=True)
    about, arrays = _described(session), _arrays(session)
    for i, (label, result) in enumerate(session.results.items()):
        if callback is not None:
            callback(Progress(i, len(session.results) + 1, message=f"saving {label}"))
        result.method.save(made / MODELS / f"{i}.fel")
    _save_simulators(session, made / SIMULATORS)
    np.savez_compressed(made / ARRAYS, **arrays)
    (made / ABOUT).write_text(json.dumps(about, indent=1))
    kept = _kept_datasets(path, about)
    for i, dataset in enumerate(session.feature_sets.values()):
        folder = _data_folder(i)
        if folder in kept:
            _link(path / kept[folder], made / folder)
        else:
            save_dataset(dataset, made / folder)


def _simulators(session) -> list[tuple[str, Trained]]:
    """Simulators with the label of the result that is their encoder; reports are not saved."""
    found = ((label, simulator_of(session, result.method)) for label, result in session.results.items())
    return [(label, trained) for label, trained in found if trained is not None]


def _save_simulators(session, folder) -> None:
    folder.mkdir()
    for i, (_, trained) in enumerate(_simulators(session)):
        trained.simulator.save(folder / f"{i}.fel")


def _load_simulators(session, entries, folder) -> list[Trained]:
    """With the session's own models as encoders."""
    loaded = []
    for i, entry in enumerate(entries):
        simulator = LatentSpaceSimulator.load(folder / f"{i}.fel")
        simulator.encoder = session.results[entry["label"]].method
        loaded.append(Trained(simulator, entry["partial"]))
    return loaded


def _kept_datasets(path, about) -> dict[str, str]:
    """{folder: its folder in an older save} of the datasets that did not change since that was written."""
    if not is_session(path):
        return {}
    try:
        old = read_about(path / ABOUT)
    except FelError:  # damaged: all is written anew
        return {}
    there = {_identity(entry): _data_folder(i) for i, entry in enumerate(_saved_sets(old))}
    found = ((_data_folder(i), there.get(_identity(e))) for i, e in enumerate(about["feature_sets"]))
    return {folder: at for folder, at in found if at is not None}


def _data_folder(i: int) -> str:
    """Folder of the feature set ``i``."""
    return f"data-{i}.zarr" if i else DATA


def _identity(entry) -> str:
    return json.dumps([entry["fingerprint"], entry["columns"]], sort_keys=True)


def _saved_sets(about) -> list[dict]:
    """Feature sets of a session; of one that was saved before there were several, its dataset."""
    one = {"name": "", "fingerprint": about.get("fingerprint"), "columns": about["columns"]}
    return about.get("feature_sets", [one])


def _link(old: Path, new: Path) -> None:
    """Put a folder that did not change at a further path, without a copy of its files where that goes."""

    def link(source, target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(old, new, copy_function=link)


def _columns(dataset) -> dict:
    """{name: digest} of the per-frame columns, which the fingerprint does not see."""
    return {
        str(name): hashlib.blake2b(np.ascontiguousarray(column.values), digest_size=12).hexdigest()
        for name, column in dataset.data_vars.items()
        if column.dims == ("frame",)
    }


def _described(session) -> dict:
    point, anchors = session.point, session.path_anchors
    return {
        "version": 1 if len(session.feature_sets) == 1 else VERSION,
        "fingerprint": featurize_and_train.fingerprint(session.dataset),
        "columns": _columns(session.dataset),
        "feature_set": session.feature_set,
        "feature_sets": [
            {
                "name": name,
                "fingerprint": featurize_and_train.fingerprint(dataset),
                "columns": _columns(dataset),
            }
            for name, dataset in session.feature_sets.items()
        ],
        "results": [
            {
                "label": label,
                "features": session.features_of[label],
                "seconds": None if np.isnan(result.seconds) else result.seconds,
                "partial": result.partial,
            }
            for label, result in session.results.items()
        ],
        "simulators": [
            {"label": label, "partial": trained.partial} for label, trained in _simulators(session)
        ],
        "active": session.active,
        "levels": session.levels,
        "colour_by": session.colour_by,
        "energy_unit": session.energy_unit,
        "temperature": session.temperature,
        "frame": session.frame,
        "names": [[*key, name] for key, name in session.state_names.items()],
        "edits": [list(key) for key in session.edits],
        "edited_by": [[_change(one) for one in edit.changes] for edit in session.edits.values()],
        "selected_by": session.selection.how,
        "selected_in": selection_origin.to_json(session.selection.steps),
        "axes": session.axes,
        "axes_beside": session.axes_beside,
        "beside": session.beside,
        "point": None
        if point is None
        else [point.model, list(map(float, point.position)), point.frame, point.distance, point.off_manifold],
        "looks": session.representation,
        "pinned": pinned.to_json(session.pinned),
        "route": None if anchors is None else [list(anchors.axes), [list(a) for a in anchors.anchors]],
    }


def _arrays(session) -> dict:
    arrays = {"selection": np.packbits(session.selection.mask)} | pinned.arrays(session.pinned)
    for i, edit in enumerate(session.edits.values()):
        arrays[f"membership {i}"], arrays[f"state {i}"] = edit.membership, edit.state
        for j, change in enumerate(edit.changes):
            if isinstance(change, Split):
                arrays[f"split {i} {j}"] = np.packbits(change.selection.mask)
    return arrays


def _change(change) -> dict:
    """A merge or a split without its frames, as JSON types."""
    if isinstance(change, Merge):
        return {"merged": change.states}
    selection = change.selection
    return {"split": change.state, "how": selection.how, "steps": selection_origin.to_json(selection.steps)}


def _changes(about, i, arrays, n_frames) -> tuple:
    """The edit ``i``, saved as JSON types."""
    found = []
    for j, one in enumerate(about):
        if "merged" in one:
            found.append(Merge(tuple(one["merged"])))
        else:
            mask = _mask(arrays[f"split {i} {j}"], n_frames)
            selection = Selection(mask, one["how"], selection_origin.from_json(one["steps"]))
            found.append(Split(one["split"], selection))
    return tuple(found)


def _mask(bits, n_frames) -> np.ndarray:
    if bits.shape != (-(-n_frames // 8),):
        raise ValueError(f"a selection of {bits.size * 8} instead of {n_frames} frames")
    return np.unpackbits(bits)[:n_frames].astype(bool)


def open_session(path, *, callback=None) -> Session:
    """The session that `save_session` wrote to ``path``.

    Raises
    ------
    FelError
        If there is no session, it is of a newer version, or a part of it is missing or damaged.
    """
    path = Path(path).expanduser()
    if not is_session(path):
        raise FelError(
            f"'{path.name}' is not a saved session.",
            f"A session is a folder with a {ABOUT}.",
            "Choose a folder that was saved by the explorer.",
        )
    about = read_about(path / ABOUT)
    if about["version"] > VERSION:
        raise FelError(
            f"'{path.name}' was saved by a newer fel_explorer (version {about['version']} of the format).",
            f"This one reads up to version {VERSION}.",
            "Update fel_explorer.",
        )
    try:
        return _open(path, about, callback)
    except FelError:
        raise
    except Exception as error:  # parts that don't fit each other fail in many ways
        raise damaged(path, " ".join(f"{type(error).__name__}: {error}".split())[:120]) from error


def _open(path, about, callback) -> Session:
    session = _open_data(path, about)
    n_frames = session.dataset.sizes["frame"]
    check_numbers(about, n_frames)
    for i, entry in enumerate(about["results"]):
        if callback is not None:
            callback(Progress(i, len(about["results"]), message=f"opening {entry['label']}"))
        method = load_model(path / MODELS / f"{i}.fel")
        seconds = float("nan") if entry.get("seconds") is None else entry["seconds"]
        features = entry.get("features", session.feature_set)
        made = Result.of(entry["label"], method, session.feature_sets[features], seconds, entry["partial"])
        session.add_result(made, show=False, feature_set=features)
    session.simulators = _load_simulators(session, about.get("simulators", []), path / SIMULATORS)
    _restore(session, about, read_arrays(path / ARRAYS, n_frames, len(about["edits"])))
    return session


def _open_data(path, about) -> Session:
    """A session on the saved feature sets, without results."""
    sets = _saved_sets(about)
    saved = {entry["name"]: open_dataset(path / _data_folder(i)) for i, entry in enumerate(sets)}
    dataset = saved[about.get("feature_set", "")]
    session = Session(dataset, trajectories_of(dataset))
    if "feature_sets" in about:
        session.param.update(feature_sets=saved, feature_set=about["feature_set"])
    return session


def opening_session(path):
    """The job that opens a session; its result is the `Session`."""

    def run(report, should_stop):
        return open_session(path, callback=report)

    return run


def adopt(session: Session, saved: Session) -> None:
    """Make ``session`` what ``saved`` is; arrays are shared."""
    session.load(saved.dataset, saved.trajectories)
    session.param.update(**{name: getattr(saved, name) for name in KEPT})


def _check_edit(made, n_frames) -> None:
    membership, state = made["membership"], made["state"]
    if membership.ndim != 2 or len(membership) != n_frames or state.shape != (n_frames,):
        raise ValueError("edited states of other frames")
    if not (np.isfinite(membership).all() and 0 <= state.min() and state.max() < membership.shape[1]):
        raise ValueError("edited states that are not valid")


def _restore(session, about, arrays) -> None:
    n_frames = session.dataset.sizes["frame"]
    mask, edits, edited_by = _mask(arrays["selection"], n_frames), {}, about["edited_by"]
    for i, (label, level) in enumerate(about["edits"]):
        shown = session.results[label].at(level)
        made = {"membership": arrays[f"membership {i}"], "state": arrays[f"state {i}"]}
        _check_edit(made, n_frames)
        changes = _changes(edited_by[i], i, arrays, n_frames) if edited_by else ()
        edits[label, level] = replace(shown, **made, levels=(), edited=True, changes=changes)
    point, anchors = about["point"], about["route"]
    session.param.update(
        active=about["active"],
        levels=about["levels"],
        edits=edits,
        state_names={(label, level, state): name for label, level, state, name in about["names"]},
        selection=Selection(mask, about["selected_by"], selection_origin.from_json(about.get("selected_in"))),
        point=None if point is None else Point(point[0], np.array(point[1]), *point[2:]),
        path_anchors=None
        if anchors is None
        else PathAnchors(tuple(anchors[0]), tuple(map(tuple, anchors[1]))),
        colour_by=about["colour_by"],
        energy_unit=about.get("energy_unit", "kT"),
        temperature=about.get("temperature", 300.0),
        representation=about.get("looks", {}),  # of sessions that were saved before there were any
        pinned=pinned.from_json(about["pinned"], arrays) if "pinned" in about else Pinned(),
        axes=tuple(about.get("axes", ("", ""))),
        axes_beside=tuple(about.get("axes_beside", ("", ""))),
        beside=about.get("beside", ""),
        frame=about["frame"],
    )
