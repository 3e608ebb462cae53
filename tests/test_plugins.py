"""Methods, featurizers and observables of other packages, through entry points."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fel_explorer import plugins
from fel_explorer.errors import FelError

MODULE = '''
from dataclasses import dataclass

import numpy as np
import param

from fel_explorer.features import Featurizer, register_featurizer
from fel_explorer.methods import Method, register
from fel_explorer.structures import register_observable


@register
class MeanFeature(Method):
    """Mean of the features."""

    n_dims = param.Integer(1, bounds=(1, 1), precedence=1, label="Dimensions", doc="Always 1.")

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        return

    def _transform(self, features):
        return features.mean(dim=1, keepdim=True)

    def _get_arrays(self):
        return {}

    def _set_arrays(self, arrays):
        return


@register_featurizer
@dataclass
class EndToEnd(Featurizer):
    """Distance between the first and the last atom."""

    name = "end_to_end_distance"
    kind = "distance"

    def find(self, topology):
        return np.array([[0, topology.n_atoms - 1]])

    def label(self, topology, atoms):
        return ["end to end"]

    def compute(self, trajectory):
        return np.linalg.norm(trajectory.xyz[:, :1] - trajectory.xyz[:, -1:], axis=2)


@register_observable(label="height", units="nm")
def height(molecule):
    """Largest z of an atom less the smallest."""
    return lambda frames: np.ptp(frames.xyz[:, :, 2], axis=1)
'''
TAKEN = '''
from fel_explorer.methods import PCA as Base, register

@register
class PCA(Base):
    """Another PCA."""
'''
ENTRIES = """
[fel_explorer.methods]
mean = tiny_cv.everything
broken = tiny_cv.broken
missing = tiny_cv.no_such_module
taken = tiny_cv.taken

[fel_explorer.featurizers]
end = tiny_cv.everything:EndToEnd

[fel_explorer.observables]
height = tiny_cv.everything
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with an installed package, as pip leaves it."""
    site = tmp_path_factory.mktemp("site")
    package, metadata = site / "tiny_cv", site / "tiny_cv-1.0.dist-info"
    package.mkdir()
    metadata.mkdir()
    (package / "__init__.py").write_text("")
    (package / "everything.py").write_text(MODULE)
    (package / "broken.py").write_text("raise RuntimeError('no licence found')")
    (package / "taken.py").write_text(TAKEN)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-cv\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENTRIES)
    return site


def run(site, *command, folder=None):
    environment = os.environ | {"PYTHONPATH": f"{Path(plugins.__file__).parents[1]}{os.pathsep}{site}"}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment
    )


PYTHON = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import fel_explorer as fel
    methods = fel.list_methods()
    fel.list_methods()
told = sorted(str(w.message) for w in caught if w.category.__name__ == "PluginWarning")
assert len(told) == 3, told
assert "'broken' (tiny_cv.broken) of the package tiny-cv" in told[0] and "no licence found" in told[0]
assert "'missing'" in told[1] and "'taken'" in told[2] and "registers a second 'PCA'" in told[2]

import numpy as np
x = np.arange(12.0).reshape(4, 3)
assert "MeanFeature" in methods and methods["PCA"].__module__.startswith("fel_explorer.")
assert fel.MeanFeature is methods["MeanFeature"] is fel.methods.MeanFeature and "MeanFeature" in dir(fel)
from fel_explorer import MeanFeature, TICA
fel.MeanFeature().fit(x, device="cpu").save("mean.fel")
np.testing.assert_allclose(fel.load_model("mean.fel").transform(x)[:, 0], x.mean(axis=1))

import mdtraj
topology = mdtraj.Topology()
residue = topology.add_residue("ALA", topology.add_chain())
for name in ("N", "CA", "C"):
    topology.add_atom(name, mdtraj.element.carbon, residue)
xyz = np.random.default_rng(0).normal(size=(5, 3, 3)).astype("f4")
trajectory = mdtraj.Trajectory(xyz, topology)
assert "end_to_end_distance" in fel.list_featurizers()
(featurizer,) = fel.features.make_featurizers("end_to_end_distance")
assert featurizer.describe(topology) == ["end to end"]
from fel_explorer.structures import list_observables, observables
assert list_observables()["height"].units == "nm"

from fel_explorer.app.views.model.panel import method_groups
from fel_explorer.app.widgets.param_form import Form
assert "MeanFeature" in method_groups()["Other maps"]
assert list(Form(fel.MeanFeature).widgets) == ["n_dims", "seed"]
print("done")
"""


def test_a_plugin_is_used_like_the_package_itself(site, tmp_path):
    done = run(site, "-c", PYTHON, folder=tmp_path)
    assert done.stdout.strip() == "done", done.stderr


def test_the_command_line_lists_and_explains_methods_of_plugins(site):
    listed = run(site, "-m", "fel_explorer.cli", "train", "--help")
    assert listed.returncode == 0 and "MeanFeature  Mean of the features." in listed.stdout
    assert "TICA" in listed.stdout and "'broken' (tiny_cv.broken) of the package tiny-cv" in listed.stderr
    explained = run(site, "-m", "fel_explorer.cli", "train", "MeanFeature", "--help")
    assert explained.returncode == 0 and "--n_dims" in explained.stdout


def test_a_name_belongs_to_one_class():
    class Once:
        pass

    plugins.check_unique(Once, None, "Once")
    plugins.check_unique(Once, Once, "Once")
    with pytest.raises(FelError, match="second 'Once'"):
        plugins.check_unique(Once, Path, "Once")
