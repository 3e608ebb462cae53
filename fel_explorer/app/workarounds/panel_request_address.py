"""Repair of panel 1.9: addresses with an IPv6 host, or with a second question mark, end in status 500.

Panel reads the address of a page from its request by splitting host and path at each ``:`` and ``?``, and
fails where there is more than one.  No upstream issue is known.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from panel.io import location

from fel_explorer.app.workarounds.versions import only_for

original = location._get_location_params


@only_for("panel>=1.9,<1.10")
def install() -> None:
    """Let panel read the address of a request as browsers write it."""
    location._get_location_params = parts_of


def parts_of(protocol: str | None, host: str | None, uri: str | None) -> dict[str, str]:
    """Parts of the address of a request, by the names of `panel.io.location.Location`.

    The host keeps its brackets where it is an IPv6 address, as in ``window.location``.
    """
    path = urlsplit(uri or "")
    parts = {"protocol": f"{protocol}:"} if protocol else {}
    if host:
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, ""
        parts |= {"hostname": name, "port": port}
    parts |= {"pathname": path.path} if path.path.startswith("/") else {}
    parts |= {"search": f"?{path.query}"} if path.query else {}
    parts |= {"hash": f"#{path.fragment}"} if path.fragment else {}
    begin = parts.get("protocol", "") + (f"//{host}" if host else "")
    parts["href"] = begin + "".join(parts.get(name, "") for name in ("pathname", "search", "hash"))
    return parts
