"""No page refers to another host, however it is made."""

import json
import re
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import mdtraj
import numpy as np
import panel as pn
import pytest
from bokeh.client import pull_session
from bokeh.models import ImportedStyleSheet
from panel.models.esm import ReactiveESM

import fel_explorer as fel
from fel_explorer.app import entry
from fel_explorer.app.server.server import serving
from fel_explorer.app.session.session import Session
from fel_explorer.app.shell.explorer import Explorer
from fel_explorer.app.shell.skeleton import GrowingPage

FOREIGN = re.compile(r"https?://(?!localhost|127\.0\.0\.1)[^\"'\s]+")
PAGES = 1  # of each kind, at once; more take long


def make():
    data = fel.as_dataset(np.random.default_rng(0).normal(size=(200, 3)))
    return Explorer(Session(data))


def make_peptide(folder):
    """An explorer on a chain of 125 residues."""
    topology = mdtraj.Topology()
    chain = topology.add_chain()
    for _ in range(125):
        topology.add_atom("CA", mdtraj.element.carbon, topology.add_residue("ALA", chain))
    xyz = np.random.default_rng(0).normal(size=(20, 125, 3)) + np.arange(125)[:, None] * 0.38
    mdtraj.Trajectory(xyz, topology).save_pdb(folder / "peptide.pdb")
    trajectories = fel.load_trajectories(folder / "peptide.pdb")
    return Explorer(Session(fel.as_dataset(xyz[:, :5, 0]), trajectories))


@pytest.fixture
def server(tmp_path):
    """A server with a page that grows, whole pages, and one that forgoes the repair."""
    entry.load_extensions()
    pages = {
        "peptide": serving(lambda: make_peptide(tmp_path)),
        "grows": serving(lambda: GrowingPage(make)),
        "whole": serving(make),
        "plain": lambda: pn.Column("text"),
    }
    server = pn.serve(pages, port=0, show=False, start=False, verbose=False)
    thread = threading.Thread(target=run, args=(server,))
    thread.start()
    yield server
    server.io_loop.add_callback(server.io_loop.stop)
    thread.join()
    server.stop()


def run(server):
    server.start()
    server.io_loop.start()


def references(session) -> list[str]:
    """Addresses in the models of a page."""
    found = []
    for model in session.document.models:
        if isinstance(model, ImportedStyleSheet):
            found.append(model.url)
        elif isinstance(model, ReactiveESM):
            found += [address for address in (model.esm, model.css_bundle) if address]
            found += [json.dumps(model.importmap)] if model.bundle is None else []
    return found


def open_pages(server, path):
    """Pages made as their HTML is asked for, and as a connection asks for a session, at the same time."""
    address = f"http://localhost:{server.port}/{path}"

    def html(_):
        return urllib.request.urlopen(address, timeout=120).read().decode()

    def connect(_):
        pull_session(url=address).close()

    with ThreadPoolExecutor(2 * PAGES) as pool:
        connected = [pool.submit(connect, k) for k in range(PAGES)]
        texts = list(pool.map(html, range(PAGES)))
        for one in connected:
            one.result()
    sessions = server.get_sessions(f"/{path}")
    assert len(sessions) == 2 * PAGES
    return [*texts, *(one for session in sessions for one in references(session))]


@pytest.mark.parametrize("path", ["grows", "whole"])
def test_pages_made_at_once_refer_to_no_other_host(server, path):
    found = open_pages(server, path)
    assert len(found) > 20 * PAGES
    assert [address for text in found for address in FOREIGN.findall(text)] == []


@pytest.mark.parametrize("order", [("grows", "peptide", "whole"), ("whole", "peptide", "grows")])
def test_pages_of_several_kinds_made_at_once_refer_to_no_other_host(server, order):
    """Panel's mode of resources is one for the process, which each page sets."""
    with ThreadPoolExecutor(len(order)) as pool:
        found = list(pool.map(lambda path: open_pages(server, path), order))
    texts = [text for one in found for text in one]
    assert len(texts) > 20 * len(order)
    assert [address for text in texts for address in FOREIGN.findall(text)] == []


def test_panel_needs_the_repair(server):
    assert any(FOREIGN.search(text) for text in open_pages(server, "plain"))
