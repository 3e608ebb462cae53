"""Representative structures of a report, with the page's own viewer inside the file."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np

from fel_explorer.app.session.pinned import fit_atoms_text, rmsds
from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer import component
from fel_explorer.app.viewer.scenes import BEHIND, Scenes, frame_name, pin_colour
from fel_explorer.structures import representatives, state_representatives

NOTE = "Drag to turn, scroll to zoom. Of each state the three frames nearest to its centre, overlaid."
PINS = "Put aside on the page; they lie upon each other below, the reference among them."
N = 3
MAX_STATES = 20
BUNDLE = Path(component.__file__).with_name("StructureViewer.bundle.js")
SCRIPT = (Path(__file__).parent / "report.js").read_text()


def viewer(session: Session) -> list[str]:
    """A viewer with a button for each state, selection, path and pin; empty without trajectories."""
    if session.trajectories is None:
        return []
    made = Scenes(session.trajectories)
    found = [*_typical(session, made), *_path(session, made), *_pins(session, made)]
    scenes = [
        {"title": title, "layers": [_packed(layer.as_dict()) for layer in layers], "images": images}
        for title, layers, images in found
    ]
    packed = base64.b64encode(gzip.compress(BUNDLE.read_bytes(), mtime=0)).decode()
    data = json.dumps(scenes).replace("</", "<\\/")
    return [
        '<div class="structures"><div class="choices" role="group" aria-label="Structures"></div>'
        '<div class="viewer"></div><div class="steps" hidden></div></div>'
        f'<script type="application/json" id="fel-scenes">{data}</script>'
        f'<script type="text/plain" id="fel-viewer">{packed}</script>'
        f'<script type="module">{SCRIPT}</script>'
    ]


def pins(session: Session) -> str:
    """The pinned structures as a table with their pictures, as far as the page has taken them."""
    pinned = session.pinned
    if not pinned.pins or session.trajectories is None:
        return ""
    topology, result = session.trajectories.topology, session.shown
    distances, rows = rmsds(pinned, topology), ""
    for pin in pinned.pins:
        reference = pin is pinned.reference_pin
        cells = [
            _picture(session.thumbnails.get(str(pin.key), ""), pin.name),
            f'<span class="dot" style="background:{pin_colour(pin.key)}"></span>{escape(pin.name)}',
            escape(session.state_name(int(result.state[pin.frame]))) if result.state is not None else "",
            "reference" if reference else f"{10 * distances[pin.key]:.2f} Å",
        ]
        rows += f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
    heads = ["", "Structure", "State", f"RMSD of {fit_atoms_text(topology)}"]
    head = "".join(f"<th>{word}</th>" for word in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _picture(data: str, name: str) -> str:
    if not data.startswith("data:image/"):
        return ""
    return f'<img class="small" alt="{escape(name, quote=True)}" src="{escape(data, quote=True)}">'


def _typical(session, scenes):
    """(title, layers, no images) of the selection and of the states, where there are none of the frame."""
    result = session.shown
    found: list[tuple[str, Sequence[int] | np.ndarray, str]] = []
    if session.selection.count:
        chosen = representatives(result.embedding, session.dataset, n=N, frames=session.selection.frames)
        found.append((f"Selection: {session.selection.how}", chosen.frames, ""))
    if result.state is not None:
        states = sorted(result.states(), key=lambda state: -(result.state == state).sum())[:MAX_STATES]
        colours = result.colours(states)
        centres = state_representatives(result.embedding, session.dataset, result.state, n=N)
        found += [(session.state_name(state), centres[state].frames, colours[state]) for state in states]
    if not found:
        found = [("Current frame", [session.frame], "")]
    for title, frames, colour in found:
        layers = [
            scenes.layer(
                scenes.frames([frame]),
                frame_name(session, int(frame)),
                colour=colour,
                opacity=1.0 if i == 0 else BEHIND,
            )
            for i, frame in enumerate(frames)
        ]
        yield title, layers, []


def _path(session, scenes):
    """The observed frames along the path as one layer to step through, with a line about each."""
    path, unit = session.path, session.unit
    if path is None:
        return
    shown, _ = scenes.path(session, "observed")
    words = [
        f"Image {i + 1} of {path.n_images}, {unit.text(energy)}: {frame_name(session, int(frame))}"
        for i, (energy, frame) in enumerate(zip(path.free_energy, path.curve.frames, strict=True))
    ]
    yield "Along the path", [shown.layer], words


def _pins(session, scenes):
    """All pins laid upon each other, and each alone."""
    layers = scenes.pins(session.pinned)
    if len(layers) > 1:
        behind = [layers[0], *(replace(layer, opacity=BEHIND) for layer in layers[1:])]
        yield "All pinned structures", behind, []
    for layer in layers:
        yield f"Pinned: {layer.label}", [layer], []


def _packed(layer):
    return layer | {"coordinates": base64.b64encode(layer["coordinates"]).decode()}
