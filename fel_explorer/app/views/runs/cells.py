"""Cells of the table of runs, and the meaning of its columns."""

from __future__ import annotations

import pandas as pd

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.runs.scores import CERTIFIED, MEASURES
from fel_explorer.methods.assessment.certificate_definitions import DEFINITIONS
from fel_explorer.plots.quantities import axis_label, seconds_text, time_text

ABOUT = {
    "label": "Name of the model. Click on a row to show it on the map.",
    "features": "Features that the model was trained on.",
    "method": "Method, and the model whose embedding it uses.",
    "states_vamp2": "VAMP-2 score of the states: 1 plus up to 1 for each slow process that they "
    "capture. Higher is better among runs with the same number of states.",
    "map_vamp2": "VAMP-2 score of the axes of the map: 1 plus up to 1 for each axis. Higher is better "
    "among maps with the same number of axes.",
    "timescale": "Slowest implied time scale of the states (of the map, where there are no states). It "
    "is a lower bound: at the same lag time, longer is better.",
    "n_states": "Number of states with at least 0.1 % of the frames.",
    "held_out_loss": "Loss of the final network on held-out data. Lower is better among runs of one "
    "method at the same lag time.",
    "loss": "Mean loss over the last 5 % of the steps. A low loss with a high held-out loss means "
    "overfitting.",
    "seconds": "Training time.",
    "seed": "Random seed: the spread over runs that differ only in the seed is due to chance.",
    **{key: f"{DEFINITIONS[key].text} From the certificate of the model." for key in CERTIFIED},
}
TITLES = {"label": "Model", "features": "Features", "method": "Method", "seed": "Seed", **MEASURES}
NUMBERS = {*MEASURES, "seed"}


def parameter_title(name: str, session: Session) -> str:
    """Label of a hyperparameter in the form, with its unit: 'Lag time (ps)'."""
    methods = (result.method for result in session.results.values())
    label = next((m.param[name].label for m in methods if name in m.hyperparameter_names()), name)
    is_time = name.startswith("lag_time")
    return axis_label(label, session.dataset.attrs["time_unit"]) if is_time else label


def parameter_about(name: str, session: Session) -> str:
    """Text of the form on a hyperparameter."""
    methods = (result.method for result in session.results.values())
    return next((m.param[name].doc for m in methods if name in m.hyperparameter_names()), "") or ""


def columns_of(table: pd.DataFrame, session: Session) -> list[dict]:
    """The table's columns for `SortableTable`: those of `runs.run_table` that hold anything."""
    named = all(row.method in row.label for row in table.itertuples())  # by the name of the model
    hidden = ["embedding", "stopped_early", *(["method"] if named else [])]
    shown = []
    for name in table.columns:
        if name in hidden or table[name].isna().all():
            continue
        if name in TITLES:
            column = {"title": TITLES[name], "number": name in NUMBERS, "about": ABOUT[name]}
        else:
            number = pd.api.types.is_numeric_dtype(table[name])
            about = parameter_about(name, session)
            column = {"title": parameter_title(name, session), "number": number, "about": about}
        shown.append({"key": name, **column})
    return shown


def row_cells(row: dict, time_unit: str, *, waits: bool) -> dict:
    """The cells of a row of `runs.run_table`; ``waits``: its scores are being computed."""
    cells = {name: _cell(name, value, time_unit) for name, value in row.items()}
    if row["embedding"]:
        cells["method"]["less"] = f"on {row['embedding']}"
    if row["stopped_early"]:
        cells["label"]["less"] = "stopped"
        cells["label"]["about"] = "The training was stopped before the end."
    for name in ("states_vamp2", "map_vamp2", "timescale") if waits else ():
        cells[name] = {"text": "…", "value": None, "about": "Computing"}
    return cells


def _cell(name, value, time_unit) -> dict:
    if isinstance(value, list | tuple):
        text = ", ".join(map(str, value)) or "none"
        return {"text": text, "value": text}
    if isinstance(value, bool):
        return {"text": "yes" if value else "no", "value": int(value)}
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return {"text": "", "value": None}
    if name.endswith("timescale"):
        return {"text": time_text(value, time_unit), "value": float(value)}
    if name == "seconds":
        return {"text": seconds_text(value), "value": float(value)}
    if name.endswith("vamp2"):
        return {"text": f"{value:.3f}", "value": float(value)}
    if isinstance(value, int | float):
        return {"text": f"{value:.4g}" if isinstance(value, float) else str(value), "value": value}
    return {"text": str(value), "value": str(value)}
