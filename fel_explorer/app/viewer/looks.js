// How structures are drawn and coloured.
import {Colormaker, ColormakerRegistry} from "ngl"

const CHAIN = "protein or nucleic"
const BESIDE = ["ball+stick", "not (protein or nucleic or water)", {aspectRatio: 1.9, multipleBond: "off"}]
const RIBBON = ["cartoon", CHAIN, {smoothSheet: true, quality: "high"}]
const SKIN = {surfaceType: "av", probeRadius: 1.4, scaleFactor: 2.5, smooth: 1, useWorker: false}

// Selections keep water out of ribbons and show ligands and caps beside them.
const STYLES = {
  "ball+stick": [["ball+stick", "all", {aspectRatio: 1.9, radiusScale: 0.85, multipleBond: "off"}]],
  "licorice": [["licorice", "all", {radiusScale: 0.8, multipleBond: "off"}]],
  "cartoon": [RIBBON, BESIDE],
  "cartoon and sticks": [RIBBON, BESIDE,
    ["licorice", "sidechainAttached and not hydrogen", {radiusScale: 0.45, multipleBond: "off"}]],
  "trace": [["tube", CHAIN, {radiusScale: 0.7, quality: "high"}], BESIDE],
  "spacefill": [["spacefill", "all", {}]],
  "surface": [["licorice", "all", {radiusScale: 0.6, multipleBond: "off"}], ["surface", "all", SKIN]],
}
const RIBBONS = ["cartoon", "tube"]
const SCHEMES = {
  "element": "element", "position": "residueindex", "residue": "resname", "chain": "chainindex",
  "secondary structure": "sstruc",
}
const NO_VALUE = 0x9aa0a6

const shades = new WeakMap() // atoms of a structure -> {atom, residue}: a colour for each atom

class ValueColours extends Colormaker {
  atomColor(atom) { return shades.get(atom.atomStore)?.atom[atom.index] ?? NO_VALUE }
}
// A ribbon passes through one atom of a residue: it takes the largest value of them all.
class ResidueValueColours extends Colormaker {
  atomColor(atom) { return shades.get(atom.atomStore)?.residue[atom.index] ?? NO_VALUE }
}
ColormakerRegistry.add("felvalues", ValueColours)
ColormakerRegistry.add("felresiduevalues", ResidueValueColours)

function shade(value, {low, high, palette}) {
  if (!Number.isFinite(value)) return NO_VALUE
  const share = (value - low) / (high - low)
  const place = Math.round(Math.max(0, Math.min(1, share)) * (palette.length - 1))
  return parseInt(palette[place].slice(1), 16)
}

// Prepares the colours of a structure; `atoms` are the places of its atoms in the topology of the data.
function shadeAtoms(structure, atoms, scale) {
  const n = structure.atomCount
  const values = Float32Array.from({length: n}, (_, i) => scale.values[atoms.length ? atoms[i] : i])
  const highest = values.slice()
  structure.eachResidue(residue => {
    let most = NaN
    residue.eachAtom(atom => {
      if (!(values[atom.index] <= most) && Number.isFinite(values[atom.index])) most = values[atom.index]
    })
    residue.eachAtom(atom => { highest[atom.index] = most })
  })
  const colours = from => Uint32Array.from(from, value => shade(value, scale))
  shades.set(structure.atomStore, {atom: colours(values), residue: colours(highest)})
}

function colours(type, layer, {colouring = "structure"}, scale) {
  if (scale) return {colorScheme: RIBBONS.includes(type) ? "felresiduevalues" : "felvalues"}
  if (colouring !== "structure") return {colorScheme: SCHEMES[colouring]}
  const chained = RIBBONS.includes(type)
  if (chained && !layer.colour) return {colorScheme: "residueindex"}
  const own = layer.colour ? {colorValue: layer.colour} : {}
  return {colorScheme: chained ? "uniform" : "element", ...own}
}

// Draws a component as `model` says: representation, hydrogens, colouring; `scale` has values of atoms or is null.
export function dress(component, layer, model, scale) {
  component.removeAllRepresentations()
  if (scale) shadeAtoms(component.structure, layer.atoms, scale)
  for (const [type, selection, style] of STYLES[model.representation]) {
    const opacity = type === "surface" ? 0.55 * layer.opacity : layer.opacity
    const params = {...style, ...colours(type, layer, model, scale), opacity, depthWrite: type !== "surface"}
    params.sele = model.hydrogens ? selection : `(${selection}) and not hydrogen`
    component.addRepresentation(type, params)
  }
}
