"""The Python that the page shows runs as printed and makes what the page shows."""

import contextlib
import io

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.codegen import data as data_code
from fel_explorer.app.codegen import script
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.view import default_axes, make_view
from fel_explorer.app.views.paths import landscape_path


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A session on the sample data as files of one's own, with PCCA states on TICA."""
    folder = tmp_path_factory.mktemp("run")
    whole = fel.sample_data("alanine-dipeptide")
    for i in range(2):
        fel.structures.export_frames(whole, np.arange(600) + 30_000 * i, folder / f"part-{i}.xtc")
    fel.structures.export_frames(whole, [0], folder / "top.pdb")
    trajs = fel.load_trajectories(
        [folder / "part-0.xtc", folder / "part-1.xtc"], folder / "top.pdb", stride=2
    )
    data = fel.featurize(trajs, ["backbone_torsions", ("heavy_atom_distances", {"periodic": False})])
    session = Session(data, trajs)
    tica = fel.TICA(lag_time=4.0, n_dims=2).fit(data)
    states = fel.PCCA(lag_time=4.0, n_states=3).fit(data, embedding=tica)
    session.add_result(Result.of("PCCA 1", states, data))
    return session


def run(code, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
    return names


def test_script_makes_what_is_shown(opened, tmp_path, monkeypatch):
    opened.select_state(1)
    opened.name_state(1, 'beta "left"')
    x, y = opened.result.embedding[[0, -1]]
    opened.add_anchor(*x, ("CV 1", "CV 2"))
    opened.add_anchor(*y, ("CV 1", "CV 2"))
    opened.path = landscape_path.find_landscape_path(opened)
    made = run(script.script(opened), tmp_path, monkeypatch)
    assert np.array_equal(made["cvs"], opened.result.embedding)
    assert np.array_equal(made["states"].values, opened.result.state)
    assert np.array_equal(made["frames"], opened.selection.frames)
    assert np.allclose(made["path"].points, opened.path.curve.points, atol=1e-5)
    np.testing.assert_allclose(made["surface"], make_view(opened, ("CV 1", "CV 2")).surface)
    assert made["trajs"].stride == 2 and made["trajs"].n_frames == 600
    for name in ("free-energy.svg", "survival.svg", "timescales.svg", "ck-test.svg", "structures.pdb"):
        assert (tmp_path / name).stat().st_size > 500


def test_before_a_model_map_and_path_run_over_torsions(opened, tmp_path, monkeypatch):
    bare = Session(opened.dataset, opened.trajectories)
    axes = default_axes(bare)
    assert axes == ("phi ALA2", "psi ALA2")
    xy = fel.data.values_of(bare.dataset, *axes)
    for frame in (0, 599):
        bare.add_anchor(*xy[frame], axes)
    bare.path = landscape_path.find_landscape_path(bare)
    code = script.script(bare)
    assert "periods=[360.0, 360.0]" in code and "xlabel='phi ALA2'" in code
    made = run(code.replace("fel.plots.save", "print"), tmp_path, monkeypatch)
    np.testing.assert_allclose(made["surface"], make_view(bare, axes).surface)
    assert np.allclose(made["path"].points, bare.path.curve.points, atol=1e-4)
    assert np.array_equal(made["path"].frames, bare.path.curve.frames)


def test_each_section_names_its_panel(opened):
    assert list(script.sections(opened))[:5] == [
        "Data and features",
        "Model",
        "Map",
        "States",
        "Kinetics",
    ]


def test_data_from_python_are_opened_from_where_they_were_saved(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    data = fel.as_dataset([rng.normal(size=(300, 3)) for _ in range(2)])
    session = Session(data)
    session.add_result(Result.of("2 d", fel.PCA(n_dims=1).fit(data), data))
    fel.save_dataset(data, tmp_path / data_code.STORE)
    made = run(script.script(session), tmp_path, monkeypatch)
    assert np.allclose(made["model_2_d"].transform(data).values, session.result.embedding, atol=1e-6)


def test_sample_data_are_called_by_name(opened):
    trajs = fel.sample_data("alanine-dipeptide")
    assert data_code.opening(trajs) == 'fel.sample_data("alanine-dipeptide")'


def test_nothing_loaded_nothing_to_say():
    assert script.sections(Session()) == {} and script.script(Session()) == ""
