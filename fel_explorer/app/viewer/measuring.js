// Which atoms were clicked to be measured, and where they are.
import {MouseActions} from "ngl"
import {quantity} from "./measure"

export class Measuring {
  constructor(view, button) {
    this.view = view
    this.button = button
    this.pick = this.pick.bind(this)
    this.onKey = this.onKey.bind(this)
    // NGL's own measurements can neither be named nor kept
    for (const trigger of ["clickPick-right", "clickPick-ctrl-left"]) this.controls.remove(trigger)
    this.controls.remove("hoverPick")
    this.controls.add("hoverPick", (stage, picked) => this.tell(stage.tooltip, picked))
    button.onclick = () => this.turn(!view.model.measuring)
    this.follow()
  }

  get controls() { return this.view.stage.mouseControls }

  get atoms() { return this.view.model.measured ?? [] }

  turn(on) {
    this.view.model.measuring = on
    this.follow()
  }

  follow() {
    const on = Boolean(this.view.model.measuring)
    this.view.root.classList.toggle("measuring", on)
    this.button.setAttribute("aria-pressed", on)
    this.controls.remove("clickPick-left")
    this.controls.add("clickPick-left", on ? this.pick : MouseActions.movePick)
    this.stop()
    if (on) window.addEventListener("keydown", this.onKey, true)
    else if (this.atoms.length) this.take([])
  }

  stop() {
    window.removeEventListener("keydown", this.onKey, true)
  }

  // Before the page's own keys, for which Escape clears the selection.
  onKey(event) {
    if (event.key !== "Escape") return
    event.stopPropagation()
    this.turn(false)
  }

  // A fifth atom begins anew; a click on the last one takes it back.
  pick(_stage, picked) {
    const found = picked && (picked.atom || picked.closestBondAtom)
    const layer = found && this.view.layers.find(one => one.component.structure.atomStore === found.atomStore)
    if (!layer) return
    const atom = layer.atoms.length ? layer.atoms[found.index] : found.index
    if (this.atoms.at(-1) === atom) this.take(this.atoms.slice(0, -1))
    else this.take(this.atoms.length < 4 && !this.atoms.includes(atom) ? [...this.atoms, atom] : [atom])
  }

  // Beside the mouse, what it points at.
  tell(tooltip, picked) {
    const atom = picked && (picked.atom || picked.closestBondAtom)
    tooltip.style.display = atom ? "block" : "none"
    if (!atom) return
    const {x, y} = picked.mouse.position
    tooltip.innerText = nameOf(atom)
    Object.assign(tooltip.style, {left: `${x + 12}px`, bottom: `${window.innerHeight - y + 8}px`})
  }

  take(atoms) {
    this.view.model.measured = atoms
    this.view.overlay.paint()
  }

  // Points on the canvas, names and value, in the first structure of each column that has the atoms.
  found() {
    const {layers} = this.view
    if (!this.atoms.length) return []
    const first = layers.filter((layer, i) => layers.findIndex(one => one.column === layer.column) === i)
    const places = first.map(layer => this.atoms.map(atom => localAtom(layer, atom)))
    return first.flatMap((layer, i) => places[i].includes(-1) ? [] : [this.measure(layer, places[i])])
  }

  measure({component}, places) {
    const atoms = places.map(place => component.structure.getAtomProxy(place))
    const positions = atoms.map(atom => atom.positionToArray())
    return {
      points: positions.map(position => this.view.onCanvas(component, position)),
      names: atoms.map(nameOf),
      value: quantity(positions),
    }
  }
}

function nameOf(atom) {
  return `${atom.atomname} of ${atom.resname}${atom.resno}`
}

// Place of an atom of the data among those of a layer; -1 where the layer lacks it.
function localAtom({atoms, component}, atom) {
  if (atoms.length) return atoms.indexOf(atom)
  return atom < component.structure.atomCount ? atom : -1
}
