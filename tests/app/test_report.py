"""The report holds what the page shows, and opens without a network."""

import base64
import json
import re
from datetime import date
from html.parser import HTMLParser

import mdtraj
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.report import report_html, save_report, structures
from fel_explorer.app.session.pinned import rmsds
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.paths import landscape_path
from fel_explorer.errors import FelError
from fel_explorer.structures.alignment import fit_atoms


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
        "States over time",
        "Kinetics",
        "Structures",
        "The same in Python",
    ]
    assert len(page.addresses) >= 4 and all(a.startswith("data:image/svg") for a in page.addresses)
    assert "<b>beta</b> & more" in page.cells  # shown as it was typed, not taken as HTML


def test_table_has_the_populations(session):
    page = Page(report_html(session))
    shares = [float(cell.rstrip(" %")) for cell in page.cells if re.fullmatch(r"[\d.]+ %", cell)][:3]
    expected = np.sort(np.bincount(session.result.state) / 4)[::-1]
    assert np.allclose(shares, expected, rtol=5e-3)


def test_structures_are_those_of_states_and_selection(session):
    session.select_state(1)
    text = report_html(session)
    session.undo()
    titles = re.findall(r'"title": "(.*?)"', text)
    assert titles[0].startswith("Selection: ") and len(titles) == 4
    assert "</b>" not in re.search(r'id="fel-scenes">(.*?)</script>', text).group(1)


def scenes(text):
    """{title: scene} of the viewer."""
    found = json.loads(re.search(r'id="fel-scenes">(.*?)</script>', text).group(1).replace("<\\/", "</"))
    return {scene["title"]: scene for scene in found}


def images(layer):
    xyz = np.frombuffer(base64.b64decode(layer["coordinates"]), "<f4")
    return xyz.reshape(-1, layer["pdb"].count("ATOM  ") + layer["pdb"].count("HETATM"), 3) / 10


def pin(session, frames):
    pinned = session.pinned
    for frame in frames:
        xyz = session.trajectories.frames([frame]).xyz[0]
        pinned = pinned.add(f"frame {frame} <i>", frame, True, xyz, np.arange(len(xyz)))
    session.pin(pinned)


@pytest.fixture(scope="module")
def whole(session):
    """A session with a second map, a path and pins, and its report."""
    data = session.dataset
    whole = Session(data, session.trajectories)
    for label in ("PCA 2", "PCA 1"):
        whole.add_result(Result.of(label, fel.PCA(n_dims=2).fit(data), data))
    whole.axes, whole.beside, whole.axes_beside = ("psi ALA2", "phi ALA2"), "PCA 2", ("CV 2", "CV 1")
    for frame in (0, 399):
        whole.add_anchor(*fel.data.values_of(data, *whole.axes)[frame], whole.axes)
    whole.path = landscape_path.find_landscape_path(whole, "straight")
    pin(whole, (5, 300))
    return whole, report_html(whole)


def test_second_map_path_and_pins_are_in_the_report(whole):
    session, text = whole
    page = Page(text)
    assert page.open == [] and all(address.startswith("data:image/svg") for address in page.addresses)
    assert page.headings[:4] == ["Free-energy landscape", "Second map: PCA 2", "Path", "Pinned structures"]
    first, second, profile = (base64.b64decode(a.partition(",")[2]).decode() for a in page.addresses)
    assert "psi ALA2 (degrees)" in first and "psi ALA2 (degrees)" not in second and "CV 2" in second
    assert session.axes == ("psi ALA2", "phi ALA2") and session.axes_beside == ("CV 2", "CV 1")
    climb = session.unit.text(session.path.barrier.left, session.path.barrier.left_error)
    assert climb in text and "distance along the path" in profile


def test_structures_along_the_path_and_pins_can_be_looked_at(whole):
    session, text = whole
    found, path = scenes(text), session.path
    assert list(found)[1:] == [
        "Along the path", "All pinned structures", "Pinned: frame 5 <i>", "Pinned: frame 300 <i>"
    ]  # fmt: skip
    along = found["Along the path"]
    assert images(along["layers"][0]).shape == (path.n_images, session.trajectories.n_atoms, 3)
    assert len(along["images"]) == path.n_images and f"frame {path.curve.frames[-1]:,}" in along["images"][-1]
    alone = [found[f"Pinned: frame {frame} <i>"]["layers"][0] for frame in (5, 300)]
    together = found["All pinned structures"]["layers"]
    np.testing.assert_allclose(images(together[1]), images(alone[1]))
    one, other = (images(layer)[0, fit_atoms(session.trajectories.topology)] for layer in alone)
    distance = rmsds(session.pinned, session.trajectories.topology)[2]
    assert np.sqrt(((one - other) ** 2).sum(axis=1).mean()) == pytest.approx(distance, abs=1e-4)


def test_pins_are_listed_with_picture_state_and_distance(session):
    pin(session, (5, 300))
    picture = "data:image/webp;base64,AAAA"
    session.thumbnails = {"1": picture, "2": 'javascript:alert("no")'}
    page = Page(structures.pins(session))
    distance = rmsds(session.pinned, session.trajectories.topology)[2]
    session.undo()
    session.thumbnails = {}
    assert page.addresses == [picture]
    assert page.cells[2:] == ["reference", "frame 300 <i>", *page.cells[4:5], f"{10 * distance:.2f} Å"]
    assert page.cells[4] == session.state_name(int(session.result.state[300]))
    assert structures.pins(session) == ""


def test_report_without_trajectories_or_states():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(200, 3)))
    session = Session(data)
    session.add_result(Result.of("PCA 1", fel.PCA(n_dims=2).fit(data), data))
    assert Page(report_html(session)).headings == ["Free-energy landscape", "The same in Python"]


def test_report_without_a_model_says_what_to_do():
    with pytest.raises(FelError, match="without a model"):
        report_html(Session())


def test_report_has_date_versions_and_transition_probabilities(session):
    text = report_html(session)
    assert f"{date.today():%Y-%m-%d}" in text and f"mdtraj {mdtraj.__version__}" in text
    kinetics = text[text.index("<h2>Kinetics</h2>") : text.index("<h2>Structures</h2>")]
    cells = [float(cell) for cell in re.findall(r"<td>([\d.e+-]+) %</td>", kinetics)]
    n = len(session.result.states())
    assert len(cells) == n * n
    assert np.allclose(np.reshape(cells, (n, n)).sum(axis=1), 100, atol=1)


def test_table_has_the_units_of_its_columns(session):
    data = session.dataset.assign(energy=("frame", np.arange(400.0), {"units": "kJ/mol"}))
    other = Session(data, session.trajectories)
    other.add_result(Result.of("KMeans 1", session.shown.method, data))
    assert "<th>energy (kJ/mol)</th>" in report_html(other)
