"""Certificates on the page: jobs, the table with a row for each model, Runs and the choice of a method."""

from types import SimpleNamespace

import numpy as np
import pytest

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.report.document import report_html
from fel_explorer.app.session.certificates import known_certificate
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage.session_folder import CERTIFICATES, save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.app.views.certificate import analysis
from fel_explorer.app.views.certificate.drawing import CURVES
from fel_explorer.app.views.certificate.panel import CertificatePanel
from fel_explorer.app.views.model.advice_dialog import WhichMethod
from fel_explorer.app.views.runs import scores
from fel_explorer.app.views.runs.panel import RunsPanel
from fel_explorer.data import as_dataset
from fel_explorer.methods import PCA, TICA, Method

SLOW, FAST = 0.98, 0.4  # correlations from one frame to the next


@pytest.fixture(scope="module")
def data():
    """The fast process is the larger one, so that PCA shows it and TICA does not."""
    rng, rates = np.random.default_rng(0), np.array([SLOW, FAST])
    x = np.zeros((4, 1000, 2))
    for t in range(1, 1000):
        x[:, t] = rates * x[:, t - 1] + np.sqrt(1 - rates**2) * rng.normal(size=(4, 2))
    return as_dataset(list((x * [1.0, 5.0]).astype(np.float32)), time_step=0.5, time_unit="ps")


@pytest.fixture
def page(data):
    session, jobs = Session(data), JobManager(workers=0)
    board = PageJobs(session, jobs, "page")
    for label, method in (("PCA 1", PCA(n_dims=1)), ("TICA 1", TICA(lag_time=0.5, n_dims=1))):
        session.add_result(Result.of(label, method.fit(data), data, seconds=0.1), show=True)
    view = CertificatePanel(session, board, active=True)

    def work():
        while jobs.work():
            board.tick()
        board.tick()

    yield SimpleNamespace(session=session, board=board, view=view, work=work)
    view.close()
    board.close()


def test_models_are_compared_by_their_certificates(page):
    view, session = page.view, page.session
    assert view.lag.value == 0.5 and view.draw.disabled and "no certificate yet" in view.text.object
    view._certify_all()
    assert view.one.disabled and view.all.disabled
    page.work()
    assert not view.one.disabled and not view.draw.disabled
    rows = {row["cells"]["label"]["value"]: row["cells"] for row in view.table.rows}
    assert (
        rows["PCA 1"]["unexplained_mode"]["value"] > 0.8 > 0.1 > rows["TICA 1"]["unexplained_mode"]["value"]
    )
    assert rows["TICA 1"]["held_out_vamp2"]["value"] == pytest.approx(
        1 + SLOW**2, abs=0.05
    )  # a short training
    assert "±" in rows["TICA 1"]["timescale"]["text"] and "ps" in rows["TICA 1"]["timescale"]["text"]
    assert [column["key"] for column in view.table.columns][1:] == list(analysis.COLUMNS)
    assert "Processes faster than the lag of 0.5 ps" in view.limits.object
    table = view.frame().set_index("label")
    assert table.loc["TICA 1", "lag_time"] == 0.5 and table.loc["TICA 1", "timescale_error"] > 0
    view.table.state = 0
    view._on_row(None)
    assert session.active == "PCA 1" and view.table.chosen == 0


def test_curves_are_those_of_the_shown_model(page):
    view = page.view
    view._certify_one()
    page.work()
    times = view.figure()
    assert times.log == (True, True) and times.lines
    words = ("time scale", "correlation", "VAMP-2", "drift", "diffusion")
    assert view.draw.options == list(CURVES)
    for title, word in zip(CURVES, words, strict=True):
        view.draw.value = title
        drawn = view.figure(dark=True)
        assert word in drawn.labels[1] and drawn.lines, title
    page.session.active = "PCA 1"
    assert view.draw.disabled and view.figure().words[0]["text"] == "no certificate yet"


def test_certified_scores_are_columns_of_the_runs(page):
    before = scores.run_table(page.session.results, 0.5)
    assert before["unexplained_mode"].isna().all()
    page.view._certify_all()
    page.work()
    after = scores.run_table(page.session.results, 0.5).set_index("label")
    assert after.loc["TICA 1", "unexplained_mode"] < 0.1 < after.loc["PCA 1", "unexplained_mode"]
    assert np.isfinite(after["held_out_vamp2"]).all()


def test_models_are_drawn_side_by_side_in_runs(page):
    runs = RunsPanel(page.session, page.board, active=True)
    assert runs.parameter.value == scores.MODELS and "Slowest mode not explained" not in runs.measure.options
    page.view._certify_all()
    page.work()
    assert "Slowest mode not explained" in runs.measure.options  # it has seen that there are certificates
    runs.measure.value = "unexplained_mode"
    drawn = runs.figure()
    assert [word for _, word in drawn.ticks[0]] == ["PCA 1", "TICA 1"]
    heights = [dot["y"] for dot in drawn.dots if dot["size"] < 20]
    assert heights[0] > 0.8 > 0.1 > heights[1] and len(drawn.lines) == 6  # error bars with caps
    runs.tapped(1.0, heights[0])
    assert page.session.active == "PCA 1"
    runs.close()


def test_certificates_are_in_saved_sessions_and_survive_a_new_name(page, tmp_path, caplog):
    page.view._certify_all()
    page.work()
    page.board.rename("TICA 1", "slow")
    known = {label: known_certificate(result) for label, result in page.session.results.items()}
    assert set(known) == {"PCA 1", "slow"} and all(known.values())
    path = save_session(page.session, tmp_path / "a.session")
    opened = open_session(path)
    for label, result in opened.results.items():
        found = known_certificate(result)
        assert found.to_dict() == known[label].to_dict() and str(found) == str(known[label])
        for name, table in known[label].tables.items():
            assert found.tables[name].drop_attrs().equals(table.drop_attrs()), name
    (path / CERTIFICATES / "0.json").write_text('{"measures": 1}')
    again = open_session(path)
    assert known_certificate(again.results["PCA 1"]) is None and known_certificate(again.results["slow"])
    assert "The certificate of 'PCA 1' can't be read" in caplog.text


def test_a_report_has_the_certificates(page):
    assert "<h2>Certificate</h2>" not in report_html(page.session)
    page.view._certify_all()
    page.work()
    page_text = report_html(page.session)
    part = page_text[page_text.index("<h2>Certificate</h2>") :].split("</section>")[0]
    assert part.count("<img") == len(CURVES) and "<th>PCA 1" in part and "<th>TICA 1" in part
    assert "Slowest mode not explained" in part and "Not seen by that of TICA 1" in part


def test_the_choice_of_a_method_shows_what_trained_models_are_worth(page):
    dialog = WhichMethod(page.session, lambda name, values: None)
    dialog.open()
    assert "open *Certificate*" in dialog.text.object
    page.view._certify_all()
    page.work()
    dialog.open()
    assert (
        "**Trained already:** TICA 1" in dialog.text.object and "of 2 certified models" in dialog.text.object
    )
    assert analysis.trained_words({}) == ""


def test_a_stopped_job_leaves_no_certificate(page):
    page.view._certify_one()
    page.board.cancel(page.view._job)
    page.work()
    assert known_certificate(page.session.shown) is None and not page.view.one.disabled


def test_an_embedding_without_a_method_is_not_certified(page, data):
    other = Result("map", None, data["features"].values)
    assert not analysis.can_certify(other) and not Method().is_fitted
    page.session.add_result(other, show=True)
    assert page.view.one.disabled
