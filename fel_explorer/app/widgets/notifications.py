"""Errors and notices as notifications of the page."""

from __future__ import annotations

import logging

import panel as pn

from fel_explorer.errors import FelError

log = logging.getLogger("fel_explorer")


def show_error(error: Exception) -> None:
    """A notification: a `FelError` in its three parts, any other in short, with the log for the rest."""
    if isinstance(error, FelError):
        message = "\n".join(filter(None, (error.given, error.valid, error.remedy)))
    else:
        log.error("unexpected error", exc_info=error)
        message = f"Something went wrong: {type(error).__name__}: {error}\n"
        message += "The session goes on; the log says more."
    if pn.state.notifications is not None:
        pn.state.notifications.error(message, duration=12_000)


def show_notice(text: str) -> None:
    """A notification of what was done, which goes by itself."""
    if pn.state.notifications is not None:
        pn.state.notifications.info(text, duration=8_000)
