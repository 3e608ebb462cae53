"""The page's key listener."""

from __future__ import annotations

import param
from panel.custom import JSComponent


class Keys(JSComponent):
    """Sends the known shortcuts that are pressed to Python; keys typed into a field are left alone.

    Parameters
    ----------
    shortcuts
        The shortcuts to listen to ("ctrl+z", "escape", "["); others are not sent.
    on_key
        Called with the shortcut.
    """

    shortcuts = param.List(default=[])

    _esm = """
    export function render({model}) {
      const listen = (event) => {
        const target = event.composedPath()[0]
        const field = target.closest?.("input, textarea, select, [contenteditable=true]")
        const typed = field && !["checkbox", "radio", "button", "range"].includes(field.type)
        // in a dialog keys are its own: Escape closes it
        const inDialog = event.composedPath().some((node) => node.localName === "dialog")
        const listing = document.querySelector("[role=listbox], [role=menu]")
        if (typed || inDialog || listing || event.altKey) { return }
        const key = (event.ctrlKey || event.metaKey ? "ctrl+" : "") + event.key.toLowerCase()
        // arrows move sliders, tabs and tables that have the focus
        const moves = target.closest?.("[role=slider], [role=tab], [role=grid], input")
        const arrows = key.startsWith("arrow") && moves
        if (model.shortcuts.includes(key) && !arrows) {
          event.preventDefault()
          model.send_msg(key)
        }
      }
      document.addEventListener("keydown", listen)
      document.documentElement.dataset.keys = "ready"
      model.on("remove", () => document.removeEventListener("keydown", listen))
      const element = document.createElement("span")
      element.style.display = "none"
      return element
    }
    """

    def __init__(self, on_key, **params):
        super().__init__(**params)
        self._on_key = on_key

    def _handle_msg(self, message):
        self._on_key(message)
