"""Free energies along a CV, and umbrella sampling, without a browser."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from numpy.testing import assert_allclose

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.umbrella import job as umbrella_job
from fel_explorer.app.views.umbrella.job import Settings, overlap_words, reason_no_sampling, sampling_windows
from fel_explorer.app.views.umbrella.panel import DrivePanel
from fel_explorer.app.views.umbrella.profile import barrier_words, data_profile, profile_words
from fel_explorer.app.widgets.bokeh_sheet import columns_of
from fel_explorer.data import as_dataset

N = 40_000


@pytest.fixture(scope="module")
def well():
    """Frames of a double well that is hot enough for its barrier, and a linear CV."""
    data = fel.systems.DoubleWell(kT=4.0).simulate(400, 10, dynamics="langevin", stride=20)
    return Result.of("PCA 1", fel.PCA(n_dims=1).fit(data), data), data


@pytest.fixture
def session(well):
    session = Session(well[1])
    session.add_result(well[0])
    return session


@pytest.fixture
def jobs():
    return JobManager(workers=0)


@pytest.fixture
def panel(session, jobs):
    board = PageJobs(session, jobs)
    panel = DrivePanel(session, board)
    panel.active = True
    yield panel
    panel.close()
    board.close()


def work(panel, jobs):
    while jobs.work():
        panel.board.tick()
    panel.board.tick()


class Energetic(fel.methods.Method):
    """A method that tells energies: the square of its CV."""

    has_energies, energy_column = True, "energy"

    def predict_energy(self, dataset):
        return xr.DataArray(dataset["features"].values[:, 0] ** 2, dims="frame")


def test_the_profile_is_that_of_the_density_within_its_errors_and_tells_states_and_energies():
    rng = np.random.default_rng(0)
    z = rng.normal(0.0, 1.0, N).astype(np.float32)
    data = as_dataset(list(z.reshape(10, -1, 1)))
    data["energy"] = ("frame", z.astype(float) ** 2, {"units": "kJ/mol"})
    right = 1 / (1 + np.exp(-4 * z))
    chi = np.stack([1 - right, right], axis=1).astype(np.float32)
    result = Result("made", Energetic(), z[:, None], chi, (z > 0).astype(int))
    profile = data_profile(result, data)
    x = profile["centre"].values
    middle = np.abs(x) < 2
    width = x[1] - x[0]
    expected = x**2 / 2 - x[profile["free_energy"].values.argmin()] ** 2 / 2
    away = (profile["free_energy"].values - expected)[middle]
    assert (
        np.abs(away).max() < 0.35 and (np.abs(away) < 3 * profile["error"].values[middle] + 0.02).mean() > 0.9
    )
    assert_allclose(profile["membership"][:, 1][middle], 1 / (1 + np.exp(-4 * x[middle])), atol=width)
    assert_allclose(profile["energy"][middle], x[middle] ** 2, atol=2 * width)
    assert profile["energy"].attrs["units"] == "kJ/mol"
    said = profile_words(profile, False)
    assert "No barrier" in said and "states" in said and "potential energy" in said


def test_weights_count():
    z = np.repeat([0.0, 1.0], N // 2).astype(np.float32)
    data = as_dataset(z[:, None])
    data["weight"] = ("frame", np.where(z > 0.5, np.e, 1.0))
    profile = data_profile(Result("made", None, z[:, None]), data)
    assert_allclose(profile["free_energy"].values[[0, -1]], [1.0, 0.0], atol=1e-6)


def test_barriers_are_told_from_both_sides():
    x = np.linspace(-1.6, 1.6, 61)
    profile = xr.Dataset({"free_energy": ("bin", 6 * (x**2 - 1) ** 2 + x)}, coords={"centre": ("bin", x)})
    assert "7.0 kT from the left, 5.0 kT from the right" in profile_words(
        profile.assign(error=profile["free_energy"] * 0), True
    )


def test_a_cv_of_arrays_can_not_be_sampled_and_says_why(session, jobs):
    plain = as_dataset(np.random.default_rng(0).normal(size=(100, 2)))
    result = Result.of("PCA 1", fel.PCA().fit(plain), plain)
    assert "which atoms" in reason_no_sampling(result, plain, None).given
    session.load(plain)
    session.add_result(result)
    panel = DrivePanel(session, PageJobs(session, jobs))
    panel.param.update(active=True, part="windows")
    assert not panel.run.visible and "which atoms" in panel.text.object and not panel.ready
    panel.close()


def test_molecules_need_openmm_and_their_trajectories(well, monkeypatch):
    result, data = well
    molecule = data.drop_vars("position")
    record = {"name": "distances", "kind": "distance", "options": {}, "atoms": [[0, 1]], "n_features": 1}
    molecule.attrs["featurizers"] = json.dumps([record])
    monkeypatch.setattr(umbrella_job, "load_openmm", lambda: None)
    assert "trajectories of these frames are not loaded" in reason_no_sampling(result, molecule, None).given
    monkeypatch.undo()
    monkeypatch.setitem(__import__("sys").modules, "openmm", None)
    assert "OpenMM is not installed" in reason_no_sampling(result, molecule, None).given


def test_windows_are_those_of_umbrella_in_kT(well):
    result, data = well
    settings = Settings(n_windows=4, n_walkers=5, n_steps=60)
    found = sampling_windows(result, data, None, 0, settings)(lambda progress: None, lambda: False)
    system = fel.systems.DoubleWell(kT=4.0)
    same = fel.sampling.umbrella(result.method, system, data, n_windows=4, n_walkers=5, n_steps=60)
    expected = fel.sampling.profile(same, n_bins=60)
    assert_allclose(found.profile["free_energy"], expected["free_energy"] / 4.0)
    assert_allclose(found.profile["error"], expected["error"] / 4.0)
    width = float(found.histograms["centre"][1] - found.histograms["centre"][0])
    assert_allclose(found.histograms["density"].sum("bin") * width, 1.0)
    assert "All neighbours overlap" in overlap_words(found) or "gap" in overlap_words(found)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))


def test_windows_that_were_stopped_go_on_from_there_when_started_again(well):
    result, data = well
    settings = Settings(n_windows=4, n_walkers=5, n_steps=600)
    folder = umbrella_job.checkpoint_folder(result, data, 0, settings)
    whole = sampling_windows(result, data, None, 0, settings)(lambda progress: None, lambda: False)
    assert not folder.exists()  # nothing is left to go on from
    first, then = [], []
    sampling_windows(result, data, None, 0, settings)(first.append, lambda: len(first) > 8)
    assert folder.is_dir() and first[-1].step < first[-1].n_steps
    again = sampling_windows(result, data, None, 0, settings)(then.append, lambda: False)
    assert then[1].step == first[-1].step + 1 and not folder.exists()
    assert_allclose(again.profile["free_energy"], whole.profile["free_energy"])
    other = umbrella_job.checkpoint_folder(result, data, 0, Settings(n_windows=5))
    assert other != folder


def test_the_temperature_is_that_of_the_session(panel, session):
    assert panel.temperature.value == session.temperature
    session.temperature = 350.0
    assert panel.temperature.value == 350.0
    panel.temperature.value = 310.0
    assert session.temperature == 310.0
    panel.temperature.value = 0.0  # while a number is typed
    assert session.temperature == 310.0


def test_the_panel_samples_compares_and_stops(panel, session, jobs):
    assert panel.ready and "Barrier" in panel.text.object
    panel.part = "windows"
    assert not panel.ready and panel.run.visible and not panel.temperature.visible
    panel.windows.value, panel.steps.value = 4, 60
    panel.run.clicks += 1
    assert panel.stop.visible and not panel.run.visible
    work(panel, jobs)
    assert panel.ready and panel.run.visible and "overlap" in panel.text.object
    assert len(columns_of(panel.figure((700, 270)))["areas"]["x"]) >= 4
    panel.part = "profile"
    assert len(columns_of(panel.figure((700, 270), dark=True))["lines"]["x"]) >= 2
    sampled, data = panel.text.object.split("From the data:")
    assert "overlap" in sampled and barrier_words(panel._sampled.profile) in sampled
    assert barrier_words(panel._profile()) in data
    table = pd.read_csv(panel.export.export("csv"))
    assert set(table["source"]) == {"data", "umbrella sampling"}
    panel.part = "windows"
    panel.run.clicks += 1
    panel.stop.clicks += 1  # before it began
    work(panel, jobs)
    assert not panel.ready and panel.run.visible and panel.about.visible and not panel.text.object
