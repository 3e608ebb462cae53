"""What every registered method owes its users, whoever wrote it."""

import inspect
import json
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_methods import METHODS, SMALL, outputs, small, walks, walks_dataset

import fel_explorer as fel
from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods import MixtureDensityPropagator, block_mapping, model_file
from fel_explorer.methods.network_method import NetworkModel

ALL = pytest.mark.parametrize("name", sorted(METHODS))


@pytest.fixture(scope="module")
def data():
    return walks_dataset()


@pytest.fixture(scope="module")
def fitted(data):
    return {name: small(name).fit(data, device="cpu") for name in METHODS}


@ALL
def test_embeddings_have_the_datasets_frames_and_coordinates(name, data, fitted):
    embedding = fitted[name].transform(data)
    assert embedding.dims == ("frame", "cv") and embedding.dtype == np.float32
    assert embedding.shape == (232, fitted[name].n_dims)
    assert np.isfinite(embedding).all()
    for coordinate in schema.BOOKKEEPING:
        np.testing.assert_array_equal(embedding[coordinate], data[coordinate])


@ALL
def test_memberships_are_probabilities_and_states_their_largest(name, data, fitted):
    method = fitted[name]
    if not method.has_states:
        with pytest.raises(FelError, match="no predict_proba"):
            method.predict_proba(data)
        return
    memberships = method.predict_proba(data)
    assert memberships.dims == ("frame", "state") and memberships.dtype == np.float32
    assert (memberships >= 0).all()
    np.testing.assert_allclose(memberships.sum("state"), 1.0, atol=1e-5)
    np.testing.assert_array_equal(method.predict(data), memberships.values.argmax(axis=1))


@ALL
def test_modes_have_an_eigenvalue_for_each_axis(name, data, fitted):
    method = fitted[name]
    assert method.has_modes == hasattr(method, "eigenvalues_")
    if method.has_modes:
        assert len(method.eigenvalues_) == method.transform(data).sizes["cv"]
        assert method.has_timescales


@ALL
def test_time_scales_are_declared_and_slowest_first(name, fitted):
    method = fitted[name]
    assert method.has_timescales == bool({"implied_timescales_", "spectrum_"} & vars(method).keys())
    if not method.has_timescales:
        with pytest.raises(FelError, match="no time scales"):
            method.timescales()
        return
    times, unit, errors = method.timescales()
    times = times[np.isfinite(times)]
    assert (times >= 0).all() and (np.diff(times) <= 0).all() and unit in ("ps", "steps")
    assert (errors is not None) == ("eigenvalue_errors_" in vars(method))
    with pytest.raises(FelError, match="not fitted"):
        small(name).timescales()


@ALL
def test_a_tree_has_states_at_each_of_its_levels(name, data, fitted):
    method = fitted[name]
    if not method.has_tree:
        assert method.n_levels == 1
        with pytest.raises(FelError, match="no graph"):
            method.graph  # noqa: B018
        return
    assert len(method.lags) >= method.n_levels >= 1
    for level in range(method.n_levels):
        nodes = [node for node, at in method.graph.nodes(data="level") if at == level]
        assert method.predict_proba(data, level).sizes["state"] == len(nodes)
        assert method.transform(data, level).shape == (232, method.n_dims)


@ALL
def test_energies_are_predicted_where_they_are_declared(name, data, fitted):
    method = fitted[name]
    if not method.has_energies:
        with pytest.raises(FelError, match=r"predict_energy|predictor of energies"):
            method.predict_energy(data)
        return
    assert method.energy_column in data
    energy = method.predict_energy(data)
    assert energy.dims == ("frame",) and np.isfinite(energy).all()


@ALL
def test_dense_layers_compute_the_embedding(name, data, fitted):
    method = fitted[name]
    layers = method.dense_layers()
    assert (layers is None) == ("dense_layers" not in vars(METHODS[name]))
    if layers is None:
        return
    x = data["features"].values.astype(float)
    for weight, bias, activation in layers:
        x = x @ weight.T + bias
        x = {"Tanh": np.tanh, "Linear": np.array}[activation](x)
    np.testing.assert_allclose(x, method.transform(data), rtol=1e-3, atol=1e-4)


