"""The page that learns from a force field: its numbers against quadrature, its jobs, its files."""

import csv
import io
import threading
import warnings
import zipfile
from types import SimpleNamespace

import mdtraj
import numpy as np
import pytest
import scipy.integrate
import torch
from bokeh.models import Image, Plot

import fel_explorer as fel
from fel_explorer.app import entry
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.pages.embedded_physics import controls, diagnostics, files, scene
from fel_explorer.app.pages.embedded_physics import figures as page_figures
from fel_explorer.app.pages.embedded_physics import options as page_options
from fel_explorer.app.pages.embedded_physics import training as page_training
from fel_explorer.app.pages.embedded_physics.page import PhysicsPage
from fel_explorer.app.pages.embedded_physics.system import Subject
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.data.panel import DataPanel
from fel_explorer.app.widgets.bokeh_sheet import BokehSheet
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.embedded_physics import method as embedded_physics
from fel_explorer.methods.embedded_physics import training as embedded_physics_training
from fel_explorer.systems import DoubleWell

TINY = {"n_dims": 1, "hidden": [16], "batch_size": 200, "n_steps": 150}
STRETCH = 5e4  # kJ/mol/nm^2


@pytest.fixture(autouse=True)
def small_pool(monkeypatch):
    """Few samples of the hot model: they only judge coverage."""
    for module in (embedded_physics, embedded_physics_training):
        monkeypatch.setattr(module, "POOL", 1000)


@pytest.fixture(scope="module")
def well():
    """A rough model of the double well, at a temperature at which both wells count."""
    subject = page_options.CHOICES["Double well"].make(2.0)
    model = fel.EmbeddedPhysics(subject.system, **TINY)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is rough
        for module in (embedded_physics, embedded_physics_training):
            patch.setattr(module, "POOL", 1000)
        model.fit(device="cpu")
    return page_training.take_snapshot(model, subject)


class Springs:
    """Springs between atoms one or two bonds apart: a molecule with all torsions free."""

    def __init__(self, topology, structure):
        self.n_atoms = topology.n_atoms
        graph = topology.to_bondgraph()
        index = {atom: atom.index for atom in topology.atoms}
        near = {(index[a], index[c]) for b in graph for a in graph[b] for c in graph[b] if a != c}
        near |= {(index[a], index[b]) for a, b in graph.edges}
        self._pairs = torch.tensor(sorted({tuple(sorted(pair)) for pair in near})).T
        self._lengths = self._distances(torch.as_tensor(structure)[None])

    def _distances(self, x):
        return (x[:, self._pairs[0]] - x[:, self._pairs[1]]).norm(dim=-1)

    def energy(self, x):
        x = torch.as_tensor(x).double()
        return 0.5 * STRETCH * (self._distances(x) - self._lengths).square().sum(1)


@pytest.fixture(scope="module")
def molecule():
    """A few steps on a molecule of springs with the atoms of alanine dipeptide."""
    frame = fel.sample_data("alanine-dipeptide").frames([0])
    structure = frame.xyz[0].astype(float)
    system = Springs(frame.topology, structure)
    subject = Subject(
        "Springs",
        lambda: system,
        330.0,
        page_options.CONFORMERS,
        frame.topology,
        structure,
        "Alanine dipeptide",
    )
    options = {"n_dims": 2, "hidden": [8], "n_steps": 11, "batch_size": 8, "temperature": 330.0}
    model = fel.EmbeddedPhysics(system, **options)
    with pytest.MonkeyPatch.context() as patch:
        for module in (embedded_physics, embedded_physics_training):
            patch.setattr(module, "POOL", 200)
        patch.setattr(page_training, "DRAWN", 300)
        model.fit(device="cpu", **subject.fit_options())
        return page_training.take_snapshot(model, subject)


@pytest.fixture
def page(tmp_path):
    """A page whose jobs run when they are told to."""
    page = PhysicsPage(root=tmp_path, jobs=JobManager(workers=0), explorer="./explorer")
    page.content()
    yield page
    page.close()


# ---- numbers


def test_quadrature_knows_the_wells():
    subject = page_options.CHOICES["Double well"].make(1.3)
    top = float(subject.system.saddles[0, 0])
    for kT in (1.3, 2.1):
        exact = subject.exact.weights(1.3 / kT) @ (subject.exact.state == 1)
        left, right = (
            scipy.integrate.quad(lambda x, t=kT: np.exp(-(x**4 / 4 - 3 * x**2 + x) / t), *ends)[0]
            for ends in ((-9, top), (top, 9))
        )
        assert exact == pytest.approx(right / (left + right), rel=0.03)


