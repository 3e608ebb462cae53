"""Serve pages from this process."""

from __future__ import annotations

import atexit
import errno
import os
import secrets
import socket
import tempfile
import webbrowser
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.server.server import Server
from bokeh.settings import settings

from fel_explorer.app.server.access import Access
from fel_explorer.app.server.gate import Gate
from fel_explorer.app.workarounds import panel_request_address
from fel_explorer.app.workarounds.panel_local_files import use_local_files
from fel_explorer.errors import FelError

TRIES = 50  # ports from the given one on


def serve(
    make_page: Callable | dict[str, Callable],
    *,
    port: int,
    address: str,
    show: bool,
    access: Access | None = None,
    prefix: str = "",
    certfile: str | None = None,
    keyfile: str | None = None,
) -> None:
    """Serve a page per visitor until interrupted; prints the address.

    `fel_explorer.app.entry.load_extensions` must have been called.

    Parameters
    ----------
    make_page
        Called for every visitor, returns an `Explorer` or another object with a ``page``; or {"/path": such a
        function} for several pages.
    port
        0 takes a free one; of a port that is in use, the next free one.
    address
        To listen on.
    show
        Open the page in a browser.
    access
        Who may enter; by default whoever has the token in the address that is printed.
    prefix
        Path below which a proxy puts the pages.
    certfile, keyfile
        Certificate and key, for https.

    Raises
    ------
    FelError
        If no port can be used.
    """
    # what is for developers of pages takes a tenth of the time in which one is made
    settings.perform_error_diagnostics = settings.perform_document_validation = False

    makers = make_page if isinstance(make_page, dict) else {"/": make_page}
    run(
        {path: serving(make) for path, make in makers.items()},
        port=port,
        address=address,
        show=show,
        access=access,
        prefix=prefix,
        certfile=certfile,
        keyfile=keyfile,
    )


def run(pages: Any, *, show: bool, **options: Any) -> Server:
    """Start the server of `make_server`, print its address, and run it until interrupted.

    Where an event loop runs already, as in a notebook, it returns at once.
    """
    server, url = make_server(pages, **options)
    print(f"fel_explorer runs at {url} (Ctrl-C ends it)", flush=True)
    server.start()
    if show:
        server.io_loop.add_callback(open_browser, url)
    if not server.io_loop.asyncio_loop.is_running():
        server.io_loop.start()
    return server


def make_server(
    pages: Any,
    *,
    port: int = 0,
    address: str = "127.0.0.1",
    access: Access | None = None,
    title: str = "fel_explorer",
    prefix: str = "",
    certfile: str | None = None,
    keyfile: str | None = None,
) -> tuple[Server, str]:
    """A server behind a `Gate`, not yet started, and the address that lets a visitor in.

    Parameters are those of `serve`; ``pages`` are as `panel.serve` takes them.
    """
    panel_request_address.install()
    access = access or Access(address=address)
    prefix = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
    server = pn.serve(
        pages,
        title=title,
        port=free_port(port, address),
        address=address,
        prefix=prefix,
        show=False,
        start=False,
        verbose=False,
        secret_key=secrets.token_bytes(32),
        sign_sessions=True,
        # Bokeh would write cookies and headers of the request into the page
        include_cookies=[],
        exclude_headers=["Cookie", "Authorization"],
        ssl_certfile=certfile,
        ssl_keyfile=keyfile,
    )
    server._http.request_callback = Gate(
        server._tornado, access, cookie=f"fel-explorer-{server.port}", prefix=prefix
    )
    host = "localhost" if address in ("127.0.0.1", "localhost") else address
    host = f"[{host}]" if ":" in host else host
    query = f"?token={access.token}" if access.token and not access.passwords else ""
    return server, f"{'https' if certfile else 'http'}://{host}:{server.port}{prefix}/{query}"


def open_browser(url: str) -> None:
    """Open ``url`` in a browser, by a file that only this user can read.

    Other users of the machine see the arguments of a browser that is started, and would see the token.
    """
    handle, name = tempfile.mkstemp(prefix="fel-explorer-", suffix=".html")
    atexit.register(lambda: Path(name).unlink(missing_ok=True))
    with os.fdopen(handle, "w") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={escape(url)}">')
    webbrowser.open(Path(name).as_uri())


def serving(make: Callable) -> Callable:
    """The function that panel calls for each visitor: it returns the page of what ``make`` returns."""

    def page():
        use_local_files(pn.state.curdoc)
        return make().page

    return page


def free_port(port: int, address: str) -> int:
    """The first port from ``port`` on at which ``address`` can be served; 0, which takes any, is itself.

    Raises
    ------
    FelError
        If there is none, or the system denies it.
    """
    for candidate in range(port, min(port + TRIES, 65536)) if port else [0]:
        try:
            _bind(candidate, address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise FelError(
                    f"Port {candidate} of {address}: {error.strerror or error}.",
                    remedy="Give another --port or --host.",
                ) from error
            continue
        if candidate != port:
            print(f"Port {port} is in use; {candidate} is taken.", flush=True)
        return candidate
    raise FelError(
        f"Ports {port} to {min(port + TRIES, 65536) - 1} are in use.",
        remedy="Give another --port; 0 takes a free one.",
    )


def _bind(port, address):
    """Take a port and give it back."""
    passive = {"type": socket.SOCK_STREAM, "flags": socket.AI_PASSIVE}
    for family, kind, protocol, _, place in socket.getaddrinfo(address, port, **passive):
        with socket.socket(family, kind, protocol) as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            taken.bind(place)
