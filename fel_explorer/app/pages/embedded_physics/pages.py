"""The page of each visitor, and the explorer that opens its samples."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn

from fel_explorer.app.page_token import page_token
from fel_explorer.app.pages.embedded_physics.page import PhysicsPage
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.explorer import Explorer

EXPLORER = "./explorer"


def physics_page(root=".") -> PhysicsPage:
    """The page of one visitor; sessions of its samples open at `EXPLORER`."""
    return PhysicsPage(root=root, owner=page_token(), explorer=EXPLORER)


def opened_page(root=".") -> Explorer:
    """An explorer on the session that its address names: ``?open=NAME``, below ``root``."""
    explorer = Explorer(Session(), root=root, owner=page_token())
    location = pn.state.location
    name = str(location.query_params.get("open", "")) if location is not None else ""
    if name and explorer.session.dataset is None and not explorer.board.jobs:
        pn.state.onload(lambda: explorer.sessions.read(name))  # then errors are shown on the page
    return explorer


def pages(root=".") -> dict[str, Callable]:
    """Pages for `server.serve` of ``fel-explorer physics``."""
    return {"/": lambda: physics_page(root), "/explorer": lambda: opened_page(root)}
