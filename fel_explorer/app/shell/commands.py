"""The one table of commands: header buttons, keyboard shortcuts, palette and help are all made from it.

The views of the tab strip, a table of their own, are commands too.

To add a command add a row.  ``run`` gets the `Explorer`; ``enabled`` gets its `Session`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fel_explorer.app.session.session import Session
from fel_explorer.app.views.tabs import TABS


@dataclass(frozen=True)
class Command:
    """One thing a user can ask for.

    Attributes
    ----------
    id
        Unique name.
    title
        For people; menu entry and help line.
    shortcut
        "ctrl+z", "escape", "[", ... as the page's key listener writes them; "" for none.
    run
        Called with the explorer.
    enabled
        Whether it can run now, from the session.
    icon
        Material icon of its header button; '' for commands without one.
    """

    id: str
    title: str
    shortcut: str
    run: Callable
    enabled: Callable[[Session], bool] = lambda session: True
    icon: str = ""


def _has_states(session):
    return session.result is not None and session.result.state is not None


def _has_selection(session):
    return session.selection.count > 0 or session.point is not None


def _has_data(session):
    return session.dataset is not None


def _has_model(session):
    return session.shown is not None


def _can_merge(session):
    return _has_states(session) and len(session.selected_states()) > 1


def _can_split(session):
    return _has_states(session) and session.divided_state() is not None


def step_state(session: Session, step: int) -> None:
    """Select the next (or previous) populated state after the one that is selected."""
    states = session.result.states()
    chosen = session.result.state[session.selection.mask]
    now = int(chosen[0]) if len(chosen) and (chosen == chosen[0]).all() else None
    if now in states:
        session.select_state(states[(states.index(now) + step) % len(states)])
    else:
        session.select_state(states[0 if step > 0 else -1])


def step_frame(session: Session, step: int) -> None:
    """Move the current frame, clamped to the dataset."""
    last = session.dataset.sizes["frame"] - 1
    session.frame = min(max(session.frame + step, 0), last)


def toggle_drawing(session: Session) -> None:
    """Whether clicks on the map set anchors of a path."""
    session.drawing = not session.drawing


def toggle_second(session: Session) -> None:
    """Show the model before the shown one on a second map, or close that."""
    others = [label for label in session.results if label != session.active]
    session.beside = "" if session.beside else (others or [session.active])[-1]


COMMANDS: tuple[Command, ...] = (
    Command("undo", "Undo", "ctrl+z", lambda e: e.session.undo(), lambda s: s.can_undo, "undo"),
    Command("redo", "Redo", "ctrl+y", lambda e: e.session.redo(), lambda s: s.can_redo, "redo"),
    Command("clear", "Clear the selection", "escape", lambda e: e.session.clear_selection(), _has_selection),
    Command("invert", "Invert the selection", "i", lambda e: e.session.invert_selection(), _has_data),
    Command("next-state", "Select the next state", "]", lambda e: step_state(e.session, 1), _has_states),
    Command(
        "previous-state", "Select the previous state", "[", lambda e: step_state(e.session, -1), _has_states
    ),
    Command("merge", "Merge the selected states", "m", lambda e: e.session.merge_states(), _can_merge),
    Command(
        "split",
        "Split off the selected part of a state",
        "s",
        lambda e: e.session.split_state(),
        _can_split,
    ),
    Command("next-frame", "Next frame", "arrowright", lambda e: step_frame(e.session, 1), _has_data),
    Command("previous-frame", "Previous frame", "arrowleft", lambda e: step_frame(e.session, -1), _has_data),
    Command("lasso", "Lasso tool", "l", lambda e: e.map.activate_lasso(), _has_data),
    Command(
        "path", "Start or stop drawing a path on the map", "p", lambda e: toggle_drawing(e.session), _has_data
    ),
    Command(
        "second-map", "Open or close the second map", "2", lambda e: toggle_second(e.session), _has_model
    ),
    Command("save", "Save the session", "ctrl+s", lambda e: e.sessions.ask_name(), _has_data),
    Command("report", "Write a report (HTML)", "r", lambda e: e.sessions.make_report(), _has_model),
    Command("link", "Link to this view", "u", lambda e: e.sessions.make_link(), _has_data),
    Command("python", "Show the Python code of this page", "y", lambda e: e.code.open(), _has_data, "code"),
    Command("jobs", "Job list: queue, logs, failures", "j", lambda e: e.job_list.open(), icon="list_alt"),
    Command("which-method", "Which method should I use?", "w", lambda e: e.model.which.open()),
    Command("export-cv", "Export the CV for simulations", "e", lambda e: e.model.exporter.open(), _has_model),
    Command("palette", "Command palette", "ctrl+k", lambda e: e.palette.open(), icon="search"),
    Command("tour", "Tour of the page in five steps", "h", lambda e: e.tour.start(), icon="tour"),
    Command("large", "Larger or normal type", "b", lambda e: e.toggle_large()),
    Command("theme", "Light or dark colours", "t", lambda e: e.toggle_theme(), icon="contrast"),
    Command("help", "Keyboard shortcuts and help", "?", lambda e: e.help.toggle(), icon="help_outline"),
)


def view_commands() -> tuple[Command, ...]:
    """A command for each view of the tab strip."""
    return tuple(
        Command(
            f"view-{tab.id}",
            f"Show the view '{tab.title}'",
            tab.shortcut,
            lambda explorer, tab=tab: explorer.strip.show(tab.id),
            tab.possible,
        )
        for tab in TABS
    )


def all_commands() -> tuple[Command, ...]:
    """Those of the table, and those of the views."""
    return COMMANDS + view_commands()


def by_shortcut() -> dict[str, Command]:
    """{shortcut: command} of the commands that have one."""
    return {command.shortcut: command for command in all_commands() if command.shortcut}
