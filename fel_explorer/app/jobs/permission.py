"""Whether pages may choose where trainings run."""

from __future__ import annotations


class _Permission:
    pages_choose = True


def let_pages_choose(allowed: bool) -> None:
    """Say whether pages may choose: what a cluster sends back is trusted, so strangers must not name one."""
    _Permission.pages_choose = allowed


def pages_choose() -> bool:
    """Whether pages may choose."""
    return _Permission.pages_choose
