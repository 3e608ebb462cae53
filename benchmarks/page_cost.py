"""What opening a page costs: processor time and memory of the server, models, bytes, and seconds.

A server and a headless Chromium without a graphics card on the same machine; in the same run a bare page of
panel with one material button and one Bokeh figure.  Processor seconds are those of the server from the
request until the page is at rest: the pages' own, whatever else runs.  Wall seconds depend on what else runs,
and begin with the request.  "Skeleton" is the browser's first contentful paint, "map" is when a Bokeh figure
has been drawn, "structure" when the 3-D viewer shows a scene.  At rest: the server changed nothing for 1.5 s.

    python benchmarks/page_cost.py [--pages 2] [--kept 4]
    python benchmarks/page_cost.py --profile FILE    # where the making of one page spends its time
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "ui"))

from app_memory import resident
from conftest import CHROMIUM_ARGS, Server, chromium, settle

BARE = """
import panel as pn
import panel_material_ui as pmui
from bokeh.plotting import figure

pn.extension(notifications=True, inline=True)

def page():
    plot = figure(width=400, height=300)
    plot.scatter([1, 2, 3], [3, 1, 2])
    return pmui.Page(main=[pmui.Button(label="A button"), pn.pane.Bokeh(plot)])

server = pn.serve({"/": page}, port=0, show=False, start=False, verbose=False)
print(f"http://localhost:{server.port}", flush=True)
server.start()
server.io_loop.start()
"""
DRAWN = """() => {
    const seen = window.seen ??= {}, now = performance.now()
    const found = globalThis.Bokeh?.index?.query?.((view) => view.model.type == "Figure") ?? []
    for (const figure of found) if (figure.has_finished()) seen.map ??= now
    for (const document of globalThis.Bokeh?.documents ?? []) {
        for (const model of document._all_models?.values() ?? []) {
            if (model.data?.scene?.length && model.data?.ready) seen.structure ??= now
        }
    }
    return seen.map && (seen.structure || !STRUCTURE)
}"""
TIMES = """() => {
    const [navigation] = performance.getEntriesByType("navigation")
    const [paint] = performance.getEntriesByName("first-contentful-paint")
    return {
        byte: navigation.responseStart, skeleton: paint?.startTime, ...window.seen, now: performance.now(),
        models: Bokeh.documents.reduce((sum, document) => sum + document._all_models.size, 0),
    }
}"""
ROWS = {
    "cpu": "server, processor time (s)",
    "models": "Bokeh models",
    "bytes": "HTML (bytes)",
    "byte": "first byte (s)",
    "skeleton": "skeleton (s)",
    "map": "map (s)",
    "structure": "structure (s)",
    "rest": "at rest (s)",
    "memory": "server, memory of a page (MB)",
    "start": "from the command to the map (s)",
}
QUIET = 1.5  # s


def processor_seconds(process) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def open_page(browser, server, structure) -> tuple[dict, object]:
    """Cost of one page, and the page, which is open."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(180_000)
    before = processor_seconds(server.process)
    response = page.goto(server.url, wait_until="commit")
    page.wait_for_function(DRAWN.replace("STRUCTURE", str(structure).lower()), polling=30)
    settle(page, QUIET)
    cost = page.evaluate(TIMES)
    cost["rest"] = cost.pop("now") - 1000 * QUIET
    cost = {key: value if key == "models" else value / 1000 for key, value in cost.items() if value}
    cost["cpu"] = processor_seconds(server.process) - before
    cost["bytes"] = len(response.body())
    return cost, page


def costs(browser, command, structure, n, kept) -> list[dict]:
    """Cost of the first ``n`` pages of a server; the last has the memory of each of ``kept`` pages too."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        server = Server(command, cwd=folder, env={"FEL_EXPLORER_CACHE": folder})
        try:
            found = []
            for _ in range(n):
                asked = time.monotonic() - began
                cost, page = open_page(browser, server, structure)
                if not found:
                    cost["start"] = asked + cost["map"]
                found.append(cost)
                page.close()
            before, pages = resident(server.process), []
            for _ in range(kept):
                pages.append(open_page(browser, server, structure)[1])
            if pages:
                found[-1]["memory"] = (resident(server.process) - before) / kept
            return found
        finally:
            server.stop()


def profile(file):
    """Profile the making of the second page of a server, without a browser."""
    import cProfile

    import panel as pn
    from tornado.httpclient import AsyncHTTPClient

    from fel_explorer.app import entry, explorer_pages
    from fel_explorer.app.server.server import serving

    entry.load_extensions()
    explorer_pages.demo_data()
    server = pn.serve(
        {"/": serving(explorer_pages.demo_page)}, port=0, show=False, start=False, verbose=False
    )
    server.start()

    def request():
        address = f"http://localhost:{server.port}/"
        server.io_loop.run_sync(lambda: AsyncHTTPClient().fetch(address, request_timeout=600))

    request()
    profiler = cProfile.Profile()
    profiler.runcall(request)
    profiler.dump_stats(file)
    print(f"{file}: python -m pstats {file}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=2, help="pages of a server, one after the other")
    parser.add_argument("--kept", type=int, default=4, help="pages that stay open, for the memory of each")
    parser.add_argument("--profile", metavar="FILE", help="write a profile of one page and end")
    arguments = parser.parse_args()
    if arguments.profile:
        profile(arguments.profile)
        return
    demo = [sys.executable, "-m", "fel_explorer.cli", "demo", "--port", "0"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_ARGS)
        n, kept = arguments.pages, arguments.kept
        columns = {f"bare {i + 1}": cost for i, cost in enumerate(
            costs(browser, [sys.executable, "-c", BARE], False, n, kept))}  # fmt: skip
        columns |= {f"explorer {i + 1}": cost for i, cost in enumerate(costs(browser, demo, True, n, kept))}
        browser.close()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    print("| | " + " | ".join(columns) + " |\n" + "|---" * (1 + len(columns)) + "|")
    for key, what in ROWS.items():
        digits = 0 if key in ("models", "bytes", "memory") else 2
        cells = [f"{cost[key]:.{digits}f}" if key in cost else "–" for cost in columns.values()]
        print(f"| {what} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
