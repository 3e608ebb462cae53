"""The 3-D viewer of the page: NGL in one WebGL stage, from a bundle inside the wheel, no network.

The bundle ``StructureViewer.bundle.js`` next to this file is compiled from ``structure_viewer.js``, the
files that it imports, and the npm package ngl (MIT).  To make it again (Node 20 or newer; nobody who
installs the package needs it)::

    npm install --prefix /tmp/build esbuild ngl@2.5.0
    PATH=/tmp/build/node_modules/.bin:$PATH panel compile \\
        fel_explorer.app.viewer.component:StructureViewer --build-dir /tmp/build --skip-npm
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mdtraj
import numpy as np
import param
from panel.custom import JSComponent

from fel_explorer.structures.pdb import pdb_text

REPRESENTATIONS = (
    "ball+stick",
    "licorice",
    "cartoon",
    "cartoon and sticks",
    "trace",
    "spacefill",
    "surface",
)
OF_CHAINS = ("cartoon", "cartoon and sticks", "trace")
"""Representations that need a chain of residues."""
COLOURINGS = {
    "structure": "Structure",
    "element": "Element",
    "position": "Place in chain",
    "residue": "Kind of residue",
    "secondary structure": "Secondary structure",
    "chain": "Chain",
}
"""{name: words}: what atoms and ribbons are coloured by."""
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
"""Okabe and Ito's colours, which people with any colour vision can distinguish."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One structure of a scene, with its frames.

    Attributes
    ----------
    trajectory
        The atoms and the frames to step through, already aligned to the other layers.
    label, note
        One line above the structure, and a smaller one below it.
    colour
        Colour of carbons and ribbons, such as "#0072B2"; "" colours carbons grey and ribbons by residue.
    opacity
        0 to 1.
    column
        Layers of one column are overlaid; columns stand side by side and turn together.
    reference
        Coordinates (atom, 3) in nm from which bonds are guessed when the topology has none: a geometry
        that can be trusted. Default the first frame.
    atoms
        (atom,) index of each atom in the topology of the data, by which measurements and values find it;
        default 0, 1, 2, ...
    key
        Number of a pinned structure.
    """

    trajectory: mdtraj.Trajectory
    label: str = ""
    note: str = ""
    colour: str = ""
    opacity: float = 1.0
    column: int = 0
    reference: np.ndarray | None = None
    atoms: np.ndarray | None = None
    key: int = 0

    def as_dict(self) -> dict:
        """Message to the browser: PDB text, coordinates as float32 bytes in Angstrom, and style."""
        xyz = self.trajectory.xyz
        reference = xyz[0] if self.reference is None else self.reference
        return {
            "pdb": pdb_text(self.trajectory.topology, reference),
            "coordinates": np.ascontiguousarray(xyz * 10, "<f4").tobytes(),
            "label": self.label,
            "note": self.note,
            "colour": self.colour,
            "opacity": float(self.opacity),
            "column": int(self.column),
            "atoms": [] if self.atoms is None else [int(atom) for atom in self.atoms],
            "key": int(self.key),
        }


class StructureViewer(JSComponent):
    """Molecules in the page: overlaid, side by side, played, measured, and coloured by values of atoms.

    >>> viewer = StructureViewer(height=400)
    >>> viewer.show([Layer(observed, "observed"), Layer(decoded, "decoded", column=1)])
    """

    scene = param.List([], doc="The layers as the browser gets them; set them by `show`.")
    frame = param.Integer(0, bounds=(0, None), doc="Frame shown; layers with fewer frames show their last.")
    representation: param.Selector[str] = param.Selector(default="ball+stick", objects=list(REPRESENTATIONS))
    colouring: param.Selector[str] = param.Selector(default="structure", objects=list(COLOURINGS))
    atom_values = param.Dict(
        {},
        doc="Values that colour the atoms in place of `colouring`, with the scale that is shown: 'values' "
        "(float32 bytes, one for each atom of the data's topology, NaN is grey), 'title', 'low', 'high' and "
        "'palette' (colours from low to high). Empty for none.",
    )
    measuring = param.Boolean(False, doc="Whether a click on an atom measures.")
    measured = param.List([], doc="Clicked atoms, at most four, as indices into the data's topology.")
    pins = param.List([], doc="Structures to take small pictures of, as layers.")
    thumbnails = param.Dict({}, doc="{key of a pin: its picture as a data URL}, from the browser.")
    hydrogens = param.Boolean(True, doc="Whether hydrogens are drawn.")
    projection: param.Selector[str] = param.Selector(
        default="orthographic", objects=["orthographic", "perspective"]
    )
    background = param.String("", doc="CSS colour; '' follows the theme of the page.")
    ready = param.Integer(0, doc="Counts the scenes that the browser has drawn.")

    _esm = "structure_viewer.js"
    _esm_shared = {
        name: Path(__file__).with_name(f"{name}.js")
        for name in ("frame", "looks", "measure", "measuring", "overlay", "thumbnails")
    }
    _importmap = {"imports": {"ngl": "https://esm.sh/ngl@2.5.0"}}  # read by `panel compile` only

    def show(self, layers: Sequence[Layer], *, frame: int = 0) -> None:
        """Show ``layers`` in place of what is shown, starting at ``frame``."""
        self.param.update(scene=[layer.as_dict() for layer in layers], frame=frame)

    def fade(self, opacity: float) -> None:
        """Give all layers but the first of each column another opacity."""
        first = {layer["column"]: i for i, layer in reversed(list(enumerate(self.scene)))}
        self.scene = [
            layer if first[layer["column"]] == i else layer | {"opacity": float(opacity)}
            for i, layer in enumerate(self.scene)
        ]