def test_conformers_are_told_by_phi_and_psi(molecule):
    places = np.array([[-60, -45], [-150, 150], [-60, 150], [60, 40], [-150, -150]])
    assert molecule.subject.state(None, places).tolist() == [0, 1, 2, 3, 1]
    frames = mdtraj.Trajectory(molecule.samples.x.astype(np.float32), molecule.subject.topology)
    np.testing.assert_allclose(
        molecule.samples.places[:, 0], np.degrees(mdtraj.compute_phi(frames)[1][:, 0]), atol=1e-3
    )


@pytest.mark.parametrize("by", ["energy", "model"])
def test_weights_at_another_temperature_are_the_librarys(well, by):
    subject, n = well.subject, len(well.samples.state)
    x, _, log_weight = well.model.draw(n, temperature=2.6, weights=by, seed=1)
    np.testing.assert_array_equal(x, well.samples.x)
    inside = (np.abs(x[:, 0]) < subject.limits[0][1]) & (np.abs(x[:, 1]) < subject.limits[1][1])
    found, expected = (
        well.samples.weights(2.0 / 2.6, by)[inside],
        np.exp(log_weight - log_weight.max())[inside],
    )
    np.testing.assert_allclose(found / found.sum(), expected / expected.sum(), rtol=2e-3, atol=1e-9)


def test_the_table_corrects_the_model_by_its_weights(well):
    for temperature in (2.0, 2.4):
        rows = {row.name: row for row in diagnostics.table(well, temperature)}
        assert set(rows) == {"A", "B", "energy", "⟨x1⟩", "⟨x2⟩"}
        assert rows["A"].weighted + rows["B"].weighted == pytest.approx(1.0)
        for row in rows.values():
            assert abs(row.weighted - row.exact) < 5 * row.error + 0.01
    assert rows["A"].text(0.123) == "12.3 %" and rows["A"].text(0.0083) == "0.83 %"


def test_divergences_are_those_of_samples(well):
    reverse, forward = page_training.divergences(well.model, well.subject)
    x = well.model.sample(20_000, seed=9)
    (left, right), (bottom, top) = well.subject.limits  # the box that the page shows
    inside = (x[:, 0] > left) & (x[:, 0] < right) & (x[:, 1] > bottom) & (x[:, 1] < top)
    x, share = x[inside], inside.mean()
    density = lambda b, a: np.exp(-(a**4 / 4 - 3 * a**2 + a + b**2 / 2) / 2.0)  # noqa: E731
    z = scipy.integrate.dblquad(density, left, right, bottom, top, epsrel=1e-4)[0]
    log_ratio = well.model.log_q(x) - np.log(share) + well.subject.energy(x) + np.log(z)
    assert reverse == pytest.approx(log_ratio.mean(), abs=4 * log_ratio.std() / len(x) ** 0.5)
    assert forward > 0


def test_the_verdict_says_what_is_wrong(well, molecule, monkeypatch):
    monkeypatch.setattr(well.model, "coverage_", 0.9)
    kind, text = diagnostics.verdict(well)
    assert kind == "warning" and "90.0%" in text
    monkeypatch.setattr(well.model, "coverage_", 1.0)
    assert diagnostics.verdict(well)[0] == "success"
    hot = page_training.ModelSnapshot(
        well.subject, well.model, well.samples, {"beta": [(1, 0.25)]}, final=True
    )
    assert "kT = 8" in diagnostics.verdict(hot)[1]
    assert diagnostics.effective_samples(well, 2.0) < len(well.samples.state)
    assert diagnostics.verdict(molecule)[0] in ("info", "warning")


# ---- learning


