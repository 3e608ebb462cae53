"""Cards of the page with separators that are dragged or moved by arrow keys; each card can fill the page."""

from __future__ import annotations

from typing import Any

import param
from panel.custom import Child, JSComponent

from fel_explorer.app.shell.page_cover import COVER
from fel_explorer.app.shell.wheel_guard import HINT, WHEEL_GUARD
from fel_explorer.app.widgets.dom import ELEMENT

TITLES = {
    "map": "Landscape",
    "structure": "Structure",
    "selection": "Selection",
    "tree": "Tree of states",
    "strip": "Analysis",
}
_CSS = """
:host {height: 100%; width: 100%; min-height: 0}
.fel-cards {position: relative; height: 100%; width: 100%; box-sizing: border-box; padding: 4px;
  display: flex; flex-direction: column; overflow: hidden auto; scrollbar-width: thin;
  font: 12px/1 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333))}
.row, .column {display: flex; min-width: 0; min-height: 0}
.row {flex-direction: row}
.column {flex-direction: column}
.upper {flex: 1 1 0; min-height: 330px}
.lower {min-height: 200px}
.folded > .lower {flex: 0 0 42px !important; min-height: 0}
.folded > .between-rows {visibility: hidden}
.card {position: relative; box-sizing: border-box; min-width: 0; min-height: 0; border-radius: 6px;
  display: flex; flex-direction: column; overflow: hidden;
  background: var(--panel-surface-color, var(--jp-layout-color1, #fff));
  border: 1px solid color-mix(in srgb, currentColor 16%, transparent)}
.head {flex: 0 0 24px; display: flex; align-items: center; padding: 0 2px 0 10px; user-select: none}
.head h2 {all: unset; flex: 1; font-weight: 500; opacity: .75; overflow: hidden; text-overflow: ellipsis;
  white-space: nowrap; line-height: 24px; cursor: default}
.head button {all: unset; width: 24px; height: 22px; display: grid; place-items: center; cursor: pointer;
  border-radius: 4px; opacity: .7}
.head button:hover {opacity: 1; background: color-mix(in srgb, currentColor 10%, transparent)}
.head button:focus-visible {outline: 2px solid var(--panel-primary-color, currentColor); opacity: 1}
.head svg {width: 13px; height: 13px; fill: none; stroke: currentColor; stroke-width: 1.6}
.body {flex: 1 1 0; min-height: 0; min-width: 0; display: flex; flex-direction: column;
  overflow: auto; scrollbar-width: thin}
.folded .strip .body {flex: 0 0 auto}
.strip > .head {position: absolute; right: 2px; top: 8px; z-index: 1}
.strip h2 {position: absolute; width: 1px; height: 1px; clip-path: inset(50%)}  /* the tabs are its title */
.folded .strip > .head {display: none}
.map {min-width: 280px}
.structure {min-height: 200px}
.selection {min-height: 72px}
.right {min-width: 280px}
.separator {flex: 0 0 8px; position: relative; touch-action: none; outline: none}
.separator::after {content: ""; position: absolute; border-radius: 2px;
  background: color-mix(in srgb, currentColor 22%, transparent)}
.separator:hover::after, .separator:focus-visible::after, .dragged::after {
  background: var(--panel-primary-color, currentColor)}
.vertical {cursor: col-resize}
.vertical::after {width: 3px; height: 36px; left: 2.5px; top: calc(50% - 18px)}
.horizontal {cursor: row-resize}
.horizontal::after {height: 3px; width: 36px; top: 2.5px; left: calc(50% - 18px)}
.separator:focus-visible::after, .dragged::after {inset: 2px}
.side {position: absolute; left: 0; top: 0; bottom: 0; width: 6px; z-index: 2}
.side::after {left: 0}
.gone {display: none !important}
.full {position: absolute; inset: 4px; z-index: 3}
.compact {padding: 4px 0}
.filled .separator {visibility: hidden}
.filled .card:not(.full) {visibility: hidden}
"""