@ALL
def test_an_embedding_is_taken_where_it_is_declared(name, data, fitted):
    assert METHODS[name].takes_embedding == ("embedding" in inspect.signature(METHODS[name].fit).parameters)
    if not METHODS[name].takes_embedding:
        assert fitted[name].embedding_ is None
        return
    base = fitted["PCA"]
    method = small(name).fit(data, embedding=base, device="cpu")
    assert method.embedding_ is base
    np.testing.assert_array_equal(method.transform(data), base.transform(data))


@ALL
def test_lags_are_those_of_the_hyperparameters(name):
    method, names = small(name), METHODS[name].hyperparameter_names()
    assert method.needs_lag == ("lag_time" in names)
    assert isinstance(method.reversible, bool)
    expected = SMALL["lag_times"] if method.has_tree else [SMALL["lag_time"]] * method.needs_lag
    assert list(method.lags) == expected
    if method.needs_lag and METHODS[name].param["lag_time"].inclusive_bounds[0]:
        assert small(name, lag_time=0.0).lags == ()


@pytest.mark.parametrize("name", [name for name, cls in sorted(METHODS.items()) if cls.score_name])
def test_the_score_that_is_maximised_is_among_the_losses(name, data):
    reports = []
    small(name).fit(data, device="cpu", callback=lambda progress: reports.append(progress.losses))
    trained = [losses for losses in reports if losses]  # a search that comes before has none
    assert trained and all(METHODS[name].score_name in losses for losses in trained)


def test_a_generator_has_no_lag():
    assert fel.Eigenfunctions(operator="generator").lags == ()
    assert fel.Eigenfunctions(operator="transfer", lag_time=3.0).lags == (3.0,)


@ALL
def test_a_decoder_yields_features(name, data, fitted):
    method = fitted[name]
    points = method.transform(data)[:7]
    if not method.has_decoder:
        with pytest.raises(FelError, match="no inverse_transform"):
            method.inverse_transform(points)
        return
    decoded = method.inverse_transform(points)
    assert decoded.shape == (7, 4) and decoded.dtype == np.float32
    assert method.inverse_transform(points[0]).shape == (1, 4)


@ALL
def test_the_same_seed_gives_the_same_result(name, data, fitted):
    again = small(name).fit(data, device="cpu")
    for first, second in zip(outputs(fitted[name], data), outputs(again, data), strict=True):
        np.testing.assert_array_equal(first, second)


@ALL
def test_a_saved_method_comes_back_equal(name, data, fitted, tmp_path):
    method = fitted[name]
    method.save(tmp_path / "model.fel")
    loaded = fel.load_model(tmp_path / "model.fel")
    assert type(loaded) is METHODS[name]
    assert loaded.hyperparameters() == method.hyperparameters()
    assert loaded.feature_names_ == method.feature_names_ and loaded.time_unit_ == "ps"
    assert loaded.history.identical(method.history)
    for first, second in zip(outputs(method, data), outputs(loaded, data), strict=True):
        np.testing.assert_array_equal(first, second)
    public = {key for key in vars(method) if key.endswith("_") and not key.startswith("_")}
    for key in public:
        np.testing.assert_array_equal(getattr(loaded, key), getattr(method, key))
    if method.has_decoder:
        points = method.transform(data)[:5]
        np.testing.assert_array_equal(method.inverse_transform(points), loaded.inverse_transform(points))
    loaded.save(tmp_path / "again.fel")
    assert (tmp_path / "again.fel").read_bytes() == (tmp_path / "model.fel").read_bytes()


@ALL
def test_hyperparameters_are_json_and_explained(name):
    method = small(name)
    values = json.loads(json.dumps(method.hyperparameters()))
    assert METHODS[name](**values).hyperparameters() == method.hyperparameters()
    assert METHODS[name].__doc__
    for parameter in method.hyperparameter_names():
        described = METHODS[name].param[parameter]
        assert described.doc and described.doc.endswith("."), parameter
        assert described.label and described.precedence, parameter


