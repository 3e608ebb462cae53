"""A session next to the page's own: the same data, selection and colours, but another model is shown.

A second map watches and acts on it as the first map does on the page's session.
"""

from __future__ import annotations

from dataclasses import replace

import param

from fel_explorer.app.session.session import Session

MIRRORED = "trajectories feature_sets features_of results levels edits selection point frame".split()
MIRRORED += ["colour_by", "state_names"]
UNITS = ["energy_unit", "temperature"]  # set on either map
DRAWN = "label method embedding membership state tree level".split()


class SideSession(Session):
    """Shows the result that the page's session names in ``beside``; empty while that is ''.

    What is selected, clicked or chosen as a colour here changes the page's session, and can be undone there.
    Paths belong to the first map.
    """

    borrows = param.Boolean(
        True, doc="Whether frames carry the states that they have on the first map, where it shows states."
    )

    def __init__(self, page: Session):
        super().__init__()
        self.page = page
        watched = [*MIRRORED, *UNITS, "dataset", "shown", "beside", "axes_beside"]
        self._watcher = page.param.watch(self._mirror, watched)
        self.param.watch(self._mirror, "borrows")
        self.param.watch(self._tell_units, UNITS)
        self.param.watch(self._tell_axes, "axes")
        self._mirror()

    def close(self) -> None:
        """Stop watching the page's session."""
        self.page.param.unwatch(self._watcher)

    def state_name(self, state: int) -> str:
        """As `Session.state_name`; of a borrowed state its name on the first map."""
        return self.page.state_name(state) if self._borrowing() else super().state_name(state)

    def select_state(self, state: int, mode: str = "replace") -> None:
        """As `Session.select_state`; of a borrowed state the one of the first map."""
        super().select_state(state, mode) if not self._borrowing() else self.page.select_state(state, mode)

    def name_state(self, state: int, name: str) -> None:
        """As `Session.name_state`; of a borrowed state the one of the first map."""
        super().name_state(state, name) if not self._borrowing() else self.page.name_state(state, name)

    def _borrowing(self):
        return self.borrows and self.page.shown is not None and self.page.shown.state is not None

    def _change(self, also=None, **changes):
        self.page._change(also, **changes)

    def _tell_units(self, *_):
        self.page.param.update({name: getattr(self, name) for name in UNITS})

    def _tell_axes(self, *_):
        if self.page.beside:
            self.page.axes_beside = self.axes

    def _mirror(self, *_):
        page = self.page
        if not page.beside:
            if self.dataset is not None:
                self.param.update(**self._usual(None, None))
            return
        features = page.features_of.get(page.beside, page.feature_set)
        values = {"active": page.beside, "axes": page.axes_beside} | {
            name: getattr(page, name) for name in (*MIRRORED, *UNITS)
        }
        values |= {"feature_set": features, "dataset": page.feature_sets[features]}
        # param takes a dataset or a selection for changed whenever it is set
        self.param.update({name: value for name, value in values.items() if getattr(self, name) is not value})
        self._follow()

    def _found(self):
        own, first = super()._found(), self.page.shown
        if own is None or not self._borrowing():
            return own
        result = replace(first, label=own.label, method=own.method, embedding=own.embedding)
        known = self.shown
        # the same result stays the same object, by which the map knows that nothing changed
        same = known is not None and all(getattr(known, n) is getattr(result, n) for n in DRAWN)
        return known if same else result
