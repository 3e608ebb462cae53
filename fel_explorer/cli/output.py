"""What commands write: tables as CSV or JSON, and progress on the terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fel_explorer import __version__
from fel_explorer.errors import FelError
from fel_explorer.progress import Progress

FORMATS = ("csv", "json")
STANDARD = "-"  # as a path: standard output


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length, and what they are of.

    Attributes
    ----------
    columns
        {name: (row,) values}.
    units
        {name: unit} of the columns that have one.
    about
        {name: JSON value}: settings and what holds for all rows; in JSON only.
    """

    columns: Mapping[str, Any]
    units: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def csv(self) -> str:
        """Lines of a CSV file; a unit stands behind its column's name in square brackets."""
        import pandas as pd

        heads = {name: f"{name} [{unit}]" for name, unit in self.units.items() if unit not in ("", "1")}
        frame = pd.DataFrame(dict(self.columns)).rename(columns=heads)
        return frame.to_csv(index=False, float_format="%.8g", lineterminator="\n")

    def json(self) -> str:
        """A JSON object with ``columns``, ``units`` and what the table is about; NaN is null."""
        values = {name: [_json(value) for value in column] for name, column in self.columns.items()}
        about = {"fel_explorer": __version__, **self.about, "units": dict(self.units), "columns": values}
        return json.dumps(about, allow_nan=False, default=_json) + "\n"


def _json(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return float(f"{value:.8g}") if np.isfinite(value) else None
    return value


def check_table_path(path: str | None) -> None:
    """Raise unless ``path`` ends in .csv or .json, before anything is computed for it."""
    if path is not None and path != STANDARD and Path(path).suffix.lower().lstrip(".") not in FORMATS:
        raise FelError(
            f"'{path}' for a table.", "Tables are written as .csv or .json.", "Add such an ending."
        )


def check_figure_path(path: str | None) -> None:
    """Raise unless a figure can be written as what ``path`` ends in."""
    kinds = ("svg", "pdf", "png")
    if path is not None and Path(path).suffix.lower().lstrip(".") not in kinds:
        raise FelError(
            f"'{path}' for a figure.", f"Figures are written as {', '.join(kinds)}.", "Add such an ending."
        )


def write_table(table: Table, path: str | None) -> None:
    """Write ``table`` to ``path``, whole or not at all; without one as CSV to standard output."""
    if path is None or path == STANDARD:
        sys.stdout.write(table.csv())
        return
    write_text(table.json() if path.lower().endswith(".json") else table.csv(), path)


def write_text(text: str, path: str | Path) -> None:
    """Write ``text`` to ``path``, whole or not at all; its folder is made."""
    from fel_explorer.data.atomic_folders import whole_file

    make_folder(path)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def make_folder(path: str | Path) -> None:
    """Make the folder in which ``path`` lies."""
    folder = Path(path).expanduser().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FelError(f"The folder '{folder}' can't be made: {error.strerror}.") from error


def bar(progress: Progress) -> None:
    """Show a progress on the terminal."""
    if not sys.stderr.isatty() and progress.step < progress.n_steps:
        return
    left = f", {progress.eta:.0f} s left" if progress.eta > 0 else ""
    print(f"\r{progress.message} {progress.step}/{progress.n_steps}{left}   ", end="", file=sys.stderr)
    if progress.step >= progress.n_steps:
        print(file=sys.stderr)


def meter(quiet: bool) -> Callable[[Progress], None]:
    """The callback of a command: `bar`, or one that shows nothing."""
    return _nothing if quiet else bar


def _nothing(progress: Progress) -> None:
    pass


def note(text: str, *, quiet: bool) -> None:
    """Print a remark to standard error, unless the command is quiet."""
    if not quiet:
        print(text, file=sys.stderr)
