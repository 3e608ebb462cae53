"""File names: natural order, extensions, and aliases for libraries that read only some names."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path


def extension(path: Path) -> str:
    """The file's extension in lower case; two parts where the last is .gz."""
    suffixes = [s.lower() for s in Path(path).suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def natural_key(path: str | Path) -> list[tuple[bool, int, str]]:
    """Sort key by which ``run2`` comes before ``run10``."""
    parts = re.split(r"(\d+)", str(path))
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts if part]


def in_natural_order(paths: Iterable[str | Path]) -> list:
    """Paths in natural order if they come in alphabetical order, as shells give them; else as they come."""
    paths = list(paths)
    return sorted(paths, key=natural_key) if paths == sorted(paths, key=str) else paths


def readable_name(path: Path) -> str:
    """A name of the file that mdtraj can open.

    mdtraj's readers take ASCII names only and know lower-case extensions only; any other file is reached
    by a link in a temporary folder, which is removed when the process ends.
    """
    ending = extension(path)
    if str(path).isascii() and str(path).endswith(ending):
        return str(path)
    absolute = str(Path(path).absolute())
    name = hashlib.blake2b(os.fsencode(absolute), digest_size=12).hexdigest()
    link = Path(_link_folder().name, f"{name}{ending}")
    try:
        os.symlink(absolute, link)
    except FileExistsError:
        pass  # made before, for the same path
    except OSError:  # file systems and accounts without links
        shutil.copyfile(absolute, link)
    return str(link)


@lru_cache(maxsize=1)
def _link_folder() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="fel_explorer_", ignore_cleanup_errors=True)


@contextmanager
def writable_name(path: Path) -> Iterator[str]:
    """A name that mdtraj can write to; the file is at ``path`` when the block ends."""
    ending = extension(path)
    if str(path).isascii() and str(path).endswith(ending):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, f"file{ending}")
        yield str(written)
        shutil.move(written, path)
