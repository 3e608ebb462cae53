"""Layers that stay are left alone, layers that change are drawn."""

import holoviews as hv
import holoviews.plotting.bokeh
import numpy as np
import pytest
from holoviews.plotting.bokeh.element import ElementPlot

from fel_explorer.app.workarounds import holoviews_unchanged_layers

Redraw = hv.streams.Stream.define("Redraw", version=0)


@pytest.fixture
def unrepaired(monkeypatch):
    """HoloViews as it is installed, whatever a page of this process repaired."""
    monkeypatch.setattr(ElementPlot, "update_frame", holoviews_unchanged_layers._update_frame)


@pytest.fixture
def repaired(unrepaired):
    holoviews_unchanged_layers.install()


class Figure:
    """An overlay of an image and a point, drawn; `changed` holds the new data of each layer."""

    def __init__(self):
        self.kept = hv.Image(np.random.default_rng(0).random((4, 4)))
        self.layers = [self.kept, hv.Points([(0.1, 0.2)])]
        self._redraw = Redraw()
        self.plot = hv.renderer("bokeh").get_plot(hv.DynamicMap(self._draw, streams=[self._redraw]))
        self.sources = [subplot.handles["source"] for subplot in self.plot.subplots.values()]
        self.changed = [[], []]
        for source, seen in zip(self.sources, self.changed, strict=True):
            source.on_change("data", lambda attr, old, new, seen=seen: seen.append(new))

    def _draw(self, version):
        return hv.Overlay(self.layers).opts(xlabel=f"version {version}")

    def redraw(self, version):
        self._redraw.event(version=version)


def test_holoviews_still_needs_the_repair(unrepaired, monkeypatch):
    figure, computed = Figure(), []
    image = next(iter(figure.plot.subplots.values()))
    get_data = image.get_data
    monkeypatch.setattr(image, "get_data", lambda *args: computed.append(args) or get_data(*args))
    figure.layers[1] = hv.Points([(0.3, 0.4)])
    figure.redraw(1)
    assert computed, "HoloViews spares unchanged layers now: remove the repair"


def test_only_changed_layers_are_drawn(repaired):
    figure = Figure()
    figure.layers[1] = hv.Points([(0.3, 0.4)])
    figure.redraw(1)
    assert figure.changed[0] == [] and len(figure.changed[1]) == 1
    assert list(figure.sources[1].data["x"]) == [0.3]
    figure.layers[0] = hv.Image(np.zeros((4, 4)))
    figure.redraw(2)
    assert len(figure.changed[0]) == 1 and not np.any(figure.sources[0].data["image"][0])
    assert figure.plot.state.xaxis[0].axis_label == "version 2"
