"""The command palette: type a few letters of what you want, press Enter."""

from __future__ import annotations

import param
from panel.custom import JSComponent

from fel_explorer.app.shell.commands import all_commands
from fel_explorer.app.shell.header import shortcut_text
from fel_explorer.app.widgets.dom import ELEMENT, MODAL

_ESM = """
export function render({model, el}) {
  element("style", "", el, model.css)
  const dialog = element("dialog", "", el)
  dialog.setAttribute("aria-label", "Commands")
  const input = element("input", "", dialog)
  input.placeholder = "Type a command"
  input.autofocus = true
  input.setAttribute("aria-label", "Command")
  const list = element("ul", "", dialog)
  list.setAttribute("role", "listbox")
  let found = [], at = 0

  // every typed word must occur, in any order
  function matches(command) {
    const text = command.title.toLowerCase()
    return input.value.toLowerCase().split(/\\s+/).every((word) => text.includes(word))
  }
  function draw() {
    found = model.commands.filter(matches)
    at = Math.max(0, Math.min(at, found.length - 1))
    list.replaceChildren()
    found.forEach((command, index) => {
      const row = element("li", "", list, command.title)
      row.setAttribute("role", "option")
      row.setAttribute("aria-selected", index === at)
      row.setAttribute("aria-disabled", !command.enabled)
      element("kbd", "", row, command.shortcut)
      row.onclick = () => run(command)
    })
    if (!found.length) element("li", "", list, "No such command").setAttribute("aria-disabled", true)
    list.children[at]?.scrollIntoView({block: "nearest"})
  }
  function run(command) {
    if (!command?.enabled) return
    dialog.close()
    model.send_msg({id: command.id})
  }
  input.oninput = () => { at = 0; draw() }
  input.onkeydown = (event) => {
    const step = {ArrowDown: 1, ArrowUp: -1}[event.key]
    if (step && found.length) {
      at = (at + step + found.length) % found.length
      draw()
      event.preventDefault()
    } else if (event.key === "Enter") {
      run(found[at])
      event.preventDefault()
    }
  }
  modal(dialog, model, () => {
    input.value = ""
    at = 0
    draw()
  })
}
"""

_CSS = """
dialog {width: min(560px, 90vw); margin-top: 12vh; padding: 0; border: 0; border-radius: 10px;
  font: 16px/1.4 Roboto, "Helvetica Neue", Arial, sans-serif; box-shadow: 0 12px 48px #0007;
  color: var(--panel-on-surface-color, #202124); background: var(--panel-surface-color, #fff)}
dialog::backdrop {background: #0005}
input {width: 100%; box-sizing: border-box; padding: 14px 18px; border: 0; outline: 0; font: inherit;
  font-size: 18px; color: inherit; background: transparent;
  border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent)}
ul {list-style: none; margin: 0; padding: 6px; max-height: 46vh; overflow-y: auto}
li {display: flex; justify-content: space-between; padding: 8px 12px; border-radius: 6px; cursor: pointer}
li[aria-selected=true], li:hover {background: color-mix(in srgb, currentColor 12%, transparent)}
li[aria-disabled=true] {opacity: .45; cursor: default}
kbd {font: inherit; font-size: 14px; opacity: .7}
"""


class Palette(JSComponent):
    """All commands of the table in a dialog that filters as you type; arrows and Enter, or a click."""

    commands = param.List([], doc="What is listed: id, title, shortcut, and whether it can run now.")
    shown = param.Boolean(False, doc="Whether it is open.")
    css = param.String(_CSS, constant=True)

    _esm = ELEMENT + MODAL + _ESM

    def __init__(self, session, run, **params):
        super().__init__(**params)
        self._session, self._run = session, run

    def open(self) -> None:
        """Show what can be done now."""
        commands = [
            {
                "id": command.id,
                "title": command.title,
                "shortcut": shortcut_text(command.shortcut),
                "enabled": bool(command.enabled(self._session)),
            }
            for command in all_commands()
            if command.id != "palette"
        ]
        self.param.update(commands=commands, shown=True)

    def _handle_msg(self, message: dict) -> None:
        self._run(next(command for command in all_commands() if command.id == message["id"]))
