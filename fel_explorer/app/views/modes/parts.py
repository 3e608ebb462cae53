"""Parts of the view of modes: how lags are scored, level sets, and sensitivities on the structure."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui
import xarray as xr
from panel.viewable import Viewer

from fel_explorer.app.session.atom_values import AtomValues
from fel_explorer.app.session.session import Session
from fel_explorer.app.views.modes.level_sets import LevelSets
from fel_explorer.app.views.modes.scores import N_FOLDS, Variable
from fel_explorer.app.widgets.float_field import FloatField
from fel_explorer.plots.level_sets import plot_decoder, plot_level_sets
from fel_explorer.structures import atom_values

PLANE, EVERY = "plane", "every"  # choices of what is shown of level sets
SOURCE = "sensitivity"  # whose values of atoms these are


class ScoreForm(Viewer):
    """At which lag models are scored, and on how many parts of the data."""

    def __init__(self, **params):
        super().__init__(**params)
        self.lag = FloatField(
            label="Scored at lag", size="small", width=140, margin=(8, 10, 2, 10),
            description="Lag time of the VAMP-2 score. All models are scored at this one lag time, "
            "because scores at different lag times can't be compared.",
        )  # fmt: skip
        self.folds = pmui.IntInput(
            label="Parts", value=N_FOLDS, start=2, end=20, size="small", width=110, margin=(8, 0, 2, 0),
            description="Number of cross-validation folds: whole trajectories where there are enough. "
            "Each fold is held out once; the spread over the folds is the error.",
        )  # fmt: skip
        self.layout = pmui.Row(self.lag, self.folds, margin=0)

    def __panel__(self):
        return self.layout


class LevelSetsPart(Viewer):
    """View of level sets: all features together, one of them, or the decoder's curve."""

    def __init__(self, **params):
        super().__init__(**params)
        self.shown = pmui.Select(
            label="Show", options={}, size="small", width=290, margin=(8, 10, 2, 10), visible=False
        )

    def __panel__(self):
        return self.shown

    def offer(self, found: LevelSets | None) -> None:
        """The choices that ``found`` has; none without it."""
        options = {}
        if found is not None and found.plane is not None:
            options["Decoder in the plane"] = PLANE
        if found is not None:
            options["All features"] = EVERY
            if found.table.sizes["dimension"] == 1:
                options |= {name: name for name in found.worst}
        value = (
            self.shown.value if self.shown.value in options.values() else next(iter(options.values()), None)
        )
        self.shown.param.update(options=options, value=value, visible=len(options) > 1)

    def figure(self, found: LevelSets, names, *, dark=False):
        """The plot of the choice; ``names`` are those of the map's dimensions."""
        if self.shown.value == PLANE:
            means = found.means if found.table.sizes["dimension"] == 1 else ()
            return plot_decoder.sheet(found.plane, means=means, dark=dark)
        feature = self.shown.value if self.shown.value in found.worst else None
        return plot_level_sets.sheet(found.table, feature=feature, names=names, dark=dark)


class OnStructure(Viewer):
    """A switch that colours the structure by the atoms that a variable depends on."""

    def __init__(self, session: Session, **params):
        super().__init__(**params)
        self.session = session
        self._values: AtomValues | None = None
        self.switch = pmui.Switch(
            label="Colour the structure by it", size="small", margin=(6, 12),
            description="Colour each atom by its fraction of the sensitivity; "
            "that of a distance is divided between its two atoms.",
        )  # fmt: skip
        self.switch.param.watch(self._colour, "value")
        self._watcher = session.param.watch(self._on_values, ["atom_values"])

    def __panel__(self):
        return self.switch

    def close(self) -> None:
        """Stop watching the session."""
        self.session.param.unwatch(self._watcher)

    def offer(self, tables: dict[str, xr.Dataset] | None, variable: Variable | None) -> None:
        """Take the values of a variable (None: nothing is shown) from the tables of `sensitivity_job`."""
        session, self._values = self.session, None
        known = tables is not None and session.trajectories is not None
        if known and "featurizers" in session.dataset.attrs:
            table = tables[variable.of]
            share = table["feature_share"].isel({table["share"].dims[0]: variable.index})
            percent = 100 * atom_values(share, session.dataset.attrs).values
            title = f"{session.active}: contribution to {variable.name} (%)"
            percent[percent == 0] = np.nan  # in no feature, or in none that the model uses
            self._values = AtomValues(percent, title, source=SOURCE)
        self.switch.visible = self._values is not None
        if self._values is not None:
            self._colour()

    def _colour(self, *_):
        shown = self.session.atom_values
        if self.switch.value and self._values is not None:
            self.session.atom_values = self._values
        elif shown is not None and shown.source == SOURCE:
            self.session.atom_values = None

    def _on_values(self, event):
        """Someone else colours the structure, or nobody does any more."""
        if event.new is None or event.new.source != SOURCE:
            self.switch.value = False
