"""Browser stories: a real server in its own process, headless Chromium, a page that tolerates no error."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

expect.set_options(timeout=60_000)

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",  # only the structures need GL, which in software takes all processors
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTLED = """(quiet) => new Promise((done) => {
    let since = performance.now(), last = since
    const changed = () => { since = performance.now() }
    Bokeh.documents.forEach((document) => document.on_change(changed))
    const look = () => {
        const now = performance.now()
        if (now - last > 150) since = now  // the page was too busy to look
        last = now
        if (now - since < quiet) return setTimeout(look, 50)
        Bokeh.documents.forEach((document) => document.remove_on_change(changed))
        done()
    }
    look()
})"""
LOCAL = ("http://localhost", "http://127.0.0.1", "ws://localhost", "ws://127.0.0.1", "data:", "blob:")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ui)


def chromium():
    """The system's Chromium, or None for playwright's own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def playwright():
    os.environ.setdefault("DEBUG", "pw:browser")  # what Chromium says is shown with the story that failed
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture
def browser(playwright):
    """A Chromium for each story: one that dies takes no other story with it."""
    browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
    yield browser
    browser.close()


SETTINGS = {"NO_BROWSER": "1", "PYTHONUNBUFFERED": "1", "FEL_EXPLORER_JOBS": "process"}


class Server:
    """`fel-explorer ARGS` (or another command that prints its address) in a process of its own."""

    def __init__(self, command, cwd, env, timeout=120):
        self.log = []
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **SETTINGS, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        found = threading.Event()
        self.url = None

        def read():
            for line in self.process.stdout:
                self.log.append(line)
                address = re.search(r"https?://(localhost|127\.0\.0\.1):\d+\S*", line)
                if address and self.url is None:
                    self.url = address.group()
                    found.set()
            found.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        if not found.wait(timeout) or self.url is None:
            self.stop()
            raise RuntimeError(f"{command} printed no address:\n{''.join(self.log)}")

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self._reader.join(10)
        self.process.stdout.close()
        self.process.stdin.close()


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache of unpacked samples and features for all stories."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def demo(tmp_path_factory, cache):
    """`fel-explorer demo`, as `make demo` starts it."""
    server = Server(
        [sys.executable, "-m", "fel_explorer.cli", "demo", "--port", "0"],
        cwd=tmp_path_factory.mktemp("work"),
        env={"FEL_EXPLORER_CACHE": str(cache)},
    )
    yield server
    server.stop()


@pytest.fixture
def page(browser, request):
    """A page that fails its test on any console error, failed request, or request to another host."""
    options = getattr(request, "param", {})
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True, **options)
    page = context.new_page()
    faults = []
    page.on("console", lambda message: message.type == "error" and faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
    page.on("requestfailed", lambda failed: faults.append(f"failed request: {failed.url} {failed.failure}"))
    page.on(
        "request",
        lambda sent: sent.url.startswith(LOCAL) or faults.append(f"foreign request: {sent.url}"),
    )
    page.faults = faults
    yield page
    shots = os.environ.get("FEL_EXPLORER_SCREENSHOTS")
    if shots and browser.is_connected():
        Path(shots).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{shots}/{request.node.name}.png")
    assert browser.is_connected(), "Chromium died during the story"
    context.close()
    assert not faults, "\n".join(faults)


def settle(page, quiet=1.5):
    """Wait until for ``quiet`` seconds the server changed nothing and the page had time.

    A map that makes room for a neighbour is drawn again, in its new size: what is dragged before is lost.
    """
    page.evaluate(SETTLED, 1000 * quiet)


def wait_for(condition, timeout=60.0, interval=0.1, page=None):
    """Poll until ``condition()`` is true (returns its value); the last value is in the error."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        if page is None:
            time.sleep(interval)
        else:
            page.wait_for_timeout(1000 * interval)
    raise AssertionError(f"not within {timeout} s; last value {value!r}")
