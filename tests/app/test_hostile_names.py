"""Names of a stranger's file are shown, never run: a walk over all that the page interprets as HTML."""

import panel as pn
import pytest
from bokeh.models import HoverTool
from hostile_names import Markup, hostile, hostile_session

from fel_explorer.app import page_jobs
from fel_explorer.app.jobs.manager import JobManager
from fel_explorer.app.report import report_html
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.views.tabs import TABS
from fel_explorer.app.widgets import notifications
from fel_explorer.errors import FelError

# class of a component -> property that its JavaScript sets as HTML, after decoding it so many times
AS_HTML = {
    "Typography": ("object", 1),
    "Alert": ("object", 1),
    "StaticText": ("value", 0),
    "HTML": ("text", 1),
}
AS_HTML |= {"Accordion": ("_names", 0), "Tabs": ("_names", 0), "Card": ("title", 0), "Markdown": ("text", 1)}


@pytest.fixture
def jobs(monkeypatch):
    jobs = JobManager(workers=0)
    monkeypatch.setattr(page_jobs, "manager", lambda: jobs)
    return jobs


def interpreted(root):
    """(where, text, number of decodings) of everything below a root that the browser reads as HTML."""
    for model in root.references():
        properties = model.properties_with_values()
        data = properties.get("data")
        inner = data.properties_with_values() if hasattr(data, "properties_with_values") else {}
        kind = properties.get("class_name") or type(model).__name__
        name, times = AS_HTML.get(kind, ("", 0))
        value = inner.get(name, properties.get(name))
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                yield kind, text, times
        if isinstance(model, HoverTool):
            rows = model.tooltips if isinstance(model.tooltips, list) else [("", model.tooltips or "")]
            for _, text in rows:  # the left column is set as text
                yield "tooltip", text, 0


def check(root):
    seen = list(interpreted(root))
    for where, text, times in seen:
        assert not Markup(text, times=times).found, (where, text)
        assert "{safe}" not in text or where != "tooltip", text
    return seen


def test_no_view_interprets_a_name(jobs):
    explorer = Explorer(hostile_session())
    root, shown = explorer.page.get_root(), ""
    for tab in TABS:
        if tab.id == "simulate":  # shows nothing without a simulator
            continue
        explorer.strip.show(tab.id)
        while jobs.work():
            explorer.board.tick()
        shown += " ".join(text for _, text, _ in check(root))
    explorer.session.undo()
    for dialog in (explorer.help.toggle, lambda: explorer.data.formula._ask(None)):
        dialog()
        check(root)
    assert all(f"{name}&" in shown for name in ("n5", "n8", "N9"))  # of a model, a state and the selection
    explorer.close()


def test_a_failed_job_and_an_error_show_the_name(jobs, monkeypatch):
    explorer = Explorer(hostile_session())
    root = explorer.page.get_root()

    def fail(report, should_stop):
        raise FelError(hostile(20), hostile(21), hostile(22))

    explorer.board.submit(hostile(23), fail, kind="training")
    while jobs.work():
        explorer.board.tick()
    check(root)
    explorer.close()


def test_the_report_holds_no_markup_of_names():
    text = report_html(hostile_session())
    ours = [found for found in Markup(text, times=0).found if "onerror" in dict(found[1])]
    assert not [tag for tag, attrs in ours] and "n6&" in text


def test_notifications_of_a_notebook_are_escaped(monkeypatch):
    shown = []

    class Area(pn.io.notifications.NotificationArea):
        def error(self, message, duration=3000):
            shown.append(message)

    monkeypatch.setattr(type(pn.state), "notifications", property(lambda self: Area()))
    notifications.show_error(FelError(hostile(1), "b", "c"))
    assert not Markup(shown[0], times=0).found and "n1" in shown[0]
