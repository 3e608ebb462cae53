"""The view of simulators without a browser: its pages, what the map and the viewer show, and its files."""

import io
from dataclasses import replace

import mdtraj
import numpy as np
import pandas as pd
import pytest
from test_simulation import TINY, dataset, result, simulation, trained, trajectories  # noqa: F401

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.map.view import make_view
from fel_explorer.app.views.simulate.panel import SimulatePanel, drawn
from fel_explorer.app.views.simulate.report_rows import Row, as_html, value_text
from fel_explorer.app.views.simulate.simulation import shown_simulator
from fel_explorer.app.views.simulate.trail import LENGTH, segments, trail
from fel_explorer.app.views.structure.panel import StructurePanel
from fel_explorer.app.views.tabs import can_simulate
from fel_explorer.methods import LatentSpaceSimulator


@pytest.fixture
def session(dataset, trajectories, result):  # noqa: F811
    session = Session(dataset, trajectories)
    session.add_result(result)
    return session


@pytest.fixture
def playing(session, trained, simulation):  # noqa: F811
    session.param.update(simulators=[trained], simulation=simulation)
    return session


@pytest.fixture
def jobs():
    return JobManager(workers=0)


@pytest.fixture
def panel(session, jobs):
    board = PageJobs(session, jobs)
    panel = SimulatePanel(session, board)
    panel.active = True
    yield panel
    panel.close()
    board.close()


def work(panel):
    while panel.board.manager.work():
        panel.board.tick()
    panel.board.tick()


@pytest.fixture
def quick(monkeypatch):
    """A report of few simulations and structures."""
    whole = LatentSpaceSimulator.report
    few = {"n_steps": 50, "n_trajectories": 4, "n_structures": 60}
    monkeypatch.setattr(
        LatentSpaceSimulator, "report", lambda *data, **options: whole(*data, **options, **few)
    )


# ---- the view


def test_training_simulating_and_comparing_lead_from_page_to_page(panel, session, quick):
    assert can_simulate(session) and panel.view == "train" and not panel.ready
    form = panel.pages["train"].form
    for name, value in TINY.items():
        form.widgets[name].value = value
    panel.pages["train"].button.param.trigger("clicks")
    assert "waits" in panel.text.object and panel.stop.visible and not panel.pages["train"].layout.visible
    work(panel)
    assert panel.view == "play" and panel.trained.has_decoder and not panel.stop.visible
    assert panel.pages["play"].layout.visible and not panel.ready

    page = panel.pages["play"]
    page.n_steps.value, page.n_trajectories.value = 20, 3
    page.button.param.trigger("clicks")
    work(panel)
    assert panel.ready and session.simulation.n_frames == 60 and page.chosen.visible
    assert "3 × 10 ns" in page.said.object
    page.button.param.trigger("clicks")
    work(panel)
    assert session.simulation.seed == 1

    page.propose.param.trigger("clicks")
    assert page.propose.disabled
    work(panel)
    assert session.selection.count == 10 and not page.propose.disabled
    assert session.selection.how == "10 starting points proposed by the simulator"

    panel.view = "report"
    panel.pages["report"].rivals.value = panel.pages["report"].native.value = True
    panel.pages["report"].button.param.trigger("clicks")
    work(panel)
    report = panel.trained.report
    rivals = ["MD", "simulator", "linear Koopman", "Langevin"]
    assert report.propagators["propagator"].values.tolist() == rivals
    assert "Time scale 1, Langevin" in panel.pages["report"].table.object
    native = report.structures["native"]["mean"]
    assert (
        0 < float(native.sel(ensemble="md")) < 1
        and "RMSD to the native" in panel.pages["report"].table.object
    )
    panel.plot = "propagators"
    assert [word for _, word in panel.figure().ticks[0]] == rivals
    panel.plot = "profile"
    assert panel.view == "report" and panel.ready and report is shown_simulator(session).report
    assert "Time scale 1" in panel.pages["report"].table.object
    assert panel.pages["report"].warnings.object.count("<p") == max(len(report.warnings), 1)
    table = pd.read_csv(panel.export.export("csv"))
    scales = report.time_scales
    assert table["md"][0] == pytest.approx(float(scales["time"].sel(ensemble="md", process=1)))
    assert table["synthetic_error"][0] == pytest.approx(
        float(scales["error"].sel(ensemble="synthetic", process=1)), nan_ok=True
    )
    assert b"free energy (kT)" in panel.export.export("svg").getvalue()
    assert "tica" in panel.figures.options.values() and panel.figures.visible
    for plot, label in [
        ("timescales", "time scale"), ("returns", "probability of return"),
        ("transitions", "ψ₁ one lag later"), ("tica", "TICA 2"),
    ]:  # fmt: skip
        version = panel.version
        panel.figures.value = plot
        assert panel.version > version
        assert label in panel.figure((700, 270), dark=True).labels[1]
    shown = np.array([dot["y"] for dot in drawn(report, "returns", "ps", False).dots])
    stays = report.chapman_kolmogorov["stays"].sel(ensemble="md").values
    np.testing.assert_allclose(shown, stays.T.ravel())
    session.simulators = [replace(panel.trained, report=replace(report, structures={}))]
    assert panel.plot == "profile" and "tica" not in panel.figures.options.values()


