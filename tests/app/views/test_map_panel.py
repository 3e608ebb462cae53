"""The map panel without a browser: what lasso, box, click, colours and axes do to session and plot."""

import numpy as np
import pandas as pd
import pytest
from bokeh.document import Document
from bokeh.models import HoverTool

from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.map.nearest_frame import NearestFrame
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.views.map.view import axis_choices, default_axes, make_view
from fel_explorer.data import regions
from fel_explorer.data.schema import as_dataset
from fel_explorer.errors import FelError

N = 3000


@pytest.fixture
def session():
    rng = np.random.default_rng(0)
    state = np.repeat([0, 2, 5], N // 3)
    centres = {0: (-3.0, 0.0), 2: (3.0, 0.0), 5: (0.0, 4.0)}
    embedding = np.array([centres[s] for s in state]) + rng.normal(0, 0.5, (N, 2))
    angles = np.deg2rad(np.column_stack([rng.uniform(-180, 180, N), rng.uniform(-180, 180, N)]))
    features = np.column_stack(
        [np.cos(angles[:, 0]), np.sin(angles[:, 0]), np.cos(angles[:, 1]), np.sin(angles[:, 1]), state]
    )
    names = ["psi ALA2 cos", "psi ALA2 sin", "phi ALA2 cos", "phi ALA2 sin", "state"]
    dataset = as_dataset(
        [features[: N // 2], features[N // 2 :]], feature_names=names, time_step=2.0, time_unit="ps"
    )
    dataset["energy"] = ("frame", rng.normal(size=N))
    dataset["weight"] = ("frame", np.exp(-embedding[:, 0]))
    session = Session(dataset)
    membership = np.full((N, 6), 0.02, np.float32)
    membership[np.arange(N), state] = 0.9
    session.angles = np.rad2deg(angles)
    session.add_result(Result("IDM 1", None, embedding.astype(np.float32), membership, state))
    return session


@pytest.fixture
def panel(session):
    panel = MapPanel(session)
    yield panel
    panel.close()


def circle(centre, radius, n=60):
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.column_stack([np.cos(angle), np.sin(angle)]) * radius + centre


def lasso(panel, polygon):
    panel.gestures.lasso(np.asarray(polygon, float))


def figure_of(panel):
    """The figure of a page that shows the map."""
    return live(panel).figure


def live(panel):
    panel.plot.get_root(Document())
    return panel.plot.live[-1]


def held(**keys):
    return {"shift": False, "ctrl": False, "alt": False, **keys}


# ---- regions


def test_a_polygon_holds_what_winding_by_angles_says():
    """Independent oracle: the angles under which the polygon's edges are seen sum to 2 pi inside."""
    rng = np.random.default_rng(1)
    points = rng.uniform(-1.2, 1.2, (2000, 2))
    polygon = circle((0, 0), 1.0, 37) * rng.uniform(0.4, 1.0, (37, 1))
    to = polygon[None] - points[:, None]
    angle = np.arctan2(to[..., 1], to[..., 0])
    turn = np.angle(np.exp(1j * (np.roll(angle, -1, axis=1) - angle))).sum(axis=1)
    np.testing.assert_array_equal(regions.in_polygon(points, polygon), np.abs(turn) > np.pi)


def test_a_self_crossing_lasso_follows_the_even_odd_rule():
    star = circle((0, 0), 1.0, 5)[[0, 2, 4, 1, 3]]
    np.testing.assert_array_equal(regions.in_polygon(np.array([[0.0, 0], [0.7, 0]]), star), [False, True])


def test_a_lasso_without_area_selects_nothing():
    assert not regions.in_polygon(np.zeros((3, 2)), np.array([[0, 0], [1, 0], [2, 0.0]])).any()


# ---- selecting


def test_lasso_selects_exactly_the_frames_inside(panel, session):
    lasso(panel, circle((-3, 0), 1.0))
    expected = np.linalg.norm(session.result.embedding - (-3, 0), axis=1) < 1.0
    differs = session.selection.mask != expected  # the polygon of 60 edges against the circle
    assert differs.sum() <= 0.01 * expected.sum()
    assert session.selection.how == "lasso on IDM 1 (CV 1, CV 2)"
    assert f"{session.selection.count:,} of 3,000 frames" in panel._count.object


def test_add_and_subtract_by_mode_and_by_key(panel, session):
    panel.mode = "add"
    lasso(panel, circle((-3, 0), 3))
    lasso(panel, circle((3, 0), 3))
    assert session.selection.count == 2 * N // 3
    panel.gestures.drag_started(held(alt=True))
    lasso(panel, circle((-3, 0), 3))
    assert session.selection.count == N // 3
    panel.mode = "replace"
    panel.gestures.drag_started(held(shift=True))
    lasso(panel, circle((0, 4), 2.4))
    assert session.selection.count == 2 * N // 3
    panel.gestures.drag_started(held())
    panel.gestures.box((-6.0, -3.0, -0.5, 1.5))
    x, y = session.result.embedding.T
    np.testing.assert_array_equal(session.selection.mask, (x >= -6) & (x <= -0.5) & (y >= -3) & (y <= 1.5))
    session.undo()
    assert session.selection.count == 2 * N // 3


def test_clear_selects_nothing_and_keeps_the_window(panel, session):
    lasso(panel, circle((-3, 0), 1.0))
    panel.set_window(((-4.0, 0.0), (-2.0, 2.0)))
    panel._clear.clicks += 1
    assert session.selection.count == 0
    assert panel._window[0] == (-4.0, 0.0)


# ---- clicking


def test_click_picks_the_nearest_frame_and_says_how_far(panel, session):
    panel.gestures.tap(-2.9, 0.1)
    distances = np.linalg.norm(session.result.embedding - (-2.9, 0.1), axis=1)
    point = session.point
    assert (point.model, point.frame) == ("IDM 1", distances.argmin())
    assert point.distance == pytest.approx(distances.min(), rel=1e-4)
    np.testing.assert_allclose(point.position, (-2.9, 0.1))
    assert not point.off_manifold and session.frame == point.frame


def test_click_far_from_the_data_is_off_the_manifold(panel, session):
    panel.gestures.tap(0.0, 0.5)
    assert session.point.off_manifold


def test_hidden_axes_of_a_click_are_those_of_its_frame(session):
    embedding = np.column_stack([session.result.embedding, np.arange(N)]).astype(np.float32)
    session.add_result(Result("SRV 1", None, embedding))
    panel = MapPanel(session)
    panel.axes = ("CV 1", "CV 2")
    panel.gestures.tap(3.0, 0.0)
    assert session.point.position[2] == session.point.frame


def test_a_click_among_torsions_stands_for_its_frame(panel, session):
    panel.axes = ("phi ALA2", "psi ALA2")
    panel.gestures.tap(30.0, -60.0)
    frame = np.linalg.norm(session.angles[:, ::-1] - (30, -60), axis=1).argmin()
    assert session.point.frame == frame
    np.testing.assert_array_equal(session.point.position, session.result.embedding[frame])


def test_one_frame_alone_can_be_found():
    assert NearestFrame(np.array([[1.0, 2.0]])).find((1.0, 2.0)) == (0, 0.0, False)


# ---- colours


def test_everything_offered_can_be_drawn(panel, session):
    figure = live(panel)
    offered = [name for names in colouring.choices(session).values() for name in names]
    assert {"free energy", "state", "membership 3", "membership entropy", "time", "trajectory"} <= set(
        offered
    )
    assert {"energy", "phi ALA2", "phi ALA2 cos"} <= set(offered)
    for name in offered:
        session.colour(name)
        key = panel.legend.widget
        assert name.split()[0] in key.title
        assert bool(key.ticks) != bool(key.entries)  # a bar of colours or a list, never the rest of the other
        assert len(figure.shown["points"]["x"]) == N or len(figure.shown["picture"]["image"]) == 1


def test_values_are_those_of_the_data(session):
    np.testing.assert_allclose(colouring.column(session, "phi ALA2"), session.angles[:, 1], atol=1e-3)
    np.testing.assert_array_equal(colouring.column(session, "time"), session.dataset["time"])
    entropy = -(0.9 * np.log(0.9) + 5 * 0.02 * np.log(0.02))
    np.testing.assert_allclose(colouring.column(session, "membership entropy"), entropy, rtol=1e-5)
    _, scale = colouring.colouring(session, "phi ALA2")
    assert (scale.kind, scale.limits) == ("cyclic", (-180, 180))
    _, scale = colouring.colouring(session, "time")
    assert scale.label == "time (ps)"


def test_states_show_their_names_and_keep_their_colours(panel, session):
    from fel_explorer.plots.colours import state_colours

    session.colour("state")
    session.name_state(2, "C7eq")
    entries = panel.legend.widget.entries
    assert [entry["name"] for entry in entries] == ["state 1", "C7eq", "state 6"]
    assert [entry["colour"] for entry in entries] == list(state_colours([0, 2, 5]).values())
    session.colour("free energy")
    assert not panel.legend.widget.entries


def test_a_click_on_the_legend_selects_hides_and_renames_a_state(panel, session):
    session.colour("state")
    figure = live(panel)
    panel.legend.act({"act": "select", "key": 1})
    np.testing.assert_array_equal(session.selection.mask, session.result.state == 2)
    panel.legend.act({"act": "select", "key": 2, "shift": True})
    np.testing.assert_array_equal(session.selection.mask, session.result.state > 0)
    panel.legend.act({"act": "select", "key": 1, "alt": True})
    np.testing.assert_array_equal(session.selection.mask, session.result.state == 5)
    session.clear_selection()
    coloured = len(set(figure.shown["points"]["colour"]))
    panel.legend.act({"act": "hide", "key": 0})
    assert panel.legend.widget.entries[0]["hidden"]
    greys = np.isin(figure.shown["points"]["frame"], np.flatnonzero(session.result.state == 0))
    assert len(set(figure.shown["points"]["colour"][greys])) == 1  # a hidden state turns grey
    panel.legend.act({"act": "hide", "key": 0})
    assert len(set(figure.shown["points"]["colour"])) == coloured
    panel.legend.act({"act": "rename", "key": 2, "name": "C7eq"})
    assert session.state_name(5) == "C7eq" and panel.legend.widget.entries[2]["name"] == "C7eq"
    session.undo()
    assert session.state_name(5) == "state 6"


def test_a_click_on_a_trajectory_in_the_legend_selects_its_frames(panel, session):
    session.colour("trajectory")
    assert [entry["name"] for entry in panel.legend.widget.entries] == ["1", "2"]
    panel.legend.act({"act": "select", "key": 1})
    np.testing.assert_array_equal(session.selection.mask, session.dataset["trajectory"].values == 1)
    assert session.selection.how == "trajectory 2"


def test_unknown_names_are_told_and_the_map_falls_back(panel, session):
    with pytest.raises(FelError, match="'enthalpy' is not a quantity"):
        colouring.column(session, "enthalpy")
    session.colour("membership 6")
    session.add_result(Result("PCA 1", None, session.result.embedding))
    assert panel.choices.colour.value == "free energy" and session.colour_by == "membership 6"
    session.active = "IDM 1"
    assert panel.choices.colour.value == "membership 6"


def test_choosing_a_colour_can_be_undone(panel, session):
    panel.choices.colour.choose("energy")
    assert session.colour_by == "energy"
    session.undo()
    assert panel.choices.colour.value == "free energy"


# ---- axes and views


def test_before_a_model_the_map_is_the_ramachandran_plot(session):
    bare = Session(session.dataset)
    assert default_axes(bare) == ("phi ALA2", "psi ALA2")
    view = make_view(bare, ("phi ALA2", "psi ALA2"))
    assert view.limits == ((-180, 180), (-180, 180))
    np.testing.assert_allclose(view.xy, session.angles[:, ::-1], atol=1e-3)
    assert "Learned" not in axis_choices(bare)


def test_one_feature_alone_becomes_a_profile():
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(5000, 1))))
    panel = MapPanel(session)
    assert panel.axes == ("x0", "free energy")
    figure_of(panel)
    panel.gestures.tap(0.0, 4.0)
    x = session.dataset["features"].values[:, 0]
    assert session.point.frame == np.abs(x).argmin() and not session.point.off_manifold
    panel.gestures.box((-1.0, -1.0, 1.0, 10.0))
    assert session.selection.count == np.count_nonzero(np.abs(x) <= 1)


