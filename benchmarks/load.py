"""Round trips of several pages while one trains, and the memory of the server over pages that come and go.

Clients speak Bokeh's protocol over websockets, without a browser: each opens a page on the sample data,
draws a lasso of its own twice a second, and waits until the map has been drawn anew and says how many frames
are selected.  Another number than the client's first means that selections mix.  All pages are on the same
data, so that all show the progress of the training.  Memory: pages come in rounds; some are closed, others
killed without a word, and in each round a training begins and is stopped.  Megabytes are those of the server
alone, its workers apart.

    python benchmarks/load.py [--clients 8] [--seconds 40] [--pages 30] [--jobs thread]
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import websocket_connect

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "ui"))

from app_memory import resident
from conftest import Server

SERVER = """
import functools, sys, threading
import panel as pn
from fel_explorer.app import entry, explorer_pages
from fel_explorer.app.jobs.featurize_and_train import fingerprint, training
from fel_explorer.app.jobs.manager import manager
from fel_explorer.app.server import server
from fel_explorer.methods import IDM

entry.load_extensions()
dataset, _, _ = explorer_pages.demo_data()
# pages without a browser are deleted after 2 s, not after 15
server.pn.serve = functools.partial(
    pn.serve, unused_session_lifetime_milliseconds=2000, check_unused_sessions_milliseconds=1000
)
made, url = server.make_server({"/": server.serving(entry.with_physics(explorer_pages.demo_page)["/"])})

def listen():
    job = None
    for line in sys.stdin:
        if line.strip() == "train":
            call = training(IDM(lag_time=10.0, n_steps=10**6), dataset, "IDM", device="cpu")
            job = manager().submit("IDM", call, kind="model", key=fingerprint(dataset))
        else:
            manager().cancel(job)

