"""A damaged model file gives one clear error or loads; nothing large is built before its sizes are judged."""

import json
import random
import time

import numpy as np
import pytest
import torch
from damage import damage, places
from safetensors import safe_open
from safetensors.torch import save_file

import fel_explorer as fel

WRONG = [None, "x", -1, 10**9, 1e308, float("nan"), [], {}, [10**9], True, "GONE"]
METHODS = {
    "PCA": lambda: fel.PCA(n_dims=2),
    "SRV": lambda: fel.SRV(n_dims=2, lag_time=2.0, n_steps=2, hidden=[4], seed=0),
    "VAMPNet": lambda: fel.VAMPNet(n_states=3, lag_time=2.0, n_steps=2, hidden=[4], seed=0),
}


@pytest.fixture(scope="module", params=METHODS)
def file(request, tmp_path_factory):
    x = np.random.default_rng(0).normal(size=(120, 3)).astype("f4")
    path = tmp_path_factory.mktemp("models") / "good.fel"
    METHODS[request.param]().fit(fel.as_dataset(x), device="cpu").save(path)
    return path


def unpacked(path):
    with safe_open(str(path), framework="pt") as stored:
        header = json.loads(stored.metadata()["fel"])
        del header["crc32"]  # as in files of earlier versions, or all that follows were the same fault
        return header, {name: stored.get_tensor(name) for name in stored.keys()}


def loads_or_says(path):
    started = time.process_time()
    try:
        fel.load_model(path)
        loaded = True
    except fel.FelError as error:
        assert len(str(error)) < 1_000
        loaded = False
    assert time.process_time() - started < 3
    return loaded


def test_each_field_of_the_header_may_be_wrong(file, tmp_path):
    header, arrays = unpacked(file)
    cases = [(place, wrong) for place in places(header) for wrong in WRONG]
    outcomes = []
    for place, wrong in random.Random(0).sample(cases, min(120, len(cases))):
        save_file(arrays, tmp_path / "bad.fel", metadata={"fel": json.dumps(damage(header, place, wrong))})
        outcomes.append(loads_or_says(tmp_path / "bad.fel"))
    assert outcomes.count(False) > 20


@pytest.mark.parametrize("text", ["", "null", "[]", "3", "[" * 100_000, '{"format": "fel_explorer"}', "{"])
def test_a_header_that_is_none_is_refused(file, tmp_path, text):
    save_file(unpacked(file)[1], tmp_path / "bad.fel", metadata={"fel": text})
    assert not loads_or_says(tmp_path / "bad.fel")


def test_arrays_that_are_missing_or_of_other_shapes_are_refused(file, tmp_path):
    header, arrays = unpacked(file)
    for name in [name for name in arrays if not name.startswith("history/")]:
        for other in (None, torch.zeros(0), torch.zeros(2, 2, 2, dtype=torch.uint8)):
            damaged = {n: t for n, t in arrays.items() if n != name}
            if other is not None:
                damaged[name] = other
            save_file(damaged, tmp_path / "bad.fel", metadata={"fel": json.dumps(header)})
            loads_or_says(tmp_path / "bad.fel")


def test_weights_that_are_not_numbers_are_refused(file, tmp_path):
    header, arrays = unpacked(file)
    weights = [name for name in arrays if name.endswith((".weight", ".bias"))]
    for name in weights:
        damaged = {n: t.clone() for n, t in arrays.items()}
        damaged[name].view(-1)[0] = torch.nan
        save_file(damaged, tmp_path / "bad.fel", metadata={"fel": json.dumps(header)})
        with pytest.raises(fel.FelError, match="not finite"):
            fel.load_model(tmp_path / "bad.fel")


def test_bits_that_flipped_in_the_file_are_said_or_harmless(file, tmp_path):
    good, chance = file.read_bytes(), random.Random(1)
    for _ in range(60):
        bad = bytearray(good)
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        (tmp_path / "bad.fel").write_bytes(bad)
        loads_or_says(tmp_path / "bad.fel")
    for length in (0, 7, 8, 9, len(good) // 2, len(good) - 1):
        (tmp_path / "bad.fel").write_bytes(good[:length])
        assert not loads_or_says(tmp_path / "bad.fel")
