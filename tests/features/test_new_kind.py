"""A kind of features from outside the package, one file: it takes part in everything."""

import importlib.util
import json

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer import export
from fel_explorer.features import MolecularFeatures, featurizer_base, kind_base
from fel_explorer.features.featurization import featurize
from fel_explorer.structures import atom_values, feature_atoms, reconstruct

NEW_KIND = '''
"""Inverse distances."""

from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import mdtraj
import numpy as np

from fel_explorer.features import Constraints, FeatureKind, Featurizer, register_featurizer, register_kind


@register_kind
class InverseDistance(FeatureKind):
    """1 / d (1/nm) of two atoms."""

    name = "inverse_distance"
    n_atoms = 2

    def compute(self, trajectory, block):
        return 1 / mdtraj.compute_distances(trajectory, block.atoms, periodic=False)

    def evaluate(self, positions, block):
        points = block.points(positions)
        return 1 / (points[..., 1, :] - points[..., 0, :]).norm(dim=-1)

    def plumed(self, atoms, options, number):
        return [
            f"d{number}: DISTANCE ATOMS={atoms[0]},{atoms[1]} NOPBC",
            f"f{number}: CUSTOM ARG=d{number} FUNC=1/x PERIODIC=NO",
        ]

    def constraints(self, values, block):
        return Constraints("distance", block.atoms, 1 / values)


@register_featurizer
@dataclass
class InverseDistances(Featurizer):
    """Inverse distances (1/nm) of all pairs of the chosen atoms."""

    selection: str = "element != H"
    nearest: float = 0.0
    name: ClassVar[str] = "inverse_distances"
    kind: ClassVar[str] = "inverse_distance"

    def find(self, topology):
        return np.array(list(combinations(topology.select(self.selection), 2)))
'''


@pytest.fixture
def new_kind(tmp_path):
    path = tmp_path / "inverse_distances.py"
    path.write_text(NEW_KIND)
    spec = importlib.util.spec_from_file_location("inverse_distances", path)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    kind_base.kinds.pop("inverse_distance")
    featurizer_base.registry.pop("inverse_distances")


@pytest.fixture
def trajs(tmp_path):
    sample = fel.sample_data("alanine-dipeptide").frames(np.arange(0, 200_000, 2000))
    sample.time = np.arange(len(sample))
    sample.save_xtc(str(tmp_path / "a.xtc"))
    sample[0].save_pdb(str(tmp_path / "a.pdb"))
    return fel.load_trajectories(tmp_path / "a.xtc", tmp_path / "a.pdb")


def test_it_featurizes_differentiates_exports_colours_and_inverts(new_kind, trajs, tmp_path):
    data = featurize(trajs, "inverse_distances")
    frames = trajs.frames(np.arange(100))
    atoms = np.array(json.loads(data.attrs["featurizers"])[0]["atoms"])
    vector = frames.xyz[:, atoms[:, 1]] - frames.xyz[:, atoms[:, 0]]
    oracle = 1 / np.linalg.norm(vector.astype(float), axis=2)
    np.testing.assert_allclose(data["features"], oracle, rtol=1e-5)
    assert str(data["feature"].values[0]) == "inverse_distance ACE1-CH3 ACE1-C"

    x = torch.from_numpy(frames.xyz[:1]).double().requires_grad_()
    function = MolecularFeatures(data.attrs)
    np.testing.assert_allclose(function(x).detach(), oracle[:1], rtol=1e-6)
    (slope,) = torch.autograd.grad(function(x)[0, 0], x)
    expected = vector[0, 0] * oracle[0, 0] ** 3
    np.testing.assert_allclose(slope[0, atoms[0, 0]], expected, rtol=1e-4)

    text = export.plumed(fel.PCA(n_dims=1).fit(data), data, tmp_path / "run").read_text()
    i, j = atoms[3] + 1
    assert f"d3: DISTANCE ATOMS={i},{j} NOPBC\nf3: CUSTOM ARG=d3 FUNC=1/x PERIODIC=NO" in text

    np.testing.assert_array_equal(feature_atoms(data.attrs), atoms)
    strength = fel.methods.sensitivity(fel.PCA(n_dims=1).fit(data), data)["feature_share"]
    coloured = atom_values(strength, data.attrs)
    assert set(np.flatnonzero(coloured.values[0])) <= set(atoms.ravel())
    assert float(coloured.sum()) == pytest.approx(1.0)

    made = reconstruct(data["features"].values[7], data.attrs, nearest=frames.xyz[9])
    distance = np.linalg.norm(made.xyz[:, None] - made.xyz[None], axis=2)
    order = np.searchsorted(made.atoms, atoms)
    np.testing.assert_allclose(distance[order[:, 0], order[:, 1]], 1 / oracle[7], atol=1e-3)


def test_it_gives_gradients_to_the_generator_and_drives_a_simulation(new_kind, trajs):
    from fel_explorer.sampling import MolecularSystem, umbrella

    spec = ("inverse_distances", {"selection": "name CB or name O"})
    data = featurize(trajs, [spec])
    generator = fel.Eigenfunctions(operator="generator", n_dims=1, n_steps=2, hidden=[4], batch_size=50)
    positions = trajs.frames(np.arange(100)).xyz
    assert np.isfinite(generator.fit(data, positions=positions, device="cpu").eigenvalues_).all()
    method = fel.PCA(n_dims=1).fit(data)
    sampled = umbrella(
        method, MolecularSystem(trajs, temperature=450.0), data,
        n_windows=2, n_walkers=1, n_steps=20, stride=10, stiffness=0.01, fill_gaps=0,
    )  # fmt: skip
    assert sampled.sizes["frame"] > 0 and np.isfinite(sampled["features"]).all()


def test_the_form_of_the_page_offers_it_with_its_options(new_kind):
    from fel_explorer.app.views.data import features_panel as page

    assert "inverse_distances" in fel.list_featurizers()
    widgets = page.option_widgets("inverse_distances")
    assert widgets["selection"].value == "element != H" and widgets["nearest"].value == 0.0


def test_the_page_computes_it(new_kind, trajs):
    from fel_explorer.app.jobs.manager import JobManager
    from fel_explorer.app.page_jobs import PageJobs
    from fel_explorer.app.session.session import Session
    from fel_explorer.app.views.data.features_panel import FeaturesPanel

    session = Session()
    board = PageJobs(session, JobManager(workers=0))
    panel = FeaturesPanel(session, board)
    try:
        assert "inverse_distances" in panel.choice.options.values()
        session.open(trajs)
        panel.choice.value = ["inverse_distances"]
        assert panel.preview.object.startswith("**45 features**: inverse_distance ACE1-CH3 ACE1-C")
    finally:
        panel.close()
        board.close()