@ALL
def test_arrays_and_lists_of_arrays_are_taken(name, data):
    if METHODS[name].needs_columns:
        with pytest.raises(FelError, match="no column"):
            small(name).fit(walks(), device="cpu")
        return
    method = small(name).fit(walks(), device="cpu")
    assert method.transform(walks()[0]).shape == (150, method.n_dims)
    assert method.feature_names_ == ["x0", "x1", "x2", "x3"]


@ALL
def test_many_blocks_map_like_one(name, data, fitted, monkeypatch):
    whole = outputs(fitted[name], data)
    monkeypatch.setattr(block_mapping, "BLOCK", 50)
    for first, second in zip(whole, outputs(fitted[name], data), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-5)


@ALL
def test_the_live_embedding_can_be_asked_for_during_the_fit(name, data):
    method, seen = small(name), []

    def callback(progress):
        seen.append(outputs(method, data))

    method.fit(data, device="cpu", callback=callback)
    for values in seen:
        assert values[0].shape == (232, method.n_dims)
    if "n_steps" in method.hyperparameter_names():
        assert seen


@ALL
def test_a_cancelled_fit_keeps_what_it_has(name, data, fitted):
    """Methods with steps end at the next one; the others, too quick to be stopped, are fitted as without."""
    steps = "n_steps" in METHODS[name].hyperparameter_names()
    method, reports = small(name, **({"n_steps": 100_000} if steps else {})), []
    method.fit(data, device="cpu", callback=lambda progress: reports.append(progress) or True)
    assert np.isfinite(method.transform(data)).all()
    if steps:
        assert 0 < len(reports) < 100
    else:
        for cancelled, whole in zip(outputs(method, data), outputs(fitted[name], data), strict=True):
            np.testing.assert_array_equal(cancelled, whole)


