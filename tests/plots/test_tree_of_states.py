"""The words of a tree of states don't cover each other, however narrow it is."""

import itertools

import networkx
import pytest

from fel_explorer.plots import dendrogram
from fel_explorer.plots.dendrogram import Dendrogram

WORDS = ("alpha-R", "extended (phi > 0)", "LEU2 alpha-R, ALA3 extended", "", "helix", "residues 2-4 extended")


def tree(n_leaves, words=("",)):
    graph = networkx.DiGraph(time_unit="ps")
    shares = {"1-1": 1.0, "2-1": 0.99, "2-2": 0.01} | {f"3-{i + 1}": 0.99 / n_leaves for i in range(n_leaves)}
    for node, share in shares.items():
        level, state = (int(part) - 1 for part in node.split("-"))
        graph.add_node(
            node,
            level=level,
            state=state,
            population=share,
            lag_time=10.0**-level,
            mean_lifetime=1.0,
            stability=1.0,
            representative=0,
        )
    edges = [("1-1", "2-1"), ("1-1", "2-2")]
    graph.add_edges_from(
        edges + [("2-1" if i < n_leaves - 1 else "2-2", f"3-{i + 1}") for i in range(n_leaves)]
    )
    names = {
        n: f"state {n}" + (f": {one}" if one else "")
        for n, one in zip(graph, itertools.cycle(words), strict=False)
    }
    return Dendrogram(graph, dict.fromkeys(graph, "#000000"), names, 2)


def boxes(monkeypatch, drawing, width, height=dendrogram.HEIGHT):
    """[(text, left, right, low, high)] in pixels, at 7 pixels a letter and 13 a line."""
    sheets = []
    monkeypatch.setattr(dendrogram.sheet.Sheet, "overlay", lambda self: sheets.append(self))
    dendrogram.plot_dendrogram(drawing, width=width, height=height)
    [page] = sheets
    (left, right), (bottom, top) = page.limits
    found, wide, high = [], (width - dendrogram.AXIS) / (right - left), height / (top - bottom)
    for word in page.words:
        lines = word["text"].split("\n")
        size = 7 * max(map(len, lines))
        start = (word["x"] - left) * wide - (size / 2 if word["align"] == "center" else 0)
        middle, half = (word["y"] - bottom) * high, 13 * len(lines) / 2
        found.append((word["text"], start, start + size, middle - half, middle + half))
    return found


@pytest.mark.parametrize("width", [300, 420, 600, 1200])
@pytest.mark.parametrize("height", [150, 220, 400])
@pytest.mark.parametrize("n_leaves", [2, 5, 8])
@pytest.mark.parametrize("words", [("",), WORDS])
def test_words_keep_apart(monkeypatch, width, height, n_leaves, words):
    found = boxes(monkeypatch, tree(n_leaves, words), width, height)
    for (one, *a), (other, *b) in itertools.combinations(found, 2):
        apart = a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
        assert apart or not one or not other, (one, other)


@pytest.mark.parametrize("width", [300, 600])
def test_leaves_are_named_within_the_frame(monkeypatch, width):
    found = boxes(monkeypatch, tree(3, WORDS), width)
    assert all(low >= 0 for text, *_, low, _ in found if text.startswith("3-"))


def test_shares_are_plain_percentages(monkeypatch):
    texts = [text for text, *_ in boxes(monkeypatch, tree(2), 800)]
    assert {"1-1\n100 %, 1 ps", "2-1\n99 %, 1 ps", "2-2\n1 %, 1 ps"} <= {*texts}


def test_a_node_says_its_evidence_where_it_comes_and_where_it_divides():
    drawing = tree(2)
    nodes = drawing.graph.nodes
    for node, about in nodes.items():
        whole = node in ("1-1", "3-2")  # the last is 2-2 at a shorter lag
        about.update(dict.fromkeys(("gain", "gain_error", "visits"), float("nan")))
        if not whole:
            about.update(gain=0.05, gain_error=0.01, visits=80.0, stability=0.9)
    said = "49.5 % of all frames, mean lifetime 1 ps, gain 0.05 ± 0.01 nats, 80 visits, stability 0.90"
    assert dendrogram.describe_node(drawing, "3-1", "ps").startswith(f"state 3-1: {said}")
    rare = dendrogram.describe_node(drawing, "3-2", "ps")
    assert "gain 0.05" in rare and rare.endswith("; appears at 100 fs")
    assert dendrogram.describe_node(drawing, "1-1", "ps").endswith("; appears at 1 ps, divides at 100 fs")
    assert "gain" not in dendrogram.describe_node(drawing, "1-1", "ps")
