"""Start of the pages: what panel needs, and pages that are sent before the explorer can be imported.

Nothing that computes (torch, mdtraj, scikit-learn) is imported here, which takes seconds:
`fel_explorer.app.explorer_pages` is, while the server already answers.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

import panel as pn

from fel_explorer.app.shell.skeleton import GrowingPage
from fel_explorer.app.workarounds import panel_datamodel_refs, panel_notebook_bundle

if TYPE_CHECKING:
    from fel_explorer.app.shell.explorer import Explorer
T = TypeVar("T")


def load_extensions() -> None:
    """Load what the explorer's pages need into panel; safe to call again."""
    pn.extension(notifications=True, inline=True)  # inline: a notebook must not ask a CDN for the front end
    pn.config.reconnect = True
    panel_datamodel_refs.install()
    panel_notebook_bundle.install()


def run_in_thread(function: Callable[[], T]) -> Future[T]:
    """Run ``function`` in a thread that does not keep the process alive; its result or error to come."""
    future: Future[T] = Future()

    def run():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="preparation").start()
    return future


def with_physics(
    make_page: Callable[[], Explorer], root=".", ready: Future | None = None
) -> dict[str, Callable]:
    """Pages for `server.serve`: an explorer with a link to the page that learns from a force field.

    Visitors see an empty page until ``ready``, which ``make_page`` needs, is there.
    """

    def explorer():
        made = make_page()
        made.data.offer_physics("./physics")
        return made

    def page() -> GrowingPage:
        return GrowingPage(explorer, ready)

    def physics(name):
        from fel_explorer.app.pages.embedded_physics import (
            pages as physics_pages,  # not before somebody goes there
        )

        return getattr(physics_pages, name)(root)

    return {
        "/": page,
        "/physics": functools.partial(physics, "physics_page"),
        "/explorer": functools.partial(physics, "opened_page"),
    }
