"""Files at URLs against the local files that they are copies of."""

import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

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


class Quiet(SimpleHTTPRequestHandler):
    names_versions = False
    gets = 0

    def do_GET(self):
        Quiet.gets += 1
        super().do_GET()

    def end_headers(self):
        if self.names_versions:
            self.send_header("ETag", f'"{Path(self.translate_path(self.path)).stat().st_mtime_ns}"')
        super().end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def website(tmp_path):
    """A folder, and its address on a web server of this machine."""
    folder = tmp_path / "site"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("names_versions", [True, False])
def test_files_of_a_web_server_are_copied_again_when_they_may_have_changed(
    names_versions, website, monkeypatch
):
    folder, address = website
    monkeypatch.setattr(Quiet, "names_versions", names_versions)
    for day, content in enumerate((b"first", b"a longer second"), 1):
        (folder / "a.xtc").write_bytes(content)
        os.utime(folder / "a.xtc", (86400 * day, 86400 * day))
        (copy,) = local_copies([f"{address}/a.xtc"])
        assert copy.read_bytes() == content and copy.suffix == ".xtc"
        assert list(copy.parent.iterdir()) == [copy]
        before = Quiet.gets
        assert local_copies([f"{address}/a.xtc"]) == [copy]
        assert (Quiet.gets == before) == names_versions


def test_what_a_web_server_does_not_have_is_told(website):
    with pytest.raises(FelError, match=r"/missing\.xtc' can't be read"):
        local_copies([f"{website[1]}/missing.xtc"])
    with pytest.raises(FelError, match="can't be read"):
        local_copies(["http://127.0.0.1:9/a.xtc"])


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
