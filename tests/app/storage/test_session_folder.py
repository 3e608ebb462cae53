"""A session that is saved and opened again is the same."""

import errno
import json

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection import Point
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.storage.session_folder import ABOUT, DATA, is_session, save_session
from fel_explorer.app.storage.session_opening import adopt, open_session
from fel_explorer.app.views.data.session_files_panel import SessionFiles
from fel_explorer.data import atomic_folders
from fel_explorer.errors import FelError


@pytest.fixture
def session():
    rng = np.random.default_rng(0)
    states = np.repeat(rng.integers(3, size=60), 20)
    centres = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    data = fel.as_dataset([(centres[states] + 0.2 * rng.normal(size=(1200, 2))).astype("f4")])
    data["phi"] = ("frame", rng.normal(size=1200).astype("f4"))
    session = Session(data)
    pca = fel.PCA(n_dims=2).fit(data)
    session.add_result(Result.of("PCA 1", pca, data, 1.5))
    session.add_result(Result.of("KMeans 1", fel.KMeans(n_states=3).fit(data, embedding=pca), data))
    session.name_state(1, "bridge")
    session.merge_states([0, 2])
    session.select(data["phi"].values > 0, "by hand")
    session.pick(Point("PCA 1", np.array([0.5, 0.25]), 17, 0.1, False))
    session.add_anchor(0.0, 1.0, ("CV 1", "CV 2"))
    session.add_anchor(1.0, 1.0, ("CV 1", "CV 2"))
    session.colour("phi")
    session.axes = ("phi", "CV 2")
    session.representation = {"representation": "licorice", "count": 5}
    xyz = rng.normal(size=(4, 3))
    session.pinned = session.pinned.add("frame 17", 17, True, xyz, np.arange(4)).overlay(1)
    session.pinned = session.pinned.add("decoded, nearest frame 3", 3, False, -xyz[:3], [0, 2, 3])
    return session


def same(one, other):
    assert list(one.results) == list(other.results)
    for label, result in one.results.items():
        assert other.results[label].embedding == pytest.approx(result.embedding, abs=1e-5)
        assert np.isnan(result.seconds) or result.seconds == other.results[label].seconds
    for name in ("active", "levels", "state_names", "colour_by", "frame", "path_anchors", "axes"):
        assert getattr(one, name) == getattr(other, name), name
    assert np.array_equal(one.selection.mask, other.selection.mask)
    assert one.selection.how == other.selection.how
    assert np.array_equal(one.point.position, other.point.position) and one.point.frame == other.point.frame
    assert np.array_equal(one.shown.state, other.shown.state) and one.shown.edited == other.shown.edited
    assert other.shown.membership == pytest.approx(one.shown.membership)
    assert np.array_equal(one.dataset["phi"], other.dataset["phi"])
    assert one.representation == other.representation and one.pinned.overlaid == other.pinned.overlaid
    for pin, again in zip(one.pinned.pins, other.pinned.pins, strict=True):
        assert np.array_equal(pin.xyz, again.xyz) and np.array_equal(pin.atoms, again.atoms)
        assert (pin.key, pin.name, pin.frame, pin.observed) == (
            again.key,
            again.name,
            again.frame,
            again.observed,
        )


def test_opened_session_is_the_saved_one(session, tmp_path):
    path = save_session(session, tmp_path / "mine.session")
    assert is_session(path)
    opened = open_session(path)
    same(session, opened)
    again = open_session(save_session(opened, tmp_path / "copy.session"))
    same(session, again)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy.session", "mine.session"]


def test_saving_again_keeps_the_dataset_and_takes_the_changes(session, tmp_path):
    path = save_session(session, tmp_path / "mine.session")
    before = (path / DATA / "zarr.json").stat().st_ino
    session.clear_selection()
    save_session(session, path)
    assert (path / DATA / "zarr.json").stat().st_ino == before
    assert open_session(path).selection.count == 0
    session.attach(session.dataset.assign(psi=("frame", np.ones(1200, "f4"))))
    save_session(session, path)
    assert (path / DATA / "zarr.json").stat().st_ino != before
    assert "psi" in open_session(path).dataset


def test_other_values_of_a_column_are_written(session, tmp_path):
    path = save_session(session, tmp_path / "mine.session")
    turned = session.dataset["phi"].values[::-1].copy()  # the same values at other frames
    session.attach(session.dataset.assign(phi=("frame", turned)))
    save_session(session, path)
    assert np.array_equal(open_session(path).dataset["phi"], turned)


