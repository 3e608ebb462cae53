"""The explorer in a notebook: it shows itself, and a selection made in the cell is seen by the kernel."""

import json
import re
import socket
import sys
from urllib.parse import urlsplit

import pytest
from conftest import Server, settle, wait_for
from playwright.sync_api import expect
from test_stories import FIGURE, Map

LOAD = 180_000
OPTIONS = "--no-browser --allow-root --port=0 --IdentityProvider.token= --LabApp.news_url=None".split()
CELLS = [
    """import numpy as np, fel_explorer as fel
x = np.random.default_rng(0).normal(size=(2000, 2))
explorer = fel.explore(fel.as_dataset([x]), models=[fel.PCA().fit([x])])
explorer""",
    """print("frames selected:", explorer.session.selection.count, explorer.map.mode)""",
]


ICON = """() => {
  const find = (root) => {
    for (const node of root.querySelectorAll("*")) {
      const found = node.matches(".material-icons") ? node : node.shadowRoot && find(node.shadowRoot)
      if (found) return found
    }
  }
  const family = getComputedStyle(find(document)).fontFamily.replaceAll('"', "")
  return [family, [...document.fonts].some((font) => font.family.includes(family) && font.status == "loaded")]
}"""


def wheel_scrolls_the_notebook_until_a_click(page):
    shown = Map(page)
    centre = shown.screen(*shown.data(shown.figure["left"] + 120, shown.figure["top"] + 120))
    page.mouse.move(*centre)
    page.mouse.wheel(0, 40)
    expect(page.get_by_text("Ctrl and wheel zoom")).to_be_visible()
    settle(page)
    assert page.evaluate(FIGURE)["x"] == shown.figure["x"]
    page.mouse.click(*centre)
    page.mouse.wheel(0, -100)
    wait_for(lambda: page.evaluate(FIGURE)["x"] != shown.figure["x"], page=page)


def notebook():
    cells = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "id": str(i),
        }
        for i, source in enumerate(CELLS)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps(
        {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


def listens(host, port):
    with socket.socket() as connection:
        return connection.connect_ex((host, port)) == 0


@pytest.fixture
def lab(tmp_path):
    (tmp_path / "landscape.ipynb").write_text(notebook())
    server = Server(
        [sys.executable, "-m", "jupyterlab", *OPTIONS],
        cwd=tmp_path,
        env={"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_DATA_DIR": str(tmp_path / "data")},
    )
    address = urlsplit(server.url)
    wait_for(lambda: listens(address.hostname, address.port))
    yield server
    server.stop()


@pytest.mark.timeout(600)
def test_explorer_shows_in_jupyterlab_and_answers(lab, page):
    page.set_default_timeout(LOAD)
    page.goto(re.sub(r"/lab.*", "", lab.url) + "/lab/tree/landscape.ipynb")
    expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible(timeout=LOAD)
    page.wait_for_timeout(3000)
    page.get_by_text("import numpy").first.click()
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_text("0 of 2,000 frames selected")).to_be_visible(timeout=LOAD)
    settle(page)
    assert page.evaluate(ICON) == ["Material Icons", True], "an icon is a word"
    assert page.evaluate("document.fonts.check('14px Roboto')")
    assert page.evaluate(FIGURE)["width"] > 250
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Open", exact=True)).to_be_visible()  # the strip is folded
    wheel_scrolls_the_notebook_until_a_click(page)
    page.get_by_role("button", name="Data, features and model", exact=True).click()
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    page.get_by_role("button", name="Data, features and model", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Add", exact=True).click()
    page.keyboard.press("i")
    page.get_by_text('print("frames selected:"').click()
    page.keyboard.press("Shift+Enter")
    wait_for(lambda: page.get_by_text("frames selected: 0 add").count() == 1, timeout=60, page=page)
    # JupyterLab aborts the saving of its layout when a newer one is to be saved
    page.faults[:] = [fault for fault in page.faults if "/lab/api/workspaces/" not in fault]
