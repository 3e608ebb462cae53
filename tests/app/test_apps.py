"""Every entry point in apps/ is served and requested, without a browser."""

from pathlib import Path

import numpy as np
import panel as pn
import pytest
from panel.tests.util import serve_and_request

import fel_explorer as fel
from fel_explorer.data import save_dataset

APPS = sorted((Path(__file__).parents[2] / "apps").rglob("*.py"))


@pytest.fixture(autouse=True)
def no_server_left():
    yield
    threads = list(pn.state._threads.values())
    pn.state.kill_all_servers()
    for thread in threads:  # it is no daemon: python would wait for it at exit, for ever
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("app", APPS, ids=lambda path: path.stem)
def test_an_app_is_served(app, tmp_path, monkeypatch, port):
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32))
    save_dataset(data, tmp_path / "data.zarr")
    fel.PCA().fit(data).save(tmp_path / "model.fel")
    monkeypatch.setenv("FEL_EXPLORER_PATHS", f"{tmp_path / 'data.zarr'} {tmp_path / 'model.fel'}")
    monkeypatch.setenv("FEL_EXPLORER_ROOT", str(tmp_path))
    answer = serve_and_request(str(app), port=port)
    assert answer.status_code == 200 and "fel_explorer</title>" in answer.text
    assert len(app.read_text().splitlines()) < 60


@pytest.fixture
def port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