def test_weights_move_the_minimum(session):
    weighted = make_view(session, ("CV 1", "CV 2"), weighted=True).surface
    lowest = weighted.where(weighted == 0, drop=True)
    assert float(lowest["x"][0]) < -2
    unweighted = make_view(session, ("CV 1", "CV 2")).surface
    gap = float(weighted.sel(x=3, y=0, method="nearest") - unweighted.sel(x=3, y=0, method="nearest"))
    assert gap > 3


def test_another_model_shows_its_own_window(panel, session):
    figure = figure_of(panel)
    session.add_result(Result("PCA 1", None, session.result.embedding * 10))
    assert figure.x_range.start < -30 and figure.x_range.end > 30
    panel.axes = ("CV 2", "CV 1")
    assert figure.xaxis[0].axis_label == "CV 2"


def test_zoom_survives_colours_selections_and_themes(panel, session):
    figure = figure_of(panel)
    figure.x_range.update(start=-4, end=0)
    panel.set_window(((-4.0, 0.0), (-2.0, 2.0)))
    session.colour("state")
    lasso(panel, circle((-3, 0), 1.0))
    panel.dark = True
    assert (figure.x_range.start, figure.x_range.end) == (-4, 0)


def test_the_first_window_of_a_browser_may_hold_nothing(panel):
    figure = figure_of(panel)
    before = (figure.x_range.start, figure.x_range.end, panel._message.visible)
    panel.set_window(((np.nan, np.nan), (None, None)))
    assert (figure.x_range.start, figure.x_range.end, panel._message.visible) == before


