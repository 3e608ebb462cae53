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
