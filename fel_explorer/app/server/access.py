"""Who may enter a server: a token or a password, allowed host names and origins, trusted proxies."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import socket
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from fel_explorer.errors import FelError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:@]+))(?::\d+)?")  # also of an address of IPv6
MIN_TOKEN = 16  # characters
ATTEMPTS, WINDOW = 5, 60.0  # wrong logins of one address within so many seconds
IS_JSON = 'It is JSON: {"user": "password"}.'
ALL_ATTEMPTS = 60  # of all addresses


def new_token() -> str:
    """A token of 192 random bits, for one start of a server."""
    return secrets.token_hex(24)


def equal(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(hashlib.sha256(one.encode()).digest(), hashlib.sha256(other.encode()).digest())


def check_token(token: str) -> str:
    """``token``, if it can't be guessed.

    Raises
    ------
    FelError
        If it is short, or holds characters that do not fit into an address.
    """
    if len(token) < MIN_TOKEN or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        raise FelError(
            f"A token of {len(token)} characters.",
            f"It has {MIN_TOKEN} letters, digits, - or _, or more.",
            "Leave it out: each start of the server then makes a new one.",
        )
    return token


def read_passwords(path: str | Path) -> dict[str, str]:
    """{user: password} of a JSON file.

    Raises
    ------
    FelError
        If the file does not hold that.
    """
    try:
        found = json.loads(Path(path).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise FelError(f"'{path}' can't be read: {type(error).__name__}.", IS_JSON) from error
    if not (isinstance(found, dict) and found and all(isinstance(p, str) and p for p in found.values())):
        raise FelError(f"'{path}' does not hold passwords.", IS_JSON)
    return found


class Attempts:
    """Counts wrong logins, and says when an address has to wait.

    Parameters
    ----------
    clock
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._failed: dict[str, deque[float]] = defaultdict(deque)

    def wait(self, address: str) -> float:
        """Seconds until ``address`` may try again; 0 if it may now."""
        since = self.clock() - WINDOW
        for one in list(self._failed):
            while self._failed[one] and self._failed[one][0] < since:
                self._failed[one].popleft()
            if not self._failed[one]:
                del self._failed[one]
        own = self._failed.get(address, ())
        if len(own) < ATTEMPTS and sum(map(len, self._failed.values())) < ALL_ATTEMPTS:
            return 0.0
        first = min(times[0] for times in self._failed.values()) if len(own) < ATTEMPTS else own[0]
        return max(first + WINDOW - self.clock(), 1.0)

    def fail(self, address: str) -> None:
        """Note a wrong login of ``address``."""
        self._failed[address].append(self.clock())


@dataclass
class Access:
    """Who may enter.

    Parameters
    ----------
    token
        Which an address or an ``Authorization`` header must carry; "" for none.
    passwords
        {user: password}; visitors log in, and need no token.
    address
        That the server listens on: beyond loopback its names and numerical addresses are allowed as hosts.
    origins
        Further addresses that visitors reach the server by: ``https://hub.example.org`` or host names.
    proxies
        Addresses or networks whose ``X-Forwarded-*`` headers are believed.
    """

    token: str = field(default_factory=new_token)
    passwords: Mapping[str, str] = field(default_factory=dict)
    address: str = "127.0.0.1"
    origins: Sequence[str] = ()
    proxies: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.attempts = Attempts()
        # of the token, where there is one, so that pages stay open when a server starts again with the same
        self._key = hashlib.sha256(f"fel_explorer {self.token}".encode()).digest()
        if self.passwords or not self.token:
            self._key = secrets.token_bytes(32)
        self._hosts = {name_of(origin) for origin in self.origins} | set(LOOPBACK)
        if self.address not in LOOPBACK:
            self._hosts |= {self.address, socket.gethostname().lower(), socket.getfqdn().lower()}
        try:
            self._networks = [ipaddress.ip_network(proxy) for proxy in self.proxies]
        except ValueError as error:
            raise FelError(
                f"--trust-proxy: {error}.", "An address or a network, such as 10.0.0.0/8."
            ) from error

    @property
    def open(self) -> bool:
        """Whether all who reach the port may enter."""
        return not self.token and not self.passwords

    def allows_host(self, host: str) -> bool:
        """Whether a ``Host`` header names this server: others are those of pages that rebind a DNS name."""
        name = name_of(host)
        if name in self._hosts:
            return True
        if self.address in LOOPBACK:
            return False
        try:  # a numerical address can't be rebound
            return bool(ipaddress.ip_address(name))
        except ValueError:
            return False

    def allows_origin(self, origin: str, host: str) -> bool:
        """Whether a page of ``origin`` may talk to the server that it calls ``host``."""
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https"):
            return False
        named = {one.lower().rstrip("/") for one in self.origins}
        return parts.netloc.lower() in {host.lower(), *named} or origin.lower() in named

    def trusts(self, address: str) -> bool:
        """Whether ``address`` is that of a trusted proxy."""
        try:
            return any(ipaddress.ip_address(address) in network for network in self._networks)
        except ValueError:
            return False

    def is_token(self, given: str) -> bool:
        """Whether ``given`` is the token."""
        return bool(self.token) and not self.passwords and equal(given, self.token)

    def cookie(self, user: str = "") -> str:
        """The value of the cookie of a visitor who has entered."""
        name = urlsafe_b64encode(user.encode()).decode()
        return f"{name}.{self._sign(user)}"

    def is_cookie(self, value: str) -> bool:
        """Whether `cookie` made ``value``."""
        name, _, signature = value.partition(".")
        try:
            user = urlsafe_b64decode(name.encode()).decode()
        except ValueError:
            return False
        return equal(signature, self._sign(user))

    def login(self, user: str, password: str) -> bool:
        """Whether the password is that of the user."""
        known = self.passwords.get(user)
        right = equal(password, known if known is not None else secrets.token_hex(16))
        return right and known is not None

    def _sign(self, user: str) -> str:
        return hmac.new(self._key, user.encode(), "sha256").hexdigest()


def name_of(host: str) -> str:
    """The name in ``name:port``, ``[::1]:port`` or an address, in small letters; "" where it is none."""
    try:
        netloc = urlsplit(host if "//" in host else f"//{host}").netloc
    except ValueError:
        return ""
    found = HOST.fullmatch(netloc.lower())
    return found[1] or found[2] if found else ""
