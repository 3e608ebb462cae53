"""Forms, files, and live drawings."""

import numpy as np
import panel_material_ui as pmui
import pytest
from mdtraj.core.trajectory import _TOPOLOGY_EXTS
from mdtraj.formats.registry import FormatRegistry

from fel_explorer.app.storage.input_files import TOPOLOGIES, TRAJECTORIES, inside, sort_out
from fel_explorer.app.views.model.panel import fitting_lag, fitting_lags
from fel_explorer.app.widgets.param_form import Form
from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.methods import list_methods


@pytest.mark.parametrize("cls", list_methods().values(), ids=lambda cls: cls.__name__)
def test_an_untouched_form_makes_the_default_method(cls):
    form = Form(cls, time_unit="ps")
    assert cls(**form.values).hyperparameters() == cls().hyperparameters()
    for name, widget in form.widgets.items():
        assert widget.description == cls.param[name].doc
        low, high = getattr(cls.param[name], "bounds", None) or (None, None)
        if isinstance(widget, pmui.IntInput | pmui.FloatInput):
            assert (widget.start, widget.end) == (low, high)


def test_times_carry_the_unit_of_the_data_and_lists_are_read():
    form = Form(list_methods()["IDM"], time_unit="ps", overrides={"lag_time": 50.0})
    assert form.widgets["lag_time"].label == "Lag time (ps)" and form.values["lag_time"] == 50.0
    form.widgets["hidden"].value = "[64, 32,16]"
    assert form.values["hidden"] == [64, 32, 16]
    form.widgets["hidden"].value = "wide"
    with pytest.raises(FelError, match="hidden"):
        _ = form.values


@pytest.mark.parametrize(
    "step, frames, lag", [(1.0, 100, 10.0), (100.0, 50, 100.0), (1.0, 5, 4.0), (0.4, 90, 10.0)]
)
def test_the_offered_lag_fits_the_data(step, frames, lag):
    data = as_dataset(np.random.default_rng(0).normal(size=(frames, 2)), time_step=step)
    assert fitting_lag(data, 10.0) == pytest.approx(lag)


def test_files_outside_of_the_root_are_refused_also_through_links(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.pdb").touch()
    (root / "a.xtc").touch()
    (root / "link.pdb").symlink_to(tmp_path / "secret.pdb")
    assert inside(root, ["a.xtc", root / "a.xtc"]) == [root / "a.xtc"] * 2
    for path in ("../secret.pdb", "link.pdb", "/etc/passwd", tmp_path / "root-of-others"):
        with pytest.raises(FelError, match="outside"):
            inside(root, [path])


@pytest.mark.parametrize(
    "names, trajectories, topology",
    [
        (["a.xtc", "b.XTC", "top.pdb"], ["a.xtc", "b.XTC"], "top.pdb"),
        (["a.dcd", "top.psf"], ["a.dcd"], "top.psf"),
        (["a.h5", "b.h5"], ["a.h5", "b.h5"], None),
        (["model.pdb"], ["model.pdb"], None),
        (["many.pdb", "top.prmtop"], ["many.pdb"], "top.prmtop"),
        (["a.xyz.gz", "top.pdb.gz"], ["a.xyz.gz"], "top.pdb.gz"),
        (["a.xtc", "b.xtc", "b.pdb", "a.pdb"], ["a.xtc", "b.xtc"], ["a.pdb", "b.pdb"]),
        (
            ["1/md.xtc", "2/md.xtc", "2/top.gro", "1/top.gro"],
            ["1/md.xtc", "2/md.xtc"],
            ["1/top.gro", "2/top.gro"],
        ),
    ],
)
def test_chosen_files_are_sorted_into_trajectories_and_topology(names, trajectories, topology):
    found, top = sort_out(names)
    top = list(map(str, top)) if isinstance(top, list) else None if top is None else str(top)
    assert [str(p) for p in found] == trajectories and top == topology


def test_every_format_that_mdtraj_reads_can_be_chosen():
    assert set(FormatRegistry.loaders) - {".xml"} == (TRAJECTORIES | {".mol2", ".hoomdxml"})
    assert set(_TOPOLOGY_EXTS) <= TOPOLOGIES


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["top.psf"],
        ["a.xtc", "one.pdb", "two.pdb"],
        ["a.xtc", "b.xtc", "a.pdb", "b.pdb", "c.pdb"],
        ["a.xtc", "notes.txt"],
    ],
)
def test_choices_without_one_meaning_are_refused(names):
    with pytest.raises(FelError, match="topology"):
        sort_out(names)


@pytest.mark.parametrize(
    "step, n, lags",
    [(1.0, 1000, [200.0, 20.0, 2.0]), (100.0, 5001, [20_000.0, 2000.0, 200.0]), (1.0, 10, [9.0, 2.0])],
)
def test_lags_of_a_tree_fit_the_data(step, n, lags):
    data = as_dataset(np.zeros((n, 1)), time_step=step)
    assert fitting_lags(data, [200.0, 20.0, 2.0]) == lags
