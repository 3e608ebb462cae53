"""The complete frames of a text file that ends within one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fel_explorer.data.file_names import extension
from fel_explorer.data.text_frames import check_frames

FRAME_LINES = {".gro": (3, 1), ".xyz": (2, 0), ".lammpstrj": (9, 3)}  # not of atoms; which counts them


@contextmanager
def complete_part(path: Path) -> Iterator[Path]:
    """The file, or a temporary copy of its complete frames where it is text that ends within a frame."""
    ending = extension(path)
    text = complete_frames(path, ending) if path.is_file() else None
    if text is None:
        check_frames(path, ending, path)
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder, f"part{ending}")
        part.write_text(text)
        check_frames(part, ending, path)
        yield part


def complete_frames(path: Path, ending: str) -> str | None:
    """Text of the complete frames of a text file that ends within one; None for whole and other files."""
    if ending == ".pdb":
        text = path.read_text(errors="replace")
        end = text.rfind("\nENDMDL") + 1
        rest = text[end:]
        within = any(f"\n{record}" in rest for record in ("MODEL ", "ATOM  ", "HETATM"))
        return f"{text[:end]}ENDMDL\nEND\n" if end and within else None
    if ending not in FRAME_LINES:
        return None
    extra, counted_at = FRAME_LINES[ending]
    lines = path.read_text(errors="replace").splitlines(keepends=True)
    try:
        size = int(lines[counted_at]) + extra
    except (IndexError, ValueError):
        return None
    complete = len(lines) - (lines[-1][-1:] != "\n" and len(lines) > size)  # its last number may be cut
    while lines[complete - 1].isspace() and complete % size:
        complete -= 1  # blank lines at the end
    whole = complete // size * size
    return "".join(lines[:whole]) if 0 < whole < complete or (complete < len(lines) and whole) else None
