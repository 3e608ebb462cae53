"""The gate of a server: every request and every WebSocket passes it before any handler sees it.

Bokeh's own means (`auth_provider`, `allow_websocket_origin`) leave static files open, do not check the
``Host`` header, and set cookies without ``SameSite``.
"""

from __future__ import annotations

from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    ResponseStartLine,
)
from tornado.routing import Router
from tornado.web import Application, RequestHandler

from fel_explorer.app.server.access import Access, name_of

# Inline scripts and `eval` are how Bokeh and Panel start a page; handlers in attributes, which are how a name
# would run one, are refused, and so is everything from other hosts.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:",
        "script-src-attr 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # the address of a page holds its token for links and reloads
    "Cross-Origin-Resource-Policy": "same-origin",
}
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>fel_explorer</title><style>
body {{font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 12vh auto; padding: 0 1rem}}
label {{display: block; margin: .8rem 0 .2rem}} input {{width: 100%; padding: .4rem; box-sizing: border-box}}
button {{margin-top: 1rem; padding: .4rem 1.2rem}} .error {{color: #b00020}}
@media (prefers-color-scheme: dark) {{body {{background: #121212; color: #eee}} .error {{color: #ff8a80}}}}
</style></head><body><h1>fel_explorer</h1>{body}</body></html>"""


class SecuredConnection:
    """A connection that adds ``headers`` to each answer."""

    def __init__(self, connection: HTTPConnection, headers: dict[str, str]) -> None:
        self._connection, self._headers = connection, headers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def write_headers(
        self, start_line: ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Any:
        """Write the head of an answer, with the headers of the server."""
        for name, value in self._headers.items():
            headers[name] = value
        return self._connection.write_headers(start_line, headers, chunk)


class Gate(Router):
    """Lets requests through to ``application`` that may enter, and answers the others itself.

    Parameters
    ----------
    cookie
        Name of the cookie; those of servers on other ports of this machine are sent as well.
    prefix
        Path below which the application lies.
    """

    def __init__(self, application: Application, access: Access, *, cookie: str, prefix: str = "") -> None:
        self.application, self.access = application, access
        self.cookie, self.prefix = cookie, prefix
        self._pages = Application([])

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate | None:
        """The handler of a request: the application's, or a page of the gate."""
        self._believe_proxy(request)
        request.connection = SecuredConnection(request.connection, HEADERS)
        if self._has_header_token(request):  # no page of another origin can send it
            request.headers.pop("Origin", None)
            return self.application.find_handler(request)
        if not self.access.allows_host(request.host):
            return self._answer(request, Refused, status=403, text=_host_text(request.host))
        if not self._allows_origin(request):
            return self._answer(request, Refused, status=403, text=ORIGIN)
        if self.access.passwords and request.path == f"{self.prefix}/login":
            return self._answer(request, Login)
        if self._may_enter(request):
            request.headers.pop("Origin", None)  # checked here; Bokeh knows no name but localhost
            return self.application.find_handler(request)
        if request.method == "GET" and self.access.is_token(_argument(request, "token")):
            return self._answer(request, Entry)
        if self.access.passwords and request.method == "GET" and not _is_websocket(request):
            return self._answer(request, ToLogin)
        return self._answer(request, Refused, status=403, text=NO_TOKEN, asks=bool(self.access.token))

    def _answer(self, request, handler, **options):
        return self._pages.get_handler_delegate(request, handler, {"gate": self, **options})

    def _believe_proxy(self, request):
        """Take scheme, host and address of the visitor from a trusted proxy; ignore what others claim."""
        if not self.access.trusts(request.remote_ip or ""):
            return
        headers = request.headers
        request.protocol = headers.get("X-Forwarded-Proto", request.protocol).split(",")[-1].strip()
        request.host = headers.get("X-Forwarded-Host", request.host).split(",")[-1].strip()
        for address in reversed(headers.get("X-Forwarded-For", "").split(",")):
            if address.strip():
                request.remote_ip = address.strip()
                if not self.access.trusts(request.remote_ip):
                    break

    def _has_header_token(self, request):
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() in ("token", "bearer") and self.access.is_token(given.strip())

    def _allows_origin(self, request):
        origin = request.headers.get("Origin")
        if origin is None:  # not a browser, or a page of this server that only reads
            return True
        reads = request.method in ("GET", "HEAD") and not _is_websocket(request)
        return reads or self.access.allows_origin(origin, request.host)

    def _may_enter(self, request):
        if self.access.open:
            return True
        cookie = request.cookies.get(self.cookie)
        return cookie is not None and self.access.is_cookie(cookie.value)


NO_TOKEN = "Open the address that fel-explorer printed when it started: it holds a token."
ORIGIN = "A page of another site asked. If it is yours, start fel-explorer with --allow-origin."


def _host_text(host):
    name = name_of(host)
    return f"This server is not called '{name}'. If it is, start fel-explorer with --allow-origin {name}."


def _is_websocket(request):
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _argument(request, name):
    values = request.query_arguments.get(name, [b""])
    return values[-1].decode("utf-8", "replace")


class Page(RequestHandler):
    """A page of the gate."""

    def initialize(self, gate: Gate, **_: Any) -> None:
        self.gate = gate

    def check_xsrf_cookie(self) -> None:
        """Nothing: the gate has compared the origins."""

    def enter(self, user: str = "") -> None:
        """Set the cookie with which a visitor may enter."""
        self.set_cookie(
            self.gate.cookie,
            self.gate.access.cookie(user),
            path=self.gate.prefix or "/",
            httponly=True,
            samesite="Lax",
            secure=self.request.protocol == "https",
        )

    def show(self, body: str, status: int = 200) -> None:
        """Finish with a small page."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        self.finish(PAGE.format(body=body))

    def go(self, path: str, query: str = "") -> None:
        """Redirect to a path of this folder, which proxies may have put elsewhere."""
        self.set_status(303)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Location", f"./{path}" + (f"?{query}" if query else ""))
        self.finish()


class Entry(Page):
    """The address with the token: sets the cookie, and goes on to the address without."""

    def get(self) -> None:
        """Redirect."""
        self.enter()
        query = [pair for pair in parse_qsl(self.request.query, keep_blank_values=True) if pair[0] != "token"]
        self.go(self.request.path.rsplit("/", 1)[-1], urlencode(query))


class Refused(Page):
    """Why a request may not enter, and a field for the token."""

    def initialize(self, gate: Gate, status: int = 403, text: str = "", asks: bool = False) -> None:
        self.gate, self.status, self.text, self.asks = gate, status, text, asks

    def prepare(self) -> None:
        """Answer, whatever the method."""
        body = f"<p>{escape(self.text)}</p>"
        if self.asks and self.request.method == "GET":
            kept = parse_qsl(self.request.query)
            hidden = "".join(
                f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                for name, value in kept
                if name != "token"
            )
            body += f'<form>{hidden}<label for="token">Token</label>'
            body += '<input id="token" name="token" type="password"><button>Enter</button></form>'
        self.show(body, self.status)


class ToLogin(Page):
    """The way to the login."""

    def get(self) -> None:
        """Redirect to the login of this server."""
        if self.request.path == self.gate.prefix:
            return self.go(f"{self.gate.prefix.rsplit('/', 1)[-1]}/", self.request.query)
        depth = self.request.path[len(self.gate.prefix) :].count("/") - 1
        here = self.request.path[len(self.gate.prefix) + 1 :]
        after = here + (f"?{self.request.query}" if self.request.query else "")
        return self.go("../" * max(depth, 0) + "login", urlencode({"next": after}) if after else "")


class Login(Page):
    """The login, with limited attempts."""

    def get(self) -> None:
        """Show the form."""
        self._form()

    def post(self) -> None:
        """Check user and password."""
        access, address = self.gate.access, self.request.remote_ip or ""
        wait = access.attempts.wait(address)
        if wait:
            self.set_header("Retry-After", str(int(wait) + 1))
            return self._form(f"Too many attempts. Try again in {int(wait) + 1} s.", 429)
        if "Origin" not in self.request.headers:
            return self._form("The browser did not say which page sends the password.", 403)
        user = self.get_body_argument("user", "")
        if not access.login(user, self.get_body_argument("password", "", strip=False)):
            access.attempts.fail(address)
            return self._form("User or password is wrong.", 401)
        self.enter(user)
        path, _, query = self.get_query_argument("next", "").partition("?")
        return self.go(path.lstrip("/"), query)

    def _form(self, error: str = "", status: int = 200) -> None:
        text = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
        self.show(
            f'{text}<form method="post"><label for="user">User</label>'
            '<input id="user" name="user" autocomplete="username" autofocus>'
            '<label for="password">Password</label>'
            '<input id="password" name="password" type="password" autocomplete="current-password">'
            "<button>Log in</button></form>",
            status,
        )
