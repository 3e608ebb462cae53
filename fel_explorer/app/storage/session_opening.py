"""Opening of sessions that `session_folder.save_session` wrote."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from fel_explorer.app.session import pinned, selection_origin
from fel_explorer.app.session.certificates import keep_certificate
from fel_explorer.app.session.pinned import Pinned
from fel_explorer.app.session.result import Merge, Result, Split
from fel_explorer.app.session.selection import PathAnchors, Point, Selection
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.input_files import outside
from fel_explorer.app.storage.session_folder import (
    ABOUT,
    ARRAYS,
    CERTIFICATES,
    KEPT,
    MODELS,
    SIMULATORS,
    VERSION,
    data_folder,
    is_session,
    saved_sets,
)
from fel_explorer.app.storage.session_schema import (
    LARGEST_JSON,
    check_numbers,
    damaged,
    read_about,
    read_arrays,
)
from fel_explorer.app.views.simulate.simulation import Trained
from fel_explorer.data import open_dataset, trajectories_of
from fel_explorer.data.dataset_files import named_files, without_files
from fel_explorer.errors import FelError
from fel_explorer.methods import LatentSpaceSimulator, load_model
from fel_explorer.methods.assessment.certificate import Certificate
from fel_explorer.progress import Progress

log = logging.getLogger("fel_explorer")


def open_session(path, *, root: Path | None = None, callback=None) -> Session:
    """The session that `save_session` wrote to ``path``.

    Fields that are missing get their defaults; a warning in the log says what was lost.

    Parameters
    ----------
    root
        Folder below which trajectory files may lie; those elsewhere are not opened.  None for all.

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
        return _open(path, about, root, callback)
    except FelError:
        raise
    except Exception as error:  # parts that don't fit each other fail in many ways
        raise damaged(path, " ".join(f"{type(error).__name__}: {error}".split())[:120]) from error


def _open(path, about, root, callback) -> Session:
    session = _open_data(path, about, root)
    n_frames = session.dataset.sizes["frame"]
    check_numbers(about, n_frames)
    for i, entry in enumerate(about["results"]):
        if callback is not None:
            callback(Progress(i, len(about["results"]), message=f"opening {entry['label']}"))
        method = load_model(path / MODELS / f"{i}.fel")
        seconds = float("nan") if entry.get("seconds") is None else entry["seconds"]
        features = entry.get("features", session.feature_set)
        made = Result.of(entry["label"], method, session.feature_sets[features], seconds, entry["partial"])
        if "remark" in entry:
            made = made.refining(None, entry["remark"], _hues(entry, made))
        session.add_result(made, show=False, feature_set=features)
        _load_certificate(made, path / CERTIFICATES / f"{i}.json")
    session.simulators = _load_simulators(session, about.get("simulators", []), path / SIMULATORS)
    _restore(session, about, read_arrays(path / ARRAYS, n_frames, len(about["edits"])))
    return session


def _hues(entry, result) -> dict[str, int]:
    """The saved hues of a tree, if they are those of all of its nodes."""
    hues = entry.get("hues", {})
    return hues if result.tree is not None and hues.keys() == set(result.tree) else {}


def _open_data(path, about, root) -> Session:
    """A session on the saved feature sets, without results."""
    sets = saved_sets(about)
    saved = {entry["name"]: open_dataset(path / data_folder(i)) for i, entry in enumerate(sets)}
    named = [file for data in saved.values() for file in named_files(data)]
    if root is not None and (elsewhere := outside(root, named)):
        saved = {name: without_files(data) for name, data in saved.items()}
        log.warning(
            "The trajectory files of '%s', such as '%s', lie outside of the folder that this page may read: "
            "there are no structures. Start fel-explorer with --root FOLDER to allow another folder.",
            path.name,
            str(elsewhere[0])[:200],
        )
    dataset = saved[about.get("feature_set", "")]
    session = Session(dataset, trajectories_of(dataset))
    if "feature_sets" in about:
        session.param.update(feature_sets=saved, feature_set=about["feature_set"])
    return session


def opening_session(path, root: Path | None = None):
    """The job that opens a session, see `open_session`; its result is the `Session`."""

    def run(report, should_stop):
        return open_session(path, root=root, callback=report)

    return run


def adopt(session: Session, saved: Session) -> None:
    """Make ``session`` what ``saved`` is; arrays are shared."""
    session.load(saved.dataset, saved.trajectories)
    session.param.update(**{name: getattr(saved, name) for name in KEPT})
    session.add_earlier([saved.earlier(name) for name in saved.earlier_data])


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


def _load_certificate(result, file) -> None:
    """Give a result its saved certificate; one that is damaged is left out, with a warning in the log."""
    if not file.is_file():
        return
    try:
        if file.stat().st_size > LARGEST_JSON:
            raise ValueError(f"{file.stat().st_size:,} bytes")
        keep_certificate(result, Certificate.from_json(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        log.warning(
            "The certificate of '%s' can't be read (%s). Certify it again; the rest is as it was saved.",
            result.label,
            error,
        )


def _load_simulators(session, entries, folder) -> list[Trained]:
    """With the session's own models as encoders."""
    loaded = []
    for i, entry in enumerate(entries):
        simulator = LatentSpaceSimulator.load(folder / f"{i}.fel")
        simulator.encoder = session.results[entry["label"]].method
        loaded.append(Trained(simulator, entry["partial"]))
    return loaded
