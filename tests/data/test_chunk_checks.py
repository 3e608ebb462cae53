"""Chunks of stored datasets: checksums, lost chunks, claimed sizes, and codecs that would run code."""

import json
import os
import pickle
import resource
import time
from pathlib import Path

import google_crc32c
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr

import fel_explorer as fel
from fel_explorer.data import store
from fel_explorer.data.chunk_checks import zstd_content_size
from fel_explorer.errors import FelError

VARIABLES = ("features", "feature", "time", "trajectory", "frame_in_trajectory", "weight", "energy")


@pytest.fixture
def path(tmp_path):
    rng = np.random.default_rng(0)
    data = fel.as_dataset([rng.normal(size=(n, 3)) for n in (50, 30)], weights=[np.ones(50), np.ones(30)])
    data["energy"] = ("frame", rng.normal(size=80))
    return fel.save_dataset(data, tmp_path / "a.zarr")


def chunk(path, name):
    return next(file for file in sorted((path / name / "c").rglob("*")) if file.is_file())


@pytest.mark.parametrize("name", VARIABLES)
def test_any_flipped_bit_of_a_chunk_is_an_error_that_names_the_array(path, name):
    file = chunk(path, name)
    good = file.read_bytes()
    for bit in np.random.default_rng(1).choice(8 * len(good), 12, replace=False):
        content = bytearray(good)
        content[bit // 8] ^= 1 << bit % 8
        file.write_bytes(content)
        with pytest.raises(FelError, match=f"'{name}'"):
            fel.open_dataset(path)
    file.write_bytes(good)
    fel.open_dataset(path)


def test_features_that_are_read_later_are_checked_then(path):
    data = fel.open_dataset(path, check_values=False)
    content = bytearray(chunk(path, "features").read_bytes())
    content[100] ^= 1
    chunk(path, "features").write_bytes(content)
    with pytest.raises(FelError, match=r"a block of 'features' is not as it was written"):
        data["features"].load()


@pytest.mark.parametrize("name", VARIABLES)
def test_a_lost_chunk_is_refused(path, name):
    chunk(path, name).unlink()
    with pytest.raises(FelError, match=f"1 of 1 blocks of '{name}' are missing"):
        fel.open_dataset(path)


def without_checksums(path, monkeypatch):
    """The dataset as earlier versions wrote it."""
    data = fel.open_dataset(path).load()
    for name in ("CODECS", "TEXT_CODECS"):
        monkeypatch.setattr(store, name, getattr(store, name)[:1])
    old = fel.save_dataset(data, path.with_name("old.zarr"))
    assert "crc32c" not in (old / "time" / "zarr.json").read_text()
    return old, data


def test_stores_without_checksums_open_and_a_lost_time_is_refused(path, monkeypatch):
    old, data = without_checksums(path, monkeypatch)
    xr.testing.assert_identical(fel.open_dataset(old).compute(), data)
    chunk(old, "time").unlink()
    with pytest.raises(FelError, match="'time' is not finite"):
        fel.open_dataset(old)


def test_columns_get_checksums_too(path):
    data = fel.open_dataset(path)
    fel.data.write_columns(data.assign(q=data["energy"] * 2), path)
    content = bytearray(chunk(path, "q").read_bytes())
    content[-10] ^= 1
    chunk(path, "q").write_bytes(content)
    with pytest.raises(FelError, match="a block of 'q'"):
        fel.open_dataset(path)


@pytest.fixture
def little_memory():
    """No more than 1 GB on top of what the process has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 10**9, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def claim(path, name, shape, chunk_shape=None):
    about = json.loads((path / name / "zarr.json").read_text())
    about["shape"], about["chunk_grid"]["configuration"]["chunk_shape"] = shape, chunk_shape or shape
    (path / name / "zarr.json").write_text(json.dumps(about))


def test_sizes_are_judged_before_memory_is_taken(path, little_memory):
    started = time.process_time()
    bomb = numcodecs.Blosc(cname="lz4").encode(bytes(2 * 10**8))
    bomb += google_crc32c.value(bomb).to_bytes(4, "little")
    good = chunk(path, "time").read_bytes(), (path / "time" / "zarr.json").read_bytes()
    for shape, content in (([80], bomb), ([25_000_000], bomb), ([10**12], good[0]), ([2 * 10**9], good[0])):
        claim(path, "time", shape)
        chunk(path, "time").write_bytes(content)
        with pytest.raises(FelError, match="'time'"):
            fel.open_dataset(path)
    chunk(path, "time").write_bytes(good[0])
    for shape, chunk_shape in (
        ([10**12], [1]),
        ([10**12], [0]),
        ([-1], [-1]),
        (["x"], [1]),
        ([80, 80], [80]),
    ):
        claim(path, "time", shape, chunk_shape)
        with pytest.raises(FelError, match="'time'"):
            fel.open_dataset(path)
    assert time.process_time() - started < 5


@pytest.mark.parametrize("size", [0, 255, 256, 65_791, 65_792, 10**6, 2**32 + 5])
def test_the_size_of_a_zstd_frame_is_read_from_its_head(size):
    if size < 10**7:
        assert zstd_content_size(numcodecs.Zstd().encode(bytes(size))[:18]) == size or size == 0
    head = b"\x28\xb5\x2f\xfd" + bytes([0b11100000]) + size.to_bytes(8, "little")
    assert zstd_content_size(head) == size


class Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_no_codec_runs_code(path, tmp_path):
    """Version 2 of zarr knows a codec that unpickles."""
    harm = str(tmp_path / "harm")
    for form in (2, 3):
        hostile = tmp_path / f"hostile{form}.zarr"
        group = zarr.open_group(hostile, mode="w", zarr_format=form)
        group.create_array("time", shape=(4,), dtype="f8", chunks=(4,))[:] = 1.0
        if form == 2:
            about = json.loads((hostile / "time" / ".zarray").read_text()) | {"compressor": {"id": "pickle"}}
            (hostile / "time" / ".zarray").write_text(json.dumps(about))
            (hostile / "time" / "0").write_bytes(pickle.dumps(Harm(harm)))
        else:
            about = json.loads((hostile / "time" / "zarr.json").read_text())
            about["codecs"] = [{"name": "bytes", "configuration": {"endian": "little"}}]
            about["codecs"].append({"name": "numcodecs.pickle", "configuration": {}})
            (hostile / "time" / "zarr.json").write_text(json.dumps(about))
            chunk(hostile, "time").write_bytes(pickle.dumps(Harm(harm)))
        with pytest.raises(FelError, match="can't be opened as a dataset"):
            fel.open_dataset(hostile)
        assert not os.path.exists(harm)


def test_what_is_not_a_file_is_refused(path):
    chunk(path, "energy").unlink()
    os.mkfifo(path / "energy" / "c" / "0")
    with pytest.raises(FelError, match="is not a file"):
        fel.open_dataset(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0, "abc", True, None, [1.0]])
def test_a_time_step_that_is_not_positive_is_refused(path, value):
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"]["time_step"] = value
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(FelError, match="time_step="):
        fel.open_dataset(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("files", "x"),
        ("files", '["a"]'),
        ("files", '[{"path": 3}]'),
        ("files", [1]),
        ("files", "[" * 10**5),
        ("atoms", '"x"'),
        ("atoms", "[-1]"),
        ("topology_files", "3"),
        ("selection", "{}"),
        ("stride", 0),
        ("stride", "x"),
        ("topology", 3),
    ],
)
def test_how_a_dataset_was_made_is_checked(path, name, value):
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"][name] = value
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(FelError, match=f"'{name}' is not valid"):
        fel.open_dataset(path)
