"""Conditions: the dialog that sets them, and the view that compares them."""

import numpy as np
import pytest
from chains import nested_chain

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.conditions.panel import ConditionsPanel
from fel_explorer.app.views.data.conditions_dialog import ConditionsDialog
from fel_explorer.app.views.tabs import TABS
from fel_explorer.data import as_dataset, conditions_by_trajectory
from fel_explorer.errors import FelError
from fel_explorer.methods import PCA, KMeans
from fel_explorer.plots.export import figure_bytes

TAB = next(tab for tab in TABS if tab.id == "conditions")


@pytest.fixture(scope="module")
def data():
    """Three wells in eight trajectories; in the last four all of the left ones are further down."""
    parts = [nested_chain(600, seed)[1] for seed in range(8)]
    for part in parts[4:]:
        part[part[:, 0] < 0, 1] -= 0.8
    return as_dataset(parts, feature_names=["x", "y"])


@pytest.fixture
def session(data):
    made = Session(data)
    pca = PCA(n_dims=2).fit(data)
    made.add_result(Result.of("PCA 1", pca, data))
    made.add_result(Result.of("KMeans 1", KMeans(n_states=3).fit(data, embedding=pca), data))
    return made


@pytest.fixture
def board(session):
    return PageJobs(session, JobManager(workers=0), "page")


def finish(board):
    while board.manager.work():
        board.tick()
    board.tick()


def test_the_view_is_offered_once_there_are_conditions(session):
    assert not TAB.offered(session)
    ConditionsDialog(session).set("", "a\nb\n" * 4)
    assert TAB.offered(session)


def test_typed_lines_are_names_or_patterns(session):
    dialog = ConditionsDialog(session)
    dialog.set("", "\n".join(["apo"] * 4 + ["holo"] * 4))
    assert conditions_by_trajectory(session.dataset) == ["apo"] * 4 + ["holo"] * 4
    with pytest.raises(FelError, match="2 names for 8"):
        dialog.set("", "apo\nholo")
    with pytest.raises(FelError, match="not known"):
        dialog.set("", "*apo* = apo")
    assert conditions_by_trajectory(session.dataset)[0] == "apo"


def test_the_dialog_shows_the_conditions_that_there_are(session):
    dialog = ConditionsDialog(session)
    dialog.set("", "apo\n" * 8)
    dialog.button.clicks += 1
    assert dialog.dialog.open and dialog.lines.value.splitlines() == ["apo"] * 8
    dialog.lines.value = "x\n" * 4 + "y\n" * 4
    dialog._on_set(None)
    assert not dialog.dialog.open and conditions_by_trajectory(session.dataset)[-1] == "y"


@pytest.fixture
def view(session, board):
    ConditionsDialog(session).set("", "apo\n" * 4 + "holo\n" * 4)
    panel = ConditionsPanel(session, board)
    panel.active = True
    finish(board)
    yield panel
    panel.close()


def test_maps_and_their_difference_are_drawn(view):
    assert view.ready and (view.first.value, view.second.value) == ("apo", "holo")
    drawn = view.figure()
    titles = [word["text"].strip() for word in drawn.words]
    assert titles[:2] == ["apo", "holo"] and titles[2].startswith("holo - apo")
    assert drawn.lines  # outlines of what differs
    assert figure_bytes(drawn, "svg").startswith(b"<?xml")
    assert {"difference", "significant"} <= set(view._frame())


@pytest.mark.parametrize(("part", "n_columns"), [("states", 4), ("rates", 4), ("features", 3)])
def test_each_table_says_what_is_due_to_chance(part, n_columns, view):
    view.part = part
    assert len(view.table.columns) == n_columns and view.table.rows
    chances = [row["cells"]["p"]["text"] for row in view.table.rows]
    assert all(text == "too few visits" or text.rstrip(" *") for text in chances)
    assert len(view._frame()) and view.figure().limits


def test_what_differs_is_marked_and_what_does_not_is_not(view):
    view.part = "features"
    marked = {row["cells"]["name"]["text"]: "*" in row["cells"]["p"]["text"] for row in view.table.rows}
    assert marked == {"y": True, "x": False}


def test_a_click_on_a_row_selects_the_state_or_shows_its_curves(view, session):
    view.part = "states"
    view.table.param.update(state=view.table.rows[0]["state"], clicked=True)
    assert session.selection.count == np.count_nonzero(session.shown.state == view.table.state)
    view.part = "features"
    view.table.param.update(state=1, clicked=True)
    assert view.quantity == str(view.found.features["quantity"].values[1])
    assert [word["text"] for word in view.figure().words][:2] == ["apo", "holo"]


def test_the_other_order_and_other_axes_are_compared_anew(view, session, board):
    before = view.found
    view.first.value, view.second.value = "holo", "apo"
    finish(board)
    assert view.found is not before and view.found.surfaces.attrs["reference"] == "holo"
    session.axes = ("CV 1", "free energy")
    finish(board)
    assert view.found.surfaces["difference"].dims == ("compared", "x")
    assert view.figure().labels[1] == "free energy (kT)"


def test_one_condition_with_itself_and_too_few_frames_are_said(view, session, board, data):
    view.second.value = view.first.value
    assert "two different" in view.hint.object and not view.ready
    view.second.value = "holo"
    session.load(data.isel(frame=slice(0, 610)))
    ConditionsDialog(session).set("", "apo\nholo")
    finish(board)
    assert "10 frames" in view.hint.object
