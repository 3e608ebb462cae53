"""The explorer as an application of a Jupyter server, by jupyter-server-proxy (also on Open OnDemand)."""

from __future__ import annotations

import sys
from typing import Any

from fel_explorer.app.server.access import new_token


def setup_explorer() -> dict[str, Any]:
    """Start command and icon for jupyter-server-proxy, which finds it by an entry point.

    The proxy alone knows the token, so that other users of the machine can't reach the port.
    """
    token = new_token()
    command = [sys.executable, "-m", "fel_explorer.cli", "open", "--no-browser"]
    return {
        "command": [*command, "--port", "{port}", "--prefix", "{base_url}fel-explorer"],
        "environment": {"FEL_EXPLORER_TOKEN": token},
        "request_headers_override": {"Authorization": f"token {token}"},
        "absolute_url": True,
        "timeout": 120,
        "launcher_entry": {"title": "fel_explorer"},
    }
