from dataclasses import replace
from itertools import pairwise

import numpy as np
import param
import pytest
import xarray as xr

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.atom_values import AtomValues
from fel_explorer.app.session.session import Point, Result, Session
from fel_explorer.app.viewer import Layer, StructureViewer
from fel_explorer.app.viewer.reels import readable_step
from fel_explorer.app.viewer.scenes import Scenes, readable_time
from fel_explorer.app.views.comparison import candidates
from fel_explorer.app.views.comparison.panel import ComparisonPanel
from fel_explorer.app.views.structure.panel import StructurePanel
from fel_explorer.app.views.structure.pinned_panel import PinsPanel
from fel_explorer.app.views.tabs import TABS
from fel_explorer.data import load_trajectories
from fel_explorer.errors import FelError
from fel_explorer.features import featurize
from fel_explorer.methods import PCA
from fel_explorer.plots.colours import LIGHT, tints
from fel_explorer.structures import geometry


@pytest.fixture(scope="module")
def trajectories(tmp_path_factory):
    """Two files of a small molecule that folds over: four carbons in a chain with one torsion."""
    import mdtraj

    folder = tmp_path_factory.mktemp("butane")
    top = mdtraj.Topology()
    residue = top.add_residue("BUT", top.add_chain())
    atoms = [top.add_atom(f"C{i}", mdtraj.element.carbon, residue) for i in range(5)]
    for first, second in pairwise(atoms):
        top.add_bond(first, second)
    base = np.array([[0, 0, 0], [0.15, 0, 0], [0.2, 0.14, 0], [0.35, 0.14, 0.03], [0.4, 0.27, 0.1]])
    rng = np.random.default_rng(0)
    for name, n in (("a", 30), ("b", 20)):
        frames = []
        for angle in rng.normal(scale=0.5, size=n):
            xyz = base.copy()
            xyz[3:] = geometry.rotate_about(xyz[3:], xyz[1], xyz[2], angle)
            frames.append(xyz)
        trajectory = mdtraj.Trajectory(np.array(frames), top, time=np.arange(n) * 500.0)
        trajectory.save_xtc(str(folder / f"{name}.xtc"))
    trajectory[0].save_pdb(str(folder / "top.pdb"))
    return load_trajectories([folder / "a.xtc", folder / "b.xtc"], topology=folder / "top.pdb")


