"""Snapshots of a session for undo."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from fel_explorer.app.session.pinned import Pinned
from fel_explorer.app.session.selection import PathAnchors, Point, Selection


@dataclass(frozen=True)
class Snapshot:
    """State that undo restores; the fields have the names of a session's params.

    ``shown_model`` is the feature set and the label of the model that were shown, before a change of the
    features; None before others, which leave it.
    """

    selection: Selection
    point: Point | None
    colour_by: str
    state_names: dict = field(default_factory=dict)
    edits: dict = field(default_factory=dict)
    path_anchors: PathAnchors | None = None
    pinned: Pinned = field(default_factory=Pinned)
    shown_model: tuple[str, str] | None = None

    @classmethod
    def of(cls, session, *, model: bool = False) -> Snapshot:
        """Snapshot of ``session``, with the model that it shows if ``model``."""
        shown = (session.feature_set, session.active) if model else None
        return cls(**{name: getattr(session, name) for name in _names()}, shown_model=shown)

    def changes(self, session) -> dict:
        """{param: value} of what is to change in ``session``; the structure shown big is none of it."""
        values = {name: getattr(self, name) for name in _names()}
        values["pinned"] = self.pinned.shown_as(session.pinned)
        if self.shown_model is not None:
            values["feature_set"], values["active"] = self.shown_model
            values["dataset"] = session.feature_sets[self.shown_model[0]]
        return {name: value for name, value in values.items() if getattr(session, name) is not value}

    def relabel(self, old: str, new: str) -> Snapshot:
        """The same after a result was given another label."""

        def keyed(values):
            return {(new, *key[1:]) if key[0] == old else key: value for key, value in values.items()}

        edits = {key: e.relabel(new) if e.label == old else e for key, e in self.edits.items()}
        point = self.point
        if point is not None and point.model == old:
            point = replace(point, model=new)
        return replace(
            self,
            edits=keyed(edits),
            state_names=keyed(self.state_names),
            point=point,
            selection=self.selection.relabel(old, new),
            shown_model=self._shown_instead(old, new),
        )

    def without(self, label: str) -> Snapshot:
        """The same after a result was removed: another one may get its label."""

        def others(values):
            return {key: value for key, value in values.items() if key[0] != label}

        point = None if self.point is not None and self.point.model == label else self.point
        return replace(
            self,
            edits=others(self.edits),
            state_names=others(self.state_names),
            point=point,
            shown_model=self._shown_instead(label, ""),
        )

    def _shown_instead(self, old, new):
        if self.shown_model is None or self.shown_model[1] != old:
            return self.shown_model
        return self.shown_model[0], new


def _names() -> list[str]:
    """Names of the params that a snapshot always holds."""
    return [field.name for field in fields(Snapshot) if field.name != "shown_model"]
