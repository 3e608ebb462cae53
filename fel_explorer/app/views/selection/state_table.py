"""A small table of states: colour, name, frames and share; a click on a row chooses the state."""

from __future__ import annotations

import param
from panel.custom import JSComponent

_CSS = """
.fel-states {max-height: 200px; overflow-y: auto; font: 14px/1.4 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
table {width: 100%; border-collapse: collapse}
th {text-align: left; font-weight: 500; font-size: 12px; opacity: .75; padding: 2px 8px}
td {padding: 3px 8px; border-top: 1px solid color-mix(in srgb, currentColor 14%, transparent)}
.number {text-align: right; width: 76px; font-variant-numeric: tabular-nums}
.share {width: 38%}
tbody tr {cursor: pointer}
tbody tr:hover {background: color-mix(in srgb, currentColor 7%, transparent)}
button {all: unset; cursor: pointer; display: flex; align-items: center; gap: 8px}
button:focus-visible {outline: 2px solid var(--panel-primary-color, currentColor); border-radius: 3px}
.dot {flex: none; width: 10px; height: 10px; border-radius: 50%}
.track {display: flex; align-items: center; gap: 8px}
.bar {height: 10px; border-radius: 2px; min-width: 2px; opacity: .8}
.percent {white-space: nowrap; font-size: 12px; font-variant-numeric: tabular-nums}
"""

_ESM = """
function element(tag, className, parent, text = "") {
  const node = document.createElement(tag)
  node.className = className
  node.textContent = text
  parent.append(node)
  return node
}

export function render({model, el}) {
  el.style.width = "100%"
  element("style", "", el, model.css)
  const root = element("div", "fel-states", el)
  const draw = () => {
    root.replaceChildren()
    const table = element("table", "", root)
    const head = element("tr", "", element("thead", "", table))
    element("th", "", head, "State")
    element("th", "number", head, "Frames")
    element("th", "share", head, model.share_title)
    const body = element("tbody", "", table)
    const most = Math.max(...model.rows.map(row => row.share), 0.01)
    for (const row of model.rows) {
      const line = element("tr", "", body)
      line.title = "Select this state"
      line.onclick = () => model.send_msg({state: row.state})
      const button = element("button", "", element("td", "", line))
      button.type = "button"
      element("span", "dot", button).style.background = row.colour
      element("span", "", button, row.name)
      element("td", "number", line, row.frames.toLocaleString("en"))
      const track = element("div", "track", element("td", "share", line))
      const bar = element("div", "bar", track)
      bar.style.background = row.colour
      bar.style.width = `${75 * row.share / most}%`
      const percent = row.share < 10 ? row.share.toPrecision(2) : row.share.toFixed(0)
      element("span", "percent", track, `${percent} %`)
    }
  }
  model.on(["rows", "share_title"], draw)
  draw()
}
"""


class StateTable(JSComponent):
    """Rows of ``{"state", "name", "colour", "frames", "share"}`` (share in percent)."""

    rows = param.List([], doc="What is listed, in order.")
    share_title = param.String("% of all frames")
    chosen = param.Event(doc="Fires when a row was clicked; `state` says which.")
    state = param.Integer(-1, doc="State of the row clicked last.")
    css = param.String(_CSS, constant=True)

    _esm = _ESM

    def _handle_msg(self, data: dict) -> None:
        self.state = int(data["state"])
        self.param.trigger("chosen")
