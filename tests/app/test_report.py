"""The report holds what the page shows, and opens without a network."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.report import report_html, save_report
from fel_explorer.app.results import Result
from fel_explorer.app.session import Session
from fel_explorer.errors import FelError


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Two wells and a molecule of three frames a trajectory behind them."""
    folder = tmp_path_factory.mktemp("report")
    whole = fel.sample_data("alanine-dipeptide")
    fel.structures.export_frames(whole, np.arange(400), folder / "a.xtc")
    fel.structures.export_frames(whole, [0], folder / "top.pdb")
    trajs = fel.load_trajectories(folder / "a.xtc", folder / "top.pdb")
    data = fel.featurize(trajs, "backbone_torsions")
    session = Session(data, trajs)
    session.add_result(Result.of("KMeans 1", fel.KMeans(n_states=3).fit(data), data))
    session.name_state(1, "<b>beta</b> & more")
    return session


class Page(HTMLParser):
    """Headings, addresses, and whether every element is closed."""

    VOID = ("meta", "img")

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.addresses, self.cells = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h2", "td"):
            {"h2": self.headings, "td": self.cells}[self.open[-1]].append(data)


def test_report_has_every_part_and_needs_nothing_else(session, tmp_path):
    page = Page(save_report(session, tmp_path / "report.html").read_text())
    assert page.open == []
    assert page.headings == [
        "Free-energy landscape",
        "States",
        "Is each state metastable?",
        "Structures",
        "The same in Python",
    ]
    assert len(page.addresses) >= 4 and all(a.startswith("data:image/svg") for a in page.addresses)
    assert "<b>beta</b> & more" in page.cells  # shown as it was typed, not taken as HTML


def test_table_has_the_populations(session):
    page = Page(report_html(session))
    shares = [float(cell.rstrip(" %")) for cell in page.cells if re.fullmatch(r"[\d.]+ %", cell)]
    expected = np.sort(np.bincount(session.result.state) / 4)[::-1]
    assert np.allclose(shares, expected, rtol=5e-3)


def test_structures_are_those_of_states_and_selection(session):
    session.select_state(1)
    text = report_html(session)
    session.undo()
    titles = re.findall(r'"title": "(.*?)"', text)
    assert titles[0].startswith("Selection: ") and len(titles) == 4
    assert "</b>" not in re.search(r'id="fel-scenes">(.*?)</script>', text).group(1)


def test_report_without_trajectories_or_states():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(200, 3)))
    session = Session(data)
    session.add_result(Result.of("PCA 1", fel.PCA(n_dims=2).fit(data), data))
    assert Page(report_html(session)).headings == ["Free-energy landscape", "The same in Python"]


def test_report_without_a_model_says_what_to_do():
    with pytest.raises(FelError, match="without a model"):
        report_html(Session())
