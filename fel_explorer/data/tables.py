"""Tables of per-frame values as other programs write them: COLVAR, XVG, CSV, TSV, columns of text."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from fel_explorer.data.separated_values import READ, check_names, number_in, read_rows, unreadable
from fel_explorer.errors import FelError

OPENERS: dict[str, Callable] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
LONGEST_LINE = 500_000  # characters
HEAD = 2**20  # bytes that are read to know the names of the columns
TO_PS = {"fs": 1e-3, "ps": 1.0, "ns": 1e3, "us": 1e6, "µs": 1e6, "μs": 1e6, "ms": 1e9}
SPREADSHEETS = {".xlsx", ".xls", ".ods"}


@dataclass
class Table:
    """Columns of a table with what it says of them.

    Attributes
    ----------
    values
        The columns; "time" in ps where it has one.
    units
        {column: unit}.
    periods
        {column: (lowest, highest value)} of those that are periodic.
    """

    values: pd.DataFrame
    units: dict[str, str] = field(default_factory=dict)
    periods: dict[str, tuple[float, float]] = field(default_factory=dict)


def read_table(path: Path, n_rows: int | None = None) -> Table:
    """Read a table; ``n_rows`` only its first rows.

    Raises
    ------
    FelError
        If there is no such file, or it is not a table that is read here; says why.
    """
    lines = _lines(path, n_rows)
    first = next((line for line in lines if line.strip()), "")
    try:
        if any(line.startswith("#! FIELDS") for line in lines):
            table = _colvar(path, lines)
        elif path.name.lower().removesuffix(path.suffix.lower() if path.suffix in OPENERS else "").endswith(
            ".xvg"
        ) or first.startswith("@"):
            table = _xvg(path, lines)
        else:
            table = Table(read_rows(path, lines))
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        if isinstance(error, FelError):
            raise
        raise unreadable(path, str(error).splitlines()[0]) from error
    if table.values.empty:
        raise FelError(f"The table '{path}' has no rows.", "One row per frame is needed.")
    return split_units(table)


def _lines(path: Path, n_rows: int | None) -> list[str]:
    if not path.is_file():
        raise FelError(f"The table '{path}' does not exist.", remedy="Check the path.")
    if path.suffix.lower() == ".edr":
        raise FelError(
            f"'{path}' is a GROMACS energy file, which is not read here.",
            "Tables are CSV, XVG or COLVAR files.",
            "Turn it into a table with gmx energy, or with panedr: edr_to_df(path).to_csv('energies.csv').",
        )
    if path.suffix.lower() in SPREADSHEETS:
        raise FelError(f"'{path}' is a spreadsheet, which is not read here.", READ, "Save it as CSV.")
    try:
        with path.open("rb") as raw, _unpacked(path, raw) as stream:
            content = stream.read(HEAD) if n_rows is not None else stream.read()
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise unreadable(path, str(error)) from error
    if b"\0" in content[: 2**16]:
        raise unreadable(path, "it is not text")
    lines = content.decode("utf-8-sig", errors="replace").splitlines()
    longest = max(range(len(lines)), key=lambda i: len(lines[i]), default=0)
    if lines and len(lines[longest]) > LONGEST_LINE:
        raise unreadable(path, f"line {longest + 1} has {len(lines[longest]):,} characters")
    if n_rows is not None and len(content) == HEAD:
        lines = lines[:-1]
    return lines if n_rows is None else _head(lines, n_rows)


def _unpacked(path: Path, raw: BinaryIO) -> BinaryIO:
    """The content of an open file, unpacked by its extension."""
    opener = OPENERS.get(path.suffix.lower())
    return raw if opener is None else opener(raw)


def _head(lines: list[str], n_rows: int) -> list[str]:
    """The comments at the beginning and some lines after."""
    start = next((i for i, line in enumerate(lines) if line.strip() and line[0] not in "#@"), len(lines))
    return lines[: start + n_rows + 1]


# ---- COLVAR


def _colvar(path: Path, lines: list[str]) -> Table:
    """PLUMED's format: the columns are those of the last FIELDS line before each row."""
    fields: list[str] | None = None
    blocks: list[tuple[list[str], list[list[str]]]] = []
    settings: dict[str, float] = {}
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    for number, line in rows:
        if line.startswith("#! FIELDS"):
            fields = line.split()[2:]
            check_names(path, fields)
            blocks.append((fields, []))
        elif line.startswith("#! SET"):
            words = line.split()
            if len(words) == 4 and (value := number_in(words[3])) is not None:
                settings[words[2]] = value
        elif not line.lstrip().startswith("#"):
            values = line.split()
            if fields is None:
                raise unreadable(path, f"line {number} has values before the first line of FIELDS")
            if len(values) != len(fields):
                if number == rows[-1][0] and len(values) < len(fields):
                    break  # the line that is being written
                raise unreadable(path, f"line {number} has {len(values)} values for {len(fields)} fields")
            blocks[-1][1].append(values)
    names = blocks[0][0]
    for other, _ in blocks:
        if set(other) != set(names):
            differ = ", ".join(sorted(set(other) ^ set(names)))
            raise unreadable(path, f"its FIELDS lines have different columns: {differ}")
    parts = [
        np.array(values, float)[:, [own.index(name) for name in names]] for own, values in blocks if values
    ]
    array = np.concatenate(parts) if parts else np.zeros((0, len(names)))
    periods = {
        name: (settings[f"min_{name}"], settings[f"max_{name}"])
        for name in names
        if f"min_{name}" in settings and f"max_{name}" in settings
    }
    return Table(pd.DataFrame(array, columns=names), {}, periods)


