"""Repair of panel 1.9: a new component does not search all components that it contains.

Panel marks the data of each new component with its page, and looks for more data to mark in everything that
the component contains, which was marked when it was made.  A layout within layouts is searched again by each
of them: a tenth of the time in which a page is made.  No upstream issue is known.
"""

from __future__ import annotations

from bokeh.model import DataModel
from bokeh.model.util import visit_immediate_value_references
from panel.reactive import ReactiveCustomBase

from fel_explorer.app.workarounds.versions import only_for

_patch_datamodel_ref = ReactiveCustomBase.__dict__["_patch_datamodel_ref"]


def _mark(data, mark):
    if mark not in data.tags:
        data.tags.append(mark)
        visit_immediate_value_references(data, lambda one: isinstance(one, DataModel) and _mark(one, mark))


def _patch_own(cls, props, ref):
    _mark(props, f"__ref:{ref}")


@only_for("panel>=1.9,<1.10")
def install() -> None:
    """Use the repair; safe to call again."""
    ReactiveCustomBase._patch_datamodel_ref = classmethod(_patch_own)
