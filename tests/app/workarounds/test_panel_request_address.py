"""The address of a page is read from its request as browsers write it."""

import pytest
from panel.io import location

from fel_explorer.app.workarounds import panel_request_address

HOSTS = {
    "localhost": ("localhost", ""),
    "localhost:5006": ("localhost", "5006"),
    "[::1]": ("[::1]", ""),
    "[2001:db8::1]:8443": ("[2001:db8::1]", "8443"),
}
PATHS = {
    "/": ("/", ""),
    "/physics?view=ab&page=cd": ("/physics", "?view=ab&page=cd"),
    "/?state=is it so?&x=1?": ("/", "?state=is it so?&x=1?"),
}


@pytest.fixture
def unrepaired(monkeypatch):
    """Panel as it is installed, whatever a page of this process repaired."""
    original = panel_request_address.original
    monkeypatch.setattr(location, "_get_location_params", original)


def read(host, uri):
    return location._get_location_params("https", host, uri)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("uri", PATHS)
def test_parts_are_those_of_the_browser(unrepaired, host, uri):
    panel_request_address.install()
    found = read(host, uri)
    assert (found["protocol"], found["hostname"], found["port"]) == ("https:", *HOSTS[host])
    assert (found["pathname"], found.get("search", "")) == PATHS[uri]
    assert found["href"] == f"https://{host}{uri}"


@pytest.mark.parametrize(("host", "uri"), [("[::1]:5006", "/"), ("localhost", "/?state=a?&x=b?")])
def test_panel_still_needs_the_repair(unrepaired, host, uri):
    with pytest.raises(ValueError, match="unpack"):
        read(host, uri)
