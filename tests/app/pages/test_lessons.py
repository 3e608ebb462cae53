"""The lessons: their numbers against independent ones, their notebooks run.

`test_apps` serves their pages.
"""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate

import fel_explorer as fel
from fel_explorer.app.pages import lessons
from fel_explorer.app.pages.lessons.models import nested_wells, projection, surface, two_motions
from fel_explorer.app.pages.lessons.models.grid import Grid
from fel_explorer.app.pages.lessons.models.walkers import Walkers
from fel_explorer.app.pages.lessons.time_scales import nearest_time
from fel_explorer.kinetics import implied_timescales

FOLDER = Path(__file__).parents[3] / "apps" / "lessons"
PAGES = sorted(FOLDER.glob("*.py"))
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


# ---- the grid


@pytest.fixture(scope="module")
def harmonic():
    """U = x^2 / 2 + 2 y^2 on a box that holds all of it."""
    return Grid(lambda p: p[:, 0] ** 2 / 2 + 2 * p[:, 1] ** 2, ((-5, 5), (-3, 3)), 0.1)


def test_profile_of_a_harmonic_well_is_its_energy_and_the_gaussian_norm(harmonic):
    kT = 0.8
    expected = harmonic.x**2 / 2 + kT * np.log(np.sqrt(2 * np.pi * kT))
    np.testing.assert_allclose(harmonic.profile(kT), expected, atol=1e-3)
    variance = harmonic.weights(kT) @ harmonic.points**2
    np.testing.assert_allclose(variance, [kT, kT / 4], rtol=1e-3)


def test_slowest_process_of_a_harmonic_well_is_its_softest_direction(harmonic):
    timescale, mode = harmonic.slowest(1.0)
    assert timescale == pytest.approx(1.0, rel=0.01)  # 1 / the spring constant at friction 1
    assert abs(np.average(mode * harmonic.points[:, 0], weights=harmonic.weights(1.0))) > 0.999


def test_committor_along_a_line_is_the_integral_over_the_barrier():
    grid = Grid(lambda p: 3 * (p[:, 0] ** 2 - 1) ** 2, ((-1.5, 1.5), (0, 0.2)), 0.02)
    x = grid.points[:, 0]
    q = grid.committor(1.0, x < -1, x > 1)

    def climb(end):
        return scipy.integrate.quad(lambda u: np.exp(3 * (u**2 - 1) ** 2), -1, end)[0]

    for at in (-0.5, 0.01, 0.3):
        assert q[grid.cell_at(at, 0.1)] == pytest.approx(climb(x[grid.cell_at(at, 0.1)]) / climb(1), abs=0.02)


# ---- 1: walkers


@pytest.mark.parametrize("kT", [0.8, 2.0])
def test_walkers_forget_where_they_began_and_find_boltzmann(kT):
    at = surface.surface()
    walkers = Walkers(at.system, at.start_in(1, 1500), kT=kT, time_step=surface.TIME_STEP)
    assert at.count(walkers.x).tolist() == [0, 1, 0]
    walkers.x = np.concatenate(
        [at.start_in(well, round(1500 * share)) for well, share in enumerate(at.populations(kT))]
    )
    walkers.step(800)
    frames = walkers.run(10, 80).reshape(-1, 2)
    np.testing.assert_allclose(at.count(frames), at.populations(kT), atol=0.03)
    mean_energy = fel.systems.MullerBrown().energy(frames).mean().item()
    assert mean_energy == pytest.approx(at.grid.weights(kT) @ at.grid.energy, rel=0.03)


def test_populations_are_boltzmann_integrals_over_the_wells():
    at, kT = surface.surface(), 1.3
    fine = Grid(lambda p: at.system.energy(p).numpy(), at.system.domain, 0.04)
    well = at.system.basin(fine.points).numpy()
    expected = [fine.weights(kT)[well == i].sum() for i in range(3)]
    np.testing.assert_allclose(at.populations(kT), expected, atol=0.01)


