"""Autosave of pages, which outlive the server on disk.

A page that was trained on, or whose states were named or edited, is saved some seconds after its last
change under the token in its address; a server that is started again finds it by that token.  A view is kept
when it is asked for, and never changes: every page that opens it is a copy.
"""

from __future__ import annotations

import logging
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import ENDING, KEPT, is_session, save_session
from fel_explorer.data import cache_directory
from fel_explorer.errors import FelError

log = logging.getLogger("fel_explorer")

QUIET = 8.0  # seconds without a change before a save
KEPT_PAGES = 8
KEPT_VIEWS = 20
TOKEN = re.compile("[0-9a-f]{4,40}")
LARGEST = 2 * 2**30  # bytes of features; larger data are left to Ctrl-S


def new_token() -> str:
    """For the address of a page or of a view."""
    return uuid.uuid4().hex[:12]


def folder(kind: str = "pages") -> Path:
    """Folder of pages or "views"."""
    return cache_directory() / kind


def autosaved(token: str, kind: str = "pages") -> Path | None:
    """Saved session of the page (or of "views") ``token``, or None."""
    if not TOKEN.fullmatch(token):  # it comes from an address
        return None
    path = folder(kind) / f"{token}{ENDING}"
    return path if is_session(path) else None


def keep_view(session: Session, callback=None) -> str:
    """Keep what ``session`` shows now, and return the token by which `open_view` finds it."""
    token = new_token()
    save_session(session, folder("views") / f"{token}{ENDING}", callback=callback)
    prune(folder("views"), KEPT_VIEWS)
    return token


def open_view(view: str, token: str) -> None:
    """Make the page ``token`` one that was left as the view was.

    Raises
    ------
    FelError
        If there is no such view any more.
    """
    kept = autosaved(view, "views")
    if kept is None:
        raise FelError(
            f"The view '{view}' is not on this server.",
            f"The last {KEPT_VIEWS} views are kept, on the machine where they were made.",
            "Ask for another link, or for a saved session.",
        )
    page = shutil.copytree(kept, folder() / f"{token}{ENDING}")
    page.touch()  # or it would be among the oldest, which are removed first


class Autosave:
    """Saves a session when it has been left alone for a while.

    Parameters
    ----------
    token
        Of the page, from its address; without one nothing is saved.
    clock
        Seconds.
    """

    def __init__(self, session: Session, token: str, clock: Callable[[], float] = time.monotonic):
        self.session, self.token, self.clock = session, token, clock
        self._changed: float | None = None
        self._thread: threading.Thread | None = None
        self._watcher = session.param.watch(self._on_change, [*KEPT, "dataset"]) if token else None

    def close(self) -> None:
        """Stop watching the session; a save that runs comes to its end."""
        if self._watcher is not None:
            self.session.param.unwatch(self._watcher)
            self._watcher = None

    @property
    def worth_keeping(self) -> bool:
        """Whether there is work in it: more than the first map of data that can be loaded again."""
        session = self.session
        done = len(session.results) > 1 or session.edits or session.state_names
        return bool(done) and session.dataset["features"].nbytes <= LARGEST

    def tick(self) -> None:
        """Begin a save if it is time for one; called often."""
        if self._changed is None or self.clock() - self._changed < QUIET or self.running:
            return
        self._changed = None
        if self.worth_keeping:
            self._thread = threading.Thread(target=self._save, args=(self.session.copy(),), daemon=True)
            self._thread.start()

    @property
    def running(self) -> bool:
        """Whether a save is under way."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        """Until a save that runs has ended."""
        if self._thread is not None:
            self._thread.join()

    def _on_change(self, *_):
        self._changed = self.clock()

    def _save(self, session):
        try:
            save_session(session, folder() / f"{self.token}{ENDING}")
            prune(folder(), KEPT_PAGES)
        except Exception:  # whatever the disk says must not end the page; Ctrl-S reports it to the user
            log.exception("the page could not be saved by itself")


def prune(where: Path, keep: int) -> None:
    """Remove all but the ``keep`` sessions in a folder that were saved last."""
    saved = sorted((path for path in where.iterdir() if is_session(path)), key=lambda p: -p.stat().st_mtime)
    for path in saved[keep:]:
        shutil.rmtree(path, ignore_errors=True)
