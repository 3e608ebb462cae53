// What is painted over the molecules, on the page and into saved pictures: measurements and the scale of colours.
import {paintMeasure} from "./measure"

const FONT = 'Roboto, "Helvetica Neue", Arial, sans-serif'

export class Overlay {
  constructor(view) {
    this.view = view
    this.canvas = document.createElement("canvas")
    this.canvas.className = "fel-overlay"
    view.root.append(this.canvas)
    view.stage.viewer.signals.rendered.add(this.paint, this)
  }

  paint() {
    const {clientWidth, clientHeight} = this.view.root
    if (this.view.busy || !clientWidth) return
    const ratio = window.devicePixelRatio || 1
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)]
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, {width, height})
    const context = this.canvas.getContext("2d")
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, clientWidth, clientHeight)
    this.paintOn(context)
  }

  // In the coordinates of the page, so that a picture of another size scales its context.
  paintOn(context) {
    const {view} = this
    const text = getComputedStyle(view.root).color
    const dark = parseInt(view.ground.slice(1, 3), 16) < 128
    const colours = {ink: {text, dark}, ground: view.ground, font: FONT}
    for (const {points, names, value} of view.measuring.found()) paintMeasure(context, points, names, value, colours)
    if (view.scale) this.paintScale(context, view.scale, colours)
  }

  paintScale(context, {title, low, high, palette}, {ink, ground}) {
    const [width, x, y] = [Math.min(170, this.view.root.clientWidth - 120), 14, this.view.root.clientHeight - 16]
    const words = [[title, x, y - 28, "left"], [tick(low), x, y, "left"], [tick(high), x + width, y, "right"]]
    const ramp = context.createLinearGradient(x, 0, x + width, 0)
    palette.forEach((colour, i) => ramp.addColorStop(i / (palette.length - 1), colour))
    context.fillStyle = ramp
    context.beginPath()
    context.roundRect(x, y - 20, width, 10, 3)
    context.fill()
    context.font = `500 13px ${FONT}`
    context.textBaseline = "middle"
    context.lineWidth = 3
    context.strokeStyle = ground
    context.fillStyle = ink.text
    for (const [word, left, top, side] of words) {
      context.textAlign = side
      context.strokeText(word, left, top)
      context.fillText(word, left, top)
    }
  }
}

function tick(value) {
  return `${Number(value.toPrecision(3))}`.replace("-", "−")
}
