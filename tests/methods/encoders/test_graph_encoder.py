"""Graph encoders: symmetries, smoothness at the cutoff, derivatives, files and exports."""

import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer.errors import FelError
from fel_explorer.methods.encoders.graph_network import GraphNetwork
from fel_explorer.methods.encoders.method import elements_of

ELEMENTS = [6, 8, 7, 6, 6, 1]
CUTOFF = 0.5


def network(n_outputs=3, cutoff=CUTOFF, **sizes):
    generator = torch.Generator().manual_seed(0)
    about = {"width": 8, "n_interactions": 2, "cutoff": cutoff, "generator": generator} | sizes
    net = GraphNetwork(ELEMENTS, n_outputs, **about).double()
    net.standardise(conformations(50))
    return net


def conformations(n=5, spread=0.25):
    return torch.randn((n, len(ELEMENTS), 3), generator=torch.Generator().manual_seed(1)).double() * spread


def rotation(seed=2):
    return torch.linalg.qr(torch.randn((3, 3), generator=torch.Generator().manual_seed(seed)).double())[0]


def test_motions_mirrors_and_exchanges_of_equal_atoms_change_nothing():
    net, x = network(), conformations()
    expected = net(x)
    assert expected.std(0).min() > 1e-4  # it depends on the conformation
    for seed in range(4):  # with and without a mirror
        moved = x @ rotation(seed).T + torch.tensor([3.0, -1.0, 2.0])
        assert torch.allclose(net(moved), expected, atol=1e-10)
    exchanged = x[:, [3, 1, 2, 4, 0, 5]]  # carbons
    assert torch.allclose(net(exchanged), expected, atol=1e-12)
    different = x[:, [1, 0, 2, 3, 4, 5]]  # carbon and oxygen
    assert not torch.allclose(net(different), expected, atol=1e-4)


def test_sums_over_neighbours_are_those_of_all_pairs():
    net, x = network(), conformations(2)

    def filtered(layer, vectors, distance):
        basis, envelope = net._radial(distance)
        inside = (distance < CUTOFF)[:, None]
        return (layer.filter(basis) * envelope * layer.sent(vectors) * inside).sum(0)

    for frame, expected in zip(x, net(x), strict=True):
        vectors = net.embedding[net.elements]
        for layer in net.interactions:
            received = []
            for i in range(len(frame)):
                others = [j for j in range(len(frame)) if j != i]
                distance = (frame[others] - frame[i]).norm(dim=1)
                received.append(filtered(layer, vectors[others], distance))
            vectors = vectors + layer.change(torch.stack(received))
        mean = (net.atoms(vectors).mean(0) - net.mean) / net.scale
        assert torch.allclose(net.output(mean), expected, atol=1e-9)


def test_gradients_are_those_of_finite_differences_and_finite_where_atoms_meet():
    net = network(2)
    assert torch.autograd.gradcheck(net, (conformations(1).requires_grad_(),), atol=1e-6)
    together = torch.zeros((1, len(ELEMENTS), 3), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(together).sum(), together)
    assert torch.isfinite(gradient).all()
    apart = torch.arange(len(ELEMENTS))[None, :, None] * torch.ones(3).double()
    assert torch.isfinite(net(apart)).all()  # no neighbours at all


def test_values_and_slopes_are_continuous_at_the_cutoff():
    net = network(1)
    base = torch.zeros((1, len(ELEMENTS), 3), dtype=torch.float64)
    base[0, :, 0] = torch.tensor([0.0, 0.1, 0.2, 0.3, 0.35, 5.0])

    def at(distance):
        x = base.clone()
        x[0, 5, 0] = x[0, 4, 0] + distance
        x.requires_grad_()
        value = net(x)
        (gradient,) = torch.autograd.grad(value.sum(), x)
        return float(value.detach()), float(gradient[0, 5, 0])

    eps = 1e-7
    (inner, inner_slope), (outer, outer_slope) = at(CUTOFF - eps), at(CUTOFF + eps)
    assert outer_slope == 0 and abs(inner - outer) < 1e-10 and abs(inner_slope) < 1e-5
    assert abs(at(0.8 * CUTOFF)[1]) > 1e-4


def test_blocks_of_frames_give_the_same(monkeypatch):
    from fel_explorer.methods.encoders import graph_network

    net, x = network(), conformations(20)
    expected = net(x).detach()
    monkeypatch.setattr(graph_network, "MAX_PAIRS", 40)
    with torch.no_grad():
        assert torch.allclose(net(x), expected, atol=1e-12)


