"""The words of a tree of states don't cover each other, however narrow it is."""

import itertools

import networkx
import pytest

from fel_explorer.plots import dendrogram
from fel_explorer.plots.dendrogram import Dendrogram


def tree(n_leaves):
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
    return Dendrogram(graph, dict.fromkeys(graph, "#000000"), {n: f"state {n}" for n in graph}, 2)


def boxes(monkeypatch, drawing, width):
    """{text: (left, right, level)} in pixels, at 7 pixels a letter."""
    sheets = []
    monkeypatch.setattr(dendrogram.sheet.Sheet, "overlay", lambda self: sheets.append(self))
    dendrogram.plot_dendrogram(drawing, width=width)
    [page] = sheets
    (left, right), found = page.limits[0], {}
    scale = (width - dendrogram.AXIS) / (right - left)
    for word in page.words:
        size = 7 * max(map(len, word["text"].split("\n")))
        start = (word["x"] - left) * scale - (size / 2 if word["align"] == "center" else 0)
        found[word["text"]] = (start, start + size, word["y"])
    return found


@pytest.mark.parametrize("width", [300, 420, 600, 1200])
@pytest.mark.parametrize("n_leaves", [2, 5, 8])
def test_words_keep_apart(monkeypatch, width, n_leaves):
    found = boxes(monkeypatch, tree(n_leaves), width)
    for (one, a), (other, b) in itertools.combinations(found.items(), 2):
        if a[2] == b[2]:
            assert a[1] <= b[0] or b[1] <= a[0], (one, other)


def test_shares_are_plain_percentages(monkeypatch):
    texts = boxes(monkeypatch, tree(2), 800)
    assert "1-1\n100 %" in texts and "2-1\n99 %" in texts and "2-2\n1 %" in texts


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
