"""Errors as notifications of the page."""

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
    area = pn.state.notifications
    if area is not None:
        # the page's own area shows text, that of panel, in notebooks, interprets HTML
        area.error(message if isinstance(area, pmui.NotificationArea) else escape(message), duration=12_000)
