// What surrounds the molecules in the page: styles, icons, and the mouse inside a shadow root.

export const CSS = `
.fel-view {position: relative; width: 100%; height: 100%; min-height: 100px; overflow: hidden;
  border-radius: 6px; font: 13px/1.35 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333)); transition: color 1ms}
.fel-stage, .fel-overlay {position: absolute; inset: 0; width: 100%; height: 100%}
.fel-overlay {pointer-events: none}
.fel-view.measuring canvas {cursor: crosshair}
.fel-columns {position: absolute; inset: 0 0 auto 0; display: flex; pointer-events: none}
.fel-column {flex: 1 1 0; min-width: 0; padding: 8px 12px; box-sizing: border-box}
.fel-columns.many .fel-column {text-align: center}
.fel-columns.many .fel-column + .fel-column {border-left: 1px solid color-mix(in srgb, currentColor 15%, transparent)}
.fel-label {white-space: nowrap; overflow: hidden; text-overflow: ellipsis}
.fel-label:first-child {font-weight: 500}
.fel-note {opacity: .72; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; font-size: 12px}
.fel-swatch {display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px}
.fel-tools {position: absolute; right: 6px; bottom: 6px; display: flex; gap: 2px}
.fel-tools button {all: unset; cursor: pointer; width: 28px; height: 28px; border-radius: 50%; display: grid;
  place-items: center; opacity: .55}
.fel-tools button:hover, .fel-tools button:focus-visible {opacity: 1;
  background: color-mix(in srgb, currentColor 12%, transparent)}
.fel-tools button[aria-pressed=true] {opacity: 1; color: #fff; background: #c2185b}
.fel-tools svg {width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.8;
  stroke-linecap: round; stroke-linejoin: round}
.fel-message {position: absolute; inset: 0; display: grid; place-items: center; padding: 24px;
  text-align: center; opacity: .75}`

export const ICONS = {
  measure: '<svg viewBox="0 0 24 24"><path d="M3 16.5 16.5 3 21 7.5 7.5 21zM7 12.5l2 2M10 9.5l3 3M13 6.5l2 2"/></svg>',
  reset: '<svg viewBox="0 0 24 24"><path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/><circle cx="12" cy="12" r="2.5"/></svg>',
  picture: '<svg viewBox="0 0 24 24"><path d="M4 8h3l2-3h6l2 3h3v11H4z"/><circle cx="12" cy="13" r="3.5"/></svg>',
}

export function element(tag, className, parent) {
  const node = document.createElement(tag)
  node.className = className
  parent.append(node)
  return node
}

// NGL listens on the document and compares event.target with its canvas.  Inside a shadow root the document
// sees the host as the target, so NGL would ignore the mouse: it gets the innermost target instead.
// Returns a function that stops listening.
export function listenInsideShadow(observer) {
  const handlers = {
    mousewheel: "_onMousewheel", wheel: "_onMousewheel", MozMousePixelScroll: "_onMousewheel",
    mousemove: "_onMousemove", mousedown: "_onMousedown", mouseup: "_onMouseup",
    contextmenu: "_onContextmenu", touchstart: "_onTouchstart", touchend: "_onTouchend",
    touchmove: "_onTouchmove",
  }
  const stops = Object.entries(handlers).map(([type, name]) => {
    const relay = event => observer[name](new Proxy(event, {
      get(original, key) {
        if (key === "target") return original.composedPath()[0]
        const value = original[key]
        return typeof value === "function" ? value.bind(original) : value
      },
    }))
    document.removeEventListener(type, observer[name])
    document.addEventListener(type, relay, {passive: false})
    return () => document.removeEventListener(type, relay)
  })
  return () => stops.forEach(stop => stop())
}
