"""A second map next to the first one: another model of the same frames, with the same selection."""

from __future__ import annotations

import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.session.mirrored import SideSession
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.map.panel import MapPanel


class SecondMap(Viewer):
    """A map of the result that ``session.beside`` names; invisible, and drawing nothing, while it is ''."""

    dark = param.Boolean(False, doc="Colours for a dark page.")

    def __init__(self, session: Session, **params):
        super().__init__(**params)
        self.session, self.side = session, SideSession(session)
        self.choice = pmui.Select(
            label="Second map", size="small", variant="outlined", width=170, margin=(10, 6, 2, 6),
            description="Model shown on this map; the first map shows the model chosen in the Model panel.",
        )  # fmt: skip
        self.borrows = pmui.Switch.from_param(
            self.side.param.borrows, label="States of the first map", size="small", margin=(14, 6, 0, 10),
            description="Colour and name frames by their states on the first map.",
        )  # fmt: skip
        self.shut = pmui.IconButton(
            icon="close", size="small", margin=(12, 0), on_click=self._shut,
            description="Close the second map",
        )  # fmt: skip
        self.map = MapPanel(self.side, instead_of_colour=(self.shut, self.choice, self.borrows))
        self.choice.param.watch(self._on_choice, "value")
        self._watcher = session.param.watch(self._update, ["results", "beside", "shown"])
        self._update()

    def __panel__(self):
        return self.map

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)
        self.map.close()
        self.side.close()

    def _update(self, *_):
        session = self.session
        if not session.beside:
            return
        self.choice.param.update(options=list(session.results), value=session.beside)
        self.borrows.visible = session.shown is not None and session.shown.state is not None

    def _on_choice(self, event):
        if event.new and self.session.beside:
            self.session.beside = event.new

    def _shut(self, _event):
        self.session.beside = ""

    @param.depends("dark", watch=True)
    def _show_theme(self):
        self.map.dark = self.dark
