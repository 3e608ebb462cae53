"""Commands that analyse data with a model: what they write, and what all of them promise."""

import io
import json
import os

import numpy as np
import pandas as pd
import pytest

from fel_explorer import cli, kinetics, methods
from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.cli.parser import make_parser
from fel_explorer.data import open_dataset

COMMANDS = make_parser()[1]
ANALYSES = [name for name, parser in COMMANDS.items() if parser.get_default("run").__name__ == f"_{name}"]
ANALYSES = [name for name in ANALYSES if "--quiet" in COMMANDS[name].format_help()]
FILE_FLAGS = {"--output", "--figure", "--frames", "--timescales", "--ck-test"}
OUTPUTS = {"report": ".html"}


@pytest.fixture(autouse=True)
def fixed_date(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")


def outputs(command, folder):
    """A file for each flag that names one, and the arguments that ask for them."""
    flags = {flag for action in COMMANDS[command]._actions for flag in action.option_strings} & FILE_FLAGS
    paths = {}
    for flag in sorted(flags):
        ending = OUTPUTS.get(command, ".svg" if flag == "--figure" else ".csv")
        paths[flag] = folder / "made" / f"{flag.strip('-')}{ending}"
    return paths, [text for flag, path in paths.items() for text in (flag, str(path))]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_sentence_and_help(command, capsys):
    assert cli.main(["methods"]) == 0  # a command leaves nothing behind for the next
    capsys.readouterr()
    try:
        cli.main([command, "--help"])
    except SystemExit as end:
        assert end.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 3


def test_the_analyses_are_found():
    assert {"fes", "states", "kinetics", "compare", "report"} <= set(ANALYSES)


@pytest.mark.parametrize("command", ANALYSES)
def test_the_same_input_gives_the_same_files_without_a_word(command, files, tmp_path, capfd):
    found = []
    for name in ("first", "second"):
        paths, flags = outputs(command, tmp_path / name)
        given = [command, str(files / "data.zarr"), str(files / "states.fel"), *flags, "--quiet"]
        assert cli.main(given) == 0
        found.append([path.read_bytes() for path in paths.values()])
        assert [path.name for path in sorted((tmp_path / name / "made").iterdir())] == sorted(
            path.name for path in paths.values()
        )
    assert found[0] == found[1] and all(found[0])
    said = capfd.readouterr()
    assert said.out == "" and said.err == ""


@pytest.mark.parametrize("command", ANALYSES)
def test_bad_input_ends_with_2_and_leaves_what_was_there(command, files, tmp_path, capsys):
    paths, flags = outputs(command, tmp_path)
    kept = paths["--output"]
    kept.parent.mkdir()
    kept.write_text("old")
    data = str(files / "data.zarr")
    for bad in (
        [],
        [data, str(tmp_path / "missing.fel")],
        [str(tmp_path / "missing.zarr"), str(files / "states.fel")],
        [data, str(files / "states.fel"), str(files / "pca.fel")],
        [data, str(files / "states.fel"), "--wrong"],
    ):
        assert cli.main([command, *bad, *flags]) == 2, bad
        said = capsys.readouterr().err
        assert said.strip() and "Traceback" not in said
    assert kept.read_text() == "old" and [*kept.parent.iterdir()] == [kept]


@pytest.mark.parametrize("command", [name for name in ANALYSES if name not in OUTPUTS])
def test_csv_and_json_hold_the_same_and_csv_is_what_the_terminal_shows(command, files, tmp_path, capsys):
    given = [command, str(files / "data.zarr"), str(files / "states.fel"), "--quiet"]
    assert cli.main([*given, "-o", str(tmp_path / "a.csv")]) == 0
    assert cli.main([*given, "-o", str(tmp_path / "a.json")]) == 0
    assert cli.main(given) == 0
    text = (tmp_path / "a.csv").read_text()
    assert capsys.readouterr().out == text
    about = json.loads((tmp_path / "a.json").read_text())
    table = pd.read_csv(io.StringIO(text)).rename(columns=lambda name: name.partition(" [")[0])
    assert list(table) == list(about["columns"]) and about["command"] == command
    for name, column in about["columns"].items():
        expected = pd.Series(column, dtype=object if isinstance(column[0], str) else None)
        pd.testing.assert_series_equal(table[name], expected, check_names=False, check_dtype=False)


@pytest.mark.parametrize("command", ANALYSES)
def test_other_endings_are_refused_before_anything_is_computed(command, tmp_path, capsys):
    if command not in OUTPUTS:
        assert cli.main([command, "nothing.zarr", "-o", str(tmp_path / "a.xls")]) == 2
        assert ".csv or .json" in capsys.readouterr().err


def table(arguments, tmp_path):
    path = tmp_path / "table.csv"
    assert cli.main([*map(str, arguments), "-o", str(path), "--quiet"]) == 0
    return pd.read_csv(path)


def test_free_energies_are_those_of_the_fractions_of_frames(files, wells, tmp_path):
    data = files / "data.zarr"
    found = table(["fes", data, "--axis", "x", "--bins", 30], tmp_path)
    assert list(found) == ["x", "free_energy [kT]", "error [kT]"]
    f = found["free_energy [kT]"]
    mass = np.exp(-f).fillna(0.0)
    assert mass[found["x"] < 0].sum() / mass.sum() == pytest.approx(np.mean(wells[:, 0] < 0), abs=0.005)
    joules = table(
        ["fes", data, "--axis", "x", "--bins", 30, "--unit", "kJ/mol", "--temperature", 300], tmp_path
    )
    assert np.allclose(joules["free_energy [kJ/mol]"], 2.494339 * f, equal_nan=True)
    assert (found["error [kT]"].dropna() >= 0).all()


def test_a_surface_has_a_row_for_each_cell(files, tmp_path):
    found = table(["fes", files / "data.zarr", files / "pca.fel", "--bins", 20], tmp_path)
    assert len(found) == 400 and found["free_energy [kT]"].min() == 0


def test_states_are_those_of_the_library(files, tmp_path):
    frames = tmp_path / "frames.csv"
    arguments = ["states", files / "data.zarr", files / "states.fel", "--frames", frames]
    found = table(arguments, tmp_path)
    data = open_dataset(files / "data.zarr")
    states = methods.KMeans.load(files / "states.fel").predict(data)
    expected = kinetics.lifetimes(states)
    assert np.allclose(found["population"], expected["population"])
    assert np.allclose(found["mean_lifetime [ps]"], expected["mean_lifetime"])
    assert (pd.read_csv(frames)["state"] == states.values + 1).all()


def test_rates_are_those_of_the_library(files, tmp_path):
    arguments = ["kinetics", files / "data.zarr", files / "states.fel", "--lag-time", 20]
    found = table([*arguments, "--n-bootstrap", 5], tmp_path).set_index(["from", "to"])
    data = open_dataset(files / "data.zarr")
    chi = methods.KMeans.load(files / "states.fel").predict_proba(data)
    expected = kinetics.CoarseMasterEquation(20.0, n_bootstraps=0).fit(chi).rate_matrix_
    assert found["rate [1/ps]"].loc[(1, 2)] == pytest.approx(expected[1, 0], rel=1e-6)
    assert len(found) == 6


def test_a_saved_session_brings_its_names_and_edits(files, tmp_path):
    data = open_dataset(files / "data.zarr")
    session = Session(data)
    session.add_result(Result.of("three wells", methods.KMeans.load(files / "states.fel"), data))
    session.merge_states([0, 1])
    session.name_state(0, "left")
    save_session(session, tmp_path / "a.session")
    found = table(["states", tmp_path / "a.session"], tmp_path)
    assert len(found) == 2 and found["name"][0] == "left"


def test_a_model_without_states_is_refused_in_words(files, capsys):
    assert cli.main(["states", str(files / "data.zarr"), str(files / "pca.fel")]) == 2
    assert "PCA has no states" in capsys.readouterr().err


def test_a_report_without_a_fixed_date_has_one(files, tmp_path, monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    given = ["report", str(files / "data.zarr"), str(files / "pca.fel"), "-o", str(tmp_path / "a.html")]
    assert cli.main(given) == 0
    assert "2001-09-09" not in (tmp_path / "a.html").read_text()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert cli.main(given) == 2 and "2001" not in os.environ["SOURCE_DATE_EPOCH"]


@pytest.mark.parametrize("what", ["free-energy", "populations", "rates", "features"])
def test_a_comparison_has_each_condition_and_what_differs_from_the_reference(what, files, tmp_path):
    given = ["compare", files / "data.zarr", files / "states.fel", "--what", what, "--reference", "holo"]
    found = table([*given, "--bins", 12, "--n-bootstrap", 20], tmp_path)
    assert {"condition", "p_value", "significant"} <= set(found)
    reference = found[found["condition"] == "holo"]
    assert reference["p_value"].isna().all() and not reference["significant"].any()
    assert (found["condition"] == "apo").sum() == {"features": 2, "populations": 3, "rates": 6}.get(what, 144)


def test_conditions_may_be_given_by_a_table(files, tmp_path):
    names = tmp_path / "conditions.csv"
    names.write_text("condition\nx\ny\nx\ny\n")
    given = ["compare", files / "data.zarr", files / "states.fel", "--condition", names]
    assert set(table([*given, "--what", "populations"], tmp_path)["condition"]) == {"x", "y"}


@pytest.mark.parametrize(
    ("given", "words"),
    [(["--condition", "=a"], "PATTERN=NAME"), (["--reference", "none"], "apo, holo")],
)
def test_conditions_that_are_none_are_refused(given, words, files, capsys):
    arguments = ["compare", str(files / "data.zarr"), str(files / "states.fel"), *given]
    assert cli.main(arguments) == 2 and words in capsys.readouterr().err
