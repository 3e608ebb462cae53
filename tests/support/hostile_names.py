"""A session whose every name is markup, and the markup that a page would run."""

from html import unescape
from html.parser import HTMLParser

import numpy as np

import fel_explorer as fel
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection import Point
from fel_explorer.app.session.session import Session


def hostile(number):
    """A name that runs a script when read as HTML, and fetches a picture when read as HTML or Markdown.

    Without slashes, which names of columns can't hold.
    """
    return f"n{number}<img src=x onerror=ran={number}>![](http:e{number})$$x$$@{{tip}}{{safe}}"


def hostile_session():
    """Features, columns, models, states, pins, and the words of a selection."""
    rng = np.random.default_rng(0)
    states = np.repeat(rng.integers(3, size=30), 12)
    centres = np.array([[-2.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
    values = (centres[states] + 0.2 * rng.normal(size=(360, 2))).astype("f4")
    data = fel.as_dataset([values[:180], values[180:]]).assign_coords(feature=[hostile(1), hostile(2)])
    data[hostile(3)] = ("frame", rng.normal(size=360).astype("f4"))
    data = fel.data.set_conditions(data, [hostile(30), hostile(31)])
    session = Session(data)
    pca = fel.PCA(n_dims=2).fit(data)
    session.add_result(Result.of(hostile(4), pca, data, 1.5))
    session.add_result(Result.of(hostile(5), fel.KMeans(n_states=3).fit(data, embedding=pca), data))
    for state in range(3):
        session.name_state(state, hostile(6 + state))
    session.select(data[hostile(3)].values > 0, hostile(9))
    session.pick(Point(hostile(4), np.array([0.5, 0.25]), 17, 0.1, False))
    session.colour(hostile(3))
    session.pinned = session.pinned.add(hostile(10), 17, True, rng.normal(size=(4, 3)), np.arange(4))
    session.axes = (hostile(3), hostile(1))
    return session


class Markup(HTMLParser):
    """Elements that run or fetch something, in ``text``."""

    RUN = {
        "img",
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "a",
        "form",
        "base",
        "meta",
        "video",
        "audio",
    }

    def __init__(self, text, *, times=1):
        super().__init__()
        for _ in range(times):
            text = unescape(text)
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        scripts = [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]
        if tag in self.RUN or scripts:
            self.found.append((tag, attrs))
