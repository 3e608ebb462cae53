"""Folders are exchanged in one step: no kill and no full disk loses what was there."""

import errno
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.data import atomic_folders
from fel_explorer.data.atomic_folders import exchange, recover, whole_file, whole_or_nothing

# kills the process just before or after the n-th step of those that move folders
SAVE = """
import os, signal, sys
from pathlib import Path
import numpy as np
import fel_explorer as fel
from fel_explorer.data import atomic_folders

where, nth, when, exchanges = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4] == "1"
count = 0

def killing(function):
    def step(*arguments):
        global count
        count += 1
        if count == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments)
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return step

if exchanges:
    atomic_folders._renameat2 = killing(atomic_folders._renameat2)
else:
    atomic_folders._renameat2 = lambda *_: False
    Path.rename = killing(Path.rename)
fel.save_dataset(fel.as_dataset(np.arange(40.0).reshape(20, 2) ** 2), where, overwrite=True)
"""


def data(power):
    return fel.as_dataset(np.arange(40.0).reshape(20, 2) ** power)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("nth", "exchanges"), [(1, True), (1, False), (2, False), (3, False)])
def test_a_kill_next_to_a_rename_loses_nothing(tmp_path, nth, when, exchanges):
    path = fel.save_dataset(data(1), tmp_path / "mine.zarr")
    arguments = [str(path), str(nth), when, str(int(exchanges))]
    done = subprocess.run([sys.executable, "-c", SAVE, *arguments], cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    found = fel.open_dataset(path)["features"].values
    assert any(np.array_equal(found, data(power)["features"].values) for power in (1, 2))
    fel.save_dataset(data(3), path, overwrite=True)  # which also cleans up
    assert [p.name for p in tmp_path.iterdir()] == ["mine.zarr"]
    assert np.array_equal(fel.open_dataset(path)["features"].values, data(3)["features"].values)


def test_two_folders_are_exchanged(tmp_path, monkeypatch):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchange(tmp_path / "one", tmp_path / "other")
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["other"]
    monkeypatch.setattr(atomic_folders, "_renameat2", lambda *_: False)
    exchange(tmp_path / "one", tmp_path / "other")
    assert [p.name for p in (tmp_path / "one").iterdir()] == ["one"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "other"]


def test_what_a_living_process_writes_is_left_alone(tmp_path):
    target = tmp_path / "mine"
    with whole_or_nothing(target) as first:
        first.mkdir()
        with whole_or_nothing(target) as second:
            second.mkdir()
            assert first.exists()
    assert target.is_dir() and [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_recover_takes_nothing_from_a_path_that_exists(tmp_path):
    (tmp_path / "mine").mkdir()
    aside = tmp_path / f".mine.{atomic_folders._owner()}.replaced"
    aside.mkdir()
    assert recover(tmp_path / "mine").exists() and aside.exists()


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EIO, "kept")]
)
def test_a_dataset_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, code, words):
    path = fel.save_dataset(data(1), tmp_path / "mine.zarr")

    def fails(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fel_explorer.data.store.to_store", fails)
    with pytest.raises(fel.FelError, match=words):
        fel.save_dataset(data(2), path, overwrite=True)
    assert np.array_equal(fel.open_dataset(path)["features"].values, data(1)["features"].values)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.zarr"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, code):
    path = tmp_path / "model.fel"
    path.write_text("old")
    for error in (OSError(code, os.strerror(code)), RuntimeError(f"I/O: {os.strerror(errno.ENOSPC)}")):
        with pytest.raises(fel.FelError, match="disk is full"), whole_file(path) as partial:
            partial.write_text("ne")
            raise error
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["model.fel"]


SAVE_FILE = """
import os, signal, sys
import fel_explorer as fel

model, where, when = fel.load_model(sys.argv[1]), sys.argv[2], sys.argv[3]
replace = os.replace

def killing(*arguments):
    if when == "after":
        replace(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

os.replace = killing
model.save(where)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_next_to_the_rename_of_a_model_leaves_a_whole_one(tmp_path, when):
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(60, 3)))
    old = fel.PCA(n_dims=1).fit(data)
    new = fel.PCA(n_dims=2).fit(data)
    old.save(tmp_path / "mine.fel")
    new.save(tmp_path / "new.fel")
    arguments = [str(tmp_path / "new.fel"), str(tmp_path / "mine.fel"), when]
    done = subprocess.run([sys.executable, "-c", SAVE_FILE, *arguments])
    assert done.returncode == -signal.SIGKILL
    assert fel.load_model(tmp_path / "mine.fel").n_dims == (1 if when == "before" else 2)
    old.save(tmp_path / "mine.fel")  # which also cleans up
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.fel", "new.fel"]


def test_a_link_and_a_device_stay_what_they_are(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_file(tmp_path / "link") as partial:
        partial.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_text() == "new"
    with whole_file("/dev/null") as partial:
        partial.write_text("gone")
    assert not os.path.isfile("/dev/null")
