"""The contract of the command table, and what the session commands do."""

import re

import numpy as np
import pytest

from fel_explorer.app.session.session import Result, Session
from fel_explorer.app.shell.command_palette import Palette
from fel_explorer.app.shell.commands import COMMANDS, all_commands, by_shortcut, view_commands
from fel_explorer.app.shell.header import shortcut_text
from fel_explorer.data import as_dataset

N = 9
STATE = np.array([0, 0, 2, 2, 2, 5, 5, 0, 2])


class Page:
    """What a command may use of an explorer, without a page."""

    def __init__(self, session):
        self.session, self.calls = session, []
        self.model = self.which = self.exporter = self
        self.map = self.help = self.sessions = self.palette = self.code = self.job_list = self.tour = self

    def activate_lasso(self):
        self.calls.append("lasso")

    def toggle_theme(self):
        self.calls.append("theme")

    def toggle_large(self):
        self.calls.append("large")

    def start(self):
        self.calls.append("tour")

    def open(self):
        self.calls.append("palette")

    def ask_name(self):
        self.calls.append("save")

    def make_report(self):
        self.calls.append("report")

    def make_link(self):
        self.calls.append("link")

    def toggle(self):
        self.calls.append("help")


def full_page():
    session = Session(as_dataset(np.random.default_rng(0).normal(size=(N, 2))))
    session.add_result(Result("IDM 1", None, np.zeros((N, 2), np.float32), None, STATE))
    return Page(session)


def run(page, name):
    next(command for command in COMMANDS if command.id == name).run(page)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.id)
def test_every_command_keeps_the_contract(command):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", command.id) and command.title[0].isupper()
    assert re.fullmatch(r"(ctrl\+)?([a-z]+|[^\sA-Z])", command.shortcut)
    assert shortcut_text(command.shortcut)
    empty, page = Page(Session()), full_page()
    assert command.enabled(empty.session) in (True, False)
    if command.enabled(empty.session):
        command.run(empty)
    page.session.select(np.arange(N) % 8 > 0, "box")  # two states wholly and one in part
    page.session.undo()
    page.session.redo()
    command.run(page)


def test_ids_and_shortcuts_are_unique():
    assert len({command.id for command in all_commands()}) == len(all_commands())
    assert len(COMMANDS) == len(by_shortcut())


@pytest.mark.parametrize("command", view_commands(), ids=lambda command: command.id)
def test_every_view_is_shown_by_a_command(command):
    page = full_page()
    page.strip = page
    page.show = page.calls.append
    assert command.enabled(page.session) and not command.enabled(Session())
    command.run(page)
    assert [f"view-{name}" for name in page.calls] == [command.id]


def test_undo_and_clear_are_enabled_when_there_is_something_to_undo_or_clear():
    page = full_page()
    enabled = {c.id: c.enabled for c in COMMANDS}
    assert not enabled["undo"](page.session) and not enabled["clear"](page.session)
    run(page, "invert")
    assert enabled["undo"](page.session) and enabled["clear"](page.session)
    run(page, "undo")
    assert enabled["redo"](page.session) and page.session.selection.count == 0


def test_state_keys_walk_the_populated_states_around():
    page = full_page()
    seen = []
    for name in ("next-state",) * 4 + ("previous-state",) * 2:
        run(page, name)
        seen.append(int(STATE[page.session.selection.frames[0]]))
        assert page.session.selection.count == np.count_nonzero(STATE == seen[-1])
    assert seen == [0, 2, 5, 0, 5, 2]


def test_the_previous_state_of_nothing_is_the_last():
    page = full_page()
    run(page, "previous-state")
    assert set(STATE[page.session.selection.mask]) == {5}


def test_frames_stop_at_both_ends():
    page = full_page()
    run(page, "previous-frame")
    assert page.session.frame == 0
    for _ in range(N + 3):
        run(page, "next-frame")
    assert page.session.frame == N - 1


def test_palette_lists_every_command_and_runs_the_chosen_one():
    page, ran = full_page(), []
    palette = Palette(page.session, ran.append)
    palette.open()
    listed = {command["id"]: command for command in palette.commands}
    assert set(listed) == {command.id for command in all_commands()} - {"palette"}
    assert listed["lasso"]["enabled"] and not listed["redo"]["enabled"]
    palette._handle_msg({"id": "lasso"})
    assert [command.id for command in ran] == ["lasso"]
    assert palette.shown
