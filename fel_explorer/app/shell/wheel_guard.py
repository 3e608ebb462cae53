"""JavaScript that leaves the wheel to a notebook, until the user clicks into a card."""

HINT = """
.hint {position: absolute; left: 50%; bottom: 12px; transform: translateX(-50%); z-index: 4;
  padding: 8px 14px; border-radius: 6px; font-size: 13px; color: #fff; background: #000b;
  pointer-events: none; opacity: 0; transition: opacity .15s}
.hint.shown {opacity: 1}
"""

WHEEL_GUARD = """
const ZOOMED = ".bk-Canvas, .bk-events, .fel-view"  // figures and molecules

function guardWheel(root, guards) {
  const hint = element("div", "hint", root, "Ctrl and wheel zoom, or the wheel alone after a click")
  hint.setAttribute("aria-hidden", "true")
  let clicked = false, fades = null
  root.addEventListener("pointerdown", () => { clicked = true })
  root.addEventListener("pointerleave", () => { clicked = false })
  root.addEventListener("wheel", (event) => {
    const zooms = event.composedPath().some((node) => node.localName === "canvas" || node.matches?.(ZOOMED))
    if (!guards() || clicked || event.ctrlKey || event.metaKey || !zooms) return
    event.stopImmediatePropagation()
    hint.classList.add("shown")
    clearTimeout(fades)
    fades = setTimeout(() => hint.classList.remove("shown"), 1500)
  }, {capture: true, passive: true})
}
"""