@ALL
def test_threads_may_transform_at_the_same_time(name, data, fitted):
    expected, results = fitted[name].transform(data).values, []
    workers = [
        threading.Thread(target=lambda: results.append(fitted[name].transform(data).values)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4 and all(np.array_equal(result, expected) for result in results)


@ALL
def test_features_that_do_not_match_are_refused(name, fitted):
    with pytest.raises(FelError, match="fitted on 4"):
        fitted[name].transform(np.zeros((5, 3)))


@ALL
def test_an_unfitted_method_says_so(name, data):
    with pytest.raises(FelError, match="not fitted"):
        small(name).transform(data)


@ALL
@pytest.mark.parametrize(
    "bad",
    [{"n_dims": 0}, {"n_dims": "two"}, {"seed": -1}, {"colour": "red"}],
    ids=lambda bad: next(iter(bad)),
)
def test_bad_hyperparameters_are_refused(name, bad):
    with pytest.raises(FelError, match=next(iter(bad))):
        METHODS[name](**bad)


@ALL
@pytest.mark.parametrize("bad_lag", [1e6, 0.5, 2.5])
def test_lags_that_do_not_fit_are_refused(name, data, bad_lag):
    if not METHODS[name].needs_lag:
        assert "lag_time" not in METHODS[name].hyperparameter_names()
        return
    with pytest.raises(FelError, match="lag_time"):
        small(name, lag_time=bad_lag).fit(data, device="cpu")


@ALL
def test_values_that_are_not_finite_are_refused(name, data):
    broken = walks()
    broken[1][3, 2] = np.nan
    with pytest.raises(FelError, match="'x2' is nan at frame 153"):
        small(name).fit(broken, device="cpu")
    values = data["features"].values.copy()
    values[153, 2] = np.nan  # the first frame of a chunk
    stored = data.assign(features=data["features"].copy(data=values).chunk({"frame": 51}))
    with pytest.raises(FelError, match="'d A B' is nan at frame 153"):
        small(name).fit(stored, device="cpu")


@ALL
def test_stored_data_give_the_same_as_those_in_memory(name, data, fitted):
    stored = data.assign(features=data["features"].chunk({"frame": 33}))
    for ours, theirs in zip(outputs(fitted[name], stored), outputs(fitted[name], data), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    if not issubclass(METHODS[name], NetworkModel):  # whose training amplifies rounding
        refitted = small(name).fit(stored, device="cpu")
        np.testing.assert_allclose(
            refitted.transform(data), fitted[name].transform(data), rtol=1e-4, atol=1e-4
        )


@ALL
def test_results_go_to_a_store_and_are_read_from_there(name, data, fitted, tmp_path):
    method, verbs = fitted[name], ["transform"]
    if method.has_states:
        verbs.append("predict_proba")
    for verb in verbs:
        expected = getattr(method, verb)(data)
        written = getattr(method, verb)(data, out=tmp_path / f"{verb}.zarr")
        assert written.dims == expected.dims and written.chunks is not None
        np.testing.assert_array_equal(written, expected)
        for coordinate in schema.BOOKKEEPING:
            np.testing.assert_array_equal(written[coordinate], data[coordinate])
        with pytest.raises(FelError, match="exists already"):
            getattr(method, verb)(data, out=tmp_path / f"{verb}.zarr")
    again = fel.open_dataset(tmp_path / "transform.zarr")
    assert fel.PCA(n_dims=1).fit(again).transform(again).shape == (232, 1)


@ALL
def test_frame_weights_are_used_or_a_warning_says_not(name, data):
    weights = np.random.default_rng(0).exponential(size=data.sizes["frame"])
    weighted = data.assign(weight=("frame", weights))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        method = small(name).fit(weighted, device="cpu")
    said = any("does not use the frame weights" in str(w.message) for w in caught)
    unweighted = small(name).fit(data, device="cpu")
    changed = not np.allclose(method.transform(data), unweighted.transform(data))
    assert changed != said


@ALL
def test_an_unknown_device_is_refused(name, data):
    with pytest.raises(FelError, match="device"):
        small(name).fit(data, device="abacus")


# ---- model files


@pytest.fixture
def file(fitted, tmp_path):
    fitted["PCA"].save(tmp_path / "model.fel")
    return tmp_path / "model.fel"


def with_header(path, **changes):
    header, arrays = model_file._read(path)
    header = {"format": "fel_explorer", **header, **changes}
    save_file(
        arrays, str(path), metadata={"fel": json.dumps({k: v for k, v in header.items() if v != "gone"})}
    )


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(FelError, match="No file"):
        fel.load_model(tmp_path / "none.fel")


@pytest.mark.parametrize("keep", [0, 5, 100, -10])
def test_a_truncated_file_is_refused(file, keep):
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(FelError, match="not a model file"):
        fel.load_model(file)


def test_safetensors_of_others_are_refused(file):
    save_file({"weight": torch.ones(3)}, str(file))
    with pytest.raises(FelError, match="not a model file"):
        fel.load_model(file)
    save_file({"weight": torch.ones(3)}, str(file), metadata={"fel": '{"format": "other"}'})
    with pytest.raises(FelError, match="not a model file"):
        fel.load_model(file)


def test_a_pickle_is_refused_and_not_run(file, tmp_path):
    class Trap:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    file.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(FelError, match="not a model file"):
        fel.load_model(file)
    assert not (tmp_path / "ran").exists()


def test_a_newer_format_asks_to_update(file):
    with_header(file, format_version=model_file.FORMAT_VERSION + 1)
    with pytest.raises(FelError, match="Update fel_explorer"):
        fel.load_model(file)


@pytest.mark.parametrize("key", ["method", "hyperparameters", "feature_names", "format_version"])
@pytest.mark.parametrize("value", ["gone", None, 1.5])
def test_a_header_with_a_fault_is_refused(file, key, value):
    with_header(file, **{key: value})
    with pytest.raises(FelError, match="not a model file"):
        fel.load_model(file)


def test_hyperparameters_out_of_bounds_in_a_file_are_refused(file):
    with_header(file, hyperparameters={"n_dims": -3})
    with pytest.raises(FelError, match="n_dims"):
        fel.load_model(file)


def test_a_method_that_is_not_known_is_named(file):
    with_header(file, method="FluxCapacitor")
    with pytest.raises(FelError, match="FluxCapacitor"):
        fel.load_model(file)


@ALL
def test_a_file_without_one_of_its_arrays_is_refused(name, fitted, tmp_path):
    fitted[name].save(tmp_path / "model.fel")
    header, arrays = model_file._read(tmp_path / "model.fel")
    header["format"] = "fel_explorer"
    for missing in [key for key in arrays if not key.startswith("history/")][:3]:
        rest = {key: array for key, array in arrays.items() if key != missing}
        save_file(rest, str(tmp_path / "broken.fel"), metadata={"fel": json.dumps(header)})
        with pytest.raises(FelError, match="damaged"):
            fel.load_model(tmp_path / "broken.fel")


@pytest.mark.parametrize("fault", ["no step", "other length", "other shape", "parts"])
def test_a_file_with_a_misshapen_part_is_refused(fault, fitted, tmp_path):
    fitted["IDM"].save(tmp_path / "model.fel")
    header, arrays = model_file._read(tmp_path / "model.fel")
    if fault == "no step":
        del arrays["history/step"]
    elif fault == "other length":
        arrays["history/step"] = torch.arange(3)
    elif fault == "other shape":
        arrays["network.encoder.0.weight"] = torch.ones(3)
    else:
        header["parts"] = ["decoder"]
    save_file(arrays, str(tmp_path / "broken.fel"), metadata={"fel": json.dumps(header)})
    with pytest.raises(FelError, match=r"damaged|parts is list"):
        fel.load_model(tmp_path / "broken.fel")


# ---- the registry

ONE_FILE = """
import sys
import fel_explorer.methods
fel_explorer.methods.__path__.append(sys.argv[1])
import fel_explorer as fel
import numpy as np
x = np.array([[1.0, 2.0], [3.0, 6.0]])
assert "Mean" in fel.list_methods()
assert fel.methods.Mean(n_dims=1).fit(x).transform(x[:1]).values.item() == 1.5
"""

MEAN = '''
import param
from fel_explorer.methods.base import Method
from fel_explorer.methods.registry import register

@register
class Mean(Method):
    """The mean of the features."""

    n_dims = param.Integer(1, bounds=(1, 1), precedence=1, label="Dimensions", doc="Always 1.")

    def _fit(self, dataset, *, device, callback, checkpoint_dir):
        return

    def _transform(self, features):
        return features.mean(dim=1, keepdim=True)
'''


def test_a_method_is_one_file(tmp_path):
    (tmp_path / "mean.py").write_text(MEAN)
    subprocess.run([sys.executable, "-c", ONE_FILE, str(tmp_path)], check=True)


def test_methods_are_attributes_of_the_package():
    for name, cls in METHODS.items():
        assert getattr(fel, name) is cls and getattr(fel.methods, name) is cls
    assert {*METHODS, "LatentSpaceSimulator", "featurize"} <= set(dir(fel))
    for package in (fel, fel.methods):
        with pytest.raises(AttributeError, match=r"NoSuchMethod.*TICA"):
            package.NoSuchMethod  # noqa: B018


def test_a_star_import_brings_every_method():
    names = {}
    exec("from fel_explorer import *", names)
    assert METHODS.items() <= names.items()


@ALL
def test_a_simulator_moves_in_every_embedding(name, data, fitted):
    propagator = MixtureDensityPropagator(lag_time=2.0, n_steps=2, hidden=[4])
    simulator = fel.LatentSpaceSimulator(fitted[name], propagator, lag_time=2.0).fit(data, device="cpu")
    simulated = simulator.simulate(4, 3, device="cpu")
    assert simulator.encoder is fitted[name]
    assert simulated["features"].shape == (12, fitted[name].n_dims)
    z = fitted[name].transform(data).values
    assert (simulated["features"].values <= z.max(axis=0) + 1e-5).all()
