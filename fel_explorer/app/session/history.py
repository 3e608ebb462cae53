"""Undo and redo: snapshots before each change, and whole sessions before other data are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fel_explorer.app.session.snapshot import Snapshot


@dataclass(frozen=True, eq=False)
class Loaded:
    """Data that were opened before others, with all that was made of them.

    Attributes
    ----------
    name
        Of the data.
    values
        ``{param: value}`` of the session.
    history
        What can be undone and redone there.
    """

    name: str
    values: dict
    history: History

    @property
    def nbytes(self) -> int:
        """Size in bytes of the feature sets and of what models made of them.

        What worker processes computed lies in files that the system reads when it is used."""
        sets, results = self.values["feature_sets"], self.values["results"]
        arrays = [results[label].embedding for label in results]
        return sum(one.nbytes for one in sets.values()) + sum(one.nbytes for one in arrays)


class History:
    """Snapshots of a session before each change, and those that were undone.

    Each data have a history of their own; ``before`` and ``after`` name the data to which undo and redo lead
    from its ends.
    """

    def __init__(self, before: str | None = None):
        self._past: list[Snapshot] = []
        self._undone: list[Snapshot] = []
        self.before = before
        self.after: str | None = None

    @property
    def flags(self) -> dict[str, bool]:
        """Whether there is anything to undo and to redo, by the names of a session's params."""
        return {
            "can_undo": bool(self._past) or self.before is not None,
            "can_redo": bool(self._undone) or self.after is not None,
        }

    def remember(self, now: Snapshot) -> None:
        """Before a change: what was undone can't be redone any more."""
        self._past.append(now)
        self._undone.clear()
        self.after = None

    def back(self, now: Callable[[Snapshot], Snapshot]) -> Snapshot | None:
        """Snapshot before the present one, which is ``now`` of it; None where nothing can be undone."""
        return self._swap(self._past, self._undone, now)

    def forth(self, now: Callable[[Snapshot], Snapshot]) -> Snapshot | None:
        """Snapshot after the present one; None where nothing was undone."""
        return self._swap(self._undone, self._past, now)

    def forget(self, name: str) -> None:
        """Undo and redo lead no more to the data of this name, which were closed."""
        self.before = None if self.before == name else self.before
        self.after = None if self.after == name else self.after

    def rewrite(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Change every snapshot, as when a model gets another name."""
        self._past = [change(one) for one in self._past]
        self._undone = [change(one) for one in self._undone]

    def _swap(self, source, target, now):
        if not source:
            return None
        snapshot = source.pop()
        target.append(now(snapshot))
        return snapshot