@pytest.fixture(scope="module")
def dataset(trajectories, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEL_EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        return featurize(trajectories, ["heavy_atom_distances"])


@pytest.fixture(scope="module")
def result(dataset):
    return Result.of("PCA 1", PCA(n_dims=2).fit(dataset, device="cpu"), dataset)


@pytest.fixture
def session(dataset, trajectories, result):
    session = Session(dataset, trajectories)
    session.add_result(result)
    return session


@pytest.fixture
def panel(session):
    panel = StructurePanel(session)
    yield panel
    panel.close()


def shown(panel):
    return panel.viewer.scene


def coordinates(layer):
    """(frame, atom, 3) in nm of a layer as the browser gets it."""
    n_atoms = sum(line.startswith(("ATOM", "HETATM")) for line in layer["pdb"].splitlines())
    return np.frombuffer(layer["coordinates"], "<f4").reshape(-1, n_atoms, 3) / 10


def release_slider(slider, value):
    """The mouse lets the slider go at ``value``."""
    with param.edit_constant(slider):
        slider.value_throttled = value


def test_first_screen_shows_the_current_frame(panel, trajectories):
    assert panel.view == "frames"
    (layer,) = shown(panel)
    frame = coordinates(layer)[panel.viewer.frame].astype(float)
    assert geometry.rmsd(frame, trajectories.frames([0]).xyz[0].astype(float)) < 1e-3
    assert "Frame 0, 0 ps of trajectory 1" in panel._text.object


def test_a_selection_shows_aligned_representatives_of_it(panel, session):
    session.select(np.arange(50) % 2 == 0, "even frames")
    assert panel.view == "representatives"
    layers = shown(panel)
    assert len(layers) == 3
    assert len({layer["colour"] for layer in layers}) == 3
    assert layers[0]["opacity"] == 1 and layers[1]["opacity"] < 1
    xyz = [coordinates(layer)[0].astype(float) for layer in layers]
    for other in xyz[1:]:
        deviation = np.sqrt(np.mean(np.sum((other - xyz[0]) ** 2, axis=1)))
        assert deviation < 0.1  # each is aligned to the reference, so they are near each other too
    assert "3 of 25 frames" in panel._text.object


def test_what_is_shown_is_saved_as_models_of_one_file(panel, session, tmp_path):
    import mdtraj

    session.select(np.arange(50) < 30, "the first")
    shown, path = panel.trajectory, tmp_path / "shown.pdb"
    path.write_bytes(panel.save.callback().getvalue())
    assert [line[9:17] for line in path.read_text().splitlines()[:3]] == [f"MODEL {i}:" for i in (1, 2, 3)]
    saved = mdtraj.load(str(path))
    assert saved.n_frames == len(shown) == 3
    np.testing.assert_allclose(saved.xyz, np.concatenate([part.xyz for part in shown]), atol=6e-5)


def test_a_selection_made_before_the_panel_is_shown_at_once(session):
    session.select(np.arange(50) < 5, "five")
    panel = StructurePanel(session)
    assert panel.view == "representatives" and len(shown(panel)) == 3
    panel.close()


def test_fewer_frames_than_representatives(panel, session):
    session.select(np.arange(50) == 7, "one frame")
    assert len(shown(panel)) == 1
    panel.representation.choice.value = "random"
    assert len(shown(panel)) == 1


def test_a_point_shows_observed_and_decoded_side_by_side(panel, session, result, trajectories):
    session.pick(Point("PCA 1", result.embedding[12].astype(float), 12, 0.0, False))
    observed, decoded = shown(panel)
    assert (observed["column"], decoded["column"]) == (0, 1)
    truth = trajectories.frames([12]).xyz[0].astype(float)
    assert geometry.rmsd(coordinates(observed)[0].astype(float), truth) < 1e-3
    assert geometry.rmsd(coordinates(decoded)[0].astype(float), truth) < 0.02
    assert "distances" in decoded["note"] and "nm" in decoded["note"]
    assert "Distance to the data: 0" in panel._text.object
    assert not panel._warning.visible


def test_a_point_off_the_data_is_warned_about(panel, session, result):
    session.pick(Point("PCA 1", result.embedding[12] + 0.3, 12, 0.42, True))
    assert panel._warning.visible and "extrapolation" in panel._warning.object
    session.clear_selection()
    assert not panel._warning.visible and panel.view == "frames"


def test_features_that_fix_no_structure_show_the_nearest_frame(panel, session, dataset):
    few = dataset.isel(feature=[2, 3])
    attrs = {**dataset.attrs, "featurizers": '[{"name": "d", "options": {}, "kind": "contact", '
             '"atoms": [[0, 4], [1, 4]], "n_features": 2}]'}  # fmt: skip
    few.attrs = attrs
    session.load(few, session.trajectories)
    session.add_result(Result.of("PCA 1", PCA(n_dims=2).fit(few, device="cpu"), few))
    session.pick(Point("PCA 1", session.result.embedding[3].astype(float), 3, 0.0, False))
    assert len(shown(panel)) == 1
    assert "fix no structure" in panel._text.object


def test_playing_goes_through_the_selection_in_time_order(panel, session):
    session.select(np.isin(np.arange(50), [4, 9, 41]), "three")
    session.frame = 9
    assert panel.view == "frames" and panel._player.value == 1
    panel._player.value = 2
    assert session.frame == 41
    assert "3 selected frames" in panel._text.object
    assert "trajectory 2" in panel._text.object


def test_playing_keeps_one_scene_and_moves_the_frame(panel, session):
    scene = shown(panel)
    panel._player.value = 7
    assert shown(panel) is scene and panel.viewer.frame == 7 and session.frame == 7


def test_long_trajectories_are_sent_in_parts(session, monkeypatch):
    monkeypatch.setattr(Scenes, "window", lambda self: 10)
    panel = StructurePanel(session)
    session.frame = 35
    (layer,) = shown(panel)
    assert len(coordinates(layer)) == 10
    expected = session.trajectories.frames([35]).xyz[0].astype(float)
    assert geometry.rmsd(coordinates(layer)[panel.viewer.frame].astype(float), expected) < 1e-3
    panel._player.value = 49
    (layer,) = shown(panel)
    expected = session.trajectories.frames([49]).xyz[0].astype(float)
    assert geometry.rmsd(coordinates(layer)[panel.viewer.frame].astype(float), expected) < 1e-3
    panel.close()


def test_looks_are_kept_while_one_goes_on(panel, session):
    panel.representation.representation.value = "licorice"
    panel.representation.colouring.value = "element"
    assert (panel.viewer.representation, panel.viewer.colouring) == ("licorice", "element")
    assert "cartoon" not in panel.representation.representation.options  # a residue is no chain
    session.select(np.arange(50) % 2 == 0, "even frames")
    release_slider(panel.representation.count, 5)
    assert len(shown(panel)) == 5
    release_slider(panel.representation.opacity, 0.3)
    assert [layer["opacity"] for layer in shown(panel)] == [1.0, 0.3, 0.3, 0.3, 0.3]
    session.select(np.arange(50) % 3 == 0, "every third")
    assert [layer["opacity"] for layer in shown(panel)] == [1.0, 0.3, 0.3, 0.3, 0.3]
    session.load(session.dataset, session.trajectories)
    again = StructurePanel(session)
    assert again.viewer.representation == "licorice" and again.representation.count.value == 5
    again.close()


def test_clicked_atoms_are_named_measured_and_made_a_column(session, trajectories):
    board = PageJobs(session, manager := JobManager(workers=0))
    panel = StructurePanel(session, board)
    bar = panel.measure
    assert not bar.layout.visible
    panel.viewer.measuring = True
    assert bar.layout.visible and "Click atoms" in bar.text.object and bar.column.disabled
    panel.viewer.measured = [0, 1, 3]
    session.frame = 7
    first, apex, last = trajectories.frames([7]).xyz[0, [0, 1, 3]].astype(float)
    arms = (first - apex) / np.linalg.norm(first - apex), (last - apex) / np.linalg.norm(last - apex)
    expected = np.rad2deg(np.arccos(arms[0] @ arms[1]))
    assert bar.text.object == f"C0 of BUT0 – C1 of BUT0 – C3 of BUT0: {expected:.1f}°"
    bar.measure_all()
    assert manager.work()
    board.tick()
    (name,) = [name for name in session.dataset.data_vars if name.startswith("angle")]
    assert session.colour_by == name
    assert float(session.dataset[name][7]) == pytest.approx(expected, abs=0.01)
    panel.viewer.measured = [4, 0]  # a distance that is a feature is no new column
    bar.measure_all()
    assert session.colour_by == "d BUT0-C0 BUT0-C4" and not manager.work()
    panel.viewer.measured = []
    with pytest.raises(FelError, match="Two to four"):
        bar.measure_all()
    for part in (panel, board):
        part.close()


def test_values_of_atoms_colour_until_a_colouring_is_chosen(panel, session):
    values = AtomValues(np.array([0.0, 0.5, 1.0, np.nan, 0.2]), "effect size")
    session.atom_values = values
    sent = panel.viewer.atom_values
    assert np.frombuffer(sent["values"], "<f4")[2] == 1 and sent["title"] == "effect size"
    assert (
        panel.representation.colouring.value == "values"
        and "Effect size" in panel.representation.colouring.options
    )
    light, panel.dark = sent["palette"], True
    assert panel.viewer.atom_values["palette"] != light
    panel.representation.colouring.value = "residue"
    assert session.atom_values is None and panel.viewer.atom_values == {}
    assert panel.viewer.colouring == "residue" and "Effect size" not in panel.representation.colouring.options


def test_effect_sizes_are_put_on_the_structure_and_taken_away(panel, session):
    board = PageJobs(session, manager := JobManager(workers=0))
    comparison = ComparisonPanel(session, board, active=True)
    length = session.dataset["features"].sel(feature="d BUT0-C0 BUT0-C3").values
    session.select(length > np.median(length), "long")
    assert manager.work()
    board.tick()
    assert session.atom_values is None
    comparison.on_structure.value = True
    effects = comparison.found["effect"].to_series()
    assert effects.index[0] == "d BUT0-C0 BUT0-C3"
    for atom, value in enumerate(session.atom_values.values):
        assert value == max(effects[name] for name in effects.index if f"BUT0-C{atom}" in name)
    assert panel.viewer.atom_values["title"] == "Effect size: the selection and all other frames"
    session.atom_values = AtomValues(np.ones(5), "something else", source="another panel")
    assert not comparison.on_structure.value and session.atom_values.title == "something else"
    comparison.on_structure.value = True
    comparison.on_structure.value = False
    assert session.atom_values is None
    for part in (comparison, board):
        part.close()


def test_pins_are_what_is_shown_and_can_be_seen_again(panel, session, result):
    session.frame = 7
    panel.pinning.pin()
    session.select(np.arange(50) >= 30, "some")
    panel.pinning.pin()
    session.pick(Point("PCA 1", result.embedding[12].astype(float), 12, 0.0, False))
    panel.pinning.pin()
    panel.pinning.pin()  # the frame is not pinned twice, what was decoded may be another one
    pins = session.pinned.pins
    assert [pin.observed for pin in pins] == [True] * 5 + [False, False]
    assert pins[0].frame == 7 and pins[4].frame == pins[5].frame == 12
    assert pins[5].name.startswith("decoded, nearest frame 12")
    for layer, pin in zip(panel.viewer.pins, pins, strict=True):
        assert layer["key"] == pin.key
        assert geometry.rmsd(coordinates(layer)[0].astype(float), pin.xyz.astype(float)) < 1e-3
    session.pinned = replace(session.pinned, shown=pins[0].key)
    assert panel.view == "pinned" and panel.pinning.button.disabled
    (layer,) = shown(panel)
    truth = session.trajectories.frames([7]).xyz[0].astype(float)
    assert geometry.rmsd(coordinates(layer)[0].astype(float), truth) < 1e-3
    session.pinned = session.pinned.overlay(pins[2].key)
    assert [layer["key"] for layer in shown(panel)] == [1, 3]
    session.frame = 20
    assert panel.view == "frames" and [layer["key"] for layer in shown(panel)] == [0, 3]
    panel._player.value = 21
    panel.pinning.pin()  # the frame alone
    assert [pin.frame for pin in session.pinned.pins[7:]] == [21]
    session.pinned = session.pinned.overlay(pins[2].key)
    assert len(shown(panel)) == 1


def test_grid_of_pins_follows_the_session(panel, session):
    grid = PinsPanel(session, active=True)
    pins = next(tab for tab in TABS if tab.id == "pins")
    assert not pins.offered(session)
    for frame in (3, 9):
        session.frame = frame
        panel.pinning.pin()
    panel.viewer.thumbnails = {"1": "data:image/webp;base64,AA"}
    cards = grid.grid.cards
    assert pins.offered(session) and [card["name"] for card in cards] == ["Frame 3", "Frame 9"]
    assert cards[0]["distance"] == "Reference" and cards[1]["distance"].startswith("RMSD ")
    assert grid.grid.pictures == {"1": "data:image/webp;base64,AA"}
    grid.act("reference", 2)
    assert grid.grid.cards[1]["distance"] == "Reference"
    table = grid.frame()
    assert list(table["frame"]) == [3, 9] and table["rmsd_angstrom"][1] == pytest.approx(0, abs=1e-6)
    xyz = session.trajectories.frames([3, 9]).xyz.astype(float)
    assert table["rmsd_angstrom"][0] == pytest.approx(10 * geometry.rmsd(*xyz), rel=1e-3)
    grid.act("show", 2)
    assert panel.view == "pinned"
    session.frame = 4
    assert panel.view == "frames"
    grid.act("overlay", 1)
    assert panel.view == "frames"
    grid.act("show", 2)  # once more
    assert panel.view == "pinned"
    grid.act("remove", 2)
    assert panel.view == "frames"
    session.undo()
    assert (
        [layer["key"] for layer in panel.viewer.pins] == [card["key"] for card in grid.grid.cards] == [1, 2]
    )
    assert panel.view == "frames" and session.pinned.shown == 0
    session.redo()
    assert [layer["key"] for layer in panel.viewer.pins] == [1]
    panel.pinning.pin()
    grid.act("remove", 1)
    grid.act("remove", 1)
    assert [pin.frame for pin in session.pinned.pins] == [4]
    grid.close()


def test_atoms_of_a_part_are_found_in_the_whole(trajectories):
    scenes = Scenes(trajectories)
    part = trajectories.frames([0]).atom_slice([1, 3, 4])
    assert list(scenes.locate(Layer(part)).atoms) == [1, 3, 4]
    assert scenes.locate(Layer(trajectories.frames([0]))).atoms is None


def test_arrays_and_no_data_get_a_message():
    panel = StructurePanel(Session())
    assert panel._message.visible and "Open trajectory files" in panel._message.object
    panel.session.load(xr_arrays())
    assert "no structures" in panel._message.object
    panel.close()


def xr_arrays() -> xr.Dataset:
    from fel_explorer.data import as_dataset

    return as_dataset(np.random.default_rng(0).normal(size=(20, 3)))


def test_closed_panels_leave_the_session_alone(session):
    panel = StructurePanel(session)
    panel.close()
    before = panel.viewer.scene
    session.select(np.ones(50, bool), "all")
    assert panel.viewer.scene is before


def test_bundle_is_there_and_needs_no_network():
    bundle = StructureViewer._bundle_path
    assert bundle.stat().st_size > 500_000
    assert b"unpkg.com" not in bundle.read_bytes()


def test_layers_hold_all_bonds(trajectories):
    layer = Layer(trajectories.frames([0, 1])).as_dict()
    assert layer["pdb"].count("CONECT") == 4
    assert coordinates(layer).shape == (2, 5, 3)


@pytest.mark.parametrize(("least", "step"), [(0.2, 1), (1.1, 2), (3, 5), (7, 10), (12, 20), (400, 500)])
def test_steps_are_round_numbers(least, step):
    assert readable_step(least) == step


def test_times_are_in_the_unit_that_reads_best():
    assert readable_time(250.0, "ps") == "250 ps"
    assert readable_time(2500.0, "ps") == "2.5 ns"
    assert readable_time(3.0, "1") == "3"


def test_overlaid_frames_have_the_colours_of_their_states(panel, session, result):
    state = (np.arange(50) >= 25).astype(int)
    session.add_result(Result("two", result.method, result.embedding, None, state))
    session.select(np.arange(50) >= 20, "both")
    own = session.result.colours([0, 1])
    frames = [frame for frame, _ in panel._origins]
    found = dict(zip(frames, [layer["colour"] for layer in shown(panel)], strict=True))
    for one in (0, 1):
        of_state = [colour for frame, colour in found.items() if state[frame] == one]
        assert of_state == tints(own[one], len(of_state))
    session.active = "PCA 1"
    assert not {layer["colour"] for layer in shown(panel)} & set(LIGHT)


def test_sets_that_are_states_are_compared_in_their_colours(session, result):
    session.add_result(Result("two", result.method, result.embedding, None, np.arange(50) % 2))
    session.name_state(1, "folded")
    own = session.result.colours([0, 1], dark=True)
    assert candidates.colour(session, "folded", dark=True) == own[1]
    assert candidates.colour(session, "state 1", dark=True) == own[0]
    assert candidates.colour(session, candidates.REST) == ""
