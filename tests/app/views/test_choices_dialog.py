"""The dialog that compares states with those of other choices, without a server."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

import fel_explorer as fel
from fel_explorer.app.jobs.manager import Cancelled, JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.states.choices import comparison_job, conclusion, table_text
from fel_explorer.app.views.states.panel import StatesPanel
from fel_explorer.methods.idm.choices import stability_table

LABEL = "DiscreteIDM 1"


@pytest.fixture(scope="module")
def scanned():
    random = np.random.default_rng(0)
    well = np.repeat(random.integers(3, size=100), 40)
    features = np.array([[-2.0, -1.0, 0.0], [-2.0, 1.0, 1.0], [2.0, 0.0, 0.0]])[well]
    data = fel.as_dataset([features + 0.3 * random.normal(size=features.shape)], time_unit="ps")
    return data, fel.DiscreteIDM(lag_times=[5.0, 20.0], n_microstates=30).fit(data)


@pytest.fixture
def page(scanned):
    data, method = scanned
    session, manager = Session(data), JobManager(workers=0)
    board = PageJobs(session, manager)
    session.add_result(Result.of(LABEL, method, data))
    panel = StatesPanel(session, board, active=True)
    yield session, board, panel
    panel.close()
    board.close()


def run(board):
    while board.manager.work():
        board.tick()
    board.tick()


def test_the_table_holds_what_the_library_finds(page, scanned):
    session, board, panel = page
    data, method = scanned
    assert panel.compare.visible
    panel.compare.clicks += 1
    assert panel.choices.dialog.open and panel.choices.stop.visible
    run(board)
    assert not panel.choices.stop.visible
    level = session.shown.level
    found = fel.methods.compare_choices(method, data, level=level)
    text = panel.choices.text.object
    for value, number in zip(found.values, found["n_states"].values, strict=True):
        assert f"| {number} | {value:.2f} |" in text
    assert "sensitivity to states (beta) 0.85" in text and "| no other choice | 3 | 1.00 |" in text


def test_it_is_not_compared_twice(page):
    _, board, panel = page
    panel.compare.clicks += 1
    run(board)
    panel.compare.clicks += 1
    assert not board.manager.work() and "| Changed |" in panel.choices.text.object


def test_a_comparison_that_is_cancelled_before_it_starts_can_begin_again(page):
    _, board, panel = page
    panel.compare.clicks += 1
    panel.choices.stop.clicks += 1
    assert panel.choices.again.visible and "before the first comparison" in panel.choices.text.object
    panel.choices.again.clicks += 1
    run(board)
    assert not panel.choices.again.visible and "| Changed |" in panel.choices.text.object


def test_a_stopped_comparison_keeps_what_is_done(scanned):
    data, method = scanned
    reports = []
    job = comparison_job(Result.of(LABEL, method, data), data)
    table = job(reports.append, lambda: len(reports) > 2)
    assert table["alternative"].values.tolist() == ["beta_end 0.85", "beta_end 0.95"]
    with pytest.raises(Cancelled):
        job(reports.append, lambda: True)


def test_edited_states_are_compared_as_they_are_shown(scanned):
    data, method = scanned
    whole = Result.of(LABEL, method, data)
    table = comparison_job(whole.merge([0, 1]), data)(lambda progress: None, lambda: False)
    expected = normalized_mutual_info_score(whole.merge([0, 1]).state, whole.state)
    assert expected < 0.9
    assert float(table.sel(alternative="no other choice")) == pytest.approx(expected, abs=0.02)


def test_methods_without_such_choices_are_not_compared(page, scanned):
    session, _, panel = page
    assert panel.compare.visible
    session.add_result(Result.of("KMeans 1", fel.KMeans(n_states=3).fit(scanned[0]), scanned[0]))
    assert session.active == "KMeans 1" and not panel.compare.visible


@pytest.mark.parametrize(
    ("nmi", "said"),
    [([0.95, 0.92], "hardly depend"), ([0.95, 0.7], "depend a little"), ([0.3, 0.95], "depend on these")],
)
def test_the_least_agreement_is_put_in_words(nmi, said):
    table = stability_table(["another seed", "half of the features"], np.array(nmi), np.array([3, 2]))
    assert said in conclusion(table)
    text = table_text(table)
    assert f"| another seed | 3 | {nmi[0]:.2f} |" in text
    if min(nmi) < 0.9:
        worst = ("another seed", "half of the features, at random")[int(np.argmin(nmi))]
        assert text.endswith(f"most on: {worst}.")
