import {Stage} from "ngl"

// Selections keep water out of cartoons and show ligands and caps beside them.
const STYLES = {
  "ball+stick": [["ball+stick", "all", {aspectRatio: 1.9, radiusScale: 0.85, multipleBond: "off"}]],
  "licorice": [["licorice", "all", {radiusScale: 0.8, multipleBond: "off"}]],
  "cartoon": [
    ["cartoon", "protein or nucleic", {smoothSheet: true, quality: "high"}],
    ["ball+stick", "not (protein or nucleic or water)", {aspectRatio: 1.9, multipleBond: "off"}],
  ],
  "spacefill": [["spacefill", "all", {}]],
}

const MARGIN = 1.6  // Angstrom around the outermost nuclei

const CSS = `
.fel-view {position: relative; width: 100%; height: 100%; min-height: 160px; overflow: hidden;
  border-radius: 6px; font: 13px/1.35 Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--panel-on-surface-color, var(--jp-ui-font-color1, #333)); transition: color 1ms}
.fel-stage {position: absolute; inset: 0}
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
.fel-tools svg {width: 18px; height: 18px; fill: none; stroke: currentColor; stroke-width: 1.8;
  stroke-linecap: round; stroke-linejoin: round}
.fel-message {position: absolute; inset: 0; display: grid; place-items: center; padding: 24px;
  text-align: center; opacity: .75}`

const ICONS = {
  reset: '<svg viewBox="0 0 24 24"><path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5"/><circle cx="12" cy="12" r="2.5"/></svg>',
  picture: '<svg viewBox="0 0 24 24"><path d="M4 8h3l2-3h6l2 3h3v11H4z"/><circle cx="12" cy="13" r="3.5"/></svg>',
}

function element(tag, className, parent) {
  const node = document.createElement(tag)
  node.className = className
  parent.append(node)
  return node
}

function floats(bytes) {
  if (bytes instanceof ArrayBuffer) return new Float32Array(bytes)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
}

