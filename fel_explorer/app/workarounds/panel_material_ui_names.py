"""Repair of panel-material-ui 0.16: names of its widgets for screen readers, and Escape in a searched list.

A tooltip takes the place of a button's label as its accessible name, and joins that of a field; the buttons
that step through numbers have no name (upstream: mui/material-ui#47246).  Here each is called by the label
that is seen, and the tooltip is its description.  A list that is searched is closed by Escape as others are.
"""

from __future__ import annotations

from panel.custom import JSComponent

from fel_explorer.app.workarounds.versions import only_for


class WidgetNames(JSComponent):
    """An invisible part of the page that brings the repair to the browser."""

    _esm = """
    const FIELDS = "input, textarea, [role=combobox], [role=slider]"
    const PARTS = ".MuiFormControl-root, .MuiFormControlLabel-root"
    const ICONS = "svg, [aria-hidden=true], .MuiTouchRipple-root"

    function words(node) {  // what is read on the screen
      const copy = node.cloneNode(true)
      copy.querySelectorAll(ICONS).forEach((icon) => icon.remove())
      return copy.textContent.replace(/\\s+/g, " ").trim()
    }
    function set(node, name, value) {
      if (node.getAttribute(name) !== value) node.setAttribute(name, value)
    }
    function repair(root) {
      for (const button of root.querySelectorAll(".MuiButtonBase-root[aria-label]")) {
        if (!words(button)) continue
        set(button, "aria-description", button.getAttribute("aria-label"))
        button.removeAttribute("aria-label")
      }
      for (const tip of root.querySelectorAll("label span[aria-label]:empty, label svg[aria-label]")) {
        set(tip, "aria-hidden", "true")
        const field = tip.closest(PARTS)?.querySelector(FIELDS)
        if (field) set(field, "aria-description", tip.getAttribute("aria-label"))
      }
      for (const button of root.querySelectorAll(".MuiInputAdornment-root > button")) {
        const part = button.closest(PARTS), label = part?.querySelector("label")
        const first = button.parentNode.matches(".MuiInputAdornment-positionStart")
        if (button.closest("[role=listbox]")) set(button, "aria-label", "Close the list")
        else if (label) set(button, "aria-label", `${first ? "Decrease" : "Increase"} ${words(label)}`)
      }
      for (const item of root.querySelectorAll(".file-selector-item")) {
        const box = item.querySelector("input[type=checkbox]")
        if (box) set(box, "aria-label", words(item.querySelector(".MuiListItemText-root")))
      }
      const folder = root.querySelector(".file-selector-path input")
      if (folder) set(folder, "aria-label", "Folder")
    }

    const changed = new Set()
    const observer = new MutationObserver((records) => {
      for (const {target} of records) changed.add(target.getRootNode())
      changed.forEach(repair)
      changed.clear()
    })
    function watch(root) {
      const attributeFilter = ["aria-label"]
      observer.observe(root, {childList: true, subtree: true, characterData: true, attributeFilter})
      repair(root)
      watchWithin(root)
    }
    function watchWithin(root) {
      root.querySelectorAll("*").forEach((node) => { if (node.shadowRoot) watch(node.shadowRoot) })
    }
    const attach = Element.prototype.attachShadow
    Element.prototype.attachShadow = function(how) {
      const root = attach.call(this, how)
      watch(root)
      return root
    }
    watchWithin(document)  // not the document itself: in a notebook most of it is not ours

    // the field in which one types keeps the key to itself
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return
      const list = event.composedPath().find((node) => node.matches?.(".MuiPopover-root"))
      if (!list?.querySelector("[role=listbox] input")) return
      event.stopImmediatePropagation()
      list.querySelector(".MuiBackdrop-root").click()
    }, true)

    export function render() {
      const element = document.createElement("span")
      element.style.display = "none"
      return element
    }
    """


@only_for("panel-material-ui>=0.16,<0.17")
def widget_names() -> WidgetNames:
    """The part to lay out on the page; None with other versions."""
    return WidgetNames(width=0, height=0, margin=0)
