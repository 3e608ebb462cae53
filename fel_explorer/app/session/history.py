"""Undo and redo: snapshots before each change."""

from __future__ import annotations

from collections.abc import Callable

from fel_explorer.app.session.snapshot import Snapshot


class History:
    """Snapshots of a session before each change, and those that were undone."""

    def __init__(self):
        self._past: list[Snapshot] = []
        self._undone: list[Snapshot] = []

    @property
    def flags(self) -> dict[str, bool]:
        """Whether there is anything to undo and to redo, by the names of a session's params."""
        return {"can_undo": bool(self._past), "can_redo": bool(self._undone)}

    def remember(self, now: Snapshot) -> None:
        """Before a change: what was undone can't be redone any more."""
        self._past.append(now)
        self._undone.clear()

    def back(self, now: Snapshot) -> Snapshot | None:
        """Snapshot before ``now``; None where nothing can be undone."""
        return self._swap(self._past, self._undone, now)

    def forth(self, now: Snapshot) -> Snapshot | None:
        """Snapshot after ``now``; None where nothing was undone."""
        return self._swap(self._undone, self._past, now)

    def rewrite(self, change: Callable[[Snapshot], Snapshot]) -> None:
        """Change every snapshot, as when a model gets another name."""
        self._past = [change(one) for one in self._past]
        self._undone = [change(one) for one in self._undone]

    def _swap(self, source, target, now):
        if not source:
            return None
        target.append(now)
        return source.pop()
