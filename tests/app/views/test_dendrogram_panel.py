"""The dendrogram as navigator, without a server."""

import numpy as np
import pandas as pd
import pytest
from bokeh.models import Plot

from fel_explorer.app.session.result import Result
from fel_explorer.app.session.tree_nodes import tree_colours
from fel_explorer.app.views.states.dendrogram_panel import DendrogramPanel
from fel_explorer.plots.dendrogram import ROOT, Dendrogram


@pytest.fixture
def panel(tree_session):
    panel = DendrogramPanel(tree_session)
    yield panel
    panel.close()


def tap(panel, node):
    panel._on_tap(*panel._drawing.places()[node])


def test_a_click_on_a_node_shows_its_level_and_selects_its_frames(panel, tree_session):
    tap(panel, "1-1")
    assert tree_session.shown.level == 0 and tree_session.selection.frames.tolist() == [0, 1, 2, 3]
    assert panel._drawing.selected == {"1-1", "2-1", "2-2"} and panel._drawing.level == 0
    tap(panel, "2-3")
    assert tree_session.shown.level == 1 and tree_session.selection.frames.tolist() == [4, 5]
    assert panel._drawing.selected == {"1-2", "2-3"}


def test_the_page_is_told_of_clicks(panel):
    figures = panel._layout.get_root().select({"type": Plot})
    assert all("tap" in figure.subscribed_events for figure in figures)


def test_a_click_beside_the_nodes_changes_nothing(panel, tree_session):
    panel._on_tap(40.0, -1.0)
    tap(panel, ROOT)
    assert tree_session.shown.level == 1 and tree_session.selection.count == 0


def test_the_slider_follows_the_level_and_sets_it(panel, tree_session):
    assert list(panel._level.options) == ["20 ps", "2 ps"] and panel._level.value == 1
    panel._level.value = 0
    assert tree_session.shown.level == 0
    tree_session.show_level(1)
    assert panel._level.value == 1


def test_names_of_states_are_on_the_tree(panel, tree_session):
    tree_session.name_state(2, "helix")
    texts = panel.figure.shown["words"]["text"]
    assert "helix\n33 %, 10 ps" in texts and "2-1\n33 %, 10 ps" in texts


def test_a_model_without_a_tree_leaves_nothing_to_click(panel, tree_session):
    tree_session.add_result(Result("PCA 1", None, np.zeros((6, 2), np.float32)))
    panel._on_tap(0.0, -1.0)
    assert tree_session.selection.count == 0
    tree_session.active = "tree"
    tap(panel, "1-1")
    assert tree_session.selection.count == 4


def test_the_tree_is_exported_as_figure_and_table(panel):
    assert "time resolution" in panel.export.export("svg").read().decode()
    table = pd.read_csv(panel.export.export("csv"))
    assert table["node"].tolist() == ["1-1", "1-2", "2-1", "2-2", "2-3"] and table["lag_time"].iloc[0] == 20.0


def test_nodes_stand_on_their_level_and_parents_amid_their_children(tree_method):
    names = {node: node for node in tree_method.graph}
    tree = Dendrogram(tree_method.graph, tree_colours(tree_method.graph), names)
    places = tree.places()
    assert {node: y for node, (_, y) in places.items()} == {
        ROOT: 0.0, "1-1": -1.0, "1-2": -1.0, "2-1": -2.0, "2-2": -2.0, "2-3": -2.0,
    }  # fmt: skip
    assert places["1-1"][0] == (places["2-1"][0] + places["2-2"][0]) / 2
    assert len({places[node][0] for node in ("2-1", "2-2", "2-3")}) == 3
    assert tree.table().set_index("node")["parent"].to_dict()["2-3"] == "1-2"
