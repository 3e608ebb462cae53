"""Files at URLs against the local files that they are copies of."""

import fsspec
import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.cli import main
from fel_explorer.data.remote import local_copies
from fel_explorer.errors import FelError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path / "cache"))


def test_local_paths_come_back_and_urls_are_copied_with_their_extension(tmp_path):
    (tmp_path / "a.xtc").write_bytes(b"local")
    fsspec.filesystem("memory").pipe("/folder/b.xtc", b"remote")
    local, remote, file = local_copies(
        [tmp_path / "a.xtc", "memory://folder/b.xtc", (tmp_path / "a.xtc").as_uri()]
    )
    assert local == tmp_path / "a.xtc"
    assert remote.read_bytes() == b"remote" and remote.suffix == ".xtc"
    assert file.read_bytes() == b"local" and file != local


def test_a_file_that_changed_is_copied_again(tmp_path):
    path = tmp_path / "a.xtc"
    for content in (b"first", b"a longer second"):
        path.write_bytes(content)
        assert local_copies([path.as_uri()])[0].read_bytes() == content


@pytest.mark.parametrize("url", ["memory://nothing/here.xtc", "nosuchkind://host/a.xtc"])
def test_what_can_not_be_read_is_told(url):
    with pytest.raises(FelError, match=url):
        local_copies([url])


def test_only_local_copies_fetches_a_url(tmp_path):
    fsspec.filesystem("memory").pipe("/folder/c.xtc", b"remote")
    with pytest.raises(FelError, match="memory:"):
        fel.load_trajectories(["memory://folder/c.xtc"])
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(10, 2)))
    data.attrs["files"] = '[{"path": "memory://folder/c.xtc"}]'
    assert fel.data.trajectories_of(data) is None
    assert not (tmp_path / "cache").exists()


def test_the_command_line_featurizes_files_at_urls(tmp_path):
    whole = fel.sample_data("alanine-dipeptide")
    part = whole.frames(np.arange(20))
    part.save(str(tmp_path / "a.xtc"))
    part[0].save(str(tmp_path / "a.pdb"))
    for name in ("a.xtc", "a.pdb"):
        fsspec.filesystem("memory").pipe(f"/run/{name}", (tmp_path / name).read_bytes())
    found = []
    for source in ("memory://run", str(tmp_path)):
        out = tmp_path / f"{len(found)}.zarr"
        arguments = ["featurize", f"{source}/a.xtc", "-t", f"{source}/a.pdb", "-f", "backbone_torsions"]
        assert main([*arguments, "-o", str(out)]) == 0
        found.append(fel.open_dataset(out)["features"].values)
    np.testing.assert_array_equal(*found)
