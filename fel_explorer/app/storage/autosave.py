"""Autosave of pages, which outlive the server on disk.

A page that was trained on, or whose states were named or edited, is saved some seconds after its last
change under the token in its address; a server that is started again finds it by that token.  Data that
were opened before those that are shown are saved next to them, as sessions of their own.  A view is kept
when it is asked for, and never changes: every page that opens it is a copy.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from fel_explorer.app.session.history import Loaded
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import ENDING, KEPT, is_session, save_session
from fel_explorer.app.storage.session_opening import open_session
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


def others_of(token: str) -> Path:
    """Folder of the data that the page ``token`` had open besides those in its own session."""
    return folder() / f"{token}.others"


def opening_page(token: str) -> Callable:
    """The job that opens what was saved of a page; its result is the `Session` with all data."""

    def run(report, should_stop):
        session, others = open_session(folder() / f"{token}{ENDING}", callback=report), []
        for path in _latest_first(others_of(token))[::-1]:
            try:
                others.append(open_session(path, callback=report))
            except FelError as error:  # the other data are as good as before
                log.warning("Data that were open before can't be opened again: %s", error)
        session.add_earlier(others)
        return session

    return run


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
        self._saved: dict[str, Loaded] = {}  # other data, which do not change while they are not shown
        self._thread: threading.Thread | None = None
        self._watcher = (
            session.param.watch(self._on_change, [*KEPT, "dataset", "earlier_data"]) if token else None
        )

    def close(self) -> None:
        """Stop watching the session; a save that runs comes to its end."""
        if self._watcher is not None:
            self.session.param.unwatch(self._watcher)
            self._watcher = None

    def tick(self) -> None:
        """Begin a save if it is time for one; called often."""
        if self._changed is None or self.clock() - self._changed < QUIET or self.running:
            return
        self._changed = None
        session, earlier = self.session, self.session.earlier_data
        others = [one for one in map(session.earlier, earlier) if is_worth_keeping(one)]
        shown = session.copy()
        # what is shown is the page's session, or else what was shown before
        page = shown if is_worth_keeping(shown) else others.pop() if others else None
        if page is not None:
            self._thread = threading.Thread(target=self._save, args=(page, others, earlier), daemon=True)
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

    def _save(self, page: Session, others: Sequence[Session], earlier: dict[str, Loaded]):
        try:
            self._save_others(others, earlier)
            save_session(page, folder() / f"{self.token}{ENDING}")
            prune(folder(), KEPT_PAGES)
        except Exception:  # whatever the disk says must not end the page; Ctrl-S reports it to the user
            log.exception("the page could not be saved by itself")

    def _save_others(self, others, earlier):
        where = others_of(self.token)
        paths = {other.data_name: where / f"{_digest(other.data_name)}{ENDING}" for other in others}
        for other in others:
            name = other.data_name
            if self._saved.get(name) is not earlier[name] or not is_session(paths[name]):
                save_session(other, paths[name])
                self._saved[name] = earlier[name]
        for path in _latest_first(where):
            if path not in paths.values():  # shown again, or closed
                shutil.rmtree(path, ignore_errors=True)
        self._saved = {name: there for name, there in self._saved.items() if name in paths}


def is_worth_keeping(session: Session) -> bool:
    """Whether there is work in it: more than the first map of data that can be loaded again."""
    done = len(session.results) > 1 or session.edits or session.state_names
    return bool(done) and session.dataset["features"].nbytes <= LARGEST


def prune(where: Path, keep: int) -> None:
    """Remove all but the ``keep`` sessions in a folder that were saved last, with their other data."""
    for path in _latest_first(where)[keep:]:
        shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(path.with_suffix(".others"), ignore_errors=True)


def _latest_first(where: Path) -> list[Path]:
    """Saved sessions in a folder."""
    found = where.iterdir() if where.is_dir() else ()
    return sorted(filter(is_session, found), key=lambda path: -path.stat().st_mtime)


def _digest(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=8).hexdigest()
