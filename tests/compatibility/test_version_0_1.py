"""Files that version 0.1 wrote before its modules moved still open and give the same values."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.methods.registry import list_models

ARCHIVE = Path(__file__).parent / "version_0_1.tar.xz"
with tarfile.open(ARCHIVE) as archive:
    FILES = [Path(name) for name in archive.getnames()]
MODELS = sorted(file.stem for file in FILES if file.suffix == ".fel" and file.parts[0] == "models")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("version_0_1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(path, filter="data")
    return path


@pytest.mark.parametrize("name", MODELS)
def test_a_model_loads_and_gives_the_same_values(name, folder):
    file = folder / "models" / f"{name}.fel"
    model = list_models()[name].load(file)
    outputs = file.with_suffix(".npz")
    if outputs.exists():
        data = fel.open_dataset(folder / "data.zarr")
        for verb, values in np.load(outputs).items():
            np.testing.assert_allclose(getattr(model, verb)(data), values, atol=1e-5, err_msg=verb)


def test_every_kind_of_model_is_among_the_files():
    assert len(MODELS) == 18


def test_a_session_opens_with_everything_in_it(folder):
    session = open_session(folder / "mine.session")
    wanted = json.loads((folder / "session.json").read_text())
    assert list(session.results) == wanted["results"]
    assert session.active == wanted["active"]
    assert np.asarray(session.shown.state).tolist() == wanted["states"]
    names = sorted([label, level, state, name] for (label, level, state), name in session.state_names.items())
    assert names == wanted["state_names"]
    assert np.flatnonzero(session.selection.mask).tolist() == wanted["selected"]
    assert list(session.axes) == wanted["axes"]
    assert session.colour_by == wanted["colour_by"] and session.frame == wanted["frame"]
    assert [pin.name for pin in session.pinned.pins] == wanted["pinned"]
    assert [list(anchor) for anchor in session.path_anchors.anchors] == wanted["anchors"]
