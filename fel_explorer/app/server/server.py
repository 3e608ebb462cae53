"""Serve pages from this process."""

from __future__ import annotations

import errno
import secrets
import socket
from collections.abc import Callable

import panel as pn

from fel_explorer.errors import FelError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TRIES = 50  # ports from the given one on


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
        0 takes a free one; of a port that is in use, the next free one.
    password_file
        JSON {user: password}: visitors must log in.

    Raises
    ------
    FelError
        If no port can be used.
    """
    port = free_port(port, address)
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
