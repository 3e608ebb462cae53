"""The contract of the table of views, and a view that is added from outside by one row."""

import numpy as np
import pandas as pd
import panel_material_ui as pmui
import pytest

import fel_explorer as fel
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.commands import view_commands
from fel_explorer.app.shell.help import Help
from fel_explorer.app.shell.tab_strip import TabStrip
from fel_explorer.app.views.tabs import TABS, Tab
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.tab_view import PlotView, TabView
from fel_explorer.errors import FelError
from fel_explorer.plots import sheet

STATE = np.repeat([0, 1, 0, 1, 1, 0], 50)


@pytest.fixture
def session():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 3)) + 4 * STATE[:, None]
    return Session(fel.as_dataset([x[:150], x[150:]], time_unit="ps"))


@pytest.fixture
def board(session):
    board = PageJobs(session, JobManager(workers=0))
    yield board
    board.close()


def states(session):
    pca = fel.PCA(n_dims=2).fit(session.dataset)
    chi = np.eye(2, dtype=np.float32)[STATE]
    return Result("PCA 1", pca, pca.transform(session.dataset).values, chi, STATE)


def n_watchers(session):
    return sum(len(found) for kinds in session.param.watchers.values() for found in kinds.values())


def test_ids_and_titles_are_unique():
    assert len({tab.id for tab in TABS}) == len({tab.title for tab in TABS}) == len(TABS)


@pytest.mark.parametrize("tab", TABS, ids=lambda tab: tab.id)
def test_a_view_keeps_the_contract(tab, session, board):
    assert issubclass(tab.load(), TabView) and tab.about.endswith(".")
    assert not tab.opens_on or tab.opens_on in session.param
    before = n_watchers(session)
    empty = tab.load()(Session(), board)
    assert not tab.offered(Session()) and not tab.possible(Session())
    empty.close()
    view = tab.load()(session, board)
    assert isinstance(view.export, FigureExport) and view.layout is view.__panel__()
    assert not (tab.needs_states and tab.offered(session)) and tab.possible(session) != tab.needs_states
    session.add_result(states(session))
    assert tab.possible(session) and (tab.offered(session) or not tab.needs_states)
    view.param.update(active=True)
    if isinstance(view, PlotView) and view.ready:
        assert isinstance(view.figure((700, 270), dark=True), sheet.Sheet)
        view.tapped(0.0, 0.0)
    view.close()
    assert n_watchers(session) == before


class Lengths(PlotView):
    """How long the trajectories are."""

    def __init__(self, session, board=None, **params):
        super().__init__(session, board, **params)
        self.clicks = []
        self.export = FigureExport(self.figure, self.table, lambda: "lengths")
        self.layout = pmui.Column(width=240)

    def table(self):
        return pd.DataFrame({"frames": np.unique(self.session.dataset["trajectory"], return_counts=True)[1]})

    def figure(self, shape=None, *, dark=False):
        page = sheet.Sheet(((-0.5, 1.5), (0.0, 200.0)), ("trajectory", "frames"))
        page.dots = [sheet.dot(i, n, "#0072b2") for i, n in enumerate(self.table()["frames"])]
        return page

    def tapped(self, x, y):
        self.clicks.append((x, y))

    def close(self):
        self.closed = True


def test_a_view_from_outside_is_one_row(session, board):
    row = Tab(
        "lengths", "Lengths", f"{__name__}:Lengths", "How long they are.", opens_on="frame", shortcut="9"
    )
    TABS.append(row)
    try:
        strip = TabStrip(session, board, print)
        assert strip.buttons["lengths"].label == "Lengths" and strip.buttons["lengths"].visible
        assert not strip.open and not strip.panels  # no view is made before it is opened
        session.frame = 3
        view = strip.panels["lengths"]
        assert strip.open and strip.view == "lengths" and view.active and strip._plot.visible
        strip._on_tap(1.0, 2.0)
        assert view.clicks == [(1.0, 2.0)]
        (command,) = [one for one in view_commands() if one.id == "view-lengths"]
        assert command.shortcut == "9" and command.enabled(session)
        page = Help()
        page.toggle()
        assert "**Lengths**: How long they are." in page.dialog[0][0].object
        strip.close()
        assert view.closed
    finally:
        TABS.remove(row)


def test_a_view_without_anything_to_show_says_so(session, board):
    strip = TabStrip(session, board, print)
    with pytest.raises(FelError, match="'Evidence' has nothing to show yet"):
        strip.show("evidence")
    session.add_result(states(session))
    strip.show("evidence")
    assert strip.open and strip.view == "evidence"
    strip.close()
