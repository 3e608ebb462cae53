"""Ports that are in use."""

import re
import signal
import socket
import subprocess
import sys

import pytest

from fel_explorer.app.server.server import free_port
from fel_explorer.errors import FelError

HOST = "127.0.0.1"


@pytest.fixture
def busy():
    """A port in use, after which one is free."""
    while True:
        with socket.socket() as taken, socket.socket() as following:
            taken.bind((HOST, 0))
            port = taken.getsockname()[1]
            try:
                following.bind((HOST, port + 1))
            except OSError:
                continue
            following.close()
            taken.listen()
            yield port
            return


def test_the_next_free_port_is_taken_and_said(busy, capsys):
    assert free_port(busy, HOST) == busy + 1
    assert capsys.readouterr().out == f"Port {busy} is in use; {busy + 1} is taken.\n"
    assert free_port(busy + 1, HOST) == busy + 1 and free_port(0, HOST) == 0
    assert capsys.readouterr().out == ""


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(FelError, match=r"192\.0\.2\.1"):
        free_port(5006, "192.0.2.1")  # of documentation (RFC 5737)


def test_the_lessons_open_on_another_port(busy, tmp_path):
    command = [sys.executable, "-m", "fel_explorer.cli", "lessons", "--no-browser", "--port", str(busy)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "runs at" in line:
                break
        address = re.search(r"http://localhost:(\d+)", "".join(lines))
        assert address and int(address[1]) == busy + 1, "".join(lines)
        assert f"Port {busy} is in use" in "".join(lines)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stdout.close()
