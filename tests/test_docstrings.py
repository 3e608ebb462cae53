"""The examples of the docstrings run, on a part of the sample data, and give what they print."""

import contextlib
import doctest
import importlib
import io
import pkgutil
import warnings

import mdtraj
import numpy as np
import pandas as pd
import pytest

import fel_explorer as fel
from fel_explorer.structures import observable_base

FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def examples():
    """Every docstring of the package that holds an example."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for module in pkgutil.walk_packages(fel.__path__, prefix="fel_explorer."):
        if module.name.endswith(".__main__"):
            continue
        for test in finder.find(importlib.import_module(module.name)):
            if test.examples:
                yield test


EXAMPLES = list(examples())


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What an example may use without making it: files of the working folder, and fitted things of them."""
    folder = tmp_path_factory.mktemp("examples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEL_EXPLORER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.chdir(folder)
        sample = fel.sample_data("alanine-dipeptide")
        trajs = fel.load_trajectories(sample.files, topology=sample.topology_source, stride=400)
        data = fel.featurize(trajs, ["heavy_atom_distances", "backbone_torsions"])
        frame = trajs.frames([0])
        frame.save_pdb("native.pdb")
        fel.save_dataset(data, "data.zarr")
        bias = np.linspace(0.0, 5.0, len(trajs))
        pd.DataFrame({"metad.rbias": bias}).to_csv("COLVAR", index=False)
        states = np.arange(len(trajs)) % 3
        yield {
            "fel": fel,
            "np": np,
            "trajs": trajs,
            "data": data,
            "model": fel.PCA(n_dims=2).fit(data),
            "idm": fel.KMeans(n_states=3).fit(data),
            "states": states,
            "memberships": np.eye(3)[states],
            "selected": np.arange(len(trajs)) < 100,
            "topology": frame.topology,
            "conformations": trajs.frames([0, 1, 2]).xyz,
            "observed": frame,
            "decoded": mdtraj.Trajectory(frame.xyz, frame.topology),
        }


@pytest.fixture(autouse=True)
def registry():
    """Examples register observables of their own, which end with them."""
    before = dict(observable_base.registry)
    yield
    observable_base.registry.clear()
    observable_base.registry.update(before)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name.removeprefix("fel_explorer."))
def test_an_example_runs_and_gives_what_it_prints(example, names):
    example.globs = {**example.globs, **names}
    runner, report = doctest.DocTestRunner(optionflags=FLAGS, verbose=False), io.StringIO()
    with contextlib.redirect_stdout(report), warnings.catch_warnings():
        warnings.simplefilter("default")  # a short training of an example may say that it was short
        outcome = runner.run(example)
    assert outcome.failed == 0, report.getvalue()


def test_there_are_examples():
    assert len(EXAMPLES) > 20