# ---- XVG


def _xvg(path: Path, lines: list[str]) -> Table:
    """GROMACS' format for Grace: names and units in lines that begin with @."""
    legends: dict[int, str] = {}
    labels = {"xaxis": "", "yaxis": ""}
    rows: list[list[str]] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if legend := re.match(r'@\s*s(\d+)\s+legend\s+"(.*)"', text):
            legends[int(legend[1])] = legend[2]
        elif label := re.match(r'@\s*([xy]axis)\s+label\s+"(.*)"', text):
            labels[label[1]] = label[2]
        elif text == "&":
            if any(rest.strip() and rest.strip()[0] not in "@#&" for rest in lines[number:]):
                raise unreadable(path, f"it holds several sets of data, the second after line {number}")
        elif text and text[0] not in "@#":
            rows.append(text.split())
            if len(rows) == 1:
                check_names(path, rows[0])
            if len(rows[-1]) != len(rows[0]):
                if not any(rest.strip() for rest in lines[number:]):
                    rows.pop()  # the line that is being written
                else:
                    counts = f"{len(rows[-1])} values, others have {len(rows[0])}"
                    raise unreadable(path, f"line {number} has {counts}")
    if not rows:
        return Table(pd.DataFrame())
    names = [labels["xaxis"] or "x"]
    check_names(path, [*legends.values(), *labels.values()])
    unit = re.search(r"[\[(]([^\])]+)[\])]\s*$", labels["yaxis"])
    for column in range(len(rows[0]) - 1):
        name = legends.get(column) or (labels["yaxis"] if len(rows[0]) == 2 else "") or f"y{column}"
        if column in legends and unit and not re.search(r"[\[(].+[\])]\s*$", name):
            name = f"{name} ({unit[1]})"
        names.append(name)
    return Table(pd.DataFrame(np.array(rows, float), columns=[_plain(name) for name in names]))


def _plain(label: str) -> str:
    r"""A label without Grace's marks such as ``\S`` and ``\N``."""
    return re.sub(r"\\(?:f\{[^}]*\}|[A-Za-z0-9+.-])", "", label).strip()


# ---- units


def split_units(table: Table) -> Table:
    """Names without the units that they hold, such as "energy [kJ/mol]"; "time" in ps."""
    matches = {str(c): re.fullmatch(r"(.+?)\s*[\[(]([^\])]+)[\])]", str(c)) for c in table.values.columns}
    names = {c: m.group(1) if m else c for c, m in matches.items()}
    names = {c: "time" if name.lower() == "time" else name for c, name in names.items()}
    values = table.values.set_axis([names[str(c)] for c in table.values.columns], axis="columns")
    if repeated := values.columns[values.columns.duplicated()].tolist():
        raise FelError(f"The table has two columns '{repeated[0]}'.", "Each name may come once.")
    units = table.units | {names[c]: m.group(2) for c, m in matches.items() if m}
    if "time" in values and (unit := units.pop("time", "ps")) not in TO_PS:
        values = values.drop(columns="time")  # no time that frames could be found by
    elif "time" in values and values["time"].dtype.kind in "iuf":
        values = values.assign(time=values["time"] * TO_PS[unit])
    return Table(values, units, table.periods)
