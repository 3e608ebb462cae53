"""The cache forgets what was used longest ago."""

import os

import pytest

from fel_explorer.data.cache import mark_used, prune


@pytest.fixture
def entries(tmp_path):
    """Four entries of 1000 bytes, "0" the oldest."""
    for number in range(4):
        folder = tmp_path / str(number)
        (folder / "chunks").mkdir(parents=True)
        (folder / "chunks" / "a").write_bytes(bytes(1000))
        os.utime(folder, (number, number))
    return tmp_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_go_until_the_rest_fits(entries):
    assert [path.name for path in prune(entries, keep=2500)] == ["1", "0"]
    assert names(entries) == ["2", "3"]
    assert prune(entries, keep=2500) == []


def test_what_is_used_is_not_old(entries):
    mark_used(entries / "0")
    prune(entries, keep=1500)
    assert names(entries) == ["0"]


def test_what_was_used_last_stays_however_large(entries):
    prune(entries, keep=0)
    assert names(entries) == ["3"]


def test_the_limit_is_a_setting(entries, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE_GB", "3e-6")
    prune(entries)
    assert names(entries) == ["1", "2", "3"]
