"""Observables in the app: offered where they apply, computed when chosen, then columns like any other."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs import featurize_and_train
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.name_select import SHOWN, NameSelect
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.views.states.panel import StatesPanel
from fel_explorer.errors import FelError

OFFERED = ["rmsd", "radius_of_gyration", "end_to_end_distance", "hydrogen_bonds"]


@pytest.fixture(scope="module")
def trajectories():
    whole = fel.sample_data("alanine-dipeptide")
    topology = next(whole.files[0].parent.glob("*.pdb"))
    return fel.load_trajectories(whole.files[:2], topology, stride=500)


@pytest.fixture(scope="module")
def dataset(trajectories):
    return featurize_and_train.featurizing(trajectories, ["heavy_atom_distances"])(
        lambda *_: None, lambda: False
    )[0]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))


@pytest.fixture
def session(dataset, trajectories):
    return Session(dataset, trajectories)


@pytest.fixture
def board(session):
    board = PageJobs(session, JobManager(workers=0))
    yield board
    board.close()


@pytest.fixture
def panel(session, board):
    panel = MapPanel(session, board)
    yield panel
    panel.close()


def work(board):
    ran = 0
    while board.manager.work():
        ran += 1
    board.tick()
    return ran


def colour_bar(panel):
    return panel.legend.widget.title


def test_those_of_the_molecule_are_offered_with_readable_labels(panel, session, board):
    assert panel.choices.colour.groups["Observables"] == OFFERED == panel.choices.x.groups["Observables"]
    listed = panel.choices.colour.widget.groups["Observables"]
    assert listed["radius of gyration"] == "radius_of_gyration" and listed["RMSD"] == "rmsd"
    assert "Observables" not in MapPanel(session).choices.colour.groups  # nobody to compute them
    assert not board.jobs


def test_a_chosen_observable_is_computed_once_and_then_colours_the_map(panel, session, board, trajectories):
    panel.choices.colour.choose("radius_of_gyration")
    assert [(job.label, job.kind) for job in board.jobs] == [("Observables", "columns")]
    assert colour_bar(panel) == "free energy (kT)"  # what can be drawn meanwhile
    assert panel.choices.colour.value == session.colour_by == "radius_of_gyration"
    assert work(board) == 1
    assert colour_bar(panel) == "radius of gyration (nm)"
    expected = fel.structures.observables(trajectories, "radius_of_gyration")["radius_of_gyration"]
    np.testing.assert_array_equal(colouring.column(session, "radius_of_gyration"), expected)
    session.undo()
    assert panel.choices.colour.value == "free energy"
    session.redo()
    assert colour_bar(panel) == "radius of gyration (nm)" and work(board) == 0
    assert panel.choices.colour.groups["Observables"] == ["rmsd", *OFFERED[2:], OFFERED[1]]
    assert "radius_of_gyration" not in panel.choices.colour.groups["Frames"]


def test_the_window_and_the_selection_stay_when_a_column_comes(panel, session, board):
    panel.set_window(((-90.0, 0.0), (-90.0, 90.0)))
    session.select(np.arange(100) < 7, "by hand")
    view = panel._view
    session.colour("rmsd")
    work(board)
    assert panel._window[0] == (-90.0, 0.0) and session.selection.count == 7 and panel._view is view
    assert colour_bar(panel) == "RMSD (nm), reference: frame 0"


def test_an_observable_becomes_an_axis_once_it_is_there(panel, session, board):
    before = panel.axes
    panel.choices.x.choose("end_to_end_distance")
    panel.choices.y.choose("rmsd")
    assert panel.axes == before and panel.choices.x.value == "end_to_end_distance"
    assert work(board) == 2
    assert panel.axes == ("end_to_end_distance", "rmsd")
    assert panel._view.labels == ("end-to-end distance (nm)", "RMSD (nm), reference: frame 0")
    np.testing.assert_array_equal(panel._view.xy[:, 1], session.dataset["rmsd"])


def test_a_stopped_job_leaves_the_map_as_it_was(panel, session, board):
    before = panel.axes
    session.colour("rmsd")
    panel.choices.y.choose("rmsd")
    assert len(board.jobs) == 1  # one job for both
    board.cancel(board.jobs[0])
    work(board)
    assert panel.choices.colour.value == "free energy" and panel.choices.y.value == before[1]
    assert panel.axes == before and "rmsd" not in session.dataset
    panel.choices.colour.choose("rmsd")  # again
    assert work(board) == 1 and colour_bar(panel).startswith("RMSD")


def test_structures_are_compared_with_the_current_frame_when_asked(panel, session, board):
    assert not panel.choices.compare.visible
    panel.choices.colour.choose("rmsd")
    panel.choices.y.choose("rmsd")
    work(board)
    assert not panel.choices.compare.visible  # the current frame is the reference
    session.frame = 31
    assert (
        panel.choices.compare.visible and "frame 31 instead of frame 0" in panel.choices.compare.description
    )
    panel.choices.compare.clicks += 1
    assert work(board) == 1
    assert colour_bar(panel) == "RMSD (nm), reference: frame 31" == panel._view.labels[1]
    assert float(session.dataset["rmsd"][31]) == pytest.approx(0, abs=1e-3)
    assert panel._view.xy[31, 1] == session.dataset["rmsd"][31]
    assert not panel.choices.compare.visible


def test_a_column_of_the_user_is_never_replaced(dataset, trajectories):
    session = Session(dataset.assign(rmsd=("frame", np.arange(100.0))), trajectories)
    board = PageJobs(session, JobManager(workers=0))
    panel = MapPanel(session, board)
    assert "rmsd" in panel.choices.colour.groups["Frames"]
    assert panel.choices.colour.groups["Observables"] == OFFERED[1:]
    panel.choices.colour.choose("rmsd")
    assert not board.jobs and colour_bar(panel) == "rmsd"
    panel.close()
    board.close()


def test_columns_of_other_data_do_not_come_in(panel, session, board, dataset, trajectories):
    panel.choices.colour.choose("rmsd")
    shorter = fel.load_trajectories(trajectories.files[:1], trajectories.topology, stride=500)
    session.load(dataset.isel(frame=slice(50)), shorter)
    work(board)
    assert "rmsd" not in session.dataset and panel.choices.observing.reference == 0
    session.load(dataset, shorter)  # trajectories of other frames than the dataset's
    assert "Observables" not in panel.choices.colour.groups


def test_saved_observables_are_offered_without_trajectories(panel, session, board):
    session.colour("rmsd")
    work(board)
    again = Session(session.dataset)
    panel = MapPanel(again, board)
    assert panel.choices.colour.groups["Observables"] == ["rmsd"]
    again.colour("rmsd")
    assert colour_bar(panel) == "RMSD (nm), reference: frame 0"


def test_the_task_stops_when_asked(trajectories):
    with pytest.raises(featurize_and_train.Cancelled):
        featurize_and_train.observing(trajectories, ["rmsd"])(lambda *_: None, lambda: True)


def test_a_reference_without_native_contacts_is_told(session, board, panel, monkeypatch):
    session.attach(session.dataset.assign(native_contacts=("frame", np.zeros(100), {"reference": "frame 0"})))
    with pytest.raises(FelError, match="Frame 5 as the reference: native contacts Q is not defined"):
        panel.choices.observing.compare_with(5)
    assert panel.choices.observing.reference == 0


# ---- the select


def test_of_a_long_list_only_what_matches_is_in_the_page():
    chosen = []
    select = NameSelect("Feature", chosen.append)
    names = [f"d {i}" for i in range(5000)]
    select.offer({"Landscape": ["free energy"], "Features": names}, {}, "free energy")
    [few, many] = select.widget.groups
    assert few == "Landscape" and many == "Features (5,000: type to find one)"
    assert sum(map(len, select.widget.groups.values())) == SHOWN + 1
    select.widget.filter_str = "D 49"
    listed = select.widget.groups[many if many in select.widget.groups else "Features"]
    assert set(listed) <= {n for n in names if n.startswith("d 49")} and "d 4999" not in listed
    select.widget.filter_str = "d 4999"
    assert list(select.widget.groups["Features"]) == ["d 4999"]
    assert list(select.widget.groups["Landscape"]) == ["free energy"]
    select.widget.value = "d 4999"
    assert chosen == ["d 4999"] == [select.value] and select.widget.filter_str == ""
    assert "d 4999" in select.widget.groups[many]  # what is chosen stays listed
    select.show("free energy")
    select.choose("d 3333")
    assert chosen == ["d 4999", "d 3333"]


def test_short_lists_are_listed_whole():
    select = NameSelect("Colour", lambda name: None)
    select.offer({"Observables": ["rmsd"], "Frames": ["time"]}, {"rmsd": "RMSD"}, "time")
    assert select.widget.groups == {"Observables": {"RMSD": "rmsd"}, "Frames": {"time": "time"}}
    assert select.names == {"rmsd", "time"} and select.value == "time"


def test_structures_are_measured_for_the_table_of_states(session, board):
    embedding = session.dataset["features"].values[:, :2]
    state = (embedding[:, 0] > np.median(embedding[:, 0])).astype(int)
    session.add_result(Result("IDM 1", None, embedding, np.eye(2, dtype=np.float32)[state], state))
    panel = StatesPanel(session, board, active=True)
    assert panel.measure.visible
    panel.measure.clicks += 1
    work(board)
    assert not panel.measure.visible  # a dipeptide has no native contacts
    titles = [column["title"] for column in panel.table.columns]
    assert titles[4:6] == ["RMSD (nm)", "radius of gyration (nm)"] and len(titles) == 8
    spread = session.dataset["rmsd"].values[state == 1].std()
    assert panel.frame()["rmsd std"].values[1] == pytest.approx(spread)
    panel.close()
