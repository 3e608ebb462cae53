"""Representative structures of a report, with the page's own viewer inside the file."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

from fel_explorer.app.session import Session
from fel_explorer.app.viewer import component
from fel_explorer.app.viewer.scenes import BEHIND, Scenes, frame_name
from fel_explorer.structures import representatives, state_representatives

NOTE = "Drag to turn, scroll to zoom. Of each state the three frames nearest to its centre, overlaid."
N = 3
MAX_STATES = 20
BUNDLE = Path(component.__file__).with_name("StructureViewer.bundle.js")
SCRIPT = (Path(__file__).parent / "report.js").read_text()


def viewer(session: Session) -> list[str]:
    """A viewer with a button for each state and for the selection; empty without trajectories."""
    if session.trajectories is None:
        return []
    scenes = [
        {"title": title, "layers": [_packed(layer.as_dict()) for layer in layers]}
        for title, layers in _scenes(session)
    ]
    packed = base64.b64encode(gzip.compress(BUNDLE.read_bytes(), mtime=0)).decode()
    data = json.dumps(scenes).replace("</", "<\\/")
    return [
        '<div class="structures"><div class="choices" role="group" aria-label="Structures"></div>'
        '<div class="viewer"></div></div>'
        f'<script type="application/json" id="fel-scenes">{data}</script>'
        f'<script type="text/plain" id="fel-viewer">{packed}</script>'
        f'<script type="module">{SCRIPT}</script>'
    ]


def _scenes(session):
    """(title, layers) of the selection, if there is one, and of the states; else of the current frame."""
    scenes, result = Scenes(session.trajectories), session.shown
    found = []
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
        yield (
            title,
            [
                scenes.layer(
                    scenes.frames([frame]),
                    frame_name(session, int(frame)),
                    colour=colour,
                    opacity=1.0 if i == 0 else BEHIND,
                )
                for i, frame in enumerate(frames)
            ],
        )


def _packed(layer):
    return layer | {"coordinates": base64.b64encode(layer["coordinates"]).decode()}
