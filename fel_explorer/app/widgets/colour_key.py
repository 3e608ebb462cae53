"""Legend of a map: a bar of colours for numbers, or categories that can be selected, hidden and renamed."""

from __future__ import annotations

import param
from panel.custom import JSComponent

from fel_explorer.app.widgets.dom import ELEMENT

WIDTH = 124  # px
STOPS = 128  # colours of a bar

_CSS = """
:host {height: 100%}
.fel-legend {height: 100%; box-sizing: border-box; padding: 6px 2px 34px 6px; display: flex;
  flex-direction: column; gap: 4px; font: 14px/1.3 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
.title {font-weight: 500; overflow-wrap: anywhere}
.bar {flex: 1; min-height: 60px; position: relative; margin: 8px 0 6px 2px}
.bar i {position: absolute; inset: 0 auto 0 0; width: 16px; border-radius: 3px}
.bar span {position: absolute; left: 22px; transform: translateY(50%); white-space: nowrap;
  font-variant-numeric: tabular-nums}
.bar span::before {content: ""; position: absolute; left: -6px; top: 50%; width: 4px;
  border-top: 1px solid currentColor; opacity: .6}
.note {font-size: 12px; opacity: .75; margin-top: auto; padding-top: 6px}
ul {list-style: none; margin: 0; padding: 0; overflow: hidden auto; scrollbar-width: thin; flex: 0 1 auto}
li {display: flex; align-items: center; gap: 2px; border-radius: 4px}
li:hover, li:focus-within {background: color-mix(in srgb, currentColor 8%, transparent)}
li button {all: unset; cursor: pointer; box-sizing: border-box}
button:focus-visible {outline: 2px solid var(--panel-primary-color, currentColor); border-radius: 3px}
.swatch {flex: none; width: 22px; height: 22px; display: grid; place-items: center}
.swatch i {width: 13px; height: 13px; border-radius: 3px; border: 2px solid transparent}
.name {flex: 1; min-width: 0; padding: 3px 2px; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap}
.hidden .name {opacity: .5; text-decoration: line-through}
.rename {flex: none; width: 18px; text-align: center; opacity: 0}
li:hover .rename, .rename:focus-visible {opacity: .8}
input {width: 100%; min-width: 0; font: inherit; color: inherit; background: transparent;
  border: 1px solid currentColor; border-radius: 3px; padding: 1px 3px}
"""

_ESM = """
export function render({model, el}) {
  el.style.height = "100%"
  element("style", "", el, model.css)
  const root = element("div", "fel-legend", el)
  model.pixel_ratio = window.devicePixelRatio || 1

  function bar() {
    const box = element("div", "bar", root)
    box.setAttribute("role", "img")
    const ends = model.ticks.map(([, text]) => text)
    box.setAttribute("aria-label", `Colours of ${model.title}, from ${ends[0]} to ${ends[ends.length - 1]}`)
    element("i", "", box).style.background = `linear-gradient(to top, ${model.colours.join(", ")})`
    for (const [place, text] of model.ticks) {
      element("span", "", box, text).style.bottom = `${100 * place}%`
    }
  }

  function rename(line, entry) {
    const field = document.createElement("input")
    field.value = entry.name
    field.setAttribute("aria-label", `New name of ${entry.name}`)
    line.querySelector(".name").replaceWith(field)
    field.focus()
    field.select()
    let done = false
    const end = (take) => {
      if (done) return
      done = true
      if (take && field.value.trim() !== entry.name) {
        model.send_msg({act: "rename", key: entry.key, name: field.value.trim()})
      }
      draw()
    }
    field.onkeydown = (event) => {
      event.stopPropagation()  // letters are shortcuts of the page
      if (event.key === "Enter") end(true)
      if (event.key === "Escape") end(false)
    }
    field.onblur = () => end(true)
  }

  function entries() {
    const list = element("ul", "", root)
    for (const entry of model.entries) {
      const line = element("li", entry.hidden ? "hidden" : "", list)
      const swatch = element("button", "swatch", line)
      swatch.type = "button"
      swatch.title = `${entry.hidden ? "Show" : "Hide"} ${entry.name}`
      swatch.setAttribute("aria-label", swatch.title)
      swatch.setAttribute("aria-pressed", String(!entry.hidden))
      const mark = element("i", "", swatch)
      mark.style.borderColor = entry.colour
      mark.style.background = entry.hidden ? "transparent" : entry.colour
      swatch.onclick = () => model.send_msg({act: "hide", key: entry.key})
      const name = element("button", "name", line, entry.name)
      name.type = "button"
      name.title = `Select ${entry.name}: ${entry.about}. Shift or Ctrl adds, Alt subtracts.`
      name.onclick = (event) => model.send_msg({
        act: "select", key: entry.key, shift: event.shiftKey, ctrl: event.ctrlKey || event.metaKey,
        alt: event.altKey,
      })
      if (model.can_rename) {
        name.ondblclick = () => rename(line, entry)
        const pen = element("button", "rename", line)
        element("span", "", pen, "✎").setAttribute("aria-hidden", "true")
        pen.type = "button"
        pen.title = `Rename ${entry.name}`
        pen.setAttribute("aria-label", pen.title)
        pen.onclick = () => rename(line, entry)
      }
    }
  }

  function draw() {
    const place = root.querySelector("ul")?.scrollTop ?? 0
    root.replaceChildren()
    element("div", "title", root, model.title)
    if (model.entries.length) entries()
    else if (model.ticks.length) bar()
    if (model.note) element("div", "note", root, model.note)
    const list = root.querySelector("ul")
    if (list) list.scrollTop = place
  }

  model.on(["title", "colours", "ticks", "entries", "can_rename", "note"], draw)
  draw()
}
"""


# a name that ended in "Legend" would get the properties of Bokeh's legends from the page's theme
class ColourKey(JSComponent):
    """A bar of ``colours`` with ``ticks``, or, where there are ``entries``, a list of these.

    An entry is ``{"key", "name", "colour", "hidden", "about"}``.

    Parameters
    ----------
    on_act
        Called with {"act": "select" (and the keys held: "shift", "ctrl", "alt"), "hide" or "rename" (and
        "name"), "key"}.
    """

    title = param.String("", doc="What is coloured, with its unit.")
    colours = param.List([], doc="Colours from low to high.")
    ticks = param.List([], doc="[fraction of the bar, text].")
    entries = param.List([], doc="Categories from above to below.")
    note = param.String("", doc="Small print below.")
    can_rename = param.Boolean(False, doc="Whether entries can be given other names.")
    pixel_ratio = param.Number(1.0, doc="Device pixels of a pixel of the page; the browser says it.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + _ESM

    def __init__(self, on_act, **params):
        super().__init__(width=WIDTH, sizing_mode="stretch_height", margin=0, **params)
        self._on_act = on_act

    def show(self, **values) -> None:
        """Set the parameters that are others than before, at once."""
        self.param.update(**{name: value for name, value in values.items() if getattr(self, name) != value})

    def _handle_msg(self, data: dict) -> None:
        self._on_act(data)
