"""JavaScript that covers the page while its colours change."""

COVER = """
// Widgets take other colours one by one, white on white in between: the page is covered meanwhile.
function cover(dark) {
  const sheet = element("div", "", document.body)
  Object.assign(sheet.style, {
    position: "fixed", inset: "0", zIndex: "99999", background: dark ? "#121212" : "#fff",
    transition: "opacity .15s",
  })
  let last = performance.now(), quiet = 0
  const started = last
  const look = () => {  // until the page has had time for three frames
    const now = performance.now()
    quiet = now - started > 650 && now - last < 60 ? quiet + 1 : 0
    last = now
    if (quiet < 3 && now - started < 3000) return requestAnimationFrame(look)
    sheet.style.opacity = "0"
    setTimeout(() => sheet.remove(), 200)
  }
  requestAnimationFrame(look)
}
"""