// NGL listens on the document and compares event.target with its canvas.  Inside a shadow root the document
// sees the host as the target, so NGL would ignore the mouse: it gets the innermost target instead.
// Returns a function that stops listening.
function listenInsideShadow(observer) {
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

function mean(coordinates) {
  const centre = [0, 0, 0]
  for (let i = 0; i < coordinates.length; i++) centre[i % 3] += coordinates[i] * 3 / coordinates.length
  return centre
}

class View {
  constructor(model, root) {
    this.model = model
    this.root = root
    this.layers = []
    this.generation = 0
    this.fitted = ""
    this.nColumns = 1
    this.spacing = 0
    this.stage = new Stage(element("div", "fel-stage", root), {
      backgroundColor: "white", cameraType: model.projection, clipDist: 0, fogNear: 55, fogFar: 115,
      lightIntensity: 1.1, ambientIntensity: 0.35, sampleLevel: 1,
    })
    this.stopListening = listenInsideShadow(this.stage.mouseObserver)
    this.columns = element("div", "fel-columns", root)
    this.addTools()
    this.followTheme()
    this.stage.viewerControls.signals.changed.add(this.placeColumns, this)
    this.observer = new ResizeObserver(() => this.resize())
    this.observer.observe(root)
  }

  addTools() {
    const tools = element("div", "fel-tools", this.root)
    const button = (icon, title, action) => {
      const node = element("button", "", tools)
      node.type = "button"
      node.innerHTML = ICONS[icon]
      node.title = title
      node.setAttribute("aria-label", title)
      node.onclick = action
    }
    button("reset", "Show everything", () => this.fit(300))
    button("picture", "Save this picture (PNG, transparent background)", () => this.savePicture())
  }

  // The 1 ms transition of the text's colour fires this event whenever the page's theme changes.
  followTheme() {
    this.root.addEventListener("transitionend", event => event.target === this.root && this.paintBackground())
    this.paintBackground()
  }

  // Without a given colour the canvas is see-through; distant atoms still fade into the page's colour.
  paintBackground() {
    const style = getComputedStyle(this.root)
    const page = ["--panel-surface-color", "--jp-layout-color0"].map(name => style.getPropertyValue(name).trim())
    const probe = document.createElement("canvas").getContext("2d")
    probe.fillStyle = "#ffffff"
    probe.fillStyle = this.model.background || page.find(Boolean) || "#ffffff"
    this.stage.setParameters({backgroundColor: probe.fillStyle})
    if (!this.model.background) this.stage.viewer.renderer.domElement.style.backgroundColor = "transparent"
  }

  resize() {
    if (!this.root.clientWidth || !this.root.clientHeight) return
    this.stage.handleResize()
    this.paintBackground()
    if (this.size !== `${this.root.clientWidth}x${this.root.clientHeight}`) this.fit(0)
    this.size = `${this.root.clientWidth}x${this.root.clientHeight}`
  }

  // Keeps the loaded structures when only coordinates or looks have changed: no flicker, no lost camera.
  async update() {
    const generation = ++this.generation
    const scene = this.model.scene
    const same = scene.length === this.layers.length &&
      scene.every((layer, i) => layer.pdb === this.layers[i].pdb)
    if (!same) {
      const components = await Promise.all(scene.map(layer => this.stage.loadFile(
        new Blob([layer.pdb], {type: "text/plain"}),
        {ext: "pdb", name: layer.label, inferBonds: "auto", defaultRepresentation: false})))
      if (generation !== this.generation) {
        components.forEach(component => this.stage.removeComponent(component))
        return
      }
      this.layers.forEach(layer => this.stage.removeComponent(layer.component))
      this.layers = components.map(component => ({component}))
    }
    scene.forEach((layer, i) => Object.assign(this.layers[i], layer, {coordinates: floats(layer.coordinates)}))
    this.showFrame()
    this.restyle()
    this.label()
    const view = JSON.stringify([scene.length && scene[0].pdb.length, this.nColumns])
    if (view !== this.fitted) this.fit(0)
    else this.placeColumns()
    this.fitted = view
    this.model.ready = this.model.ready + 1
  }

  showFrame() {
    for (const layer of this.layers) {
      const size = 3 * layer.component.structure.atomCount
      const last = layer.coordinates.length / size - 1
      const frame = Math.max(0, Math.min(this.model.frame, last))
      layer.component.structure.updatePosition(layer.coordinates.subarray(frame * size, (frame + 1) * size))
    }
  }

  restyle() {
    for (const {component, colour, opacity} of this.layers) {
      component.removeAllRepresentations()
      for (const [type, selection, style] of STYLES[this.model.representation]) {
        const params = {...style, opacity, depthWrite: true, sele: selection}
        if (!this.model.hydrogens) params.sele = `(${selection}) and not hydrogen`
        if (type === "cartoon" && !colour) params.colorScheme = "residueindex"
        else {
          params.colorScheme = type === "cartoon" ? "uniform" : "element"
          if (colour) params.colorValue = colour
        }
        component.addRepresentation(type, params)
      }
    }
  }

  label() {
    this.columns.replaceChildren()
    this.nColumns = 1 + Math.max(0, ...this.layers.map(layer => layer.column))
    this.columns.classList.toggle("many", this.nColumns > 1)
    for (let column = 0; column < this.nColumns; column++) {
      const node = element("div", "fel-column", this.columns)
      for (const layer of this.layers.filter(layer => layer.column === column)) {
        const line = element("div", "fel-label", node)
        if (layer.colour) element("span", "fel-swatch", line).style.background = layer.colour
        line.append(layer.label)
        if (layer.note) element("div", "fel-note", node).textContent = layer.note
      }
    }
  }

  // Columns are moved along the screen's x axis whatever the rotation, so each turns about its own centre.
  placeColumns() {
    const inverse = this.stage.viewerControls.rotation.clone().invert()
    for (const {component, column} of this.layers) {
      const shift = ((this.nColumns - 1) / 2 - column) * this.spacing  // NGL looks along +z: x points left
      const offset = component.position.clone().set(shift, 0, 0).applyQuaternion(inverse)
      if (offset.distanceTo(component.position) > 1e-3) component.setPosition(offset)
    }
  }

  // Half width and half height on screen, in Angstrom, that hold the atoms of all frames as now rotated.
  halfSizes() {
    const rotation = this.stage.viewerControls.rotation
    const atom = this.stage.viewer.translationGroup.position.clone()
    const half = [0, 0]
    for (const {coordinates} of this.layers) {
      for (let i = 0; i < coordinates.length; i += 3) {
        atom.set(coordinates[i] - this.centre[0], coordinates[i + 1] - this.centre[1],
          coordinates[i + 2] - this.centre[2]).applyQuaternion(rotation)
        half[0] = Math.max(half[0], Math.abs(atom.x))
        half[1] = Math.max(half[1], Math.abs(atom.y))
      }
    }
    return half.map(value => value + MARGIN)
  }

  // Columns are spread over the width of the view, so that structures stand under their labels.
  fit(duration) {
    const {clientWidth, clientHeight} = this.root
    if (!this.layers.length || !clientHeight) return
    this.centre = mean(this.layers[0].coordinates)
    const [halfWidth, halfHeight] = this.halfSizes()
    const heading = 1 + (this.nColumns > 1 ? this.columns.offsetHeight / clientHeight : 0)
    const columnAspect = clientWidth / clientHeight / this.nColumns
    const height = 2 * Math.max(halfHeight * heading, halfWidth / columnAspect)
    this.spacing = this.nColumns > 1 ? height * columnAspect : 0
    this.placeColumns()
    const {viewer, animationControls} = this.stage
    const centre = viewer.translationGroup.position.clone().fromArray(this.centre)
    animationControls.zoomMove(centre, -height / 2 / Math.tan(viewer.perspectiveCamera.fov * Math.PI / 360), duration)
  }

  async savePicture() {
    const blob = await this.stage.makeImage({factor: 3, antialias: true, transparent: true})
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = "structure.png"
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  dispose() {
    this.generation++
    this.observer.disconnect()
    this.stopListening()
    this.stage.removeAllComponents()
    this.stage.dispose()
    this.stage.viewer.renderer.forceContextLoss()
  }
}

export function render({model, el}) {
  el.style.cssText += ";width:100%;height:100%"
  element("style", "", el).textContent = CSS
  const root = element("div", "fel-view", el)
  root.setAttribute("role", "img")
  root.setAttribute("aria-label", "Molecular structure, three-dimensional")
  if (!document.createElement("canvas").getContext("webgl2")) {
    element("div", "fel-message", root).textContent =
      "Structures need WebGL, which this browser does not offer. Turn on hardware acceleration or use another browser."
    return
  }
  const view = new View(model, root)
  model.on("scene", () => view.update())
  model.on("frame", () => view.showFrame())
  model.on(["representation", "hydrogens"], () => view.restyle())
  model.on("projection", () => view.stage.setParameters({cameraType: model.projection}))
  model.on("background", () => view.paintBackground())
  model.on("after_render", () => view.resize())
  model.on("remove", () => view.dispose())
  view.update()
}
