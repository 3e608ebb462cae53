"""Widgets as all panels use them, where panel's own need care."""

from __future__ import annotations

from collections.abc import Mapping

import panel_material_ui as pmui


def beside(*parts, width: int) -> pmui.Column:
    """A column of ``width`` pixels next to a plot; it scrolls when it does not fit, and only up and down."""
    styles = {"overflow": "hidden auto", "scrollbar-width": "thin", "flex": "none"}
    return pmui.Column(*parts, width=width, sizing_mode="stretch_height", margin=0, styles=styles)


def lay_out(layout, *parts) -> None:
    """Put ``parts`` into a layout, each when it is first visible: what nobody sees costs the page nothing."""
    shown = {part for part in parts if part.visible}

    def update(event):
        if event.new and event.obj not in shown:
            shown.add(event.obj)
            layout[:] = [part for part in parts if part in shown]

    layout[:] = [part for part in parts if part in shown]
    for part in set(parts) - shown:
        part.param.watch(update, "visible")


def offer(select: pmui.Select, options: Mapping, value) -> None:
    """Give ``select`` other ``options``, {label: value}, and choose one.

    The page knows a choice by its label, and panel (1.9) sends the label only when the value changes.
    """
    same = value == select.value
    select.param.update(options=dict(options), value=value)
    if same:
        select.param.trigger("value")
