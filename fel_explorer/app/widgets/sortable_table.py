"""Table that sorts by a click on a heading and reports a click on a row."""

from __future__ import annotations

from typing import Any

import param
from panel.custom import JSComponent

from fel_explorer.app.widgets.dom import ELEMENT

_CSS = """
:host {height: 100%}
.fel-table, .fel-states {height: 100%; overflow: auto; scrollbar-width: thin;
  scrollbar-color: color-mix(in srgb, currentColor 40%, transparent) transparent;
  font: 14px/1.4 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
table {width: 100%; border-collapse: collapse; white-space: nowrap}
thead th {position: sticky; top: 0; z-index: 1; padding: 2px 8px; text-align: left; font-weight: 500;
  background: var(--panel-surface-color, var(--jp-layout-color1, #fff))}
th button {all: unset; cursor: pointer; font-size: 12px; opacity: .8; padding: 3px 0}
th button:hover {opacity: 1}
button:focus-visible {outline: 2px solid var(--panel-primary-color, currentColor); border-radius: 3px}
td {padding: 4px 8px; border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent)}
.number {text-align: right; font-variant-numeric: tabular-nums}
tbody tr {cursor: pointer}
tbody tr:hover {background: color-mix(in srgb, currentColor 7%, transparent)}
tbody tr.chosen {background: color-mix(in srgb, currentColor 13%, transparent)}
td button {all: unset; cursor: pointer; display: flex; align-items: center; gap: 8px; font-weight: 500}
.fel-states {height: auto; max-height: 200px}
.fel-states table {white-space: normal}
.fel-states td {padding: 2px 8px}
.bar {display: inline-block; height: 10px; margin-right: 8px; border-radius: 2px; min-width: 2px; opacity: .8}
.dot {flex: none; width: 11px; height: 11px; border-radius: 50%}
.less {opacity: .7; font-size: 12px}
"""

_ESM = """
export function render({model, el}) {
  el.style.width = "100%"
  if (!model.compact) el.style.height = "100%"
  element("style", "", el, model.css)
  const root = element("div", model.compact ? "fel-states" : "fel-table", el)
  let by = "", falling = true

  function sorted() {
    const rows = [...model.rows]
    if (!by) return rows
    const sign = falling ? -1 : 1
    return rows.sort((a, b) => {
      const [x, y] = [a.cells[by].value, b.cells[by].value]
      if (x === y) return 0
      if (x === null) return 1
      if (y === null) return -1
      return sign * (x < y ? -1 : 1)
    })
  }

  function draw() {
    const place = root.scrollTop
    root.replaceChildren()
    const table = element("table", "", root)
    const head = element("tr", "", element("thead", "", table))
    for (const column of model.columns) {
      const cell = element("th", column.number ? "number" : "", head)
      const mark = by === column.key ? (falling ? " ↓" : " ↑") : ""
      const button = element("button", "", cell, column.title + mark)
      button.title = column.about ?? `Sort by ${column.title}`
      button.onclick = () => {
        falling = by === column.key ? !falling : Boolean(column.number)
        by = column.key
        draw()
      }
    }
    const body = element("tbody", "", table)
    for (const row of sorted()) {
      const line = element("tr", row.state === model.chosen ? "chosen" : "", body)
      line.title = model.row_about
      line.onclick = () => model.send_msg({state: row.state})
      model.columns.forEach((column, index) => {
        const cell = element("td", column.number ? "number" : "", line)
        const {text, less, about, bar} = row.cells[column.key]
        if (about) cell.title = about
        if (index === 0) {
          const button = element("button", "", cell)
          button.type = "button"
          element("span", "dot", button).style.background = row.colour
          element("span", "", button, text)
        } else if (bar !== undefined) {
          cell.style.minWidth = "110px"
          const drawn = element("span", "bar", cell)
          drawn.style.background = row.colour
          drawn.style.width = `${60 * bar}px`
          cell.append(text)
        } else {
          cell.textContent = text
        }
        if (less) element("span", "less", cell, ` ${less}`)
      })
    }
    root.scrollTop = place
  }

  model.on(["rows", "columns", "chosen"], draw)
  draw()
}
"""


class SortableTable(JSComponent):
    """Rows ``{"state", "colour", "cells": {key: {"text", "value", "less", "about", "bar"}}}``.

    ``text`` is shown, with ``less`` behind it in small print; ``value`` is sorted by, None last; ``about`` is
    a tooltip; ``bar`` draws a bar of that fraction of its full width before the text.  Columns ``{"key",
    "title", "number", "about"}``; the first one carries the colour.
    """

    rows = param.List([], doc="What is listed, in order until the user sorts.")
    columns = param.List([], doc="From left to right.")
    chosen = param.Integer(-1, doc="State of the row that is marked; -1 for none.")
    compact = param.Boolean(False, constant=True, doc="Only as high as its rows, up to a limit.")
    row_about = param.String("Select this state", doc="Tooltip of the rows.")
    clicked = param.Event(doc="Fires when a row was clicked; `state` says which.")
    state = param.Integer(-1, doc="State of the row clicked last.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + _ESM

    def __init__(self, **params: Any):
        if not params.get("compact"):  # it gives room to what is above it, and scrolls
            params = {"min_height": 60, **params}
        super().__init__(**params)

    def _handle_msg(self, data: dict) -> None:
        self.state = int(data["state"])
        self.param.trigger("clicked")
