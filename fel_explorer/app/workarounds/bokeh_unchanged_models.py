"""Repair of Bokeh 3.9: the models of a page are collected again only after one was added or removed.

Bokeh visits every model of the document, hundreds with all their properties, at the end of each
``models.freeze()``, in which HoloViews wraps each redraw.  On a page with an explorer that is more than half
of a redraw's time.  Upstream: bokeh/bokeh#11707 (cost of collecting the models).
"""

from __future__ import annotations

from bokeh.document.models import DocumentModelManager

from fel_explorer.app.workarounds.versions import only_for

_invalidate = DocumentModelManager.invalidate
_push_freeze = getattr(DocumentModelManager, "_push_freeze", None)  # absent in other versions
_pop_freeze = getattr(DocumentModelManager, "_pop_freeze", None)
_recompute = DocumentModelManager.recompute


def _roots(models) -> list:
    document = models._document()
    return [] if document is None else list(document.roots)


def _push(self):
    if self._freeze_count == 0:
        self._roots_before, self._is_stale = _roots(self), False
    _push_freeze(self)


def _noted_invalidate(self):
    self._is_stale = True  # as a model's references changed
    _invalidate(self)


def _pop(self):
    self._freeze_count -= 1
    if self._freeze_count == 0 and (self._is_stale or self._roots_before != _roots(self)):
        _recompute(self)


@only_for("bokeh>=3.9,<3.10")
def install() -> None:
    """Use the repair; safe to call again."""
    DocumentModelManager._is_stale, DocumentModelManager._roots_before = True, None  # if frozen already
    DocumentModelManager.invalidate = _noted_invalidate
    DocumentModelManager._push_freeze = _push
    DocumentModelManager._pop_freeze = _pop
