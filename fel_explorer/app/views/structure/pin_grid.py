"""A grid of pictures of structures, each with its name and what can be done with it."""

from __future__ import annotations

import param
from panel.custom import JSComponent

from fel_explorer.app.widgets.dom import ELEMENT

_CSS = """
:host {height: 100%}
.fel-pins {height: 100%; overflow: auto; display: grid; gap: 10px; padding: 2px 12px 12px;
  box-sizing: border-box; grid-template-columns: repeat(auto-fill, minmax(176px, 1fr)); align-content: start;
  font: 14px/1.35 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
.pin {border: 1px solid color-mix(in srgb, currentColor 18%, transparent); border-radius: 8px;
  display: flex; flex-direction: column; min-width: 0}
.pin.shown {outline: 2px solid var(--panel-primary-color, currentColor)}
.picture {all: unset; cursor: pointer; height: 118px; display: grid; place-items: center;
  border-radius: 8px 8px 0 0}
.picture:hover {background: color-mix(in srgb, currentColor 7%, transparent)}
.picture img {height: 118px; max-width: 100%; object-fit: contain}
.words {padding: 0 10px; min-width: 0}
.words div {white-space: nowrap; overflow: hidden; text-overflow: ellipsis}
.name {font-weight: 500}
.less {opacity: .75; font-size: 13px}
.dot {display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px}
.actions {display: flex; gap: 2px; padding: 2px 6px 4px}
.actions button {all: unset; cursor: pointer; padding: 3px 7px; border-radius: 6px; font-size: 13px;
  opacity: .85}
.actions button:hover {background: color-mix(in srgb, currentColor 12%, transparent); opacity: 1}
.actions button[aria-pressed=true] {background: var(--panel-primary-color, #155e75); opacity: 1;
  color: var(--panel-on-primary-color, #fff)}
.actions button:last-child {margin-left: auto}
button:focus-visible {outline: 2px solid var(--panel-primary-color, currentColor)}
"""

_ESM = """
export function render({model, el}) {
  el.style.width = el.style.height = "100%"
  element("style", "", el, model.css)
  const root = element("div", "fel-pins", el)

  function button(parent, action, key, text, about, pressed) {
    const node = element("button", "", parent, text)
    node.type = "button"
    node.title = about
    if (pressed !== undefined) node.setAttribute("aria-pressed", pressed)
    node.onclick = () => model.send_msg({action, key})
    return node
  }

  function draw() {
    const place = root.scrollTop
    root.replaceChildren()
    for (const card of model.cards) {
      const node = element("div", card.shown ? "pin shown" : "pin", root)
      const about = `Show ${card.name} big`
      const picture = button(node, "show", card.key, "", about, card.shown)
      picture.className = "picture"
      picture.setAttribute("aria-label", about)
      const image = model.pictures[card.key]
      if (image) Object.assign(element("img", "", picture), {src: image, alt: "", draggable: false})
      const words = element("div", "words", node)
      const name = element("div", "name", words)
      element("span", "dot", name).style.background = card.colour
      name.append(card.name)
      name.title = card.name
      element("div", "less", words, card.where).title = card.where
      element("div", "less", words, card.distance).title = model.distance_about
      const actions = element("div", "actions", node)
      button(actions, "overlay", card.key, "Overlay", "Superpose it on the current view", card.overlaid)
      button(actions, "reference", card.key, "Reference", "Align the others to it, and compare them with it",
        card.reference)
      const remove = button(actions, "remove", card.key, "✕", `Remove ${card.name}`)
      remove.setAttribute("aria-label", remove.title)
    }
    root.scrollTop = place
  }

  model.on(["cards", "pictures"], draw)
  draw()
}
"""


class PinGrid(JSComponent):
    """Cards ``{"key", "name", "where", "distance", "colour", "shown", "overlaid", "reference"}``."""

    cards = param.List([], doc="What is shown, in order.")
    pictures = param.Dict({}, doc="{key: data URL}.")
    distance_about = param.String("", doc="Tooltip of the distances.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + _ESM

    def __init__(self, on_action, **params):
        """``on_action(action, key)`` is called with "show", "overlay", "reference" or "remove"."""
        super().__init__(**params)
        self._on_action = on_action

    def _handle_msg(self, data: dict) -> None:
        self._on_action(str(data["action"]), int(data["key"]))
