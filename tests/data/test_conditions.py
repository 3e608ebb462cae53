"""Conditions of trajectories, and datasets of several systems."""

import json

import numpy as np
import pytest

from fel_explorer import FelError
from fel_explorer.data import (
    as_dataset,
    concatenate,
    condition_masks,
    condition_names,
    conditions_by_trajectory,
    open_dataset,
    save_dataset,
    set_conditions,
)
from fel_explorer.data.frame_values import quantities

FILES = ["/md/apo/run1.xtc", "/md/apo/run2.xtc", "/md/holo/run1.xtc"]


@pytest.fixture
def data():
    parts = [np.arange(n, dtype=np.float32)[:, None] + [0, 1] for n in (4, 3, 5)]
    made = as_dataset(parts)
    made.attrs["files"] = json.dumps([{"path": path} for path in FILES])
    return made


@pytest.mark.parametrize(
    "given",
    [
        ["apo", "apo", "holo"],
        {"*holo*": "holo", "*": "apo"},
        "folder",
    ],
)
def test_conditions_come_from_names_patterns_and_folders(data, given):
    made = set_conditions(data, given)
    assert conditions_by_trajectory(made) == ["apo", "apo", "holo"]
    assert {name: int(mask.sum()) for name, mask in condition_masks(made).items()} == {"apo": 7, "holo": 5}


def test_conditions_come_from_the_names_of_files(data):
    names = ["/a/apo_1.xtc", "/a/apo-run2.xtc", "/a/T300K_rep3.xtc"]
    data.attrs["files"] = json.dumps([{"path": path} for path in names])
    assert conditions_by_trajectory(set_conditions(data, "name")) == ["apo", "apo", "T300K"]


def test_conditions_come_from_a_table(data, tmp_path):
    table = tmp_path / "conditions.csv"
    table.write_text(
        "file,condition\n/md/holo/run1.xtc, holo\n/md/apo/run1.xtc,apo\n/md/apo/run2.xtc,mutant\n"
    )
    assert conditions_by_trajectory(set_conditions(data, table)) == ["apo", "mutant", "holo"]
    table.write_text("condition\na\nb\nb\n")
    assert conditions_by_trajectory(set_conditions(data, str(table))) == ["a", "b", "b"]


def test_conditions_are_stored_and_old_files_have_none(data, tmp_path):
    save_dataset(data, tmp_path / "old.zarr")
    save_dataset(set_conditions(data, "folder"), tmp_path / "new.zarr")
    assert condition_names(open_dataset(tmp_path / "old.zarr")) == []
    assert conditions_by_trajectory(open_dataset(tmp_path / "new.zarr")) == ["apo", "apo", "holo"]


def test_a_condition_is_no_quantity_that_differs(data):
    assert "condition" not in quantities(set_conditions(data, "folder"))


def test_a_column_of_that_name_without_names_is_only_a_column(data):
    other = data.assign(condition=("frame", np.linspace(0, 1, 12)))
    assert condition_names(other) == [] and "condition" in quantities(other)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["a", "b"], "2 names for 3"),
        (["a", "b", " "], "2 names for 3"),
        ({"*apo*": "apo"}, "No pattern fits 'run1.xtc'"),
        ("no-such-table.csv", "no-such-table.csv"),
    ],
)
def test_what_gives_no_condition_is_said(data, given, words):
    with pytest.raises(FelError, match=words.replace("*", ".")):
        set_conditions(data, given)


def test_a_damaged_table_is_said(data, tmp_path):
    (tmp_path / "a.csv").write_text("file,state\nx,y\n")
    with pytest.raises(FelError, match="columns file, state"):
        set_conditions(data, tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("file,condition\nx,y\n")
    with pytest.raises(FelError, match=r"no row of 'run1.xtc'"):
        set_conditions(data, tmp_path / "b.csv")


def test_without_files_names_must_be_given(data):
    del data.attrs["files"]
    with pytest.raises(FelError, match="not known"):
        set_conditions(data, "folder")


def test_numbers_that_do_not_fit_their_names_are_refused(data):
    made = set_conditions(data, "folder")
    made["condition"].attrs["conditions"] = '["one"]'
    with pytest.raises(FelError, match="does not fit"):
        condition_names(made)


def test_systems_are_joined_by_the_names_of_their_features():
    rng = np.random.default_rng(0)
    one = as_dataset([rng.normal(size=(5, 3))], feature_names=["a", "b", "c"])
    two = as_dataset([rng.normal(size=(4, 3)), rng.normal(size=(3, 3))], feature_names=["c", "d", "a"])
    one["energy"], two["energy"] = ("frame", np.arange(5.0)), ("frame", np.arange(7.0))
    both = concatenate({"wild type": one, "mutant": two})
    assert list(both["feature"].values) == ["a", "c"] and both.attrs["left_out"] == "b, d"
    assert np.array_equal(both["features"].values[5:, 1], two["features"].values[:, 0])
    assert conditions_by_trajectory(both) == ["wild type", "mutant", "mutant"]
    assert both["energy"].values.tolist() == [*range(5), *range(7)]


def test_systems_that_do_not_fit_are_refused():
    one = as_dataset([np.ones((5, 1))], feature_names=["a"])
    with pytest.raises(FelError, match="no feature in common"):
        concatenate({"x": one, "y": as_dataset([np.ones((5, 1))], feature_names=["b"])})
    with pytest.raises(FelError, match=r"time_step x: 1\.0, y: 2\.0"):
        concatenate({"x": one, "y": as_dataset([np.ones((5, 1))], feature_names=["a"], time_step=2.0)})
    with pytest.raises(FelError, match="Only some"):
        weighted = as_dataset([np.ones((5, 1))], feature_names=["a"], weights=np.ones(5))
        concatenate({"x": one, "y": weighted})
    with pytest.raises(FelError, match="Two at least"):
        concatenate({"x": one})
