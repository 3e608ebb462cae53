"""Pages are saved by themselves and found again by the token in their address."""

import os

import numpy as np
import pytest

import fel_explorer as fel
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.storage import autosave
from fel_explorer.app.storage.autosave import Autosave, autosaved
from fel_explorer.app.storage.session_folder import save_session
from fel_explorer.app.storage.session_opening import adopt, open_session
from fel_explorer.app.views.map.panel import MapPanel
from fel_explorer.app.views.map.second_map_panel import SecondMap
from fel_explorer.errors import FelError

TOKEN = "0123abcd"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.setenv("FEL_EXPLORER_CACHE", str(tmp_path))
    data = fel.as_dataset([np.random.default_rng(0).normal(size=(200, 3)).astype("f4")])
    session = Session(data)
    session.add_result(Result.of("PCA 1", fel.PCA(n_dims=2).fit(data), data))
    return session


def test_work_is_saved_once_the_page_is_left_alone(session):
    clock = Clock()
    keeper = Autosave(session, TOKEN, clock)
    session.select(np.arange(200) < 5, "by hand")
    clock.now += 2 * autosave.QUIET
    keeper.tick()
    assert autosaved(TOKEN) is None  # nothing that could not be loaded again
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=1).fit(session.dataset), session.dataset))
    keeper.tick()
    assert autosaved(TOKEN) is None and not keeper.running  # not at once
    clock.now += autosave.QUIET
    keeper.tick()
    keeper.wait()
    found = open_session(autosaved(TOKEN))
    assert list(found.results) == ["PCA 1", "PCA 2"] and found.selection.count == 5
    keeper.tick()
    assert not keeper.running  # nothing changed
    keeper.close()


def test_a_page_without_a_token_is_not_saved(session):
    keeper = Autosave(session, "", Clock())
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=1).fit(session.dataset), session.dataset))
    keeper.tick()
    keeper.wait()
    assert not autosave.folder().exists()
    keeper.close()


def test_a_token_is_no_path():
    for token in ("", "..", "../../etc", "a/b", "Z" * 8):
        assert autosaved(token) is None


def test_a_disk_that_fails_does_not_end_the_page(session, monkeypatch, caplog):
    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(autosave, "save_session", full)
    clock = Clock()
    keeper = Autosave(session, TOKEN, clock)
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=1).fit(session.dataset), session.dataset))
    clock.now += autosave.QUIET
    keeper.tick()
    keeper.wait()
    assert "No space left" in caplog.text
    keeper.close()


def test_only_the_latest_pages_are_kept(session):
    for number in range(4):
        path = autosave.folder() / f"{number:08x}.session"
        autosave.save_session(session, path)
        os.utime(path, (number, number))
    autosave.prune(autosave.folder(), keep=2)
    assert sorted(path.stem for path in autosave.folder().iterdir()) == ["00000002", "00000003"]


def test_a_view_opens_as_it_was_however_its_pages_go_on(session):
    session.select(np.arange(200) < 5, "by hand")
    view = autosave.keep_view(session)
    session.select(np.arange(200) < 50, "by hand")
    for page in ("aaaa", "bbbb"):
        autosave.open_view(view, page)
        found = open_session(autosaved(page))
        assert found.selection.count == 5 and list(found.results) == ["PCA 1"]
        found.select(np.arange(200) < 7, "by hand")
        save_session(found, autosaved(page))
    assert open_session(autosaved("bbbb")).selection.count == 7


def test_a_view_shows_the_axes_and_colours_of_its_sender(session):
    """Both maps of a page that takes the view stand as those of the page that made it."""
    data = session.dataset
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=3).fit(data), data))
    first, second = MapPanel(session), SecondMap(session)
    assert session.axes == ("CV 1", "CV 2")
    session.beside = "PCA 1"
    first.choices.x.choose("x2")
    second.map.choices.y.choose("x1")
    session.colour("x0")
    view = autosave.keep_view(session.copy())
    first.choices.x.choose("CV 3")
    autosave.open_view(view, "aaaa")
    taken = Session()
    theirs = MapPanel(taken), SecondMap(taken)  # a page that is there already takes the view
    adopt(taken, open_session(autosaved("aaaa")))
    made = MapPanel(taken), SecondMap(taken)  # and one that is made on it
    for one, other in (theirs, made):
        assert one.axes == ("x2", "CV 2") and one.choices.x.value == "x2"
        assert other.map.axes == ("CV 1", "x1") and other.map.choices.y.value == "x1"
        assert one.choices.drawable_colour() == "x0"
    taken.axes = ("gone", "CV 1")  # of another dataset
    assert theirs[0].axes == ("x2", "CV 2") == taken.axes
    taken.load(fel.as_dataset(np.random.default_rng(1).normal(size=(50, 2))))
    assert theirs[0].axes == taken.axes == ("x0", "x1") and taken.beside == ""
    for panel in (first, second, *theirs, *made):
        panel.close()


@pytest.mark.parametrize("view", ["0123abcd", "../../etc", ""])
def test_a_view_that_is_gone_is_told(session, view):
    with pytest.raises(FelError, match="not on this server"):
        autosave.open_view(view, "aaaa")


def test_only_the_last_views_are_kept(session, monkeypatch):
    monkeypatch.setattr(autosave, "KEPT_VIEWS", 2)
    views = [autosave.keep_view(session) for _ in range(3)]
    assert [autosaved(view, "views") is not None for view in views] == [False, True, True]


def test_models_of_all_data_come_back_after_a_crash(session):
    clock = Clock()
    session.data_name = "first"
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=1).fit(session.dataset), session.dataset))
    second = fel.as_dataset(np.random.default_rng(1).normal(size=(300, 4)).astype("f4"))
    third = fel.as_dataset(np.random.default_rng(2).normal(size=(50, 4)).astype("f4"))
    session.load(second, name="second")
    keeper = Autosave(session, TOKEN, clock)

    def save():
        session.param.trigger("colour_by")
        clock.now += 2 * autosave.QUIET
        keeper.tick()
        keeper.wait()
        return autosave.opening_page(TOKEN)(lambda progress: None, lambda: False)

    found = save()  # nothing was done with the second data yet
    assert list(found.results) == ["PCA 1", "PCA 2"] and not found.earlier_data

    for label in ("PCA 1", "PCA 3"):
        session.add_result(Result.of(label, fel.PCA(n_dims=2).fit(second), second))
    session.load(third, name="third")
    found = save()
    assert list(found.results) == ["PCA 1", "PCA 3"]
    [there] = found.earlier_data.values()
    assert list(there.values["results"]) == ["PCA 1", "PCA 2"]
    assert there.values["dataset"].sizes["frame"] == 200

    page = Session()
    adopt(page, found)
    page.show_data(there.name)
    assert page.dataset.sizes["frame"] == 200 and list(page.results) == ["PCA 1", "PCA 2"]
    assert [len(one.values["results"]) for one in page.earlier_data.values()] == [2]

    session.close_data("first")
    assert not save().earlier_data
    keeper.close()


def test_a_damaged_session_of_other_data_costs_only_itself(session, caplog):
    data = session.dataset
    session.add_result(Result.of("PCA 2", fel.PCA(n_dims=1).fit(data), data))
    other = autosave.others_of(TOKEN) / "0.session"
    save_session(session, autosave.folder() / f"{TOKEN}.session")
    save_session(session, other)
    (other / "session.json").write_text("{")
    found = autosave.opening_page(TOKEN)(lambda progress: None, lambda: False)
    assert list(found.results) == ["PCA 1", "PCA 2"] and not found.earlier_data
    assert "can't be opened again" in caplog.text
