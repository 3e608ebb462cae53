"""Folders and files that are written whole or not at all: the old ones are never gone."""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast

from fel_explorer.errors import FelError

PARTIAL, REPLACED = ".partial", ".replaced"
STALE = 86_400.0  # seconds after which a leftover of another machine is nobody's
AT_FDCWD, EXCHANGE = -100, 2  # of Linux's renameat2
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
IS_KEPT = "What was there is kept."
DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def whole_or_nothing(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Make a new folder next to ``target`` that takes its place when the block ends; deleted if that fails.

    Parameters
    ----------
    replace
        Exchange it with a ``target`` that exists. Otherwise, if ``target`` has come into being meanwhile
        (another process made the same), that one stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(target)
    partial = target.with_name(f".{target.name}.{_owner()}{PARTIAL}")
    try:
        yield partial
        if replace and target.exists():
            exchange(partial, target)
        else:
            try:
                partial.rename(target)
            except OSError:
                if not target.exists():
                    raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def whole_file(target: str | Path) -> Iterator[Path]:
    """A path next to ``target`` to write to, which takes its place when the block ends.

    It is deleted if that fails.

    Raises
    ------
    FelError
        If the disk is full, or the folder can't be written; what was at ``target`` is kept.
    """
    target = Path(target).expanduser()
    path = target.resolve() if target.is_symlink() else target
    if path.exists() and not path.is_file():  # such as /dev/stdout
        yield path
        return
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{PARTIAL}{glob.escape(path.suffix)}"):
        if _is_leftover(left, f"{PARTIAL}{path.suffix}"):
            left.unlink(missing_ok=True)
    partial = path.with_name(f".{path.name}.{_owner()}{PARTIAL}{path.suffix}")
    try:
        yield partial
        if path.exists():
            shutil.copymode(path, partial)
        os.replace(partial, path)
    except OSError as error:
        raise write_error(error, f"'{target}' can't be written") from error
    except Exception as error:  # libraries wrap what the disk says in errors of their own
        code = next((code for code in (*FULL, *DENIED) if os.strerror(code) in str(error)), None)
        if code is None:
            raise
        plain = OSError(code, os.strerror(code))
        raise write_error(plain, f"'{target}' can't be written") from plain
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def exchange(one: Path, other: Path) -> None:
    """Exchange the contents of two paths in one step.

    Where the file system can't, by three renames; `recover` finds what a kill between them left.
    """
    if _renameat2(one, other):
        return
    aside = other.with_name(f".{other.name}.{_owner()}{REPLACED}")
    other.rename(aside)
    try:
        one.rename(other)
    except OSError:
        aside.rename(other)
        raise
    aside.rename(one)


def link_folder(old: Path, new: Path) -> None:
    """Put the files of a folder at a further path, without copies where the file system has hard links."""

    def link(source, target):
        try:
            os.link(source, target)
        except OSError:
            shutil.copy2(source, target)

    shutil.copytree(old, new, copy_function=link)


def recover(path: Path) -> Path:
    """``path``, put back where a save that was killed had moved it aside."""
    if not path.exists():
        aside = sorted(path.parent.glob(f".{glob.escape(path.name)}.*{REPLACED}"))
        if aside:
            aside[-1].rename(path)
    return path


def remove_leftovers(target: Path) -> None:
    """Delete what killed processes left next to ``target``."""
    name = glob.escape(target.name)
    kinds = (PARTIAL, REPLACED) if target.exists() else (PARTIAL,)
    for kind in kinds:
        for left in target.parent.glob(f".{name}.*{kind}"):
            if _is_leftover(left, kind):
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def writing(what: str) -> Iterator[None]:
    """Raise a `FelError` that begins with ``what`` where the block can't write a file or folder."""
    try:
        yield
    except OSError as error:
        raise write_error(error, what) from error
    except FelError as error:  # of a file inside, which nobody knows by name
        if is_write_error(error):
            raise write_error(cast(OSError, error.__cause__), what) from error.__cause__
        raise


def is_write_error(error: FelError) -> bool:
    """Whether `write_error` made an error."""
    return error.valid == IS_KEPT and isinstance(error.__cause__, OSError)


def write_error(error: OSError, what: str) -> FelError:
    """A `FelError` for a file or folder that could not be written; what was there before is kept."""
    if error.errno in FULL:
        return FelError(f"{what}: the disk is full.", IS_KEPT, "Free space, then try again.")
    if error.errno in DENIED:
        return FelError(
            f"{what}: {os.strerror(error.errno or 0).lower()}.",
            IS_KEPT,
            "Choose a folder that you may write to.",
        )
    return FelError(f"{what}: {error.strerror or error}.", IS_KEPT, "Try again.")


def _owner() -> str:
    return f"{socket.gethostname()}~{os.getpid()}~{uuid.uuid4().hex[:8]}"


def _is_leftover(path: Path, ending: str) -> bool:
    """Whether the process that wrote it has ended; of other machines, whether it is old."""
    parts = path.name.removesuffix(ending).split("~")
    if len(parts) == 3 and parts[0].endswith(socket.gethostname()) and parts[1].isdigit():
        return not process_lives(int(parts[1]))
    try:
        return time.time() - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return False


def process_lives(pid: int) -> bool:
    """Whether a process of this machine runs; where that can't be asked, True."""
    if sys.platform == "win32":  # where signal 0 would end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _renameat2(one: Path, other: Path) -> bool:
    """Exchange by the system; False where it can't."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library without it
        return False
    if function(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))