def test_a_save_that_fails_leaves_the_old_one(session, tmp_path, monkeypatch):
    path = save_session(session, tmp_path / "mine.session")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = session.selection.count
    session.clear_selection()
    for module, name in ((np, "savez_compressed"), (atomic_folders, "exchange")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            with pytest.raises(FelError, match=r"'mine.session' can't be saved: the disk is full"):
                save_session(session, path)
        assert open_session(path).selection.count == before
        assert [p.name for p in tmp_path.iterdir()] == ["mine.session"]


def test_other_folders_are_never_replaced(session, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("precious")
    with pytest.raises(fel.FelError, match="not a saved session"):
        save_session(session, tmp_path / "work")
    assert (tmp_path / "work" / "thesis.txt").read_text() == "precious"


def test_what_is_no_session_says_so(session, tmp_path):
    with pytest.raises(fel.FelError, match="not a saved session"):
        open_session(tmp_path)
    with pytest.raises(fel.FelError, match="Nothing is loaded"):
        save_session(Session(), tmp_path / "empty.session")
    path = save_session(session, tmp_path / "new.session")
    about = json.loads((path / ABOUT).read_text())
    (path / ABOUT).write_text(json.dumps(about | {"version": 99}))
    with pytest.raises(fel.FelError, match="newer"):
        open_session(path)


def test_command_line_opens_a_session(session, tmp_path):
    from fel_explorer.app.explorer_pages import page_on

    path = save_session(session, tmp_path / "mine.session")
    explorer = page_on([path])()
    assert explorer.session.selection.count == session.selection.count
    assert explorer.session.active == "KMeans 1"
    explorer.close()
    with pytest.raises(fel.FelError, match="One session"):
        page_on([path, "a.xtc"])


def test_page_saves_and_opens_below_its_root(session, tmp_path):
    manager = JobManager(workers=0)
    board = PageJobs(session, manager)
    files = SessionFiles(session, board, tmp_path)
    assert files.write("mine").name == "mine.session" and files.saved() == ["mine.session"]
    for name in ("", "../out", "a/b"):
        with pytest.raises(fel.FelError, match="without slashes"):
            files.write(name)
    other = Session()
    other_board = PageJobs(other, manager)
    other_files = SessionFiles(other, other_board, tmp_path)
    assert other_files.save.disabled
    other_files.read("mine.session")
    assert manager.work()
    other_board.tick()
    same(session, other)
    assert not other_files.save.disabled
    with pytest.raises(fel.FelError, match="outside"):
        other_files.read("../mine.session")
    for part in (files, other_files, board, other_board):
        part.close()


def test_only_pages_with_an_owner_offer_links():
    script, page = Explorer(), Explorer(owner="0123abcd")
    assert page.sessions.link.visible and not script.sessions.link.visible
    with pytest.raises(FelError, match="Links exist only on pages"):
        script.sessions.make_link()
    for explorer in (script, page):
        explorer.close()


def made_by(data, name):
    return data.assign_attrs(featurizers=json.dumps([{"name": name, "options": {}}]))


def test_feature_sets_are_saved_with_their_models_and_only_the_changed_ones_again(session, tmp_path):
    given = session.feature_set
    other = made_by(
        fel.as_dataset([np.ones((1200, 3)) + np.arange(1200)[:, None] ** [[0.0, 0.5, 1.0]]]), "dihedrals"
    )
    session.add_features(other)
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=2).fit(other), session.dataset))
    path = save_session(session, tmp_path / "mine.session")
    opened = open_session(path)
    assert list(opened.feature_sets) == [given, "dihedrals"] and opened.feature_set == "dihedrals"
    assert opened.features_of == session.features_of and opened.active == "PCA 2"
    assert opened.dataset.sizes["feature"] == 3 and "phi" in opened.dataset
    taken = Session()
    adopt(taken, opened)
    taken.active = "KMeans 1"
    assert taken.feature_set == given and taken.dataset.sizes["feature"] == 2
    before = [(path / name / "zarr.json").stat().st_ino for name in (DATA, "data-1.zarr")]
    session.active = "PCA 1"
    save_session(session, path)
    assert [(path / name / "zarr.json").stat().st_ino for name in (DATA, "data-1.zarr")] == before
    assert open_session(path).dataset.sizes["feature"] == 2


def test_a_session_of_one_feature_set_can_be_read_by_the_first_version(session, tmp_path):
    about = json.loads((save_session(session, tmp_path / "mine.session") / ABOUT).read_text())
    assert about["version"] == 1
    del about["feature_sets"], about["feature_set"]  # as the first version wrote it
    for entry in about["results"]:
        del entry["features"]
    (tmp_path / "mine.session" / ABOUT).write_text(json.dumps(about))
    same(session, open_session(tmp_path / "mine.session"))
    before = (tmp_path / "mine.session" / DATA / "zarr.json").stat().st_ino
    save_session(session, tmp_path / "mine.session")
    assert (tmp_path / "mine.session" / DATA / "zarr.json").stat().st_ino == before
