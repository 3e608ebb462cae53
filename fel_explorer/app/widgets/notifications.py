"""Errors and notices as notifications of the page."""

from __future__ import annotations

import logging
from html import escape

import panel as pn
import panel_material_ui as pmui

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
    _notify("error", message, duration=12_000)


def show_notice(text: str) -> None:
    """A notification of what was done, which goes by itself."""
    _notify("info", text, duration=8_000)


def show_warning(text: str) -> None:
    """A notification of what went wrong without ending what runs."""
    _notify("warning", text, duration=20_000)


def _notify(kind, text, *, duration):
    area = pn.state.notifications
    if area is not None:
        # the page's own area shows text, that of panel, in notebooks, interprets HTML
        shown = text if isinstance(area, pmui.NotificationArea) else escape(text)
        getattr(area, kind)(shown, duration=duration)
