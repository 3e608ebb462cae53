"""Plots that are asked to redraw while a page opens wait for its connection."""

from types import SimpleNamespace

import holoviews as hv
import holoviews.plotting.bokeh
import pytest
from bokeh.document import Document
from holoviews.plotting.plot import Plot
from panel.io.state import state

from fel_explorer.app.workarounds import holoviews_refresh_retry


@pytest.fixture
def opening(monkeypatch):
    """A plot of a page whose connection is not open yet, and the calls that its document is asked to make."""
    monkeypatch.setattr(Plot, "refresh", holoviews_refresh_retry._refresh)
    plot = hv.renderer("bokeh").get_plot(hv.Curve([1.0, 2.0]))
    document = Document()
    document._session_context = lambda: SimpleNamespace(_document=document)
    calls = []
    monkeypatch.setattr(document, "add_next_tick_callback", lambda call: calls.append(("next tick", call)))
    monkeypatch.setattr(document, "add_timeout_callback", lambda call, ms: calls.append((ms, call)))
    monkeypatch.setattr(plot.renderer, "mode", "server")
    monkeypatch.setattr(state, "_loaded", {})
    plot.document = document
    return plot, calls


def test_holoviews_still_needs_the_repair(opening):
    plot, calls = opening
    plot.refresh()
    assert [when for when, _ in calls] == ["next tick"], "HoloViews waits now: remove the repair"


def test_a_plot_waits_and_is_asked_once(opening):
    plot, calls = opening
    holoviews_refresh_retry.install()
    plot.refresh()
    plot.refresh()
    assert [when for when, _ in calls] == [holoviews_refresh_retry.RETRY]
