"""Memory of the server over pages that are opened and closed, on the sample data.

Each page is requested as a browser does, and left; the server deletes it after some 30 s.  The table has the
resident memory when the pages of a round are deleted: flat is good, a slope is a leak.

    python benchmarks/app_memory.py [--quick] [--rounds 5] [--pages 4]
"""

import argparse
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "ui"))

from conftest import Server

DELETED = 40.0  # seconds: bokeh looks every 17 s for pages without a connection for 15 s


def resident(process) -> float:
    """Megabytes."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds of one page")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pages", type=int, default=4, help="pages a round")
    arguments = parser.parse_args()
    rounds, pages = (2, 1) if arguments.quick else (arguments.rounds, arguments.pages)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fel_explorer.cli", "demo", "--port", "0"]
        server = Server(command, cwd=folder, env={"FEL_EXPLORER_CACHE": folder})
        try:
            print("| pages so far | resident memory |\n|---|---|", flush=True)
            for done in range(1, rounds + 1):
                for _ in range(pages):
                    visitor = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
                    visitor.open(server.url, timeout=300).read()
                time.sleep(DELETED)
                print(f"| {done * pages} | {resident(server.process):.0f} MB |", flush=True)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