def test_a_job_shows_the_model_while_it_cools(page, monkeypatch):
    monkeypatch.setattr(page_training, "PERIOD", 0.0)
    snapshots = []
    run = page_training.training_job(page.subject, TINY | {"n_steps": 60}, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        final = run(lambda progress, snapshot=None: snapshots.append(snapshot), lambda: False)
    snapshots = [snapshot for snapshot in snapshots if snapshot is not None]
    assert len(snapshots) > 1 and not snapshots[0].final and final.final
    assert snapshots[0].temperature == pytest.approx(20.0) and final.temperature == pytest.approx(1.0)
    assert snapshots[0].temperature_text == "kT = 20"
    assert snapshots[0].samples.x.shape == (900, 2) and final.samples.x.shape == (4000, 2)
    assert len(final.curves["beta"]) == 60
    assert len(final.curves["kl_reverse"]) == len(snapshots)


def test_the_page_follows_its_job_and_a_reload_finds_it(page):
    job = page.learn(**TINY)
    assert page.controls.stop.visible and not page.controls.learn.visible
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        page.jobs.work()
    page.tick()
    assert job.state == "done" and page.snapshot is job.result
    assert page.results.numbers.visible and not page.results.save.disabled
    assert len(page.figures["samples"].shown["dots"]["x"]) > 4000
    again = PhysicsPage(root=page.results.root, owner=page.owner, jobs=page.jobs)
    assert again.snapshot is job.result and again.subject is job.result.subject
    page.controls.system.value = "Müller-Brown"
    assert page.snapshot is None and not page.results.numbers.visible
    assert page.figures["samples"].shown["dots"]["x"] == []


def test_stopping_keeps_what_was_learned(page):
    job = page.learn(**TINY | {"n_steps": 100_000})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        worker = threading.Thread(target=page.jobs.work)
        worker.start()
        while not job.losses:
            worker.join(0.05)
        page.stop()
        worker.join(60)
    page.tick()
    assert job.state == "cancelled" and page.snapshot.partial
    assert "Stopped at a high temperature" in page.results.verdict.object
    assert page.controls.status.object == "Stopped; the model learned so far is kept."


def test_a_failed_job_says_why(page):
    page.learn(posterior="exact", n_dims=3)
    page.jobs.work()
    page.tick()
    assert "Take posterior='encoder'" in page.controls.status.object


# ---- pictures


def test_a_click_decodes_z(page, well):
    page._on_loaded(well.model)
    page.jobs.work()
    page.tick()
    assert page.controls.status.object.startswith("Loaded")
    assert page.subject.temperature == 2.0  # that of the model
    page._on_tap(1.5, 0.2)
    np.testing.assert_allclose(page.spot.place, well.model.decode([[1.5]])[0])
    spread = page.spot.draws.std(axis=0) / well.model._network.sigma().detach().numpy()
    np.testing.assert_allclose(spread, 1.0, atol=0.3)
    marks = page.figures["samples"].shown["dots"]
    at = marks["size"].index(13.0)
    assert (marks["x"][at], marks["y"][at]) == tuple(page.spot.place)


def test_one_cv_is_cut_into_the_states(well):
    page = page_figures.cv_picture(well.subject, well, None, 1, dark=False)
    area = 0.0
    for band in page.areas:
        x, y = band["x"], band["y"]
        area += 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert area == pytest.approx(1.0, abs=0.01)  # the normal distribution, whole
    assert len(page.areas) == len(np.unique(well.samples.state))


def test_a_figure_sends_an_unchanged_image_once(well):
    figure = BokehSheet()
    renderers = figure.get_root().select_one({"type": Plot}).renderers
    (image,) = (r.data_source for r in renderers if isinstance(r.glyph, Image))
    figure.show(page_figures.samples_picture(well.subject, None, None, None, dark=False))
    sent = image.data["image"]
    assert np.isnan(sent[0]).any() and np.nanmin(sent[0]) == 0.0
    figure.show(page_figures.samples_picture(well.subject, well, None, None, dark=False))
    assert image.data["image"] is sent
    figure.show(page_figures.curve_picture("Distance", well.curves, dark=True))
    assert image.data["image"] == []


def test_molecules_are_shown_with_their_neighbours(molecule):
    layers = scene.layers(molecule.subject, molecule.samples.x[:3])
    assert [layer.trajectory.n_frames for layer in layers] == [1, 1, 1]
    assert layers[0].opacity == 1.0 and layers[1].opacity < 0.5
    page = page_figures.samples_picture(molecule.subject, molecule, None, None, dark=True)
    assert len(page.dots) == len(molecule.samples.state) and page.limits == ((-180.0, 180.0),) * 2
    assert len(page_figures.cv_picture(molecule.subject, molecule, None, 2, dark=True).dots) == len(page.dots)


# ---- files


def test_samples_become_a_session_without_time(well, tmp_path):
    path = files.save_for_explorer(well, tmp_path, "well")
    session = open_session(path)
    data = session.dataset
    weights = well.samples.weights()
    kept = weights > 0  # outside of the walls there is no weight
    np.testing.assert_allclose(data["features"], well.samples.x[kept], atol=1e-5)
    np.testing.assert_allclose(data["weight"], 4000 * weights[kept], rtol=1e-6)
    np.testing.assert_array_equal(data["z1"], well.samples.z[kept, 0])
    with pytest.raises(FelError):  # nothing may learn from the order of samples
        schema.lag_in_frames(data, 1.0)
    for name in ("", "../well", "a/b"):
        with pytest.raises(FelError):
            files.save_for_explorer(well, tmp_path, name)


def test_structures_go_to_the_explorer_and_out(molecule, tmp_path):
    session = open_session(files.save_for_explorer(molecule, tmp_path, "springs"))
    assert {"weight", "z1", "z2", "energy", "phi ALA2", "psi ALA2"} <= set(session.dataset.data_vars)
    frames = session.trajectories.frames([0, 5])
    seen = np.flatnonzero(molecule.samples.weights() > 0)[[0, 5]]
    np.testing.assert_allclose(frames.xyz, molecule.samples.x[seen], atol=1e-3)
    schema.check_same_frames(session.dataset, session.trajectories)  # else no representatives are shown
    np.testing.assert_allclose(
        session.dataset["phi ALA2"].values[[0, 5]], molecule.samples.places[seen, 0], atol=0.5
    )
    with zipfile.ZipFile(io.BytesIO(files.samples_zip(molecule))) as archive:
        archive.extractall(tmp_path)
    again = mdtraj.load(str(tmp_path / "samples.xtc"), top=str(tmp_path / "topology.pdb"))
    np.testing.assert_allclose(again.xyz, molecule.samples.x, atol=1e-3)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "samples.csv").read_text())))
    assert np.mean([float(row["weight"]) for row in rows]) == pytest.approx(1.0)


