// Small pictures of pinned structures, taken from the one stage: browsers allow few of them.
import {dress} from "./looks"

const [WIDTH, HEIGHT] = [288, 216]
const PATIENCE = 200 // ms without a further change

export class Thumbnails {
  constructor(view) {
    this.view = view
    this.generation = 0
    this.waiting = false // for a view that is hidden
  }

  // All are taken anew, so that they share looks, orientation and scale.
  ask() {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => this.take(), PATIENCE)
  }

  async take() {
    const generation = ++this.generation
    const {view} = this
    const pins = view.readLayers(view.model.pins ?? [])
    this.waiting = pins.length > 0 && !view.root.clientHeight
    if (!pins.length || this.waiting) return
    const pictures = {}
    for (const pin of pins) {
      const component = await view.load(pin)
      component.setVisibility(false)
      component.structure.updatePosition(pin.coordinates)
      dress(component, pin, view.model, view.scale)
      await new Promise(done => view.stage.tasks.onZeroOnce(done))
      if (generation === this.generation) pictures[pin.key] = this.picture(component, pins)
      view.stage.removeComponent(component)
      if (generation !== this.generation) return
    }
    view.stage.viewer.requestRender()
    view.model.thumbnails = pictures
  }

  // In one go, so that the page never shows it.
  picture(component, pins) {
    const {view} = this
    const {viewer, viewerControls} = view.stage
    const [centre, distance] = [viewer.translationGroup.position.clone().negate(), viewer.cameraDistance]
    const shown = view.layers.map(layer => layer.component)
    view.busy = true
    shown.forEach(other => other.setVisibility(false))
    component.setVisibility(true)
    const frame = this.aim(pins)
    viewer.render()
    const canvas = document.createElement("canvas")
    Object.assign(canvas, {width: WIDTH, height: HEIGHT})
    canvas.getContext("2d").drawImage(viewer.renderer.domElement, ...frame, 0, 0, WIDTH, HEIGHT)
    component.setVisibility(false)
    shown.forEach(other => other.setVisibility(true))
    viewerControls.center(centre)
    viewerControls.distance(distance)
    view.busy = false
    viewer.render()
    return canvas.toDataURL("image/webp", 0.9)
  }

  // Points the camera so that every pin fits; returns the part of the canvas that is the picture.
  aim(pins) {
    const {view} = this
    const {domElement} = view.stage.viewer.renderer
    const [width, height] = [domElement.width, domElement.height]
    const used = Math.min(1, width / height / (WIDTH / HEIGHT))
    const centre = view.centreOf(pins)
    const [halfWidth, halfHeight] = view.halfSizes(pins, centre)
    const tall = 2 * Math.max(halfHeight, halfWidth * HEIGHT / WIDTH) / used
    view.stage.viewerControls.center(view.vector(centre))
    view.stage.viewerControls.distance(view.distanceFor(tall))
    const [partWidth, partHeight] = [height * used * WIDTH / HEIGHT, height * used]
    return [(width - partWidth) / 2, (height - partHeight) / 2, partWidth, partHeight]
  }
}
