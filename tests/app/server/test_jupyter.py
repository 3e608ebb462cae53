"""Behind a reverse proxy on loopback, as jupyter-server-proxy starts the explorer."""

import asyncio
import tomllib
from importlib import import_module
from pathlib import Path

from test_server import STATIC, get, served, session_token, socket_opens
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler, websocket_connect

from fel_explorer.app.server.access import Access
from fel_explorer.app.server.jupyter import setup_explorer
from fel_explorer.cli.parser import make_parser

ROOT = Path(__file__).parents[3]


class Forward(WebSocketHandler):
    """Passes requests and WebSockets on to ``target``, with further headers."""

    def initialize(self, target, headers):
        self.target, self.headers = target, headers

    def check_origin(self, origin):
        return True

    def _asked(self, scheme):
        headers = self.request.headers.copy()
        for name, value in self.headers.items():
            headers[name] = value
        return HTTPRequest(
            f"{scheme}://{self.target}{self.request.uri}", headers=headers, follow_redirects=False
        )

    async def get(self, *arguments, **options):
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            return await super().get(*arguments, **options)
        answer = await AsyncHTTPClient().fetch(self._asked("http"), raise_error=False)
        self.set_status(answer.code)
        for name in ("Location", "Set-Cookie"):
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        return self.finish(answer.body or b"")

    def select_subprotocol(self, offered):
        self.offered = offered
        return offered[0]

    async def open(self, *arguments, **options):
        asked = self._asked("ws")
        for name in ("Sec-Websocket-Key", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"):
            asked.headers.pop(name, None)
        try:
            self.behind = await websocket_connect(
                asked, subprotocols=self.offered, on_message_callback=self._answer
            )
        except HTTPClientError:
            self.close()

    def on_close(self):
        self.behind.close()

    def _answer(self, message):
        if message is None:
            self.close()
        else:
            self.write_message(message, binary=isinstance(message, bytes))


def proxied(target, headers):
    """A proxy to ``target`` and its port."""
    sockets = bind_sockets(0, "127.0.0.1")
    proxy = HTTPServer(Application([(".*", Forward, {"target": target, "headers": headers})]))
    proxy.add_sockets(sockets)
    return proxy, sockets[0].getsockname()[1]


def test_the_proxys_header_lets_in_and_nobody_else_enters():
    about = setup_explorer()
    prefix = about["command"][-1].format(base_url="/user/ada/", port=0)
    token = about["environment"]["FEL_EXPLORER_TOKEN"]

    async def visit():
        async with served(Access(token), prefix=prefix) as (url, server):
            target = f"localhost:{server.port}"
            proxy, port = proxied(target, about["request_headers_override"])
            public = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
            address = f"http://127.0.0.1:{port}{prefix}"
            page = await get(f"{address}/", headers=public)
            assert page.code == 200 and (await get(address + STATIC, headers=public)).code == 200
            assert token not in page.body.decode()
            assert await socket_opens(address, public, session_token(page.body))
            assert (await get(url, headers={"Host": "localhost"})).code == 403  # another user of the machine
            await asyncio.sleep(0.3)  # both ends of the socket close
            proxy.stop()
            await proxy.close_all_connections()

    asyncio.run(visit())


def test_the_entry_point_leads_to_a_command_that_the_command_line_takes():
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    module, _, name = points["jupyter_serverproxy_servers"]["fel-explorer"].partition(":")
    about = getattr(import_module(module), name)()
    command = [part.format(port=8000, base_url="/") for part in about["command"]]
    arguments = make_parser()[0].parse_args(command[command.index("fel_explorer.cli") + 1 :])
    assert arguments.port == 8000 and arguments.prefix == "/fel-explorer" and arguments.no_browser
    assert not any(about["environment"]["FEL_EXPLORER_TOKEN"] in part for part in command)