def test_without_data_it_says_what_to_do():
    session = Session()
    panel = MapPanel(session)
    figure_of(panel)
    assert panel._message.visible and not panel._pane.visible
    session.load(as_dataset(np.random.default_rng(0).normal(size=(50, 3))))
    assert panel._pane.visible and not panel._message.visible and panel.axes == ("x0", "x1")


def test_a_closed_panel_lets_go_of_its_session(session):
    panel = MapPanel(session)
    live(panel)
    panel.close()
    drawn = panel.plot.drawing
    session.colour("state")
    assert panel.plot.drawing is drawn


def test_another_level_of_a_tree_recolours_the_map_and_keeps_its_window(tree_session):
    panel = MapPanel(tree_session)
    tree_session.colour("state")
    view, places = panel._view, dict(panel._places)
    tree_session.show_level(0)
    assert panel._view is view and set(panel._places) == {0, 1} != set(places)
    values, scale = panel._coloured(view)[1:]
    assert scale.names == ("state 1-1", "state 1-2") and values.tolist() == [0, 0, 0, 0, 1, 1]
    panel.close()


def test_the_map_is_exported_as_a_figure_and_as_its_free_energies(tree_session, tmp_path):
    panel = MapPanel(tree_session, dark=True)
    tree_session.colour("state")
    svg = panel.export.export("svg").read().decode()
    assert "CV 1" in svg and "state 2-3" in svg
    table = pd.read_csv(panel.export.export("csv"))
    assert list(table) == ["y", "x", "free_energy_kT"] and table["free_energy_kT"].min() == 0
    panel.close()