def test_a_stopped_report_leaves_the_simulator(panel, playing, jobs):
    panel.view = "report"
    panel.pages["report"].button.param.trigger("clicks")
    (job,) = [job for job in jobs.jobs() if job.active]
    job._stop.set()
    work(panel)
    assert job.state == "cancelled" and panel.trained.report is None and panel.view == "report"


def test_a_trajectory_is_chosen_and_a_click_goes_to_a_time(panel, playing):
    panel.view = "play"
    page = panel.pages["play"]
    page.chosen.value = 2
    assert playing.step == 6
    panel.tapped(3 * 500.0, 0.0)
    time = playing.simulation.latents["time"].values
    assert playing.step == 6 + int(np.abs(time[:6] - 1500.0).argmin())
    playing.step = 1
    assert page.chosen.value == 1


def test_lag_and_atoms_fit_the_data_and_steps_the_decoder(panel, session):
    form = panel.pages["train"].form
    assert form.widgets["lag_time"].label == "Lag time (ps)" and form.values["lag_time"] % 500 == 0
    assert form.widgets["atoms"].options == ["heavy atoms", "all atoms"]
    form.widgets["decoder"].value = "cWGAN"
    assert form.values["decoder_steps"] == 30_000
    assert all(widget.description for widget in form.widgets.values())


def test_nothing_is_offered_without_trajectories_or_map(panel, session):
    session.load(session.dataset)
    assert not can_simulate(session)


def test_files_hold_the_trajectories(panel, playing, tmp_path):
    page = panel.pages["play"]
    (tmp_path / "all.xtc").write_bytes(page.file("xtc").getvalue())
    (tmp_path / "one.pdb").write_bytes(page.file("pdb").getvalue())
    one = mdtraj.load(str(tmp_path / "one.pdb"))
    whole = mdtraj.load(str(tmp_path / "all.xtc"), top=one.topology)
    assert (one.n_frames, whole.n_frames) == (6, 12)
    np.testing.assert_allclose(one.xyz, whole.xyz[:6], atol=1e-3)
    table = pd.read_csv(io.BytesIO(panel.export.export("csv").getvalue()))
    np.testing.assert_allclose(table["psi 1"], playing.simulation.latents["features"].values[:, 0], rtol=1e-5)


# ---- on the map and in the viewer


