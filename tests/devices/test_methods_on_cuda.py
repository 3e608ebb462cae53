"""Every registered method on a simulated CUDA device: what it does, its files, and what is made from it."""

import numpy as np
import pytest
import torch
from small_methods import METHODS, outputs, small, walks_dataset

import fel_explorer as fel
from fel_explorer.devices import available_devices, resolve_device
from fel_explorer.errors import FelError
from fel_explorer.methods.base import Method
from fel_explorer.training import checkpoint

ALL = pytest.mark.parametrize("name", sorted(METHODS))
STEPPED = [name for name in sorted(METHODS) if "n_steps" in METHODS[name].hyperparameter_names()]
RESTARTED = ["DivisiveIDM", "MultitaskCV"]  # their history is that of the best of several trainings
SMOOTH = [name for name in sorted(METHODS) if METHODS[name]._transform is not Method._transform]


@ALL
def test_every_verb_works_and_gives_finite_values(name, cuda, data, on_cuda):
    method = on_cuda[name]
    for values in outputs(method, data):
        assert np.isfinite(values).all() and len(values) == 232
    if method.has_decoder:
        assert np.isfinite(method.inverse_transform(method.transform(data)[:5])).all()
    if method.has_energies:
        assert np.isfinite(method.predict_energy(data)).all()
    if method.has_tree:
        for level in range(method.n_levels):
            method.predict_proba(data, level)
    if method.has_timescales:
        method.timescales()
    method.dense_layers()


@ALL
def test_numbers_of_methods_without_random_numbers_of_the_device_are_those_of_the_cpu(
    name, cuda, data, on_cuda, on_cpu
):
    """Simulated generators draw what those of the CPU draw, so that all numbers agree but for rounding."""
    for first, second in zip(outputs(on_cuda[name], data), outputs(on_cpu[name], data), strict=True):
        if first.dtype.kind == "f":
            np.testing.assert_allclose(first, second, rtol=0.02, atol=0.02)


@ALL
def test_a_file_written_on_cuda_opens_without_it(name, data, on_cuda, cuda, tmp_path):
    on_cuda[name].save(tmp_path / "model.fel")
    expected = outputs(on_cuda[name], data)
    loaded = fel.load_model(tmp_path / "model.fel")
    for tensor in loaded._get_arrays().values():
        assert tensor.device.type == "cpu"
    for first, second in zip(expected, outputs(loaded, data), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize("name", STEPPED)
@pytest.mark.parametrize("way", [("cuda", "cpu"), ("cpu", "cuda"), ("cuda", "cuda")], ids="-".join)
def test_a_stopped_fit_resumes_on_either_device(name, way, cuda, data, tmp_path):
    first, second = way
    stopped = small(name).fit(data, device=first, callback=lambda progress: True, checkpoint_dir=tmp_path)
    assert list(tmp_path.rglob(checkpoint.FILE))
    resumed = small(name).fit(data, device=second, checkpoint_dir=tmp_path)
    if name not in RESTARTED:
        done, column = stopped.history.sizes["step"], next(iter(stopped.history))
        assert resumed.history.sizes["step"] > done
        np.testing.assert_allclose(resumed.history[column][:done], stopped.history[column], rtol=1e-5)
    for values in outputs(resumed, data):
        assert np.isfinite(values).all()


@ALL
def test_cross_validation(name, cuda):
    data = walks_dataset(lengths=(300, 300))
    table = fel.methods.cross_validate(small(name), data, n_folds=2, device="cuda", lag_time=2.0)
    assert np.isfinite(table["score"]).any()


@ALL
def test_sensitivity_is_that_on_the_cpu(name, cuda, data, on_cuda, tmp_path):
    on_cuda[name].save(tmp_path / "model.fel")
    loaded = fel.load_model(tmp_path / "model.fel")
    try:
        expected = fel.methods.sensitivity(loaded, data)
    except FelError:
        with pytest.raises(FelError, match="no derivatives"):
            fel.methods.sensitivity(on_cuda[name], data)
        return
    found = fel.methods.sensitivity(on_cuda[name], data)
    np.testing.assert_allclose(found["strength"], expected["strength"], rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*torch.jit.load.* is deprecated:DeprecationWarning")
@pytest.mark.parametrize("name", SMOOTH)
def test_exported_files_run_on_the_cpu(name, cuda, data, on_cuda, tmp_path):
    expected = on_cuda[name].transform(data).values[:1]
    features = torch.from_numpy(data["features"].values[:1].astype(np.float32))
    fel.export.save_torchscript(on_cuda[name], tmp_path / "cv.pt")
    found = torch.jit.load(tmp_path / "cv.pt")(features)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
    graph = fel.export.torch_files.graph_of(on_cuda[name])
    assert "cuda" not in graph.code
    np.testing.assert_allclose(graph(features).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_an_archive_of_a_network_trained_on_cuda_runs_on_the_cpu(cuda, data, on_cuda, tmp_path):
    fel.export.save_archive(on_cuda["VAMPNet"], tmp_path / "cv.pt2")
    assert (tmp_path / "cv.pt2").stat().st_size


@ALL
def test_a_path_through_the_embedding(name, cuda, data, on_cuda):
    z = on_cuda[name].transform(data).values
    found = fel.structures.path(on_cuda[name], data, [z[0], z[100]], "nearest frames")
    assert len(found.frames)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["PCA", "VAMPNet"])
def test_umbrella_sampling_of_a_model_system(name, device, cuda):
    well = fel.systems.DoubleWell(kT=4.0)
    hot = well.simulate(200, 5, dynamics="langevin", stride=20, device="cuda")
    method = small(name, n_dims=1) if name == "PCA" else small(name)
    method.fit(hot, device="cuda")
    sampled = fel.sampling.umbrella(
        method,
        fel.systems.DoubleWell(kT=1.0),
        hot,
        n_windows=4,
        n_walkers=2,
        n_steps=40,
        stride=10,
        fill_gaps=0,
        device=device,
    )
    assert np.isfinite(sampled["features"]).all()


def test_training_and_first_look_take_cuda_when_it_is_there(cuda, data):
    assert resolve_device("auto").type == "cuda"
    assert available_devices() == ["auto", "cpu", "cuda:0"]
    method = small("VAMPNet").fit(data)
    assert next(method._network.parameters()).device.type == "cuda"


@pytest.mark.parametrize("device", ["mps", "cuda:1", "xpu", "meta"])
def test_a_device_that_does_not_serve_is_refused(cuda, device):
    with pytest.raises(FelError, match="device"):
        resolve_device(device)


def test_without_cuda_the_only_choice_is_the_cpu():
    assert available_devices() == ["auto", "cpu"] or torch.cuda.is_available()
    assert resolve_device("cpu").type == "cpu"
