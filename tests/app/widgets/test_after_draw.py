"""What may wait runs once, after the event, and at once where there is no page."""

from types import SimpleNamespace

from panel.io.state import set_curdoc

from fel_explorer.app.widgets.after_draw import AfterDraw, AtRest


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


def test_at_rest_it_runs_once_after_the_last_event():
    waiting, calls = [], []

    def add(callback, pause):
        waiting.append(callback)
        return callback

    page = SimpleNamespace(
        session_context=object(), add_timeout_callback=add, remove_timeout_callback=waiting.remove
    )
    at_rest = AtRest(lambda: calls.append(1))
    with set_curdoc(page):
        for _ in range(3):
            at_rest()
    assert calls == [] and len(waiting) == 1
    waiting.pop()()
    assert calls == [1]
    at_rest()  # without a page
    assert calls == [1, 1]
