"""Pinned structures side by side: pictures, how far they lie from one of them, and their export."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import panel_material_ui as pmui
import param

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.pinned import Pin, as_pdb, fit_atoms_text, rmsds
from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer.scenes import pin_colour
from fel_explorer.app.views.structure.pin_grid import PinGrid
from fel_explorer.app.widgets.figure_export import FigureExport
from fel_explorer.app.widgets.tab_view import TabView
from fel_explorer.app.widgets.text import Text
from fel_explorer.data.frame_values import FRAME_NUMBERS

PDB = "One model for each pinned structure, aligned: opens in PyMOL, VMD, ChimeraX."
HOW = "Click a picture to enlarge it. Overlay superposes the structure on the current view."


class PinsPanel(TabView):
    """The pins of the session as a grid."""

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session, board, **params)
        self.grid = PinGrid(self.act, sizing_mode="stretch_both", margin=0)
        self.text = Text("", variant="body2", margin=(2, 12, 4, 12), sizing_mode="stretch_width")
        self.export = FigureExport(None, self.frame, lambda: "pinned")
        pdb = pmui.FileDownload(
            callback=lambda: as_pdb(session.pinned, session.trajectories.topology),
            filename="pinned.pdb", label="PDB", description=PDB, size="small", margin=(8, 0),
            auto=True, embed=False,
            sx={"minWidth": "44px", "px": 0.5, "& .MuiButton-startIcon": {"display": "none"}},
        )  # fmt: skip
        pdb.param.update(variant="text", color="primary")  # as arguments pmui 0.16 warns of them
        self.export.layout.insert(0, pdb)
        self.layout = pmui.Column(self.text, self.grid, sizing_mode="stretch_both", margin=0)
        self._watcher = session.param.watch(self._refresh, ["pinned", "thumbnails", "shown", "state_names"])
        self._refresh()

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)

    def act(self, action: str, key: int) -> None:
        """Do to a pin what was clicked: "show", "overlay", "reference" or "remove"."""
        pinned = self.session.pinned
        if key not in pinned.keys:  # clicked twice
            return
        if action == "show":  # a look at it, which undo does not take back
            self.session.pinned = replace(pinned, shown=key)
            return
        changes = {
            "overlay": lambda: pinned.overlay(key),
            "reference": lambda: replace(pinned, reference=key),
            "remove": lambda: pinned.remove(key),
        }
        self.session.pin(changes[action]())

    def frame(self) -> pd.DataFrame:
        """The pins as a table: what they are, where, and the RMSD from the reference in Angstrom."""
        session = self.session
        distances = rmsds(session.pinned, session.trajectories.topology)
        rows = []
        for pin in session.pinned.pins:
            row = {"pin": pin.name, "frame": pin.frame, "observed": pin.observed, "state": self._state(pin)}
            if session.dataset is not None:
                row |= {name: session.dataset[name].values[pin.frame] for name in FRAME_NUMBERS}
            rows.append(row | {"rmsd_angstrom": 10 * distances[pin.key]})
        return pd.DataFrame(rows)

    @param.depends("active", watch=True)
    def _refresh(self, *_):
        session, pinned = self.session, self.session.pinned
        if not self.active or session.trajectories is None:
            return
        topology = session.trajectories.topology
        atoms = fit_atoms_text(topology)
        distances = rmsds(pinned, topology)
        reference = pinned.reference_pin
        self.text.object = f"{len(pinned)} pinned, aligned by their {atoms}. {HOW}"
        self.grid.param.update(
            cards=[self._card(pin, pin is reference, distances[pin.key]) for pin in pinned.pins],
            pictures=session.thumbnails,
            distance_about=f"Root-mean-square deviation of the {atoms} from the reference",
        )

    def _card(self, pin, is_reference, distance):
        pinned = self.session.pinned
        name, _, where = pin.name.partition(", ")
        return {
            "key": pin.key,
            "name": name[0].upper() + name[1:],
            "where": ", ".join(filter(None, [self._state(pin), where])),
            "distance": "Reference" if is_reference else f"RMSD {10 * distance:.2f} Å",
            "colour": pin_colour(pin.key),
            "shown": pin.key == pinned.shown,
            "overlaid": pin.key in pinned.overlaid,
            "reference": is_reference,
        }

    def _state(self, pin: Pin) -> str:
        result = self.session.shown
        if result is None or result.state is None:
            return ""
        return self.session.state_name(int(result.state[pin.frame]))
