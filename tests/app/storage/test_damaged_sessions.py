"""A damaged session gives one clear error or opens; it never hangs, and never raises anything else."""

import json
import os
import random
import time
import zipfile

import numpy as np
import pytest
from damage import WRONG, damage, places
from hostile_names import hostile_session

import fel_explorer as fel
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage import input_files
from fel_explorer.app.storage.session_folder import ABOUT, ARRAYS, save_session
from fel_explorer.app.storage.session_opening import open_session
from fel_explorer.errors import FelError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    session = hostile_session()
    session.merge_states([0, 2])
    session.add_anchor(0.0, 1.0, ("CV 1", "CV 2"))
    return save_session(session, tmp_path_factory.mktemp("saved") / "good.session")


def opens_or_says(path):
    started = time.process_time()
    try:
        open_session(path)
        opened = True
    except FelError as error:
        assert len(str(error)) < 1_000
        opened = False
    assert time.process_time() - started < 5
    return opened


def test_each_field_of_a_session_may_be_wrong(saved):
    good = (saved / ABOUT).read_text()
    about = json.loads(good)
    cases = [(place, wrong) for place in places(about) for wrong in WRONG]
    outcomes = []
    try:
        for place, wrong in random.Random(0).sample(cases, 150):
            (saved / ABOUT).write_text(json.dumps(damage(about, place, wrong)))
            outcomes.append(opens_or_says(saved))
    finally:
        (saved / ABOUT).write_text(good)
    assert opens_or_says(saved) and outcomes.count(False) > 50


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "3", "{", "[" * 100_000, '{"version": 99}', '{"version": "new"}', "\\udcff"]
)
def test_what_is_no_session_is_refused(saved, text):
    good = (saved / ABOUT).read_text()
    try:
        (saved / ABOUT).write_text(text)
        assert not opens_or_says(saved)
    finally:
        (saved / ABOUT).write_text(good)


def test_what_is_missing_gets_its_default(saved):
    good = (saved / ABOUT).read_text()
    about = json.loads(good)
    for name in ("looks", "temperature", "axes", "frame", "point", "names", "selected_by"):
        del about[name]
    try:
        (saved / ABOUT).write_text(json.dumps(about))
        session = open_session(saved)
        assert session.temperature == 300.0 and session.axes == ("", "") and session.state_names == {}
    finally:
        (saved / ABOUT).write_text(good)


def _pipe(path):
    os.mkfifo(path)


def _bomb(path):
    about = {"descr": "|u1", "fortran_order": False, "shape": (10**8,)}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        with packed.open("selection.npy", "w") as file:
            np.lib.format.write_array_header_1_0(file, about)
            for _ in range(100):
                file.write(bytes(10**6))


def _no_zip(path):
    path.write_bytes(b"PK\x03\x04 no")


def _nothing(path):
    """Leave the file away."""


def _pickle(path):
    np.savez(path, selection=np.array([{"a": 1}], dtype=object))


def _other_frames(path):
    np.savez(path, selection=np.zeros(3, np.uint8))


@pytest.mark.parametrize("make", [_pipe, _bomb, _pickle, _other_frames, _no_zip, _nothing])
def test_damaged_arrays_are_refused_at_once(saved, make):
    good = (saved / ARRAYS).read_bytes()
    (saved / ARRAYS).unlink()
    try:
        make(saved / ARRAYS)
        assert not opens_or_says(saved)
    finally:
        (saved / ARRAYS).unlink(missing_ok=True)
        (saved / ARRAYS).write_bytes(good)


def test_what_was_lost_is_named(saved, caplog):
    good = (saved / ABOUT).read_text()
    about = json.loads(good)
    del about["names"], about["route"]
    try:
        (saved / ABOUT).write_text(json.dumps(about))
        open_session(saved)
    finally:
        (saved / ABOUT).write_text(good)
    assert "Lost: the names of states, the anchors of the path." in caplog.text
    caplog.clear()
    open_session(saved)
    assert not caplog.records


def test_trajectory_files_outside_of_the_root_are_not_opened(tmp_path, caplog):
    from peptides import make_trajectory

    for name in ("inside", "secret"):
        (tmp_path / name).mkdir()
    made = make_trajectory(n_frames=12, seed=0)
    made.save_xtc(str(tmp_path / "secret" / "a.xtc"))
    made[0].save_pdb(str(tmp_path / "secret" / "a.pdb"))
    trajs = fel.load_trajectories(tmp_path / "secret" / "a.xtc", tmp_path / "secret" / "a.pdb")
    session = Session(fel.featurize(trajs, "torsions", cache=False), trajs)
    path = save_session(session, tmp_path / "inside" / "one.session")
    assert open_session(path).trajectories is not None
    assert open_session(path, root=tmp_path).trajectories is not None
    opened = open_session(path, root=tmp_path / "inside")
    assert opened.trajectories is None and "files" not in opened.dataset.attrs
    assert "outside of the folder that this page may read" in caplog.text
    input_files.allow(trajs)  # as the command line does with files that it is given
    assert open_session(path, root=tmp_path / "inside").trajectories is not None