threading.Thread(target=listen, daemon=True).start()
print(url, flush=True)
made.start()
made.io_loop.start()
"""
TOKEN = re.compile(r'"token":"([^"]+)"')
SELECTED = re.compile(r"([\d,]+) selected")
SIZE = {"inner_width": 640, "inner_height": 560}  # of the map in a window of 1440 x 900
WAIT = 60.0  # s, after which a round trip counts as lost


class Client:
    """One page, as its browser speaks to the server."""

    def __init__(self, url: str) -> None:
        self.base, _, query = url.partition("?")
        self.query, self.texts, self._number = query, asyncio.Queue(), 0

    async def open(self) -> None:
        """Load the page, connect, and find its map."""
        http = AsyncHTTPClient()
        self.cookie = ""
        entered = await http.fetch(
            f"{self.base}?{self.query}", follow_redirects=False, raise_error=False, request_timeout=WAIT
        )
        self.cookie = "; ".join(c.partition(";")[0] for c in entered.headers.get_list("Set-Cookie"))
        page = await http.fetch(HTTPRequest(self.base, headers={"Cookie": self.cookie}, request_timeout=WAIT))
        token = TOKEN.search(page.body.decode())[1]
        request = HTTPRequest(
            f"{self.base.replace('http', 'ws', 1)}ws",
            headers={"Cookie": self.cookie, "Origin": self.base.rstrip("/")},
        )
        self.socket = await websocket_connect(request, subprotocols=["bokeh", token], max_message_size=2**30)
        await self._message()  # ACK
        while not await self._find():
            await asyncio.sleep(0.5)
        sizes = [
            {"kind": "ModelChanged", "model": {"id": self.figure}, "attr": name, "new": value}
            for name, value in SIZE.items()
        ]
        await self._send("PATCH-DOC", {"events": sizes})
        self._reader = asyncio.create_task(self._read())

    async def _find(self) -> bool:
        """Whether the map is there; sets its model and the middle of its limits."""
        await self._send("PULL-DOC-REQ", {})
        while (message := await self._message())[0]["msgtype"] != "PULL-DOC-REPLY":
            pass
        found = []

        def walk(one):
            if isinstance(one, dict):
                if one.get("name") == "Figure" and "role" in str(one["attributes"].get("html_attributes")):
                    found.append(one)
                one = one.values()
            elif not isinstance(one, list):
                return
            for inner in one:
                walk(inner)

        walk(message[1])
        if not found:
            return False
        self.figure = found[0]["id"]
        ranges = [found[0]["attributes"][name]["attributes"] for name in ("x_range", "y_range")]
        self.limits = [(one["start"], one["end"]) for one in ranges]
        return True

    async def lasso(self, part: float) -> tuple[float, int]:
        """Seconds until the map shows a lasso, and the number of frames that it says are selected."""
        while not self.texts.empty():
            self.texts.get_nowait()
        (left, right), (low, high) = self.limits
        right = left + part * (right - left)
        x, y = [left, right, right, left], [low, low, high, high]
        geometry = {"type": "map", "entries": [["type", "poly"], ["x", x], ["y", y]]}
        values = [["model", {"id": self.figure}], ["geometry", geometry], ["final", True]]
        event = {"type": "event", "name": "selectiongeometry", "values": {"type": "map", "entries": values}}
        sent = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
        began = time.monotonic()
        await self._send("PATCH-DOC", {"events": [sent]})
        count = await asyncio.wait_for(self.texts.get(), WAIT)
        return time.monotonic() - began, count

    def kill(self) -> None:
        """End the connection without a word."""
        self._reader.cancel()
        self.socket.stream.close()

    def close(self) -> None:
        self._reader.cancel()
        self.socket.close()

    async def _send(self, kind, content) -> None:
        self._number += 1
        header = {"msgid": str(self._number), "msgtype": kind}
        for part in (header, {}, content):
            await self.socket.write_message(json.dumps(part))

    async def _message(self):
        """Header and content of the next message; arrays are skipped."""
        header = json.loads(await self.socket.read_message())
        await self.socket.read_message()
        content = await self.socket.read_message()
        for _ in range(2 * header.get("num_buffers", 0)):
            await self.socket.read_message()
        return header, json.loads(content)

    async def _read(self):
        while True:
            header, content = await self._message()
            for event in content["events"] if header["msgtype"] == "PATCH-DOC" else ():
                if event.get("attr") == "html_attributes" and event["model"]["id"] == self.figure:
                    found = SELECTED.search(json.dumps(event["new"]))
                    self.texts.put_nowait(int(found[1].replace(",", "")) if found else 0)


async def round_trips(clients, seconds) -> list[float]:
    """Seconds of each lasso of all clients, two a second each."""
    times = []

    async def work(client, part):
        expected = None
        end = time.monotonic() + seconds
        await asyncio.sleep(part)  # not all at the same moment
        while time.monotonic() < end:
            for fraction in (part, 0.0):
                took, count = await client.lasso(fraction)
                times.append(took)
                if fraction:
                    expected = count if expected is None else expected
                    assert count == expected, f"{count} frames instead of {expected}: of another page"
                await asyncio.sleep(max(0.0, 0.5 - took))

    parts = np.linspace(0.2, 0.8, len(clients))
    await asyncio.gather(*(work(client, part) for client, part in zip(clients, parts, strict=True)))
    return times


def row(name, times) -> str:
    low, high, worst = np.percentile(times, [50, 95, 100])
    return f"| {name} | {len(times)} | {low:.2f} | {high:.2f} | {worst:.2f} |"


def tell(server, word) -> None:
    server.process.stdin.write(f"{word}\n")
    server.process.stdin.flush()


async def measure(server, arguments) -> None:
    clients = [Client(server.url) for _ in range(arguments.clients)]
    began = time.monotonic()
    for client in clients:
        await client.open()
    print(f"{len(clients)} pages opened in {time.monotonic() - began:.1f} s", flush=True)
    print("| round trips of a lasso | n | median (s) | 95 % (s) | worst (s) |\n|---|---|---|---|---|")
    print(row("idle", await round_trips(clients, arguments.seconds / 2)), flush=True)
    tell(server, "train")
    await asyncio.sleep(3)
    print(row("one trains", await round_trips(clients, arguments.seconds)), flush=True)
    tell(server, "stop")
    for client in clients:
        client.close()
    if not arguments.pages:
        return
    print("\n| pages so far | memory of the server (MB) |\n|---|---|")
    per_round = 5
    for done in range(0, arguments.pages + 1, per_round):
        if done:
            clients = [Client(server.url) for _ in range(per_round)]
            await asyncio.gather(*(client.open() for client in clients))
            tell(server, "train")
            await round_trips(clients, 3)
            for number, client in enumerate(clients):
                client.kill() if number % 2 else client.close()
            tell(server, "stop")
        await asyncio.sleep(5)
        print(f"| {done} | {resident(server.process):.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=40.0, help="of the round trips while one trains")
    parser.add_argument("--pages", type=int, default=30, help="of which the memory is measured; 0 for none")
    parser.add_argument("--jobs", choices=("process", "thread"), default="process")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        environment = {"FEL_EXPLORER_CACHE": folder, "FEL_EXPLORER_JOBS": arguments.jobs, "PYTHONPATH": path}
        server = Server([sys.executable, "-c", SERVER], cwd=folder, env=environment)
        try:
            asyncio.run(measure(server, arguments))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
