"""What may wait runs once, after the event, and at once where there is no page."""

from types import SimpleNamespace

from panel.io.state import set_curdoc

from fel_explorer.app.widgets.after_draw import AfterDraw


def test_without_a_page_it_runs_at_once():
    calls = []
    later = AfterDraw(lambda: calls.append(1))
    later()
    later()
    assert calls == [1, 1] and not later.waiting


def test_on_a_page_it_runs_once_after_the_event():
    ticks, calls = [], []
    page = SimpleNamespace(
        session_context=object(), add_timeout_callback=lambda callback, pause: ticks.append(callback)
    )
    later = AfterDraw(lambda: calls.append(1))
    with set_curdoc(page):
        later()
        later()
    assert calls == [] and len(ticks) == 1
    ticks[0]()
    assert calls == [1] and not later.waiting