# ---- as the encoder of methods


@pytest.fixture(scope="module")
def dipeptide(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dipeptide")
    sample = fel.sample_data("alanine-dipeptide").frames(np.arange(0, 200_000, 500))
    sample.time = np.arange(len(sample))
    sample.save_xtc(str(folder / "a.xtc"))
    sample[0].save_pdb(str(folder / "a.pdb"))
    return fel.load_trajectories(folder / "a.xtc", folder / "a.pdb")


@pytest.fixture(scope="module")
def data(dipeptide):
    """Coordinates of the heavy atoms of alanine dipeptide, with columns for supervised methods."""
    data = fel.featurize(dipeptide, ["coordinates"], cache=False)
    first = data["features"].values[:, 0]
    return data.assign(basin=("frame", (first > np.median(first)).astype(int)), energy=("frame", first))


SMALL = {"encoder": "graph", "atom_width": 8, "n_steps": 4, "batch_size": 32, "n_threads": 1}
METHODS = {
    "SRV": {"lag_time": 1.0, "n_networks": 1},
    "IDM": {"lag_time": 1.0, "n_states": 3, "n_microstates": 12},
    "Autoencoder": {"hidden": [8]},
    "MultitaskCV": {"hidden": [8], "n_restarts": 1},
}


@pytest.fixture(scope="module", params=METHODS)
def fitted(request, data):
    return fel.list_methods()[request.param](**SMALL, **METHODS[request.param]).fit(data, device="cpu")


def test_a_method_with_a_graph_encoder_is_the_same_from_its_file(fitted, data, tmp_path):
    z = fitted.transform(data).values
    assert np.isfinite(z).all() and z.std(0).min() > 0
    fitted.save(tmp_path / "model.fel")
    again = fel.load_model(tmp_path / "model.fel")
    assert np.array_equal(again.transform(data).values, z)
    assert again.ignores_rigid_motion and not fel.PCA().ignores_rigid_motion


def test_embeddings_do_not_depend_on_the_superposition(fitted, data):
    z = fitted.transform(data).values
    turn = rotation().numpy()
    x = data["features"].values.reshape(data.sizes["frame"], -1, 3) @ turn + [0.3, -0.2, 0.1]
    turned = data.assign(features=(("frame", "feature"), x.reshape(len(x), -1).astype("f4")))
    assert fitted.transform(turned).values == pytest.approx(z, abs=1e-3 * float(np.abs(z).max()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")
def test_a_graph_encoder_is_exported(fitted, data, tmp_path):
    torch_file = fel.export.save_torchscript(fitted, tmp_path / "cv.pt")
    archive = fel.export.save_archive(fitted, tmp_path / "cv.pt2")
    expected = fitted.transform(data).values
    scripted, exported = torch.jit.load(torch_file), torch.export.load(archive).module()
    for i in (0, len(expected) // 2):
        x = torch.from_numpy(data["features"].values[i : i + 1])
        scale = float(np.abs(expected).max())
        assert scripted(x).detach().numpy()[0] == pytest.approx(expected[i], abs=1e-4 * scale)
        assert exported(x).detach().numpy()[0] == pytest.approx(expected[i], abs=1e-4 * scale)


def test_plumed_gives_it_the_positions_as_they_are(fitted, data, tmp_path):
    text = fel.export.plumed(fitted, data, tmp_path / "plumed").read_text()
    atoms = len(elements_of(data))
    assert text.count("POSITION ATOM=") == atoms and "NOPBC" in text and "WHOLEMOLECULES" in text
    assert "PYTORCH_MODEL" in text and "ARG=a0.x,a0.y,a0.z,a1.x" in text
    dense = fel.PCA().fit(data)
    with pytest.raises(FelError, match="Coordinates after a fit"):
        fel.export.plumed(dense, data, tmp_path / "dense")


def test_other_features_are_refused(data, dipeptide):
    method = fel.SRV(encoder="graph", lag_time=1.0)
    with pytest.raises(FelError, match="coordinates of atoms"):
        method.fit(np.random.default_rng(0).normal(size=(100, 6)))
    mixed = fel.featurize(dipeptide, ["coordinates", "backbone_torsions"], cache=False)
    with pytest.raises(FelError, match="coordinates of atoms"):
        method.fit(mixed)
    with pytest.raises(FelError, match="none dropped"):
        method.fit(data.isel(feature=slice(3, None)))
    assert set(elements_of(data).tolist()) == {6, 7, 8}