# ---- the free energy: units, error, kernel


def test_the_unit_of_energies_is_that_of_map_tooltip_and_table(panel, session):
    in_kT = panel.table().set_index(["y", "x"])["free_energy_kT"]
    session.param.update(energy_unit="kJ/mol", temperature=400.0)
    table = panel.table().set_index(["y", "x"])
    np.testing.assert_allclose(table["free_energy_kJ_per_mol"], in_kT * 8.31446e-3 * 400, rtol=1e-5)
    colour_bar = next(p for p in panel._colouring if hasattr(p, "label"))
    assert colour_bar.label == "free energy (kJ/mol)"
    tips = figure_of(panel).select_one(HoverTool).tooltips
    assert any("kJ/mol" in text for _, text in tips)
    panel.axes = ("CV 1", "free energy")
    assert panel._view.labels[1] == "free energy (kJ/mol)"
    np.testing.assert_allclose(panel._view.xy[:, 1], panel._view.free_energy)


def test_the_map_is_coloured_by_the_error_of_its_free_energy(panel, session):
    session.colour("error of the free energy")
    values, scale = panel._coloured(panel._view)[1:]
    assert scale.label == "error of the free energy (kT)"
    assert 0 < np.nanmedian(values) < 1
    figure_of(panel)
    panel.axes = ("CV 1", "free energy")
    assert panel._view.error.dims == ("x",)
    figure_of(panel)
    assert "error_kT" in panel.table()


def test_a_wider_kernel_lowers_barriers(panel):
    top = float(np.nanmax(panel._view.surface))
    panel.settings.smoothing = 4.0
    assert float(np.nanmax(panel._view.surface)) < top


def test_the_settings_open_where_the_map_is(panel, session):
    panel.settings._open(None)
    assert panel.settings.popup.open and not panel.settings._temperature.visible
    panel.settings._unit.value = "kcal/mol"
    assert session.energy_unit == "kcal/mol" and panel.settings._temperature.visible


def test_a_screen_reader_is_told_what_is_on_the_map(panel, session):
    session.select_state(2)
    attributes = figure_of(panel).html_attributes
    assert attributes["role"] == "img"
    for words in (f"{N:,} frames along CV 1 and CV 2", "free energy (kT)", f"{N // 3:,} selected", "state 3"):
        assert words in attributes["aria-label"]
