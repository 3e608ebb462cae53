import {Stage} from "ngl"
import {CSS, ICONS, element, listenInsideShadow} from "./frame"
import {dress} from "./looks"
import {Measuring} from "./measuring"
import {Overlay} from "./overlay"
import {Thumbnails} from "./thumbnails"

const MARGIN = 1.6  // Angstrom around the outermost nuclei

function floats(bytes) {
  if (bytes instanceof ArrayBuffer) return new Float32Array(bytes)
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
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
    this.overlay = new Overlay(this)
    this.thumbnails = new Thumbnails(this)
    this.readScale()
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
      return node
    }
    const about = "Measure: click two atoms for a distance, three for an angle, four for a torsion. Esc ends it."
    this.measuring = new Measuring(this, button("measure", about))
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
    this.ground = probe.fillStyle
    this.stage.setParameters({backgroundColor: this.ground})
    if (!this.model.background) this.stage.viewer.renderer.domElement.style.backgroundColor = "transparent"
  }

  resize() {
    if (!this.root.clientWidth || !this.root.clientHeight) return
    this.stage.handleResize()
    this.paintBackground()
    if (this.thumbnails.waiting) this.thumbnails.ask()
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
      const components = await Promise.all(scene.map(layer => this.load(layer)))
      if (generation !== this.generation) {
        components.forEach(component => this.stage.removeComponent(component))
        return
      }
      this.layers.forEach(layer => this.stage.removeComponent(layer.component))
      this.layers = components.map(component => ({component}))
    }
    this.readLayers(scene).forEach((layer, i) => Object.assign(this.layers[i], layer))
    this.showFrame()
    this.restyle()
    const view = JSON.stringify([scene.length && scene[0].pdb.length, this.nColumns])
    if (view !== this.fitted) this.fit(0)
    else this.placeColumns()
    this.fitted = view
    this.model.ready = this.model.ready + 1
  }

  load(layer) {
    const pdb = new Blob([layer.pdb], {type: "text/plain"})
    return this.stage.loadFile(pdb, {ext: "pdb", name: layer.label, inferBonds: "auto", defaultRepresentation: false})
  }

  // Layers with their bytes as numbers; `atoms` is empty where they are those of the data, in order.
  readLayers(scene) {
    return scene.map(layer => (
      {...layer, coordinates: floats(layer.coordinates), atoms: layer.atoms ?? []}))
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
    for (const layer of this.layers) dress(layer.component, layer, this.model, this.scale)
    this.label()
  }

  readScale() {
    const given = this.model.atom_values
    this.scale = given?.values ? {...given, values: floats(given.values)} : null
  }

  label() {
    this.columns.replaceChildren()
    const ownColours = !this.scale && (this.model.colouring ?? "structure") === "structure"
    this.nColumns = 1 + Math.max(0, ...this.layers.map(layer => layer.column))
    this.columns.classList.toggle("many", this.nColumns > 1)
    for (let column = 0; column < this.nColumns; column++) {
      const node = element("div", "fel-column", this.columns)
      for (const layer of this.layers.filter(layer => layer.column === column)) {
        const line = element("div", "fel-label", node)
        if (layer.colour && ownColours) element("span", "fel-swatch", line).style.background = layer.colour
        line.append(layer.label)
        if (layer.note) element("div", "fel-note", node).textContent = layer.note
      }
    }
  }

  // Columns are moved along the screen's x axis whatever the rotation, so each turns about its own centre.
  placeColumns() {
    if (this.busy) return
    const inverse = this.stage.viewerControls.rotation.clone().invert()
    for (const {component, column} of this.layers) {
      const shift = ((this.nColumns - 1) / 2 - column) * this.spacing  // NGL looks along +z: x points left
      const offset = component.position.clone().set(shift, 0, 0).applyQuaternion(inverse)
      if (offset.distanceTo(component.position) > 1e-3) component.setPosition(offset)
    }
  }

  // Half width and half height on screen, in Angstrom, that hold the atoms of all frames as now rotated.
  halfSizes(layers, centre) {
    const rotation = this.stage.viewerControls.rotation
    const atom = this.stage.viewer.translationGroup.position.clone()
    const half = [0, 0]
    for (const {coordinates} of layers) {
      for (let i = 0; i < coordinates.length; i += 3) {
        atom.set(coordinates[i] - centre[0], coordinates[i + 1] - centre[1],
          coordinates[i + 2] - centre[2]).applyQuaternion(rotation)
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
    const centre = this.centreOf(this.layers)
    const [halfWidth, halfHeight] = this.halfSizes(this.layers, centre)
    const heading = 1 + (this.nColumns > 1 ? this.columns.offsetHeight / clientHeight : 0)
    const columnAspect = clientWidth / clientHeight / this.nColumns
    const height = 2 * Math.max(halfHeight * heading, halfWidth / columnAspect)
    this.spacing = this.nColumns > 1 ? height * columnAspect : 0
    this.placeColumns()
    this.stage.animationControls.zoomMove(this.vector(centre), this.distanceFor(height), duration)
  }

  centreOf(layers) {
    return mean(layers[0].coordinates)
  }

  vector(position) {
    return this.stage.viewer.translationGroup.position.clone().fromArray(position)
  }

  // Where the camera stands when the view is `height` Angstrom high.
  distanceFor(height) {
    return -height / 2 / Math.tan(this.stage.viewer.perspectiveCamera.fov * Math.PI / 360)
  }

  // Where on the canvas, in pixels of the page, a position in a component is.
  onCanvas(component, position) {
    const place = this.stage.viewerControls.getPositionOnCanvas(this.vector(position).add(component.position))
    return [place.x, this.stage.viewer.height - place.y]
  }

  // With what is painted over the molecules.
  async picture() {
    this.busy = true
    const image = await createImageBitmap(
      await this.stage.makeImage({factor: 3, antialias: true, transparent: true}))
    this.busy = false
    const canvas = document.createElement("canvas")
    Object.assign(canvas, {width: image.width, height: image.height})
    const context = canvas.getContext("2d")
    context.drawImage(image, 0, 0)
    const scale = image.width / this.root.clientWidth
    context.scale(scale, scale)
    this.overlay.paintOn(context)
    return new Promise(done => canvas.toBlob(done))
  }

  async savePicture() {
    const blob = await this.picture()
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = "structure.png"
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 1000)
  }

  dispose() {
    this.generation++
    this.thumbnails.generation++
    this.measuring.stop()
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
  model.on(["representation", "hydrogens", "colouring", "atom_values"], () => {
    view.readScale()
    view.restyle()
    view.thumbnails.ask()
  })
  model.on("measuring", () => view.measuring.follow())
  model.on("measured", () => view.overlay.paint())
  model.on("pins", () => view.thumbnails.ask())
  model.on("projection", () => view.stage.setParameters({cameraType: model.projection}))
  model.on("background", () => view.paintBackground())
  model.on("after_render", () => view.resize())
  model.on("remove", () => view.dispose())
  view.update()
  view.thumbnails.ask()
}
