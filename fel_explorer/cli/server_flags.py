"""Flags of the commands that serve pages, and the options of the server that they stand for."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from fel_explorer.errors import FelError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_server_flags(parser: argparse.ArgumentParser, *, browses: bool = True) -> None:
    """Add the flags of a command that serves pages; ``browses``: its pages have a file browser."""
    parser.add_argument("--port", type=int, default=5006, help="0 takes a free one (default 5006)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to bind; beyond this machine see --password-file"
    )
    if browses:
        parser.add_argument(
            "--root", default=".", help="folder that the page's file browser may see (default: here)"
        )
    parser.add_argument(
        "--password-file", help="JSON {user: password}; required with a --host other than loopback"
    )
    parser.add_argument(
        "--token",
        help="what visitors must know (default: a new one at each start, in the printed address); other "
        "users of this machine see arguments, so better set FEL_EXPLORER_TOKEN",
    )
    parser.add_argument(
        "--no-token", action="store_true", help="let everybody enter who reaches the port, other users too"
    )
    parser.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="further address of this server, such as https://hub.example.org; may be repeated",
    )
    parser.add_argument(
        "--jobs",
        choices=("process", "thread"),
        default=os.environ.get("FEL_EXPLORER_JOBS") or "process",
        help="where trainings run: in processes of their own, so that pages stay quick (default), or, where "
        "none can be started, in threads of the server (also FEL_EXPLORER_JOBS)",
    )
    parser.add_argument("--prefix", default="", help="path below which a proxy puts the pages")
    parser.add_argument(
        "--trust-proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="address or network of a proxy whose X-Forwarded headers are believed; may be repeated",
    )
    parser.add_argument("--certfile", help="certificate (PEM), for https")
    parser.add_argument("--keyfile", help="private key of the certificate")
    parser.add_argument(
        "--no-browser", action="store_true", help="only print the address (also NO_BROWSER=1)"
    )


def server_options(arguments: argparse.Namespace) -> dict:
    """Options of the server.

    Raises
    ------
    FelError
        If a host other than this machine is set without a password file, the root is not a folder, or a file,
        a token or an address of a proxy is not valid.
    """
    arguments.root = str(Path(arguments.root).expanduser())  # make demo ROOT=~/data
    if not Path(arguments.root).is_dir():
        raise FelError(f"--root {arguments.root} is not a folder.", remedy="Give an existing folder.")
    from fel_explorer.app.jobs.permission import let_pages_choose
    from fel_explorer.app.server.access import Access, check_token, new_token, read_passwords

    passwords = read_passwords(arguments.password_file) if arguments.password_file else {}
    if not passwords and arguments.host not in LOOPBACK:
        raise FelError(
            f"--host {arguments.host} without a password.",
            "Others on the network could read the files below --root and run jobs on this machine.",
            'Add --password-file FILE with JSON {"user": "password"}, or use ssh -L 5006:localhost:5006.',
        )
    let_pages_choose(not passwords)
    os.environ["FEL_EXPLORER_JOBS"] = arguments.jobs
    given = arguments.token or os.environ.get("FEL_EXPLORER_TOKEN", "")
    if arguments.no_token and arguments.token:
        raise FelError("--token and --no-token.", remedy="Give one of them.")
    if arguments.no_token and not passwords:
        print(
            "Warning: --no-token lets every user of this machine read the files below --root and run jobs.",
            file=sys.stderr,
        )
    return {
        "port": arguments.port,
        "address": arguments.host,
        "show": not (arguments.no_browser or os.environ.get("NO_BROWSER", "") not in ("", "0")),
        "access": Access(
            token="" if arguments.no_token else check_token(given) if given else new_token(),
            passwords=passwords,
            address=arguments.host,
            origins=arguments.allow_origin,
            proxies=arguments.trust_proxy,
        ),
        "prefix": arguments.prefix,
        **_certificate(arguments),
    }


def _certificate(arguments):
    for name in ("certfile", "keyfile"):
        path = getattr(arguments, name)
        if path and not Path(path).is_file():
            raise FelError(f"No file '{path}'.", f"--{name} is a PEM file.")
    if arguments.keyfile and not arguments.certfile:
        raise FelError("--keyfile without --certfile.", remedy="Give both.")
    return {"certfile": arguments.certfile, "keyfile": arguments.keyfile}
