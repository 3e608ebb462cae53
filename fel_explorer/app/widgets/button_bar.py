"""Buttons next to one another as one component: each component of its own costs a page time and memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import param
from panel.custom import JSComponent

from fel_explorer.app.widgets.dom import ELEMENT

_CSS = """
.fel-buttons {display: flex; flex-wrap: nowrap; align-items: center; gap: 2px;
  font: 500 14px/1.75 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
.spread {flex-wrap: wrap; justify-content: space-around}
.scrolls {overflow: auto hidden; scrollbar-width: none; scroll-padding: 0 24px; padding: 2px}
.scrolls > button {flex: none}
.more {position: absolute; top: 0; bottom: 0; width: 22px; display: grid; place-items: center;
  border-radius: 0; font-size: 20px; color: inherit;
  background: var(--panel-surface-color, var(--jp-layout-color1, #fff))}
.more.on {right: 0}
.more.back {left: 0}
.more[hidden] {display: none}
.primary {color: var(--panel-primary-color, currentColor)}
.light {color: #fff}
button {all: unset; box-sizing: border-box; cursor: pointer; border-radius: 4px; white-space: nowrap;
  color: inherit; padding: 2px 6px; -webkit-tap-highlight-color: transparent}
button.icon {padding: 5px; border-radius: 50%; line-height: 0}
button:hover:enabled {background: color-mix(in srgb, currentColor 8%, transparent)}
button:focus-visible {outline: 2px solid currentColor; outline-offset: -1px}
button:disabled {cursor: default; opacity: .38}
button.outlined {border: 1px solid color-mix(in srgb, currentColor 50%, transparent); padding: 2px 9px}
button.contained, button.contained:hover:enabled {background: var(--panel-primary-color, #155e75);
  color: var(--panel-on-primary-color, #fff)}
button.contained:focus-visible {outline-offset: 2px}
button.text i {margin-right: 6px}
button i {font: normal 20px/1 "Material Icons"; font-feature-settings: "liga"; vertical-align: middle}
[popover] {margin: 0; border: 0; padding: 4px 8px; border-radius: 4px; max-width: 200px; width: max-content;
  font: 13px/1.4 Roboto, "Helvetica Neue", Arial, sans-serif; color: #fff; background: #616161ee;
  pointer-events: none}
"""

_ESM = """
export function render({model, el}) {
  element("style", "", el, model.css)
  const bar = element("div", "fel-buttons", el)
  bar.classList.add(model.colour)
  bar.classList.toggle("spread", model.sizing_mode === "stretch_width" && !model.scrolls)
  bar.classList.toggle("scrolls", model.scrolls)
  const tip = element("div", "", el)
  tip.popover = "manual"
  tip.setAttribute("aria-hidden", "true")  // the buttons have the same words
  const buttons = new Map()
  let waiting = null, look = () => {}

  function hide() {
    clearTimeout(waiting)
    if (tip.matches(":popover-open")) tip.hidePopover()
  }
  function show(button) {
    if (!button.isConnected || !button.dataset.about) return
    tip.textContent = button.dataset.about
    tip.showPopover()
    const at = button.getBoundingClientRect(), own = tip.getBoundingClientRect()
    const left = Math.min(at.left + at.width / 2 - own.width / 2, innerWidth - own.width - 4)
    const below = at.bottom + 4 + own.height < innerHeight
    tip.style.left = `${Math.max(left, 4)}px`
    tip.style.top = `${below ? at.bottom + 4 : at.top - own.height - 4}px`
  }
  function reveal() {
    if (model.scrolls) bar.querySelector(".contained")?.scrollIntoView({block: "nearest", inline: "nearest"})
  }
  function make(name) {
    const button = element("button", "", bar)
    button.type = "button"
    button.onclick = () => { hide(); model.send_msg(name) }
    button.onpointerenter = () => { hide(); waiting = setTimeout(show, 300, button) }
    button.onfocus = () => { if (button.matches(":focus-visible")) show(button) }
    button.onpointerleave = button.onblur = hide
    buttons.set(name, button)
    return button
  }
  function draw() {
    const names = new Set(model.items.map((item) => item.name))
    for (const [name, button] of buttons) {
      if (!names.has(name)) { button.remove(); buttons.delete(name) }
    }
    model.items.forEach((item, place) => {
      const button = buttons.get(item.name) ?? make(item.name)
      if (bar.children[place] !== button) bar.insertBefore(button, bar.children[place] ?? null)
      button.className = `${item.label ? "text" : "icon"} ${item.variant}`
      if (button.dataset.shown !== item.icon + "|" + item.label) {
        button.dataset.shown = item.icon + "|" + item.label
        button.replaceChildren()
        if (item.icon) element("i", "", button, item.icon).setAttribute("aria-hidden", "true")
        if (item.label) element("span", "", button, item.label)
      }
      button.disabled = item.disabled
      button.dataset.about = item.description
      button.setAttribute("aria-label", item.label || item.description)
      if (item.label && item.description) button.setAttribute("aria-description", item.description)
      if (item.pressed === null) button.removeAttribute("aria-pressed")
      else button.setAttribute("aria-pressed", String(item.pressed))
    })
    if (![...buttons.values()].some((button) => button.matches(":hover, :focus"))) hide()
    reveal()
    look()
  }
  // for the mouse, where there is not enough room; keys bring the button that has the focus into view
  if (model.scrolls) {
    Object.assign(el.style, {position: "relative", minWidth: "0", overflow: "hidden"})
    const ends = [["back", "‹", -1], ["on", "›", 1]].map(([side, sign, step]) => {
      const end = element("button", `more ${side} ${model.colour}`, el, sign)
      Object.assign(end, {type: "button", tabIndex: -1, hidden: true})
      end.setAttribute("aria-hidden", "true")
      end.onclick = () => bar.scrollBy({left: step * .7 * bar.clientWidth, behavior: "smooth"})
      return end
    })
    look = () => {
      ends[0].hidden = bar.scrollLeft < 2
      ends[1].hidden = bar.scrollLeft + bar.clientWidth > bar.scrollWidth - 2
    }
    bar.onscroll = look
    bar.onwheel = (event) => {
      if (bar.scrollWidth <= bar.clientWidth || event.deltaX) return
      bar.scrollLeft += event.deltaY
      event.preventDefault()
    }
    const resized = new ResizeObserver(() => { reveal(); look() })
    resized.observe(bar)
    model.on("remove", () => resized.disconnect())
  }
  const escape = (event) => { if (event.key === "Escape") hide() }
  document.addEventListener("keydown", escape)
  model.on("remove", () => { document.removeEventListener("keydown", escape); hide() })
  model.on("items", draw)
  draw()
}
"""


class BarButton(param.Parameterized):
    """A button of a bar, with the parameters of panel's buttons."""

    label = param.String("", doc="Its word; '' for an icon alone.")
    icon = param.String("", doc="Name of a Material icon.")
    description = param.String("", doc="Tooltip; of an icon alone also the accessible name.")
    variant: param.Selector[str] = param.Selector(default="text", objects=["text", "outlined", "contained"])
    pressed = param.Boolean(None, allow_None=True, doc="State of a toggle; None for other buttons.")
    disabled = param.Boolean(False)
    visible = param.Boolean(True)
    clicks = param.Integer(0, doc="How often it was clicked.")

    def __init__(self, on_click: Callable, **params):
        super().__init__(**params)
        self.param.watch(on_click, "clicks")


SENT = ("label", "icon", "description", "variant", "pressed", "disabled")


class ButtonBar(JSComponent):
    """``buttons`` in a row, {name: button}; those that are not visible take no room.

    A bar that is stretched has them evenly spread, in a second row where they find no room in one.
    """

    items = param.List([], doc="What the browser shows.")
    colour: param.Selector[str] = param.Selector(
        default="text", objects=["text", "primary", "light"], doc="That of text, of the page, or white."
    )
    scrolls = param.Boolean(False, constant=True, doc="Whether it scrolls where it has not enough room.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + _ESM

    def __init__(self, buttons: Mapping[str, BarButton], **params):
        self.buttons = dict(buttons)
        super().__init__(**params)
        for button in self.buttons.values():
            button.param.watch(self._update, [*SENT, "visible"])
        self._update()

    def _update(self, *_):
        items = [
            {"name": name, **{key: getattr(button, key) for key in SENT}}
            for name, button in self.buttons.items()
            if button.visible
        ]
        if items != self.items:
            self.items = items

    def _handle_msg(self, name: str) -> None:
        button = self.buttons.get(name)
        if button is not None and not button.disabled and button.visible:
            button.clicks += 1
