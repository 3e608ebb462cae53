"""The export of a CV without a browser: files that hold the model, and reasons where there is none."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.views.model.cv_export_dialog import CVExport
from fel_explorer.app.views.model.cv_files import PREVIEW_WIDTH, BiasedRun, exporting
from fel_explorer.errors import FelError


@pytest.fixture(scope="module")
def result_and_data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("molecule")
    sample = fel.sample_data("alanine-dipeptide").frames(np.arange(0, 200_000, 500))
    sample.time = np.arange(len(sample))
    sample.save_xtc(str(folder / "a.xtc"))
    sample[0].save_pdb(str(folder / "a.pdb"))
    trajs = fel.load_trajectories(folder / "a.xtc", folder / "a.pdb")
    data = fel.featurize(trajs, "heavy_atom_distances")
    return Result.of("TICA 1", fel.TICA(lag_time=2.0).fit(data), data), data


@pytest.fixture
def session(result_and_data):
    result, data = result_and_data
    session = Session(data)
    session.add_result(result)
    return session


@pytest.fixture
def jobs():
    return JobManager(workers=0)


@pytest.fixture
def dialog(session, jobs):
    board = PageJobs(session, jobs)
    dialog = CVExport(session, board)
    yield dialog
    dialog.close()
    board.close()


def work(dialog, jobs):
    while jobs.work():
        dialog.board.tick()
    dialog.board.tick()


def test_files_hold_the_cv_of_the_model(result_and_data):
    result, data = result_and_data
    told = []
    made = exporting(result, data, BiasedRun("metadynamics", 330.0, 50.0))(told.append, lambda: False)
    assert not made.errors and [progress.step for progress in told] == [0, 1, 2]
    frame = torch.from_numpy(data["features"][:1].values)
    cv = torch.export.load(io.BytesIO(made.files["archive"])).module()(frame)
    np.testing.assert_allclose(cv.detach().numpy(), result.embedding[:1], atol=1e-4)
    with zipfile.ZipFile(io.BytesIO(made.files["plumed"])) as archive:
        assert archive.namelist() == ["cv.pt2", "plumed.dat"]
        text = archive.read("plumed.dat").decode()
    assert text == made.plumed and "METAD" in text and "TEMP=330" in text and "ANN" in text
    assert max(map(len, made.preview().splitlines())) <= PREVIEW_WIDTH < max(map(len, text.splitlines()))


def test_features_that_plumed_does_not_know_leave_the_torch_files(result_and_data):
    plain = fel.as_dataset(np.random.default_rng(0).normal(size=(50, 3)))
    result = Result.of("PCA 1", fel.PCA().fit(plain), plain)
    made = exporting(result, plain, BiasedRun())(lambda progress: None, lambda: False)
    assert set(made.files) == {"torchscript", "archive"} and isinstance(made.errors["plumed"], FelError)
    assert made.plumed == made.preview() == ""


def test_the_dialog_offers_the_files_when_they_are_written(dialog, session, jobs):
    dialog.open()
    assert dialog.bar.visible and all(button.disabled for button in dialog.downloads.values())
    work(dialog, jobs)
    assert not dialog.bar.visible and not any(button.disabled for button in dialog.downloads.values())
    assert "OPES_METAD" in dialog.preview.object and "ANN" in dialog.text.object
    assert dialog.downloads["plumed"].filename == "TICA-1-plumed.zip"
    dialog.bias.value = "none"
    work(dialog, jobs)
    assert "OPES" not in dialog.preview.object and b"plumed.dat" in dialog.file("plumed").read()


def test_the_dialog_says_why_a_cv_can_not_be_written(dialog, session, jobs):
    class Piecewise(fel.TICA):
        _transform = fel.methods.base.Method._transform

    method = Piecewise(lag_time=2.0)
    method.feature_names_ = session.shown.method.feature_names_
    session.add_result(replace(session.shown, label="pieces", method=method))
    dialog.open()
    work(dialog, jobs)
    assert all(button.disabled for button in dialog.downloads.values())
    assert dialog.text.object.count("not one smooth function") == 1 and not dialog.preview.object
