"""A column from a formula, from the panel into the session."""

import numpy as np
import pytest

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.data.formula_panel import FormulaColumn
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError


@pytest.fixture
def session():
    data = as_dataset(np.arange(20.0).reshape(10, 2))
    return Session(data.assign(energy=("frame", np.arange(10.0))))


def test_the_dialog_adds_a_column_and_colours_by_it(session):
    panel = FormulaColumn(session)
    panel._ask(None)
    assert "energy" in panel.dialog.objects[2].object
    panel.name_input.value, panel.formula_input.value = "kcal", "energy / 4.184"
    panel._on_add(None)
    np.testing.assert_allclose(session.dataset["kcal"], np.arange(10) / 4.184, rtol=1e-6)
    assert session.colour_by == "kcal" and not panel.dialog.open


def test_a_wrong_formula_changes_nothing_and_leaves_the_dialog_open(session):
    panel, before = FormulaColumn(session), session.dataset
    panel._ask(None)
    panel.name_input.value, panel.formula_input.value = "kcal", "energy /"
    with pytest.raises(FelError, match="can't be read"):
        panel._on_add(None)
    assert session.dataset is before and panel.dialog.open and panel.formula_input.value == "energy /"
