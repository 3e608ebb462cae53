"""Exported CVs give the value and derivatives of the method; a small interpreter reads the PLUMED input."""

import re
import warnings
from itertools import pairwise, product

import mdtraj
import numpy as np
import pytest
import torch

import fel_explorer as fel
from fel_explorer import export
from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method

METHODS = fel.list_methods()
DEPLOYABLE = sorted(name for name, cls in METHODS.items() if cls._transform is not Method._transform)
TEXT = {"Eigenfunctions", "MultitaskCV", "PCA", "TICA"}  # whose CV PLUMED's ANN can hold
SETTINGS = {
    "n_steps": 20,
    "hidden": [8],
    "batch_size": 32,
    "n_states": 3,
    "lag_time": 2.0,
    "lag_times": [20.0, 2.0],
    "n_microstates": 12,
}
FEATURES = ["backbone_torsions", ("distances", {"selection": "name CB or name O", "periodic": False})]


@pytest.fixture(scope="module")
def trajs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    sample = fel.sample_data("alanine-dipeptide").frames(np.arange(0, 200_000, 500))
    sample.time = np.arange(len(sample))
    sample.save_xtc(str(folder / "a.xtc"))
    sample[0].save_pdb(str(folder / "a.pdb"))
    return fel.load_trajectories(folder / "a.xtc", folder / "a.pdb")


@pytest.fixture(scope="module")
def data(trajs):
    data = fel.featurize(trajs, FEATURES, cache=False)
    phi = data["features"].values[:, 1]
    return data.assign(basin=("frame", (phi > 0).astype(int)), energy=("frame", phi.astype(float)))


