"""The report's page: a summary of the shown model, from the data to the structures."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from importlib import metadata
from pathlib import Path

import fel_explorer
from fel_explorer.app.codegen import script
from fel_explorer.app.report import certificate, figures, structures
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.model.summary import summary
from fel_explorer.data import schema
from fel_explorer.data.atomic_folders import whole_file
from fel_explorer.data.molecule_names import molecule_text
from fel_explorer.errors import FelError
from fel_explorer.plots.quantities import time_text

STYLE = (Path(__file__).parent / "report.css").read_text()


def save_report(session: Session, path) -> Path:
    """Write `report_html` to ``path``."""
    path = Path(path)
    text = report_html(session)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def report_html(session: Session) -> str:
    """One HTML page with maps, tree, table, lifetimes, path, structures that turn, and the Python behind.

    Everything is inside the page: figures as SVG, the molecules and their viewer too.

    Raises
    ------
    FelError
        If no model is shown.
    """
    if session.shown is None:
        raise FelError("A report without a model.", remedy="Train a method, or show one of the trained.")
    date = _date()
    sections = [
        _section("Free-energy landscape", *figures.maps(session), note=figures.MAP),
        _section(f"Second map: {session.beside}", *figures.beside(session), note=figures.BESIDE),
        _section("States over time scales", *figures.tree(session), note=figures.TREE),
        _section("States", figures.table(session), note=figures.TABLE),
        _section("Is each state metastable?", *figures.survival(session), note=figures.SURVIVAL),
        _section("States over time", *figures.timeline(session), note=figures.TIMELINE),
        _section("Kinetics", figures.kinetics(session), note=figures.KINETICS),
        _section("Certificate", *certificate.certificate(session), note=certificate.NOTE),
        _section("Path", *figures.path(session), note=figures.PATH),
        _section("Pinned structures", structures.pins(session), note=structures.PINS),
        _section("Structures", *structures.viewer(session), note=structures.NOTE),
        _section("The same in Python", f"<pre>{escape(script.script(session))}</pre>"),
    ]
    title = f"{session.shown.label}: free-energy landscape"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>"
        f"{_facts(session, date)}{''.join(sections)}"
        f"<footer>Made by fel_explorer {fel_explorer.__version__}.</footer></main></body></html>\n"
    )


def _section(title: str, *parts: str, note: str = "") -> str:
    """A titled part of the page; nothing where there is nothing to show."""
    parts = [part for part in parts if part]
    if not parts:
        return ""
    about = f'<p class="note">{escape(note)}</p>' if note else ""
    return f'<section><h2>{escape(title)}</h2>{about}<div class="parts">{"".join(parts)}</div></section>'


def _facts(session: Session, date: datetime) -> str:
    """Data and method in a list."""
    dataset, result = session.dataset, session.shown
    unit, lengths = dataset.attrs["time_unit"], schema.trajectory_lengths(dataset)
    total = float(lengths.sum()) * schema.time_step(dataset)
    facts = {
        "Date": date.strftime("%Y-%m-%d %H:%M %Z"),
        "Versions": versions(),
        "Molecule": molecule_text(session.trajectories.topology) if session.trajectories is not None else "",
        "Found": summary(result, dataset) if result.state is not None else "",
        "Data": f"{len(lengths)} trajectories, {lengths.sum():,} frames, {time_text(total, unit)} in all",
        "Features": f"{dataset.sizes['feature']}: {_kinds(dataset)}",
        "Method": f"{type(result.method).__name__} ({_settings(result.method)})" * result.method.is_fitted,
        "Refinement": result.remark,
        "Selected": f"{session.selection.count:,} frames: {session.selection.how}"
        if session.selection.count
        else "",
    }
    rows = (f"<dt>{name}</dt><dd>{escape(fact)}</dd>" for name, fact in facts.items() if fact)
    return f"<dl>{''.join(rows)}</dl>"


def _date() -> datetime:
    """Now; or SOURCE_DATE_EPOCH (seconds), by which builds that must give the same files set the date."""
    fixed = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not fixed:
        return datetime.now().astimezone()
    try:
        return datetime.fromtimestamp(int(fixed), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise FelError(f"SOURCE_DATE_EPOCH={fixed[:40]}.", "It is a whole number of seconds.") from error


def versions() -> str:
    """Versions of this program and of what it computes with."""
    names = ("torch", "mdtraj", "numpy", "deeptime")
    own = [f"fel_explorer {fel_explorer.__version__}", f"Python {platform.python_version()}"]
    return _listed([*own, *(f"{name} {metadata.version(name)}" for name in names)])


def _kinds(dataset) -> str:
    names = [one["name"].replace("_", " ") for one in json.loads(dataset.attrs.get("featurizers", "[]"))]
    return _listed(names) or _listed(str(name) for name in dataset["feature"].values[:3]) + ", ..."


def _settings(method) -> str:
    return _listed(f"{name} {value}" for name, value in method.hyperparameters().items() if value is not None)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
