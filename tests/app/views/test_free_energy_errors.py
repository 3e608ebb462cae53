"""The same data have the same error of the free energy in every view, in the report and in a script."""

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.report import figures
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.map.view import ERROR, FREE_ENERGY, coloured, make_view
from fel_explorer.app.views.paths.panel import PathPanel
from fel_explorer.app.views.umbrella.profile import data_profile
from fel_explorer.free_energy import Grid, at_points, estimate


@pytest.fixture(scope="module")
def session():
    """Three unequal trajectories of a double well in two CVs, with weights."""
    data = fel.systems.DoubleWell(kT=4.0).simulate(40_000, 3, dynamics="langevin", stride=20)
    data = data.isel(frame=slice(0, 5000))
    data["weight"] = ("frame", np.random.default_rng(0).uniform(0.5, 2.0, 5000))
    session = Session(data)
    session.add_result(Result.of("PCA 1", fel.PCA(n_dims=2).fit(data), data))
    return session


@pytest.fixture
def profile(session):
    return data_profile(session.shown, session.dataset, 0)


def of_script(session, axes, n_columns):
    """Error by the public function, given what a script knows."""
    x = session.shown.embedding[:, :n_columns]
    data = session.dataset
    return fel.plots.free_energy_error(
        x, data["weight"].values, data["trajectory"].values, bins=fel.free_energy.default_bins(len(x))
    )


def test_map_drive_view_and_script_agree_along_a_cv(session, profile):
    view = make_view(session, ("CV 1", FREE_ENERGY), weighted=True)
    on_map = view.error.sel(x=profile["centre"].values)
    assert np.isfinite(on_map).sum() > 15 and (on_map > 0).sum() > 15
    np.testing.assert_array_equal(profile["error"], on_map)
    np.testing.assert_allclose(
        profile["free_energy"], view.surface.sel(x=profile["centre"].values), atol=1e-9
    )
    np.testing.assert_array_equal(of_script(session, view.axes, 1), view.error)
    np.testing.assert_array_equal(view.frame_error, at_points(view.error, view.xy[:, :1]))


def test_an_unbiased_profile_of_the_same_bins_has_the_error_of_the_estimate(session, profile):
    cv = session.shown.method.transform(session.dataset)[:, 0]
    edges = np.linspace(float(cv.min()), float(cv.max()), 31)
    weight, trajectory = session.dataset["weight"].values, session.dataset["trajectory"].values
    expected = estimate(
        cv.values[:, None], weight, trajectory, grid=Grid.of_edges(edges), smoothing=0
    ).to_dataset()
    found = fel.sampling.unbiased_profile(cv, expected.assign_attrs(kT=1.0), weight=weight)
    np.testing.assert_allclose(found["error"], expected["error"], rtol=1e-6)


def test_path_and_report_have_the_errors_of_the_map(session, monkeypatch):
    panel = PathPanel(session, active=True)
    x = session.shown.embedding
    for side in (x[:, 0] < np.median(x[:, 0]), x[:, 0] > np.quantile(x[:, 0], 0.9)):
        session.add_anchor(*np.median(x[side], axis=0), ("CV 1", "CV 2"))
    view, path = make_view(session, ("CV 1", "CV 2"), weighted=True), session.path
    np.testing.assert_array_equal(of_script(session, view.axes, 2), view.error)
    np.testing.assert_array_equal(path.error, at_points(view.error, path.curve.points))
    np.testing.assert_array_equal(path.free_energy, at_points(view.surface, path.curve.points))
    drawn = {}
    plot = figures.plot_path_profile.sheet
    monkeypatch.setattr(
        figures.plot_path_profile,
        "sheet",
        lambda *given, **named: drawn.update(named) or plot(*given, **named),
    )
    (html,) = figures.path(session)
    np.testing.assert_array_equal(drawn["error"], path.error)
    highest = path.barrier
    for height, error in ((highest.left, highest.left_error), (highest.right, highest.right_error)):
        text = session.unit.text(height, error)
        assert "±" in text and text in html and text in panel.text.object
    values, _ = coloured(view, session, ERROR)
    np.testing.assert_array_equal(values, view.frame_error)
    panel.close()