_ESM = """
const KEPT = "fel_explorer.sizes"
const DEFAULTS = {across: .5, structure: .7, upper: null, tree: .36, side: null}
const TALLEST = 340  // px of the analysis, until it is dragged: tables of states are not longer
const EXPAND = "M9 2h5v5M14 2L9 7M7 14H2V9M2 14l5-5", SHRINK = "M14 7H9V2M9 7l5-5M2 9h5v5M7 9l-5 5"

function kept() {
  try {
    return {...DEFAULTS, ...JSON.parse(localStorage.getItem(KEPT) ?? "{}")}
  } catch {
    return {...DEFAULTS}
  }
}
function keep(sizes) {
  try { localStorage.setItem(KEPT, JSON.stringify(sizes)) } catch { }  // private windows may not store
}
function draws() { window.dispatchEvent(new Event("resize")) }

export function render({model, el, view}) {
  Object.assign(el.style, {height: "100%", width: "100%", minHeight: "0"})
  element("style", "", el, model.css)
  const root = element("div", "fel-cards", el), sizes = kept(), cards = {}

  function card(name, parent) {
    const node = element("section", `card ${name}`, parent)
    const head = element("div", "head", node), title = element("h2", "", head, model.titles[name])
    node.setAttribute("aria-label", model.titles[name])
    title.title = "Double click to fill the page with this card, and to go back"
    const button = element("button", "", head)
    button.type = "button"
    button.onclick = () => fill(root.classList.contains("filled") ? "" : name)
    const top = name === "strip" ? node : head
    top.ondblclick = (event) => {
      const far = event.clientY - node.getBoundingClientRect().top > 40
      if (!far && !event.composedPath().some((one) => one.localName === "button")) button.click()
    }
    const child = model.get_child(name)
    element("div", "body", node).append(child)
    return cards[name] = {node, title, button, child}
  }

  // ---- one card fills the page

  function fill(filled) {
    root.classList.toggle("filled", Boolean(filled))
    for (const [name, {node, button}] of Object.entries(cards)) {
      node.classList.toggle("full", name === filled)
      button.title = `${name === filled ? "Shrink" : "Enlarge"} ${model.titles[name]}`
      button.setAttribute("aria-label", button.title)
      button.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${
        name === filled ? SHRINK : EXPAND}"/></svg>`
    }
    draws()
  }
  function onKey(event) {
    if (event.key !== "Escape" || !root.classList.contains("filled")) return
    const open = "dialog[open], [role=dialog], [role=menu], [role=listbox]"
    if (event.composedPath().some((node) => node.matches?.(open)) || document.querySelector(open)) return
    event.stopImmediatePropagation()  // it is also the key that clears the selection
    fill("")
  }

  // ---- separators

  function share(parent, first, name) {
    const node = element("div", "separator", parent)
    const vertical = getComputedStyle(parent).flexDirection === "row"
    const label = {across: "Width of the landscape", structure: "Height of the structure",
      upper: "Height of the analysis", tree: "Width of the tree of states"}[name]
    node.classList.add(vertical ? "vertical" : "horizontal")
    if (name === "upper") node.classList.add("between-rows")
    const bounds = () => parent.getBoundingClientRect()
    const extent = () => vertical ? bounds().width : bounds().height
    const start = () => vertical ? bounds().left : bounds().top
    separator(node, vertical, label, {
      least: 15, most: 85, get: () => 100 * part(name), set: (value) => { sizes[name] = value / 100 },
      of: (event) => 100 * ((vertical ? event.clientX : event.clientY) - start()) / extent(),
      reset: () => { sizes[name] = DEFAULTS[name] }, step: 2,
    })
    return node
  }

  function separator(node, vertical, label, {least, most, get, set, of, reset, step}) {
    Object.assign(node, {tabIndex: 0, title: `${label}: drag, or arrow keys. Double click or Enter: reset`})
    node.setAttribute("role", "separator")
    node.setAttribute("aria-label", label)
    node.setAttribute("aria-orientation", vertical ? "vertical" : "horizontal")
    node.setAttribute("aria-valuemin", least)
    node.setAttribute("aria-valuemax", most)
    const announce = () => node.setAttribute("aria-valuenow", Math.round(get()))
    const change = (what) => { what(); announce(); apply() }
    const move = (value) => change(() => set(Math.min(most, Math.max(least, value))))
    const rest = () => { keep(sizes); draws() }
    node.onpointerdown = (event) => {
      node.setPointerCapture(event.pointerId)
      node.classList.add("dragged")
      event.preventDefault()
      node.focus({preventScroll: true, focusVisible: false})
    }
    let waits = false
    node.onpointermove = (event) => {
      if (!node.hasPointerCapture(event.pointerId) || waits) return
      waits = true
      requestAnimationFrame(() => { waits = false; move(of(event)) })
    }
    node.onpointerup = node.onpointercancel = () => { node.classList.remove("dragged"); rest() }
    node.ondblclick = () => { change(reset); rest() }
    node.onkeydown = (event) => {
      const [less, more] = vertical ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"]
      const values = {
        [less]: get() - step, [more]: get() + step, Home: least, End: most,
      }
      if (event.key !== "Enter" && !(event.key in values)) return
      event.preventDefault()
      event.stopPropagation()  // arrows also step through frames
      event.key === "Enter" ? change(reset) : move(values[event.key])
      rest()
    }
    announce()
  }

  function side() {  // of the page that this is on, not in a notebook
    let page = view.parent
    while (page && page.model.data?.sidebar_width === undefined) page = page.parent
    if (!page) return
    const {data} = page.model, colours = data.properties.dark_theme.change, usual = data.sidebar_width
    if (sizes.side) data.sidebar_width = sizes.side
    const changed = () => cover(data.dark_theme)
    colours.connect(changed)
    model.on("remove", () => colours.disconnect(changed))
    const node = element("div", "separator side vertical", root)
    separator(node, true, "Width of the side bar", {
      least: 240, most: 640, get: () => data.sidebar_width, step: 16,
      reset: () => { sizes.side = null, data.sidebar_width = usual },
      set: (value) => { sizes.side = data.sidebar_width = Math.round(value) }, of: (event) => event.clientX,
    })
  }

  guardWheel(root, () => model.compact)

  // ---- what is where

  const upper = element("div", "row upper", root)
  card("map", upper)
  const across = share(upper, "map", "across")
  const right = element("div", "column right", upper)
  card("structure", right)
  const between = share(right, "structure", "structure")
  card("selection", right)
  share(root, "upper", "upper")
  const lower = element("div", "row lower", root)
  card("tree", lower)
  const treeSeparator = share(lower, "tree", "tree")
  card("strip", lower)
  side()

  function part(name) {
    return sizes[name] ?? Math.max(.66, 1 - TALLEST / Math.max(root.clientHeight, 1))
  }
  function grow(node, part) { node.style.flex = `${Math.round(1000 * part)} 1 0px` }
  function apply() {
    grow(cards.map.node, sizes.across)
    grow(right, 1 - sizes.across)
    grow(cards.structure.node, model.second ? 1 : sizes.structure)
    grow(cards.selection.node, 1 - sizes.structure)
    grow(upper, part("upper"))
    grow(lower, 1 - part("upper"))
    grow(cards.tree.node, sizes.tree)
    grow(cards.strip.node, 1 - sizes.tree)
  }
  function show() {
    root.classList.toggle("folded", !model.open)
    root.classList.toggle("compact", model.compact)
    cards.structure.title.textContent = model.second ? "Second landscape" : model.titles.structure
    for (const node of [cards.selection.node, between]) node.classList.toggle("gone", model.second)
    for (const node of [cards.tree.node, treeSeparator]) node.classList.toggle("gone", !model.tree_shown)
    apply()
    draws()
  }
  model.on("lifecycle:after_render", () => {
    for (const {child} of Object.values(cards)) Object.assign(child.style, {flex: "1 1 auto", minHeight: "0"})
  })
  const resized = new ResizeObserver(apply)
  resized.observe(root)
  document.addEventListener("keydown", onKey, true)
  model.on("remove", () => {
    resized.disconnect()
    document.removeEventListener("keydown", onKey, true)
  })
  model.on(["open", "second", "tree_shown", "compact"], show)
  fill("")
  show()
}
"""


class Cards(JSComponent):
    """Landscape, structure and selection above, tree and analysis below.

    Sizes are fractions; the browser keeps them in its local storage. A double click on the title of a card,
    or its button, makes it fill the page; Escape or the same again shows the others.
    """

    map = Child()
    structure = Child(doc="Also of the second landscape, which takes its place.")
    selection = Child()
    tree = Child()
    strip = Child()

    open = param.Boolean(False, doc="Whether the strip is more than its header.")
    second = param.Boolean(False, doc="Whether the second landscape takes the place on the right.")
    tree_shown = param.Boolean(False, doc="Whether there is a tree.")
    compact = param.Boolean(False, doc="Less room between, as in a cell of a notebook.")
    titles = param.Dict(TITLES, constant=True)
    css = param.String(_CSS + HINT, constant=True)

    _esm = ELEMENT + COVER + WHEEL_GUARD + _ESM

    def __init__(self, **params: Any):
        super().__init__(sizing_mode="stretch_both", margin=0, **params)