def fitted(name, data):
    names = METHODS[name].hyperparameter_names()
    settings = {key: value for key, value in SETTINGS.items() if key in names}
    if "lag_time" in settings:
        settings["lag_time"] *= float(data.attrs["time_step"])
    if "lag_times" in settings:
        settings["lag_times"] = [lag * float(data.attrs["time_step"]) for lag in settings["lag_times"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of methods about so few frames
        return METHODS[name](**settings).fit(data, device="cpu")


def value_and_slope(function, x):
    x = x.clone().requires_grad_()
    value = function(x)
    return value.detach(), torch.autograd.grad(value.sum(), x)[0]


@pytest.mark.parametrize("name", DEPLOYABLE)
def test_files_of_every_method_give_its_value_and_derivatives(name, data, tmp_path):
    method = fitted(name, data)
    script = export.save_torchscript(method, tmp_path / "cv.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit.load
        loaded = [torch.jit.load(str(script))]
    if name in ("MultitaskCV", "TICA"):  # the same graph, and slow to write
        archive = export.save_archive(method, tmp_path / "cv.pt2")
        loaded.append(torch.export.load(str(archive)).module())
    layers = export.dense_layers(method)
    assert layers is not None or name not in TEXT
    if layers is not None:
        loaded.append(lambda x: dense(layers, x.double()).float())
    for row in torch.from_numpy(data["features"].values[[0, 150, 399]]):
        value, slope = value_and_slope(method._transform, row[None])
        assert slope.abs().max() > 0
        for function in loaded:
            found, found_slope = value_and_slope(function, row[None])
            scale = slope.abs().max()
            torch.testing.assert_close(found, value, rtol=1e-4, atol=1e-4)
            torch.testing.assert_close(found_slope / scale, slope / scale, rtol=1e-3, atol=1e-4)


def dense(layers, x):
    for weight, bias, activation in layers:
        x = x @ torch.as_tensor(weight).T + torch.as_tensor(bias)
        x = torch.tanh(x) if activation == "Tanh" else x
    return x


# ---- PLUMED's input


def interpret(text, xyz, topology, box=None):
    """Values of the labels in PLUMED input, by PLUMED's manual, with geometry from mdtraj; one frame."""
    text = re.sub(r"\.\.\.\n(.*?)\n\.\.\.", lambda m: " ".join(m[1].split()), text, flags=re.DOTALL)
    frame, values, centres = mdtraj.Trajectory(xyz[None].astype(np.float32), topology), {}, {}
    if box is not None:
        frame.unitcell_vectors = box[None]
    for line in text.splitlines():
        if line.startswith("WHOLEMOLECULES") and box is not None:
            for entity in line.split()[1:]:
                make_entity_whole(frame.xyz[0], entity.split("=")[1], box)
        if line.startswith("#") or ": " not in line:
            continue
        label, rest = line.split(": ", 1)
        action, *words = rest.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        if action == "CENTER":
            atoms = [int(i) - 1 for i in options["ATOMS"].split(",")]
            centres[label] = frame.xyz[0, atoms].astype(float).mean(axis=0)
        elif action == "DISTANCE" and not options["ATOMS"][0].isdigit():
            first, second = (centres[name] for name in options["ATOMS"].split(","))
            images = np.array(list(product(range(-2, 3), repeat=3))) * ("NOPBC" not in words)
            values[label] = float(np.linalg.norm(second - first + images @ box, axis=1).min())
        elif action == "DISTANCES" and "LOWEST" in words:
            groups = [[int(i) - 1 for i in options[f"GROUP{side}"].split(",")] for side in "AB"]
            pairs = np.array(list(product(*groups)))
            found = mdtraj.compute_distances(frame, pairs, periodic="NOPBC" not in words)
            values[f"{label}.lowest"] = float(found.min())
        elif action in ("DISTANCE", "TORSION"):
            atoms = np.array([[int(i) - 1 for i in options["ATOMS"].split(",")]])
            compute = mdtraj.compute_distances if action == "DISTANCE" else mdtraj.compute_dihedrals
            values[label] = float(compute(frame, atoms, periodic="NOPBC" not in words)[0, 0])
        elif action == "CUSTOM":
            scope = {"x": values[options["ARG"]], "cos": np.cos, "sin": np.sin}
            values[label] = float(eval(options["FUNC"].replace("^", "**"), {}, scope))
        elif action == "ANN":
            x = np.array([values[name] for name in options["ARG"].split(",")])
            nodes = [int(n) for n in options["NUM_NODES"].split(",")]
            assert int(options["NUM_LAYERS"]) == len(nodes) and nodes[0] == len(x)
            for i, kind in enumerate(options["ACTIVATIONS"].split(",")):
                weight = np.array(options[f"WEIGHTS{i}"].split(","), float).reshape(nodes[i + 1], nodes[i])
                x = weight @ x + np.array(options[f"BIASES{i}"].split(","), float)
                x = np.tanh(x) if kind == "Tanh" else x
            values |= {f"{label}.node-{i}": v for i, v in enumerate(x)}
    return values


def make_entity_whole(xyz, entity, box):
    """Put each atom to the image that is nearest to the atom before it in the list, in place."""
    ranges = [[int(n) for n in part.split("-")] for part in entity.split(",")]
    atoms = [i - 1 for part in ranges for i in range(part[0], part[-1] + 1)]
    for before, atom in pairwise(atoms):
        step = (xyz[atom] - xyz[before]) @ np.linalg.inv(box)
        xyz[atom] = xyz[before] + (step - np.rint(step)) @ box


def test_molecules_longer_than_half_the_box_are_whole_in_plumed(tmp_path):
    """Cut anywhere, they give the dataset's features: within molecules, and to images between them."""
    random, alphas = np.random.default_rng(0), 14
    topology = mdtraj.Topology()
    for _ in range(2):
        chain = topology.add_chain()
        for number in range(alphas):
            residue = topology.add_residue("ALA", chain, resSeq=number + 1)
            topology.add_atom("CA", mdtraj.element.carbon, residue)
    strand = 0.38 * np.arange(alphas)[:, None] * [1.0, 0.0, 0.0]
    pair = np.concatenate([strand, strand + np.array([0.4, 5.5, 0.3])])
    xyz = (pair + random.normal(scale=0.03, size=(30, 2 * alphas, 3))) % 6.0
    cells = {"unitcell_lengths": np.full((30, 3), 6.0), "unitcell_angles": np.full((30, 3), 90.0)}
    mdtraj.Trajectory(xyz, topology, **cells).save_dcd(str(tmp_path / "a.dcd"))
    trajs = fel.load_trajectories(tmp_path / "a.dcd", topology, time_step=1.0)
    groups = "first=resid 0 to 12:second=resid 14 to 27"
    specs = ["ca_distances", "contacts:scheme=ca:min_separation=13", f"centre_distances:{groups}"]
    specs += [f"minimum_distances:by=group:{groups}", "minimum_distances:min_separation=12:first=chainid 0"]
    data = fel.featurize(trajs, specs, cache=False)
    text = export.plumed(fel.PCA(n_dims=1).fit(data), data, tmp_path / "run", bias="none").read_text()
    assert "WHOLEMOLECULES ENTITY0=1-14 ENTITY1=15-28" in text
    assert "f12: DISTANCE ATOMS=1,14 NOPBC" in text and "f13: DISTANCE ATOMS=1,15\n" in text
    assert data["features"][:, 12].min() > 4.5 and data["features"][:, 13].max() < 1.1
    for frame in (0, 17):
        values = interpret(text, xyz[frame], topology, box=6.0 * np.eye(3))
        found = [values[f"f{i}"] for i in range(data.sizes["feature"])]
        np.testing.assert_allclose(found, data["features"][frame], atol=1e-5)


@pytest.mark.parametrize("name", ["Eigenfunctions", "MultitaskCV", "TICA"])
def test_plumed_input_computes_the_cv(name, data, trajs, tmp_path):
    method = fitted(name, data)
    text = export.plumed(method, data, tmp_path / "run").read_text()
    assert "PYTORCH_MODEL" not in text and (tmp_path / "run" / "cv.pt2").is_file()
    assert "OPES_METAD ARG=cv.node-0" in text and " TEMP=300 " in text
    for frame in (0, 123, 399):
        structure = trajs.frames([frame])
        values = interpret(text, structure.xyz[0], structure.topology)
        found = [values[f"cv.node-{i}"] for i in range(method.n_dims)]
        np.testing.assert_allclose(found, method.transform(data)[frame], rtol=1e-4, atol=1e-4)


def test_networks_that_ann_does_not_know_go_as_torchscript(data, trajs, tmp_path):
    method = fitted("SRV", data)
    known = data.assign_attrs(temperature=450.0)
    text = export.plumed(method, known, tmp_path, bias="metadynamics").read_text()
    labels = [f"f{i}" for i in range(data.sizes["feature"])]
    assert f"cv: PYTORCH_MODEL FILE=cv.pt ARG={','.join(labels)}" in text
    structure = trajs.frames([7])
    values = interpret(text, structure.xyz[0], structure.topology)
    features = torch.tensor([[values[label] for label in labels]], dtype=torch.float32)
    np.testing.assert_allclose(features[0], data["features"][7], atol=2e-6)
    sigma = np.array(re.search(r"SIGMA=(\S+)", text)[1].split(","), float)
    np.testing.assert_allclose(sigma, 0.1 * method.transform(data).values.std(axis=0), rtol=1e-3)
    assert "TEMP=450" in text and "PRINT ARG=cv.node-0,cv.node-1,bias.bias" in text


def test_atoms_are_numbered_as_in_the_files(trajs, tmp_path):
    structure = trajs.frames([0])
    structure.save_pdb(str(tmp_path / "a.pdb"))
    part = fel.load_trajectories(trajs.files, tmp_path / "a.pdb", atoms="element != H")
    data = fel.featurize(part, "backbone_torsions", cache=False)
    text = export.plumed(fel.PCA(n_dims=1).fit(data), data, tmp_path, bias="none").read_text()
    values = interpret(text, structure.xyz[0], structure.topology)
    np.testing.assert_allclose([values[f"f{i}"] for i in range(4)], data["features"][0], atol=1e-5)
    assert "METAD" not in text


def test_contacts_between_alphas_have_plumeds_switching_function(tmp_path):
    names = ["contact A B"]
    record = '[{"name": "contacts", "options": {"scheme": "ca", "cutoff": null, "periodic": true}, '
    record += '"kind": "contact", "atoms": [[3, 9]], "n_features": 1}]'
    data = fel.as_dataset(np.random.default_rng(0).uniform(0, 1, (50, 1)), feature_names=names)
    data.attrs["featurizers"] = record
    text = export.plumed(fel.PCA(n_dims=1).fit(data), data, tmp_path).read_text()
    assert "d0: DISTANCE ATOMS=4,10" in text and "f0: CUSTOM ARG=d0 FUNC=1/(1+(x/0.8)^6)" in text


def test_what_can_not_be_exported_is_refused(data, tmp_path):
    assert set(METHODS) - set(DEPLOYABLE) == {"DivisiveIDM"}
    with pytest.raises(FelError, match="not one smooth function"):
        export.plumed(fitted("DivisiveIDM", data), data, tmp_path)
    method = fitted("SRV", data)
    with pytest.raises(FelError, match=r"engine='ann' for SRV.*pytorch"):
        export.plumed(method, data, tmp_path, engine="ann")
    with pytest.raises(FelError, match="bias='umbrella'"):
        export.plumed(method, data, tmp_path, bias="umbrella")
    with pytest.raises(FelError, match="fitted on"):
        export.plumed(method, data.isel(feature=[0, 1]), tmp_path)
    plain = fel.as_dataset(data["features"].values, feature_names=[str(n) for n in data["feature"].values])
    with pytest.raises(FelError, match="does not say which atoms"):
        export.plumed(method, plain, tmp_path)
    aligned = data.copy()
    aligned.attrs["featurizers"] = aligned.attrs["featurizers"].replace('"torsion"', '"coordinate"')
    with pytest.raises(FelError, match="Coordinates after a fit have no counterpart"):
        export.plumed(method, aligned, tmp_path)
