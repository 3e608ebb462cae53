"""The dialog that shows the Python of what is on the page, a part for each panel, ready to copy."""

from __future__ import annotations

import param
from panel.custom import JSComponent

from fel_explorer.app.codegen import script
from fel_explorer.app.widgets.dom import ELEMENT, MODAL

_ESM = """
export function render({model, el}) {
  element("style", "", el, model.css)
  const dialog = element("dialog", "", el)
  dialog.setAttribute("aria-label", "The Python of this page")
  function copying(parent, label, text) {
    const button = element("button", "", parent, label)
    button.type = "button"
    button.onclick = async () => {
      await navigator.clipboard.writeText(text())
      button.textContent = "Copied"
      setTimeout(() => { button.textContent = label }, 1500)
    }
    return button
  }
  function draw() {
    dialog.replaceChildren()
    const head = element("header", "", dialog)
    element("h2", "", head, "The same in Python")
    const all = () => model.sections.map(([title, code]) => `# ${title}\\n${code}`).join("\\n")
    copying(head, "Copy all", all).autofocus = true
    const close = element("button", "", head, "Close")
    close.type = "button"
    close.onclick = () => dialog.close()
    element("p", "", dialog, "It runs as printed, in a script or a notebook; each part after those above it.")
    for (const [title, code] of model.sections) {
      const part = element("section", "", dialog)
      const line = element("header", "", part)
      element("h3", "", line, title)
      copying(line, "Copy", () => code)
      element("pre", "", part, code.trimEnd()).tabIndex = 0
    }
  }
  modal(dialog, model, draw)
}
"""

_CSS = """
dialog {width: min(860px, 92vw); max-height: 84vh; padding: 18px 24px; border: 0; border-radius: 10px;
  overflow-y: auto; box-shadow: 0 12px 48px #0007; font: 15px/1.5 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, #202124); background: var(--panel-surface-color, #fff)}
dialog::backdrop {background: #0005}
header {display: flex; align-items: center; gap: 8px}
h2, h3 {flex: 1; margin: 6px 0; font-weight: 500}
h2 {font-size: 20px}
h3 {font-size: 16px}
p {margin: 0 0 10px; opacity: .75}
pre {margin: 0 0 12px; padding: 10px 14px; overflow-x: auto; border-radius: 6px; font: 14px/1.5 monospace;
  background: color-mix(in srgb, currentColor 7%, transparent)}
button {font: inherit; font-size: 14px; padding: 4px 12px; border-radius: 6px; color: inherit;
  cursor: pointer; background: transparent;
  border: 1px solid color-mix(in srgb, currentColor 30%, transparent)}
button:hover {background: color-mix(in srgb, currentColor 10%, transparent)}
"""


class CodeDialog(JSComponent):
    """Titles and code from `python_code.sections`, made anew each time it opens."""

    sections = param.List([], doc="[title, code] of each part.")
    shown = param.Boolean(False, doc="Whether it is open.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + MODAL + _ESM

    def __init__(self, session, **params):
        super().__init__(**params)
        self._session = session

    def open(self) -> None:
        """Show the code of what is loaded and shown now."""
        sections = [list(part) for part in script.sections(self._session).items()]
        self.param.update(sections=sections, shown=True)