def test_the_trail_ends_where_the_simulation_is(playing):
    view = make_view(playing, ("CV 1", "CV 2"))
    latents = playing.simulation.latents["features"].values
    playing.step = 8
    found = trail(playing, view.axes, view.xy, view.limits)
    assert found["walker"] == pytest.approx(tuple(latents[8]))
    expected = np.stack([latents[6:8], latents[7:9]], axis=1)  # of its own trajectory
    np.testing.assert_allclose(found["trail"], expected)
    other = make_view(playing, ("CV 2", str(playing.dataset["feature"].values[0])))
    x, y = trail(playing, other.axes, other.xy, other.limits)["walker"]
    assert x == pytest.approx(latents[8, 1]) and y == other.xy[playing.simulation.nearest[8], 1]
    assert LENGTH >= 10


def test_no_trail_without_a_simulation_of_the_shown_model(session, playing):
    playing.simulators = []
    view = make_view(session, ("CV 1", "CV 2"))
    assert trail(session, view.axes, view.xy, view.limits) == {}


def test_steps_over_the_end_of_a_period_are_not_drawn():
    points = np.array([[170.0, 0.0], [-170.0, 0.5], [-160.0, 1.0]])
    assert len(segments(points, ((-180.0, 180.0), (0.0, 1.0)))) == 1
    assert len(segments(points, ((-175.0, 175.0), (0.0, 1.0)))) == 2


def test_synthetic_and_nearest_structures_stand_side_by_side(session, trained, simulation):  # noqa: F811
    panel = StructurePanel(session)
    session.param.update(simulators=[trained], simulation=simulation)
    assert panel.view == "simulation"
    synthetic, nearest = panel.trajectory
    assert [layer["column"] for layer in panel.viewer.scene] == [0, 1]
    assert synthetic.n_frames == nearest.n_frames == 6
    panel._player.value = 4
    assert session.step == 4 and panel.viewer.frame == 4
    frame = session.trajectories.frames([simulation.nearest[4]])
    assert mdtraj.rmsd(nearest[4], frame)[0] < 1e-3
    assert "Step 5 of 6" in panel._text.object and f"frame {simulation.nearest[4]:,}" in panel._text.object
    scene = panel.viewer.scene
    session.step = 2  # from outside, as by a click on the walk
    assert panel._player.value == 2 and panel.viewer.scene is scene
    session.step = 9
    assert "Step 4 of 6" in panel._text.object and "trajectory 2" in panel._text.object
    panel.close()


# ---- words


@pytest.mark.parametrize(
    ("value", "error", "unit", "text"),
    [
        (142.3, 7.2, "ps", "142 ± 7 ps"),
        (4830.0, 460.0, "ps", "4.8 ± 0.5 ns"),
        (4330.0, 120.0, "ps", "4.33 ± 0.12 ns"),
        (0.00065, float("nan"), "1/ps", "650 per µs"),
        (0.353, float("nan"), "kT", "0.353 kT"),
        (0.23178, 0.0086, "nm", "0.232 ± 0.009 nm"),
        (1726.1, float("nan"), "", "1,726"),
        (float("nan"), float("nan"), "kT", ""),
    ],
)
def test_values_read_well(value, error, unit, text):
    assert value_text(value, error, unit) == text


def test_tables_escape_what_they_show():
    assert "<b>" not in as_html([Row("<b>", "kT", 1.0, about='"x"')])


# ---- with the session


def test_simulators_are_saved_with_the_session(playing, tmp_path):
    opened = open_session(save_session(playing, tmp_path / "mine.session"))
    (again,) = opened.simulators
    assert again.simulator.encoder is opened.results["PCA 1"].method
    before = playing.simulators[0].simulator.simulate(5, seed=3, device="cpu")
    after = again.simulator.simulate(5, seed=3, device="cpu")
    np.testing.assert_allclose(after["features"], before["features"], atol=1e-5)
    points = playing.simulation.latents["features"].values[:3]
    np.testing.assert_allclose(
        again.simulator.decode(points, seed=1, device="cpu").xyz,
        playing.simulators[0].simulator.decode(points, seed=1, device="cpu").xyz,
        atol=1e-5,
    )
