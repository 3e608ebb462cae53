"""What holds for everything that a page shows: controls are called by their labels, and words can be read."""

import re
from collections import Counter

LEAST_CONTRAST = 4.5  # of WCAG 2.2, level AA

LABELS = """() => {
  const found = [], field = "input:not([type=file], [type=range], [type=radio]), textarea, [role=combobox]"
  const words = (node) => {
    const copy = node.cloneNode(true)
    copy.querySelectorAll("svg, [aria-hidden=true]").forEach((one) => one.remove())
    return copy.textContent.replace(/\\s+/g, " ").trim()
  }
  const walk = (root) => {
    for (const part of root.querySelectorAll(".MuiFormControl-root, .MuiFormControlLabel-root")) {
      const label = part.matches("label") ? part : part.querySelector("label")
      if (label && part.querySelector(field) && part.checkVisibility()) found.push(words(label))
    }
    for (const node of root.querySelectorAll("*")) if (node.shadowRoot) walk(node.shadowRoot)
  }
  walk(document)
  return found
}"""

FAINT = r"""(least) => {
  const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true})
  const known = new Map()
  const rgba = (colour) => {  // 0 to 1 each
    if (!known.has(colour)) {
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = colour
      context.fillRect(0, 0, 1, 1)
      known.set(colour, [...context.getImageData(0, 0, 1, 1).data].map((value) => value / 255))
    }
    return known.get(colour)
  }
  const above = (node) => node.assignedSlot ?? node.parentElement ?? node.getRootNode().host
  const over = (top, below, alpha) => below.map((value, i) => alpha * top[i] + (1 - alpha) * value)
  const behind = (node) => {
    const layers = []
    for (let one = node; one; one = above(one)) {
      const style = getComputedStyle(one), colour = rgba(style.backgroundColor)
      if (style.backgroundImage.includes("url(")) return null  // a picture
      const sheen = style.backgroundImage.match(/(?:rgba?|color)\([^)]*\)/)  // of dark surfaces
      if (sheen) layers.push([rgba(sheen[0]), rgba(sheen[0])[3]])
      layers.push([colour, colour[3]])
      if (colour[3] > .99) break
    }
    return layers.reverse().reduce((below, [colour, alpha]) => over(colour, below, alpha), [1, 1, 1])
  }
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    return .2126 * r + .7152 * g + .0722 * b
  }
  const faint = new Set()
  const look = (node) => {
    const own = [...node.childNodes].filter((one) => one.nodeType === 3)
    const text = own.map((one) => one.data).join("").trim()
    const box = node.getBoundingClientRect(), seen = {checkOpacity: true, checkVisibilityCSS: true}
    const icon = node.localName === "svg" && node.closest("button")
    if (!text && !icon || box.width < 2 || box.height < 2 || !node.checkVisibility(seen)) return
    let opacity = 1, skipped = false
    for (let one = node; one; one = above(one)) {
      opacity *= getComputedStyle(one).opacity
      skipped ||= one.matches(":disabled, .Mui-disabled, [aria-disabled=true], [hidden], style, script")
    }
    const ground = behind(node)
    if (skipped || !ground) return
    const colour = rgba(getComputedStyle(node).color)
    const ink = over(colour, ground, colour[3] * opacity)
    const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b)
    const contrast = (high + .05) / (low + .05)
    if (contrast >= (icon ? 3 : least) - .01) return
    const what = icon ? node.closest("button").ariaLabel : text.slice(0, 60)
    faint.add(`${contrast.toFixed(1)}: ${node.localName} "${what}"`)
  }
  const walk = (root) => {
    for (const node of root.querySelectorAll("*")) {
      look(node)
      if (node.shadowRoot) walk(node.shadowRoot)
    }
  }
  walk(document.body)
  return [...faint]
}"""

CONTROL = re.compile(
    r"^\s*- '?(button|link|textbox|spinbutton|combobox|checkbox|switch|radio|slider|tab)\b"
    r'(?: "((?:[^"\\]|\\.)*)")?([^:]*)(?::\s*(.*))?$'
)


def wrong_names(page):
    """Controls that have no name, or another one than the words on them."""
    found, names = [], Counter()
    for line in page.locator("body").aria_snapshot().splitlines():
        match = CONTROL.match(line)
        if match is None:
            continue
        role, name, _, text = match.groups()
        names[name] += 1
        if not name:
            found.append(f"without a name: {line.strip()}")
        elif role in ("button", "link") and text and text.strip("\"'") != name:
            found.append(f"'{text}' is called '{name}'")
    labels = Counter(page.evaluate(LABELS))
    return found + [f"no field is called '{label}'" for label in labels - names]


def faint_words(page):
    """Words of too little contrast with what is behind them."""
    return page.evaluate(FAINT, LEAST_CONTRAST)
