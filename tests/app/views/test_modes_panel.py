"""Slow modes without a browser: time scales, maps, scores and sensitivities of chains that are known."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.atom_values import AtomValues
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.shell.tab_strip import TabStrip
from fel_explorer.app.views.map import colouring
from fel_explorer.app.views.modes import scores as mode_scores
from fel_explorer.app.views.modes import text as mode_text
from fel_explorer.app.views.modes.analysis import mode_names, modes_of
from fel_explorer.app.views.modes.level_sets import level_sets_job
from fel_explorer.app.widgets.bokeh_sheet import columns_of
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.plots.level_sets import plot_decoder

STAY = 0.995  # of the slow chain; the fast one stays with .9
SLOW, FAST = -1 / np.log(2 * STAY - 1), -1 / np.log(2 * 0.9 - 1)  # exact time scales, in frames


def chain(n, stay, rng):
    return np.cumsum(rng.random(n) > stay) % 2 * 2.0 - 1.0


@pytest.fixture(scope="module")
def dataset():
    """Two independent two-state chains, and noise."""
    rng = np.random.default_rng(0)
    parts = [
        np.stack([chain(4000, STAY, rng), chain(4000, 0.9, rng), rng.normal(size=4000)], axis=1)
        for _ in range(5)
    ]
    return as_dataset(parts, time_step=2.0, time_unit="ps", feature_names=["slow", "fast", "noise"])


@pytest.fixture(scope="module")
def tica(dataset):
    return fel.TICA(lag_time=4.0, n_dims=2).fit(dataset)


@pytest.fixture
def session(dataset, tica):
    session = Session(dataset)
    session.add_result(Result.of("TICA 1", tica, dataset, seconds=0.5))
    return session


@pytest.fixture
def jobs():
    return JobManager(workers=0)


@pytest.fixture
def board(session, jobs):
    board = PageJobs(session, jobs)
    yield board
    board.close()


@pytest.fixture
def panel(session, board):
    panel = TabStrip(session, board, print)
    panel.param.update(view="modes", open=True)
    yield panel.panels["modes"]
    panel.close()


def work(board, jobs):
    while jobs.work():
        board.tick()
    board.tick()


# ---- the numbers


def test_modes_of_tica_are_the_chains_and_the_spectrum_goes_beyond_its_dimensions(session):
    modes = modes_of(session.shown, session.dataset)
    assert_allclose(modes.spectrum["timescale"][:2], [2 * SLOW, 2 * FAST], rtol=0.15)
    assert modes.spectrum.sizes["process"] == 3 and modes.names == ["mode 1", "mode 2"]
    correlation = np.corrcoef(modes.functions.T, session.dataset["features"].values.T)[:2, 2:]
    assert_allclose(np.abs(correlation), [[1, 0, 0], [0, 1, 0]], atol=0.05)
    assert_allclose(modes.functions.std(axis=0), 1, rtol=1e-4)
    assert "**1 slow mode**: the first" in mode_text.gap_words(modes)


def test_modes_of_states_are_those_of_their_transition_matrix(dataset):
    hard = (dataset["features"][:, 0].values > 0).astype(int)
    chi = np.eye(2, dtype=np.float32)[hard]

    class Lagged(fel.methods.Method):
        needs_lag, lag_time = True, 4.0

    result = Result("IDM 1", Lagged(), np.zeros((len(hard), 2), np.float32), chi, hard)
    modes = modes_of(result, dataset)
    counts = np.zeros((2, 2))
    for part in np.split(hard, 5):
        np.add.at(counts, (part[:-2], part[2:]), 1)
    counts = counts + counts.T
    eigenvalue = np.linalg.eigvals(counts / counts.sum(1, keepdims=True)).min()
    assert_allclose(modes.spectrum["timescale"], [-4.0 / np.log(eigenvalue)], rtol=1e-6)
    assert len(np.unique(modes.functions.round(4))) == 2
    assert "1 mode" in mode_text.gap_words(modes)


def test_what_has_no_modes_says_which_methods_have(dataset):
    result = Result.of("PCA 1", fel.PCA().fit(dataset), dataset)
    assert mode_names(result, dataset) == []
    for _ in range(2):  # found out once, told each time
        with pytest.raises(FelError, match="PCA has no time scales"):
            modes_of(result, dataset)


def test_steps_of_the_diffusion_map_are_no_times(dataset):
    few = dataset.isel(frame=slice(0, 300))
    result = Result.of("DM 1", fel.DiffusionMap(epsilon=2.0).fit(few), few)
    modes = modes_of(result, few)
    assert modes.time_unit == "steps" and modes.lag_time is None and modes.n_maps == 2
    assert_allclose(modes.spectrum["timescale"][:2], -1 / np.log(result.method.eigenvalues_))
    assert "not in time" in mode_text.spectrum_words(modes)


def test_a_mode_is_a_colour_that_is_grey_where_it_is_zero(session):
    assert colouring.choices(session)["Slow modes"] == ["mode 1", "mode 2"]
    values, scale = colouring.colouring(session, "mode 1")
    assert_allclose(np.abs(np.corrcoef(values, session.dataset["features"][:, 0])[0, 1]), 1, atol=1e-3)
    place = round(255 * -scale.limits[0] / (scale.limits[1] - scale.limits[0]))
    assert scale.palette[place] in ("#c3c7cc", "#c2c7cc", "#c3c6cb", "#c3c7cb", "#c4c6ca")
    assert (scale.palette[0], scale.palette[-1]) == ("#0072b2", "#d55e00")


def test_words_of_a_gap_and_of_none(session):
    modes = modes_of(session.shown, session.dataset)

    def words(times, lag=None):
        spectrum = modes.spectrum.isel(process=slice(0, len(times))).assign(timescale=("process", times))
        return mode_text.gap_words(type(modes)(spectrum.assign_attrs(time_unit="ps"), lag, modes.functions))

    assert words([900.0, 600.0, 100.0]).startswith("**2 slow modes**: the second, 600 ps, is 6 times slower")
    assert words([90.0, 80.0, 70.0]).startswith("**No gap**")
    assert "shorter lag" in words([9.0, 8.0], lag=10.0)
    assert "**1 mode**" in words([9.0])


def test_scores_of_a_job_are_those_of_cross_validation_and_can_be_stopped(session):
    lags = [2.0, 20.0]
    run = mode_scores.score_job(session.shown, session.dataset, lags, 4.0, n_folds=2)
    told = []
    table = run(told.append, lambda: False)
    same = fel.methods.cross_validate(
        fel.TICA(lag_time=4.0, n_dims=2), session.dataset, n_folds=2, parameter="lag_time", values=lags,
        lag_time=4.0,
    )  # fmt: skip
    assert_allclose(table["score"], same["score"])
    assert told[-1].step <= told[-1].n_steps and told[-1].message == "lag 20 ps, part 2 of 2"
    assert "**Best at" in mode_text.score_words(table)
    counter = iter(range(99))
    again = mode_scores.score_job(session.shown, session.dataset, lags, 4.0, n_folds=2)
    partial = again(lambda progress: None, lambda: next(counter) > 2)
    assert partial["lag_time"].values.tolist() == [2.0]


def test_methods_without_a_lag_can_not_be_scored(dataset):
    for method in (fel.PCA(), fel.Eigenfunctions(operator="generator")):
        with pytest.raises(FelError, match="no lag that could be varied"):
            mode_scores.score_job(Result("x", method, np.zeros((4, 2))), dataset, [2.0], 2.0)


# ---- the panel


def test_clicks_on_the_spectrum_colour_the_map(panel, session):
    assert panel.ready and panel.mode.visible and "slow mode" in panel.text.object
    panel.tapped(2.1, 0.0)
    assert session.colour_by == "mode 2" and panel.mode.value == "mode 2"
    panel.tapped(3.0, 0.0)  # known by its time scale only
    assert session.colour_by == "mode 2"
    session.undo()
    assert session.colour_by == "free energy" and panel.mode.value == ""
    assert columns_of(panel.figure((700, 270)))["words"]["x"]
    table = pd.read_csv(panel.export.export("csv"))
    assert_allclose(table["timescale"][:2], session.shown.method.implied_timescales_)


def test_the_score_is_computed_when_asked_for_and_stopped(panel, session, board, jobs):
    panel.part = "score"
    assert not panel.ready and panel.compute.visible and "VAMP-2" in panel.text.object
    n_fits = 5 * len(mode_scores.tried_lags(session.shown, session.dataset))
    assert f"{n_fits} trainings, about {n_fits / 2:.0f} s" in panel.text.object
    panel.folds.value = 2
    panel.compute.clicks += 1
    assert panel.stop.visible and not panel.compute.visible
    work(board, jobs)
    assert panel.ready and "**Best at" in panel.text.object and panel.compute.visible
    assert set(pd.read_csv(panel.export.export("csv"))["fold"]) == {1, 2}
    assert columns_of(panel.figure((700, 270)))["dots"]["x"]
    panel.compute.clicks += 1
    panel.stop.clicks += 1  # before it began
    work(board, jobs)
    assert not panel.ready and "VAMP-2" in panel.text.object
    session.add_result(Result.of("PCA 1", fel.PCA().fit(session.dataset), session.dataset))
    assert "no lag" in panel.text.object and not panel.compute.visible


def test_what_a_variable_depends_on_is_found_when_looked_at(panel, session, board, jobs):
    panel.part = "sensitivity"
    assert panel.variable.options == ["mode 1", "mode 2"] and not panel.ready
    work(board, jobs)
    assert panel.ready and panel.text.object.startswith("**slow** makes ")
    panel.variable.value = "mode 2"
    assert panel.text.object.startswith("**fast** makes ")
    assert b"<svg" in panel.export.export("svg").read()
    assert isinstance(panel.export.export("csv"), io.BytesIO)
    session.dataset = session.dataset.assign(other=("frame", np.zeros(session.dataset.sizes["frame"])))
    assert panel.ready  # a column more changes nothing


def test_the_structure_is_coloured_by_the_atoms_of_what_a_variable_depends_on(panel, session, board, jobs):
    panel.part = "sensitivity"
    work(board, jobs)
    assert not panel.on_structure.switch.visible  # of arrays
    atom = "ATOM  {0:5d}  C{0}  ALA A   1    {0:8.3f}   0.000   0.000  1.00  0.00           C"
    topology = "\n".join([*(atom.format(i) for i in range(1, 6)), "END"])
    pairs = [{"kind": "distance", "atoms": [[0, 1], [1, 2], [2, 3]]}]
    session.dataset.attrs.update(topology=topology, featurizers=json.dumps(pairs))
    session.trajectories = object()
    panel.variable.value = "mode 2"  # of feature 2, atoms 1 and 2
    switch = panel.on_structure.switch
    assert switch.visible and session.atom_values is None
    switch.value = True
    shown = session.atom_values
    assert shown.title == "TICA 1: contribution to mode 2 (%)" and np.isnan(shown.values[4])
    share = panel._job.result["embedding"]["feature_share"].values[1]
    assert_allclose(shown.values[:4], 50 * np.convolve(share, [1, 1]), rtol=1e-6)
    panel.variable.value = "mode 1"
    assert session.atom_values.values[0] > 45
    session.atom_values = AtomValues(np.ones(5), "of another panel", source="comparison")
    assert not switch.value and session.atom_values.source == "comparison"
    for name in ("topology", "featurizers"):
        del session.dataset.attrs[name]


def test_rates_of_the_last_steps_are_told_where_the_method_knows_them(panel, session):
    assert "last fifth" not in panel.text.object
    modes = fel.Eigenfunctions(lag_time=4.0, n_dims=2, n_steps=20, hidden=[4]).fit(
        session.dataset, device="cpu"
    )
    session.add_result(Result.of("Eigenfunctions 1", modes, session.dataset))
    late = fel.methods.late_rates(modes)
    first = f"{float(late['rate'][0]):.3g} ± {float(late['spread'][0]):.2g}"
    assert f"last fifth of the training: {first} and " in panel.text.object and "per ps." in panel.text.object


def curves(panel):
    """Rows of the lines and dashes that are drawn."""
    sheet = panel.figure((700, 270))
    return [row for row in sheet.lines + sheet.dashes if len(row["x"]) > 2]


def test_level_sets_are_shown_with_the_decoder_beside_the_means(panel, session, board, jobs):
    session.add_result(Result.of("PCA 1", fel.PCA(n_dims=1).fit(session.dataset), session.dataset))
    panel.part = "levels"
    assert not panel.ready
    work(board, jobs)
    table = fel.methods.level_sets(session.shown.method, session.dataset, n_bins=50)
    assert panel.ready and f"**{table.attrs['unexplained_variance']:.1%}**" in panel.text.object
    assert "The decoder deviates by" in panel.text.object
    shown = panel.levels.shown
    assert set(shown.options) == {"All features", "slow", "fast", "noise"}
    left, wrong = (row["y"] for row in curves(panel))
    assert_allclose(left, 100 * table["unexplained"])
    assert_allclose(wrong, 100 * table["decoder_error"])
    version = panel.version
    shown.value = "slow"
    assert panel.version > version
    mean, decoded = (row["y"] for row in curves(panel))
    assert_allclose(mean, table["mean"].sel(feature="slow"))
    assert_allclose(decoded, table["decoded"].sel(feature="slow"))
    assert_allclose(pd.read_csv(panel.export.export("csv"))["unexplained"], table["unexplained"])


def test_level_sets_of_two_dimensions_are_an_image_and_of_three_there_are_none(panel, session, board, jobs):
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=2).fit(session.dataset), session.dataset))
    panel.part = "levels"
    work(board, jobs)
    assert panel.ready and not panel.levels.shown.visible
    assert columns_of(panel.figure((700, 270), dark=True))["image"]["image"]
    session.add_result(Result.of("PCA 3", fel.PCA(n_dims=3).fit(session.dataset), session.dataset))
    assert not panel.ready and "maps of one or two dimensions" in panel.text.object


def found_of(method, data):
    return level_sets_job(Result.of("PCA 1", method, data), data)(lambda progress: None, lambda: False)


def test_the_decoder_is_drawn_on_a_toy_potential():
    well = fel.systems.DoubleWell(kT=4.0)
    data = well.simulate(200, 10, stride=20)
    for n_dims, n_lines in ((1, 1), (2, 26)):
        pca = fel.PCA(n_dims=n_dims).fit(data)
        found = found_of(pca, data)
        plane = found.plane
        points = np.stack(np.meshgrid(plane["x"], plane["y"]), axis=-1)
        expected = well.energy(torch.from_numpy(points)).numpy() / 4.0
        assert_allclose(plane["energy"], expected - expected.min(), atol=1e-6)
        drawn = plane["lines"].values.reshape(-1, 2).astype("f4")
        assert plane.sizes["line"] == n_lines
        assert_allclose(pca.inverse_transform(pca.transform(drawn)), drawn, atol=1e-4)
        ends, reached = pca.transform(data).values, pca.transform(drawn).values
        expected = np.quantile(ends, [0.0005, 0.9995], axis=0)
        assert_allclose([reached.min(0), reached.max(0)], expected, atol=1e-4)
        assert len(columns_of(plot_decoder.sheet(plane, means=found.means))["lines"]["x"]) == n_lines


def test_where_the_potential_is_not_known_its_place_is_taken_by_the_frames():
    x = np.random.default_rng(0).normal(size=(20_000, 2))
    plain = as_dataset(x)
    energy = found_of(fel.PCA(n_dims=1).fit(plain), plain).plane["energy"].values
    counts = np.histogram2d(*plain["features"].values.T.astype(float), bins=150)[0].T
    seen = np.isfinite(energy)
    assert_allclose(energy[seen], -np.log(counts[seen] / counts.max()), atol=1e-6)


def test_a_method_without_derivatives_says_so(panel, session, board, jobs):
    flat = fel.KMeans(n_states=2).fit(session.dataset)
    session.add_result(Result.of("KMeans 1", flat, session.dataset))
    panel.part = "sensitivity"
    work(board, jobs)
    assert not panel.ready and "no derivatives" in panel.text.object
    panel.part = "spectrum"
    assert not panel.ready and "no time scales" in panel.text.object and not panel.mode.visible
