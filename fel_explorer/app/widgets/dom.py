"""JavaScript that the components of the page share."""

ELEMENT = """
function element(tag, className, parent, text = "") {
  const node = document.createElement(tag)
  node.className = className
  node.textContent = text
  parent.append(node)
  return node
}
"""

MODAL = """
// Opens and closes a <dialog> as model.shown says; draw() fills it.
function modal(dialog, model, draw) {
  function follow() {
    if (!model.shown) return dialog.open && dialog.close()
    if (dialog.open) return
    if (!dialog.isConnected) return setTimeout(follow, 30)  // new on the page
    dialog.showModal()
    draw()
    dialog.querySelector("[autofocus]")?.focus()
  }
  dialog.onclick = (event) => { if (event.target === dialog) dialog.close() }
  dialog.onclose = () => { model.shown = false }
  model.on("shown", follow)
  follow()
}
"""
