from itertools import pairwise

import numpy as np
import pytest
import xarray as xr

from fel_explorer.app.panels import StructurePanel
from fel_explorer.app.session import Point, Result, Session
from fel_explorer.app.viewer import Layer, StructureViewer
from fel_explorer.app.viewer.reels import readable_step
from fel_explorer.app.viewer.scenes import Scenes, readable_time
from fel_explorer.data import featurize, load_trajectories
from fel_explorer.methods import PCA
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


def test_a_selection_made_before_the_panel_is_shown_at_once(session):
    session.select(np.arange(50) < 5, "five")
    panel = StructurePanel(session)
    assert panel.view == "representatives" and len(shown(panel)) == 3
    panel.close()


def test_fewer_frames_than_representatives(panel, session):
    session.select(np.arange(50) == 7, "one frame")
    assert len(shown(panel)) == 1
    panel._choice.value = "random"
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


def test_arrays_and_no_data_get_a_message():
    panel = StructurePanel(Session())
    assert panel._message.visible and "Open trajectory files" in panel._message.object
    panel.session.load(xr_arrays())
    assert "numbers without structures" in panel._message.object
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