def test_counted_profile_is_minus_kT_ln_p():
    seen = surface.RunningProfile((-4.0, 4.0), bins=40, memory=1e9)
    seen.add(np.random.default_rng(0).normal(size=400_000))
    near = np.abs(seen.x) < 2
    expected = 0.7 * (seen.x**2 / 2 + np.log(np.sqrt(2 * np.pi)))
    np.testing.assert_allclose(seen.free_energy(0.7)[near], expected[near], atol=0.02)
    seen.clear()
    assert np.isnan(seen.free_energy(1.0)).all()


def test_a_gathered_lesson_walks_back_and_says_so():
    lesson = lessons.LandscapeLesson(temperature=2.5)
    lesson.content()
    try:
        lesson.gather(1)
        for _ in range(60):
            lesson.walk()
        shares = lesson._surface.count(lesson.walkers.x)
        assert shares[1] < 0.7 and shares[0] > 0.1
        assert lesson.fractions()[0] == f"A {shares[0]:.0%} → {lesson._surface.populations(2.5)[0]:.0%}"
        lesson.temperature = 0.4
        assert lesson.walkers.kT == 0.4 and np.isnan(lesson.seen.free_energy(0.4)).all()
    finally:
        lesson.close()


# ---- 2: PCA and TICA


def test_pca_turns_to_the_wide_motion_and_tica_stays_with_the_slow_one():
    motions = two_motions.two_motions()
    hop = np.array([np.cos(two_motions.TURN), np.sin(two_motions.TURN)])
    narrow, wide = motions.axes(0.5), motions.axes(3.0)
    assert abs(narrow["PCA"].direction @ hop) > 0.99
    assert abs(wide["PCA"].direction @ hop) < 0.05
    assert min(abs(axes["TICA"].direction @ hop) for axes in (narrow, wide)) > 0.99
    # the spring forgets at the rate of its constant, 1
    assert wide["PCA"].timescale == pytest.approx(1.0, rel=0.15)
    assert wide["TICA"].timescale > 5


def test_variances_are_those_of_the_boltzmann_distribution():
    motions = two_motions.two_motions()
    well = Grid(
        lambda p: fel.systems.DoubleWell().energy(p).numpy(),
        fel.systems.DoubleWell(kT=two_motions.KT).domain,
        0.1,
    )
    weights, hop = well.weights(two_motions.KT), well.points[:, 0]
    assert motions.wobble.std() == pytest.approx(1.0, rel=0.03)
    assert motions.well.mean() == pytest.approx(weights[hop > 0.17].sum(), abs=0.05)
    variance = weights @ hop**2 - (weights @ hop) ** 2
    expected = 9 / (9 + variance)
    assert motions.axes(3.0)["PCA"].variance == pytest.approx(expected, abs=0.05)


# ---- 3: time scales


def test_states_merge_over_barriers_from_the_lowest_to_the_highest():
    wells = nested_wells.nested_wells()
    fast, middle, slow = (time for time, _, _ in wells.merges())
    assert fast < middle < slow
    # A and B by the barrier of 3 kT, C and D by that of 5, then left and right by that of 6.5
    assert [wells.n_states(tau) for tau in (fast / 2, fast * 1.1, middle * 1.1, slow * 1.1)] == [4, 3, 2, 1]
    assert [wells.labels[n][wells.wells].tolist() for n in (4, 3, 2, 1)] == [
        [0, 1, 2, 3],
        [0, 0, 2, 3],
        [0, 0, 2, 2],
        [0, 0, 0, 0],
    ]


def test_time_scales_are_those_of_a_simulation():
    wells = nested_wells.nested_wells()
    p = wells.propagator(0.5)
    rng, n_steps, n_walkers = np.random.default_rng(0), 800, 300
    cell = rng.choice(len(p), size=n_walkers, p=wells.weights)
    cumulative = np.cumsum(p, axis=1)
    state = wells.labels[4]
    trajectories = np.empty((n_walkers, n_steps), int)
    for step in range(n_steps):
        trajectories[:, step] = state[cell]
        chosen = (cumulative[cell] < rng.random((n_walkers, 1))).sum(axis=1)
        cell = np.minimum(chosen, len(p) - 1)
    found = implied_timescales(list(trajectories), [4.0], n_bootstraps=0, time_step=0.5)
    np.testing.assert_allclose(found["timescale"][0], wells.timescales, rtol=0.2)


