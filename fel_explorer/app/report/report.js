// Shows the structures of the report with the viewer of the page, which lies in the file as gzip in base64.
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
const text = (id) => document.getElementById(id).textContent

const stream = new Blob([bytes(text("fel-viewer"))]).stream().pipeThrough(new DecompressionStream("gzip"))
const source = new Blob([await new Response(stream).text()], {type: "text/javascript"})
const viewer = (await import(URL.createObjectURL(source))).default.StructureViewer

const scenes = JSON.parse(text("fel-scenes")).map(({title, layers, images}) => ({
  title,
  images,
  scene: layers.map((layer) => ({...layer, coordinates: bytes(layer.coordinates)})),
}))
const listeners = {}
const model = {
  scene: scenes[0].scene, frame: 0, representation: "ball+stick", hydrogens: true,
  projection: "orthographic", background: "#ffffff", ready: 0,
  on: (names, listener) => [names].flat().forEach((name) => (listeners[name] ??= []).push(listener)),
}
const el = document.createElement("div") // the viewer takes all of the place around it
document.querySelector(".viewer").append(el)
viewer.render({model, el})

// a slider for scenes of several images
const steps = document.querySelector(".steps")
const slider = Object.assign(document.createElement("input"), {type: "range", min: 0, ariaLabel: "Image"})
const caption = document.createElement("output")
steps.append(slider, caption)
let images = []
function showImage(index) {
  caption.textContent = images[index] ?? ""
  model.frame = index
  listeners.frame?.forEach((listener) => listener())
}
slider.oninput = () => showImage(Number(slider.value))

const choices = document.querySelector(".choices")
scenes.forEach(({title, scene, images: own}, index) => {
  const button = document.createElement("button")
  button.type = "button"
  button.textContent = title
  button.setAttribute("aria-pressed", index === 0)
  button.onclick = () => {
    for (const other of choices.children) other.setAttribute("aria-pressed", other === button)
    images = own
    steps.hidden = !images.length
    Object.assign(slider, {max: Math.max(images.length - 1, 0), value: 0})
    model.frame = 0
    model.scene = scene
    listeners.scene.forEach((listener) => listener())
    showImage(0)
  }
  choices.append(button)
})