def test_models_come_back_to_the_system_that_they_know(page, well, molecule):
    read = files.read_model(files.model_bytes(well.model), well.subject)
    assert isinstance(read.system, DoubleWell) and read.system.kT == 2.0
    with pytest.raises(FelError, match="a molecule with 60 coordinates"):
        files.read_model(files.model_bytes(molecule.model), well.subject)
    with pytest.raises(FelError, match="DoubleWell with 2 coordinates"):
        files.read_model(files.model_bytes(well.model), molecule.subject)
    read = files.read_model(files.model_bytes(molecule.model), molecule.subject)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page_training, "DRAWN", 50)
        snapshot = page_training.loading_job(read, molecule.subject)(lambda progress: None, lambda: False)
    np.testing.assert_array_equal(snapshot.model.draw(5).log_weight, molecule.model.draw(5).log_weight)


# ---- what can be chosen


def test_molecules_wait_for_openmm(page, monkeypatch):
    monkeypatch.setattr(controls.importlib.util, "find_spec", lambda name: None)
    page.controls.system.value = "Alanine dipeptide"
    assert page.controls.learn.disabled and "fel-explorer[md]" in page.controls.status.object
    page.controls.system.value = "Double well"
    assert not page.controls.learn.disabled and page.controls.status.object == ""


def test_a_peptide_of_ones_own(page, molecule):
    page.controls.system.value = page_options.PDB
    assert page.controls.learn.disabled and "PDB file" in page.controls.status.object
    frame = molecule.subject.trajectory(molecule.subject.structure[None])
    text = files.pdb_text(frame.topology, frame.xyz[0])
    made = page_options.from_pdb(text.encode(), "mine.pdb", 310.0)
    assert (made.title, made.choice, made.temperature) == ("mine", page_options.PDB, 310.0)
    page.controls.follow(made)
    assert page.subject is made and not page.controls.learn.disabled
    with pytest.raises(FelError, match="can't be read"):
        page_options.from_pdb(b"nothing", "mine.pdb", 310.0)
    water = "\n".join(
        line for line in text.splitlines() if " ACE " in line and line.startswith(("ATOM", "HETATM"))
    )
    with pytest.raises(FelError, match="no φ and ψ"):
        page_options.from_pdb(water.encode(), "cap.pdb", 310.0)


@pytest.mark.parametrize("choice", page_options.CHOICES.values(), ids=lambda choice: choice.title)
def test_settings_are_hyperparameters(choice):
    for setting in choice.settings.values():
        taken = fel.EmbeddedPhysics(**setting.hyperparameters).hyperparameters()
        assert {name: taken[name] for name in setting.hyperparameters} == setting.hyperparameters


def test_the_explorer_shows_the_way():
    board = PageJobs(Session(), JobManager(workers=0))
    data = DataPanel(board.session, board)
    assert not data.physics.visible  # where nothing serves the page
    made = entry.with_physics(lambda: SimpleNamespace(data=data, show_on=lambda page: None))
    assert made["/"]().page
    assert data.physics.visible and data.physics.href == "./physics"
    assert set(made) == {"/", "/physics", "/explorer"}