def test_propagator_keeps_boltzmann_and_walkers_end_there():
    wells = nested_wells.nested_wells()
    np.testing.assert_allclose(wells.weights @ wells.propagator(2.0), wells.weights, atol=1e-12)
    inside, equilibrium = wells.still_in_state(wells.wells[1], 13.0)
    assert equilibrium < 0.75 < 0.9 < inside  # metastable: filled, not left
    xy = wells.scatter(wells.wells[1], 1e4, 20_000)
    assert np.mean(xy[:, 0] < 0) == pytest.approx(wells.weights[wells.grid.points[:, 0] < 0].sum(), abs=0.02)


def test_a_click_on_the_tree_sets_the_time_and_one_on_the_map_the_start():
    lesson = lessons.TimeScalesLesson()
    lesson.content()
    lesson._on_tree(1.0, np.log10(20))
    assert lesson.tau == nearest_time(20) == lesson._slider.value and "two states" in lesson.readout.object
    lesson._on_map(1.0, 1.0)
    assert "2" in lesson.readout.object and lesson.start == (1.0, 1.0)
    lesson.tau = 150
    assert "one state" in lesson.readout.object


# ---- 4: CVs


def test_no_cv_sees_more_than_the_true_time_scale():
    r = projection.reaction()
    # friction 1: the system's docstring has the rate by an independent grid of half the cell
    assert r.timescale == pytest.approx(1 / 0.2257, rel=0.005)
    seen = {angle: r.look_along(r.straight(angle)).timescale for angle in range(0, 180, 10)}
    assert max(seen.values()) <= r.timescale * (1 + 1e-9)
    assert seen[0] < 0.2 * r.timescale and 0.75 * r.timescale < seen[130]
    assert r.look_along(r.slowest).timescale == pytest.approx(r.timescale, rel=1e-6)
    assert r.look_along(r.learned).timescale > max(seen.values())


def test_a_rescaled_cv_shows_the_same():
    r = projection.reaction()
    line = r.straight(130)
    first, second = r.look_along(line), r.look_along(-np.tanh(line))
    assert second.timescale == pytest.approx(first.timescale, rel=0.02)
    assert second.free_energy[second.top] == pytest.approx(first.free_energy[first.top], abs=0.1)


def test_profile_of_a_line_is_minus_ln_of_the_density_along_it():
    r = projection.reaction()
    seen = r.look_along(r.straight(0))
    expected = r.grid.profile(1.0)
    at = seen.levels
    inside = (at > -1.2) & (at < 0.9)
    np.testing.assert_allclose(seen.free_energy[inside], np.interp(at, r.grid.x, expected)[inside], atol=0.15)


def test_committors_at_the_top_are_one_half_for_a_good_cv_and_zero_or_one_for_a_bad_one():
    r = projection.reaction()

    def undecided(values):
        return r.look_along(values).at_top[np.abs(r.committor - 0.5) < 0.2].sum()

    assert undecided(r.slowest) > 0.95 and undecided(r.learned) > 0.7
    assert undecided(r.straight(0)) < 0.05 and not r.look_along(r.straight(40)).has_barrier


# ---- pages and notebooks


def test_every_lesson_has_a_page_a_notebook_and_an_address():
    routes = [lesson.route for lesson in lessons.LESSONS]
    assert [path.stem for path in PAGES] == [path.stem for path in NOTEBOOKS] == routes
    assert list(lessons.pages()) == ["/", *(f"/{route}" for route in routes)]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook, tmp_path, capsys):
    cells = json.loads(notebook.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in code))
    names = runpy.run_path(str(script))
    names["lesson"].close()
    assert capsys.readouterr().out
