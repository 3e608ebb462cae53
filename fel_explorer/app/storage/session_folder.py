"""A session as a folder: dataset, models, states, selection and view, to be opened by `session_opening`.

The folder holds ``data.zarr`` (which names its trajectory files; further feature sets are ``data-1.zarr``,
...), ``models/*.fel``, ``certificates/*.json``, ``simulators/*.fel``, ``session.json`` and ``arrays.npz``
(selection, and the states that were merged or split).  Nothing in it is executed when it is opened.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.session import pinned, selection_origin
from fel_explorer.app.session.certificates import known_certificate
from fel_explorer.app.session.result import Merge, Split
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_schema import read_about
from fel_explorer.app.views.simulate.simulation import Trained, simulator_of
from fel_explorer.data import save_dataset
from fel_explorer.data.atomic_folders import link_folder, recover, whole_or_nothing, writing
from fel_explorer.errors import FelError
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
    "certified",
]
ENDING = ".session"
VERSION = 2  # of sessions with several feature sets; others are of version 1, which older programs read
ABOUT, ARRAYS, DATA, MODELS = "session.json", "arrays.npz", "data.zarr", "models"
SIMULATORS, CERTIFICATES = "simulators", "certificates"


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
    with writing(f"The session '{path.name}' can't be saved"), whole_or_nothing(path, replace=True) as made:
        _write(session, made, path, callback)
    return path


def _write(session, made, path, callback) -> None:
    """Write ``session`` to the new folder ``made``, with the unchanged datasets of the save at ``path``."""
    (made / MODELS).mkdir(parents=True)
    (made / CERTIFICATES).mkdir()
    about, arrays = _described(session), _arrays(session)
    for i, (label, result) in enumerate(session.results.items()):
        if callback is not None:
            callback(Progress(i, len(session.results) + 1, message=f"saving {label}"))
        result.method.save(made / MODELS / f"{i}.fel")
        if (certificate := known_certificate(result)) is not None:
            (made / CERTIFICATES / f"{i}.json").write_text(certificate.to_json(), encoding="utf-8")
    _save_simulators(session, made / SIMULATORS)
    np.savez_compressed(made / ARRAYS, **arrays)
    (made / ABOUT).write_text(json.dumps(about, indent=1))
    kept = _kept_datasets(path, about)
    for i, dataset in enumerate(session.feature_sets.values()):
        folder = data_folder(i)
        if folder in kept:
            link_folder(path / kept[folder], made / folder)
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


def _kept_datasets(path, about) -> dict[str, str]:
    """{folder: its folder in an older save} of the datasets that did not change since that was written."""
    if not is_session(path):
        return {}
    try:
        old = read_about(path / ABOUT)
    except FelError:  # damaged: all is written anew
        return {}
    there = {_identity(entry): data_folder(i) for i, entry in enumerate(saved_sets(old))}
    found = ((data_folder(i), there.get(_identity(e))) for i, e in enumerate(about["feature_sets"]))
    return {folder: at for folder, at in found if at is not None}


def data_folder(i: int) -> str:
    """Folder of the feature set ``i``."""
    return f"data-{i}.zarr" if i else DATA


def _identity(entry) -> str:
    return json.dumps([entry["fingerprint"], entry["columns"]], sort_keys=True)


def saved_sets(about) -> list[dict]:
    """Feature sets of a session; of one that was saved before there were several, its dataset."""
    one = {"name": "", "fingerprint": about.get("fingerprint"), "columns": about["columns"]}
    return about.get("feature_sets", [one])


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
                **({"remark": result.remark, "hues": result.hues} if result.remark else {}),
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
