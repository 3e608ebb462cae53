import io

import numpy as np
import pandas as pd
import pytest
from strands import cut_strands

import fel_explorer as fel
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.selection.panel import LIMIT, SelectionPanel, readable_size
from fel_explorer.data import as_dataset
from fel_explorer.structures import read_pdb


@pytest.fixture
def session():
    dataset = as_dataset([np.random.default_rng(0).normal(size=(60, 3)), np.zeros((40, 3))], time_step=2.0)
    dataset["energy"] = ("frame", np.arange(100.0))
    state = np.repeat([0, 2, 1], [50, 30, 20])
    membership = np.eye(3, dtype=np.float32)[state]
    session = Session(dataset)
    embedding = np.arange(200, dtype=np.float32).reshape(100, 2)
    session.add_result(Result("IDM 1", None, embedding, membership, state))
    return session


@pytest.fixture
def panel(session):
    panel = SelectionPanel(session)
    yield panel
    panel.close()


def names(panel):
    return cells(panel, "name", "text")


def cells(panel, column, part="value"):
    return [row["cells"][column][part] for row in panel._table.rows]


def test_nothing_selected_lists_all_states(panel):
    assert "Nothing selected" in panel._count.object
    assert names(panel) == ["state 1", "state 3", "state 2"]
    assert cells(panel, "frames") == [50, 30, 20]
    assert panel._actions["clear"].disabled and panel._downloads["csv"].disabled


def test_count_origin_and_states_of_a_selection(panel, session):
    session.select(np.arange(100) < 60, "lasso on IDM 1")
    assert panel._count.object.startswith("**60 frames**") and "60 %" in panel._count.object
    assert panel._how.object == "Lasso on IDM 1."
    assert names(panel) == ["state 1", "state 3"]
    np.testing.assert_allclose(cells(panel, "fraction"), [5 / 6, 1 / 6])


def test_buttons_act_on_the_session(panel, session):
    session.select(np.arange(100) < 10, "box")
    panel._actions["invert"].clicks += 1
    assert session.selection.count == 90
    session.undo()
    assert session.selection.count == 10
    session.redo()
    assert session.selection.count == 90
    panel._actions["clear"].clicks += 1
    assert session.selection.count == 0


def test_clicking_a_row_selects_its_state(panel, session):
    panel._table._handle_msg({"state": 2})
    assert session.selection.count == 30
    assert (session.result.state[session.selection.mask] == 2).all()


def test_a_single_state_can_be_named(panel, session):
    session.select(np.arange(100) < 60, "lasso")
    assert not panel._name.visible
    session.select_state(2)
    assert panel._name.visible
    panel._name.value = "left <handed>"
    assert session.state_name(2) == "left <handed>"
    assert names(panel) == ["left <handed>"]
    session.undo()
    assert session.state_name(2) == "state 3" and panel._name.value == ""


def test_csv_holds_what_is_known_of_each_frame(panel, session):
    session.select(np.isin(np.arange(100), [3, 70]), "two frames")
    text = panel.export("csv").read().decode()
    assert "# Selected by: two frames" in text
    table = pd.read_csv(io.StringIO(text), comment="#")
    assert table["frame"].tolist() == [3, 70] and table["frame_in_trajectory"].tolist() == [3, 10]
    assert table["energy"].tolist() == [3.0, 70.0]
    assert table["IDM 1 state"].tolist() == [1, 3]
    assert table["IDM 1 CV 2"].tolist() == [7.0, 141.0]


def test_structures_are_not_offered_without_trajectories(panel, session):
    session.select(np.arange(100) < 5, "five")
    assert panel._downloads["pdb"].disabled and not panel._downloads["csv"].disabled


def test_downloads_that_a_page_cannot_hold_are_refused_in_words(panel, session, monkeypatch):
    monkeypatch.setattr("fel_explorer.app.views.selection.panel.LIMIT", 100)
    session.select(np.arange(100) < 5, "five")
    assert panel._downloads["csv"].disabled and "Too large" in panel._size.object
    assert LIMIT > 10_000_000


def test_closed_panels_leave_the_session_alone(session):
    panel = SelectionPanel(session)
    panel.close()
    before = panel._count.object
    session.select(np.ones(100, bool), "all")
    assert panel._count.object == before


@pytest.mark.parametrize("whole", [True, False])
def test_exported_structures_are_whole_where_the_box_is_ticked(whole, tmp_path):
    true, broken = cut_strands("orthorhombic")
    broken.save_dcd(str(tmp_path / "a.dcd"))
    trajs = fel.load_trajectories(tmp_path / "a.dcd", true.topology, time_step=1.0)
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(8, 2))))
    session.trajectories = trajs
    panel = SelectionPanel(session)
    try:
        session.select(np.arange(8) == 5, "box")
        assert panel._whole.visible and panel._whole.value
        panel._whole.value = whole
        written = read_pdb(panel.export("pdb").read().decode())
        step = np.linalg.norm(written.xyz[0, 1] - written.xyz[0, 0])
        assert (step < 0.25) == whole
    finally:
        panel.close()


@pytest.fixture
def molecule(tmp_path):
    """A panel on 200 frames with structures, and one on which 150 of them are selected."""
    true, _ = cut_strands("orthorhombic")
    many = true[np.arange(200) % true.n_frames]
    many.xyz += np.random.default_rng(0).normal(scale=0.05, size=many.xyz.shape)
    many.time = np.arange(200)
    many.save_xtc(str(tmp_path / "a.xtc"))
    trajs = fel.load_trajectories(tmp_path / "a.xtc", true.topology)
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(200, 2))), trajs)
    panel = SelectionPanel(session)
    session.select(np.arange(200) >= 50, "box")
    yield panel
    panel.close()


@pytest.mark.parametrize("kind", ["pdb", "xtc", "csv"])
def test_files_are_as_large_as_was_said(molecule, kind):
    written = len(molecule.export(kind).read())
    base, each = molecule._sizes[kind]
    assert base + 150 * each == pytest.approx(written, rel=0.1)
    assert f"{kind.upper()} {readable_size(base + 150 * each)}" in molecule._size.object


def test_large_selections_are_offered_as_every_nth_frame(molecule, monkeypatch):
    base, each = molecule._sizes["pdb"]
    monkeypatch.setattr("fel_explorer.app.views.selection.panel.LIMIT", base + 60 * each)
    molecule.session.select(np.arange(200) >= 40, "most")
    assert molecule._every.value == 3 and not molecule._downloads["pdb"].disabled
    assert "Every 3rd frame: 54 frames." in molecule._size.object
    assert len(read_pdb(molecule.export("pdb").read().decode())) == 54
    table = pd.read_csv(molecule.export("csv"), comment="#")
    assert table["frame"].tolist() == list(range(40, 200, 3))
    molecule._every.value = 1
    assert molecule._downloads["pdb"].disabled and "Too large" in molecule._size.object
    assert not molecule._downloads["xtc"].disabled
