"""Serve pages from this process."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import panel as pn

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(
    make_page: Callable | dict[str, Callable],
    *,
    port: int,
    address: str,
    show: bool,
    password_file: str | None = None,
) -> None:
    """Serve a page per visitor until interrupted; prints the address.

    `fel_explorer.app.entry.load_extensions` must have been called.

    Parameters
    ----------
    make_page
        Called for every visitor, returns an `Explorer` or another object with a ``page``; or {"/path": such a
        function} for several pages.
    port
        0 takes a free one.
    password_file
        JSON {user: password}: visitors must log in.
    """
    options = {}
    if password_file:
        options = {"basic_auth": password_file, "cookie_secret": secrets.token_hex(32)}
    if address not in LOOPBACK:
        options["websocket_origin"] = "*"  # visitors come by names that are not known here; they must log in

    def serving(make):
        def page():
            return make().page

        return page

    makers = make_page if isinstance(make_page, dict) else {"/": make_page}
    server = pn.serve(
        {path: serving(make) for path, make in makers.items()},
        title="fel_explorer",
        port=port,
        address=address,
        show=show,
        start=False,
        verbose=False,
        **options,
    )
    host = "localhost" if address in ("127.0.0.1", "::1") else address
    print(f"fel_explorer runs at http://{host}:{server.port} (Ctrl-C ends it)", flush=True)
    server.start()
    server.io_loop.start()
