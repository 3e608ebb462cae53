"""Tables of separated values: CSV, TSV, and text in columns, with a line of names."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fel_explorer.errors import FelError

MAX_COLUMNS = 1_000
LONGEST_NAME = 500  # characters
READ = "Tables are CSV, TSV or text in columns, with a line of names; XVG; COLVAR; also as .gz, .bz2, .xz."


def unreadable(path: Path, why: str) -> FelError:
    """The error for a table that can't be read."""
    return FelError(f"The table '{path}' can't be read ({why}).", READ)


def check_names(path: Path, names: Sequence[str]) -> None:
    """Raise unless there are at most 1,000 names of columns, each of at most 500 characters."""
    if len(names) > MAX_COLUMNS:
        raise FelError(
            f"The table '{path}' has {len(names):,} columns.",
            f"Tables of per-frame values have up to {MAX_COLUMNS:,}.",
            "Keep the columns that you need; many numbers of a frame are features: fel.as_dataset.",
        )
    if longest := [name for name in names if len(name) > LONGEST_NAME]:
        raise unreadable(path, f"a name of {len(longest[0]):,} characters, '{longest[0][:40]}...'")


def number_in(text: str) -> float | None:
    """A number as PLUMED writes it: "-pi", "2*pi", "1.5"."""
    if match := re.fullmatch(r"([+-]?)(?:([\d.]+)\*)?pi(?:/([\d.]+))?", text):
        sign, factor, divisor = match.groups()
        return float(f"{sign}1") * float(factor or 1) * math.pi / float(divisor or 1)
    try:
        return float(text)
    except ValueError:
        return None


def read_rows(path: Path, lines: list[str]) -> pd.DataFrame:
    """Columns of a table whose rows hold a value for each name.

    Raises
    ------
    FelError
        If a row holds more or fewer values, text among numbers, or no time; says in which line.
    """
    rows = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    start = next((i for i, (_, line) in enumerate(rows) if not line.startswith("#")), len(rows))
    comments, rows = [line for _, line in rows[:start]], rows[start:]
    if not rows:
        if not comments:
            return pd.DataFrame()
        raise FelError(f"The table '{path}' has no rows.", "One row per frame is needed.")
    header, rows = _header(path, comments, rows)
    rows = [(number, row) for number, row in rows if not row.startswith("#")]
    names = [name.strip().strip('"').strip() for name in _cells(header)]
    check_names(path, names)
    if not rows:
        return pd.DataFrame(columns=names)
    separator = _separator(rows[0][1])
    n_cells = len(_cells(rows[0][1]))
    if n_cells == 1:
        names = [header.strip().strip('"').strip()]  # with blanks, such as "energy [kJ/mol]"
    if n_cells != len(names):
        raise unreadable(path, f"its line of names has {len(names)} columns, its first row {n_cells}")
    rows = _whole_rows(path, rows, separator, len(names))
    texts = [row for _, row in rows]
    if separator and header.rstrip().endswith(separator):
        texts = [row.rstrip().removesuffix(separator) for row in texts]
    decimal = "," if separator == ";" and "," in texts[0] and "." not in texts[0] else "."
    values = pd.read_csv(
        io.StringIO("\n".join(texts)),
        sep=r"\s+" if separator is None else separator,
        header=None,
        names=range(len(names)),
        index_col=False,
        decimal=decimal,
        skipinitialspace=True,
    )
    values = values.set_axis(names, axis="columns")
    values = values.drop(columns="") if "" in names else values  # an index without a name
    _check_values(path, values, [number for number, _ in rows])
    return values


def _header(
    path: Path, comments: list[str], rows: list[tuple[int, str]]
) -> tuple[str, list[tuple[int, str]]]:
    """Line of names, and the rows below."""
    if not _is_numeric(rows[0][1]):
        return rows[0][1], rows[1:]
    header = comments[-1].lstrip("#").strip() if comments else ""
    if header and len(_cells(header)) != len(_cells(rows[0][1])):
        header = ""
    if not header:
        raise unreadable(path, "it has no line of names, its first line is numbers")
    return header, rows


def _whole_rows(path: Path, rows, separator: str | None, expected: int) -> list[tuple[int, str]]:
    """Rows that hold a value for each name; a last one that is being written is left out."""
    for place, (number, row) in enumerate(rows):
        found = _count(row, separator)
        if found not in (expected, expected + 1) or (found > expected and len(_cells(row)) != expected):
            if place == len(rows) - 1 and place > 0 and found < expected:
                return rows[:-1]
            raise unreadable(path, f"line {number} has {found:,} values for {expected} columns")
        if not row.strip(f"{separator or ''} \t"):
            raise unreadable(path, f"line {number} has no values")
    return rows


def _count(row: str, separator: str | None) -> int:
    """Number of values in a row, with the empty one behind a separator at its end."""
    if separator is None:
        return len(row.split())
    if '"' in row:
        return len(next(csv.reader([row], delimiter=separator, skipinitialspace=True)))
    return row.count(separator) + 1


def _check_values(path: Path, values: pd.DataFrame, numbers: list[int]) -> None:
    """Raise for text in a column of numbers, and for a row without a time."""
    for place, name in enumerate(map(str, values.columns)):
        column = values.iloc[:, place]
        if column.dtype.kind not in "iuf":
            read = pd.to_numeric(column, errors="coerce")
            text = read.isna() & column.notna()
            if text.any() and not text.all():
                at = int(np.argmax(text))
                what = f"Column '{name}' holds '{str(column.iloc[at])[:40]}' in line {numbers[at]}"
                raise FelError(
                    f"{what} of '{path}'.", "Columns must be numbers.", "Correct it, or leave it out."
                )
        elif re.match(r"time\b", name, re.IGNORECASE) and not np.isfinite(column).all():
            at = int(np.argmin(np.isfinite(column)))
            raise unreadable(path, f"line {numbers[at]} has no time")


def _separator(line: str) -> str | None:
    """Tab, comma or semicolon; None for blanks."""
    return next((mark for mark in "\t;," if mark in line), None)


def _cells(line: str) -> list[str]:
    separator = _separator(line)
    if separator is None:
        return line.split()
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    return cells[:-1] if len(cells) > 1 and not cells[-1].strip() else cells


def _is_numeric(line: str) -> bool:
    decimal_comma = _separator(line) == ";"
    cells = [cell.replace(",", ".") if decimal_comma else cell for cell in _cells(line)]
    return all(number_in(cell.strip()) is not None for cell in cells if cell.strip())
