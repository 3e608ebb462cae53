"""Checks of frames written as text (PDB, GRO), which name the line and the frame of a fault.

mdtraj reads fixed columns: of a line that was cut it takes the digits that are left as a coordinate, and it
compares the atoms of frames by their number only.
"""

from __future__ import annotations

import functools
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from fel_explorer.errors import FelError

COORDINATES = {"x": slice(30, 38), "y": slice(38, 46), "z": slice(46, 54)}  # of a PDB record
NUMBER = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *")
NOT_FINITE = re.compile(r" *[+-]?(nan|inf)(inity)? *", re.IGNORECASE)  # are reported with the atom later
DECIMALS = re.compile(r"( *[+-]?\d*\.\d*)+")
TIME = re.compile(r"t *= *[+-]?[\d.]")
MAX_NAMED = 40  # characters of a line in an error
REMEDY = "Copy the file again, or cut it before that frame."


def check_frames(part: Path, ending: str, path: Path) -> None:
    """Raise a `FelError` for the first line of ``part``, the complete frames of ``path``, that is damaged."""
    check = {".pdb": _check_pdb, ".pdb.gz": _check_pdb, ".gro": _check_gro}.get(ending)
    if check is not None and part.is_file():
        status = part.stat()
        _checked(check, part, path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=256)  # a file is opened for its atoms, for its first look and for its frames
def _checked(check, part, path, _changed, _size) -> None:
    opened = gzip.open if part.suffix == ".gz" else open
    with opened(part, "rt", errors="replace") as lines:
        check(path, lines)


def _damaged(path: Path, number: int, frame: int, what: str, valid: str) -> FelError:
    return FelError(f"'{path}', line {number} (frame {frame}): {what}.", valid, REMEDY)


def _check_pdb(path: Path, lines: Iterator[str]) -> None:
    first: list[str] = []  # atoms of the first model
    ended, opened, several, frame, count = False, False, False, 0, 0
    for number, line in enumerate(lines, 1):
        record = line[:6]
        if record in ("MODEL ", "ENDMDL") or line.startswith("MODEL"):
            several = True
            if count or opened:
                _compare_counts(path, number, frame, count, len(first))
                frame, count, ended = frame + 1, 0, True
            opened = record != "ENDMDL"
        elif record in ("ATOM  ", "HETATM"):
            _check_record(path, number, frame, line)
            name = f"{line[12:16].strip()} of {line[17:20].strip()}"
            if not ended:
                first.append(name)
            elif several and count < len(first) and name != first[count]:
                what = f"atom {count + 1} is {name}, in the first frame {first[count]}"
                raise _damaged(path, number, frame, what, "All frames hold the same atoms in the same order.")
            count += 1


def _check_record(path: Path, number: int, frame: int, line: str) -> None:
    text = line.rstrip("\n")
    decimals = {axis: text[place].partition(".")[2].strip() for axis, place in COORDINATES.items()}
    for axis, place in COORDINATES.items():
        field = text[place]
        cut = axis == "z" and len(text) < place.stop and len(decimals["z"]) != len(decimals["x"])
        if cut or not (NUMBER.fullmatch(field) or NOT_FINITE.fullmatch(field)):
            what = f"its {axis} coordinate is '{field}'" if field.strip() else f"it has no {axis} coordinate"
            valid = "Columns 31 to 54 of an atom's record hold three numbers of eight characters each."
            raise _damaged(path, number, frame, what, valid)


def _compare_counts(path: Path, number: int, frame: int, count: int, expected: int) -> None:
    if count != expected or count == 0:
        what = f"the frame that ends here has {count} atoms, the first has {expected}"
        raise _damaged(path, number, frame, what, "All frames hold the same atoms.")


def _check_gro(path: Path, lines: Iterator[str]) -> None:
    first: list[str] = []
    number, frame, timed = 0, 0, False
    numbered = enumerate(lines, 1)
    for number, title in numbered:
        number, count = next(numbered, (number, ""))
        if not title.strip() and not count.strip():
            return  # blank lines at the end
        expected = _atoms_in_frame(path, number, frame, count, len(first))
        if expected == 0:
            return  # not a GRO file, which mdtraj says
        if frame == 0:
            timed = bool(TIME.search(title))
        elif timed and not TIME.search(title):
            raise _damaged(path, number - 1, frame, "its title holds no time", "Other titles hold t= TIME.")
        points: list[int] = []
        for atom in range(expected):
            number, line = next(numbered, (number, ""))
            points = points or _points(line)
            name = line[5:15]
            if frame == 0:
                first.append(name)
            _check_gro_line(path, number, frame, line, points, first[atom])
        number, box = next(numbered, (number, ""))
        if len(box.split()) not in (3, 9) or not all(map(NUMBER.fullmatch, box.split())):
            what = f"in place of the box it holds '{box.strip()[:MAX_NAMED]}'"
            raise _damaged(path, number, frame, what, "After its atoms a frame has a line of 3 or 9 numbers.")
        frame += 1


def _atoms_in_frame(path: Path, number: int, frame: int, text: str, expected: int) -> int:
    count = int(text) if text.strip().isdecimal() else 0
    if frame and count != expected:
        valid = f"The second line of a frame is the number of its atoms, {expected} as in the first frame."
        raise _damaged(path, number, frame, f"it holds '{text.strip()[:MAX_NAMED]}'", valid)
    return count


def _points(line: str) -> list[int]:
    """Columns of the decimal points of the numbers of a line."""
    text = line.rstrip()
    return [20 + at for at, mark in enumerate(text[20:]) if mark == "."] + [len(text)]


def _check_gro_line(path, number, frame, line, points, name) -> None:
    aligned = len(points) > 3 and _points(line) == points and DECIMALS.fullmatch(line[20:].rstrip())
    if not aligned and not re.search("nan|inf", line[20:], re.IGNORECASE):
        what = f"it holds '{line.strip()[:MAX_NAMED]}'"
        valid = "The numbers of all atoms of a frame stand in the same columns."
        raise _damaged(path, number, frame, what, valid)
    if line[5:15] != name:
        what = f"the atom is '{line[5:15].strip()}', in the first frame '{name.strip()}'"
        raise _damaged(path, number, frame, what, "All frames hold the same atoms in the same order.")
