"""Token that identifies a page across reloads."""

from __future__ import annotations

import functools

import panel as pn

from fel_explorer.app.storage import autosave
from fel_explorer.app.widgets.notifications import show_error
from fel_explorer.errors import FelError


def page_token() -> str:
    """Token that identifies a page across reloads: the one in its address, or a new one that is put there."""
    location = pn.state.location
    if location is None:
        return ""
    token = str(location.query_params.get("page", ""))
    if not token:
        token = autosave.new_token()
        if "view" in location.query_params:
            _take_view(str(location.query_params["view"]), token)
        # not before the page is there, which would overwrite it with the address of the request
        pn.state.onload(functools.partial(location.update_query, page=token))
    return token


def _take_view(view: str, token: str) -> None:
    """Show a link's view on the page; where it is gone report that, and open the page without it."""
    try:
        autosave.open_view(view, token)
    except FelError as error:
        pn.state.onload(functools.partial(show_error, error))
