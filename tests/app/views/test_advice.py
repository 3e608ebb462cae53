"""Which method: every answer has a recommendation that can be taken."""

import re
from itertools import product

import numpy as np
import pytest

from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.model.advice import ADVICE, HAVE, KNOWN, TABLE, WANT, advise
from fel_explorer.app.views.model.advice_dialog import WhichMethod, words
from fel_explorer.app.views.model.panel import ModelPanel
from fel_explorer.data import as_dataset
from fel_explorer.methods import list_methods
from fel_explorer.methods.registry import list_models

ANSWERS = list(product(HAVE, WANT, KNOWN))


@pytest.mark.parametrize("answers", ANSWERS, ids="-".join)
def test_every_combination_of_answers_has_an_advice(answers):
    assert advise(*answers) in ADVICE.values()


def test_no_row_of_the_table_is_hidden_by_those_above_and_no_advice_is_never_given():
    assert {id(advise(*answers)) for answers in ANSWERS} == {id(advice) for advice in ADVICE.values()}
    for i, (wanted, _) in enumerate(TABLE):
        fitting = [a for a in ANSWERS if all(w in (None, x) for w, x in zip(wanted, a, strict=True))]
        above = [
            a
            for a in fitting
            for row, _ in TABLE[:i]
            if all(w in (None, x) for w, x in zip(row, a, strict=True))
        ]
        assert len(set(above)) < len(fitting), wanted


@pytest.mark.parametrize("key", ADVICE)
def test_advice_can_be_followed(key):
    advice = ADVICE[key]
    if advice.elsewhere:
        assert advice.method in list_models() and advice.method not in list_methods()
        compile(advice.code, key, "exec")
    if advice.in_form:
        list_methods()[advice.in_form](**advice.parameters)
    assert len(re.findall(r"\.(?= [A-Z]|$)", advice.reason)) >= 2 and advice.limits.endswith(".")


def test_what_holds_for_biased_data_and_without_times_is_not_forgotten():
    for have, want in product(("biased", "structures"), WANT):
        for known in KNOWN:
            method = list_methods()[advise(have, want, known).in_form]
            timeless = {"PCA", "DiffusionMap", "KMeans", "Autoencoder", "MultitaskCV", "Eigenfunctions"}
            assert method.__name__ in timeless  # none that compares frames a lag apart
    assert ADVICE["generator"].parameters["operator"] == "generator"


def test_the_dialog_sets_up_the_form():
    session = Session()
    board = PageJobs(session, JobManager(workers=0))
    model = ModelPanel(session, board)
    dialog = WhichMethod(session, model.choose)
    dialog.open()
    assert dialog.dialog.open and "### IDM" in dialog.text.object
    assert dialog.use.disabled  # no data yet
    session.load(as_dataset(np.random.default_rng(0).normal(size=(60, 2))))
    dialog.questions["have"].value, dialog.questions["want"].value = "trajectories", "structures"
    assert "LatentSpaceSimulator" in dialog.text.object and "```python" in dialog.text.object
    dialog.open()
    assert dialog.use.label == "Set up SRV" and not dialog.use.disabled
    dialog.use.clicks += 1
    assert not dialog.dialog.open and model.method.value == "SRV" and model.form.values["n_dims"] == 3
    dialog.questions["have"].value = "energy"
    assert not dialog.use.visible and "`fel-explorer physics`" in words(dialog.advice)
    model.close()
    board.close()
