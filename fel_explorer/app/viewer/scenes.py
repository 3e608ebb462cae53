"""Scenes of the 3-D viewer for a session: layers and their texts.  No widgets here."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import mdtraj
import numpy as np
import xarray as xr

from fel_explorer.app.session.pinned import Pinned, align
from fel_explorer.app.session.session import Point, Session
from fel_explorer.app.viewer.component import Layer
from fel_explorer.app.views.paths import landscape_path
from fel_explorer.data.solvent import solvent_atoms
from fel_explorer.errors import FelError
from fel_explorer.plots.colours import APART, tints
from fel_explorer.structures import principal_view, reconstruct, representatives, superpose
from fel_explorer.structures.soundness import soundness

DECODED = APART[0]  # not the colour of any state
BEHIND = 0.55  # opacity of the representatives after the first
WINDOW_BYTES = 4_000_000  # of coordinates sent at once: websocket messages stay well under 10 MB
WINDOW_FRAMES = 200
MIN_CHAIN = 6  # residues of a ribbon


@dataclass(frozen=True, eq=False)
class Scene:
    """Layers, a line of text about them, a warning ('' for none), and the layers' origins.

    An origin is (frame, "") of what was observed, (nearest frame, "decoded") of what was made.
    """

    layers: list[Layer] = field(default_factory=list)
    text: str = ""
    warning: str = ""
    origins: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Images:
    """The images of a path as a layer, and the check of each (`structures.soundness`)."""

    layer: Layer
    checks: xr.Dataset


class Scenes:
    """Makes scenes of one set of trajectories, aligned to its first frame and seen from where that is widest.

    Water and ions are left out.
    """

    def __init__(self, trajectories):
        self.trajectories = trajectories
        solvent = solvent_atoms(trajectories.topology)
        kept = np.flatnonzero(~solvent)
        self._atoms = kept if len(kept) else np.arange(len(solvent))
        self.reference = principal_view(trajectories.frames([0]))
        self.n_atoms = len(self._atoms)

    @property
    def has_chain(self) -> bool:
        """Whether a ribbon can be drawn."""
        residues = self.trajectories.topology.residues
        return sum(residue.is_protein or residue.is_nucleic for residue in residues) >= MIN_CHAIN

    def frames(self, indices) -> mdtraj.Trajectory:
        """Aligned structures of dataset frames, without solvent."""
        return self._shown(superpose(self.trajectories.frames(indices), self.reference))

    def _shown(self, trajectory):
        return trajectory if self.n_atoms == trajectory.n_atoms else trajectory.atom_slice(self._atoms)

    def layer(self, trajectory: mdtraj.Trajectory, label: str = "", note: str = "", **style) -> Layer:
        """A layer of observed frames; small molecules share one set of bonds: nothing is loaded anew."""
        reference = None if self.has_chain else self._shown(self.reference).xyz[0]
        return Layer(trajectory, label, note, reference=reference, **style)

    def locate(self, layer: Layer) -> Layer:
        """``layer`` with the places of its atoms in the topology of the trajectories."""
        topology, whole = layer.trajectory.topology, self.trajectories.topology
        if layer.atoms is not None or topology.n_atoms == whole.n_atoms:
            return layer
        if topology.n_atoms == self.n_atoms:
            return replace(layer, atoms=self._atoms)
        place = {_address(atom): atom.index for atom in whole.atoms}
        return replace(layer, atoms=np.array([place.get(_address(atom), -1) for atom in topology.atoms]))

    def pins(self, pinned: Pinned) -> list[Layer]:
        """The pins as layers, laid upon the reference among them."""
        laid = align(pinned, self.trajectories.topology)
        return [self._pin(pin, laid[pin.key]) for pin in pinned.pins]

    def pinned(self, pinned: Pinned) -> Scene:
        """The pin that is shown big."""
        pin = pinned[pinned.shown]
        name = pin.name[0].upper() + pin.name[1:]
        return Scene([layer for layer in self.pins(pinned) if layer.key == pin.key], f"{name}.")

    def _pin(self, pin, xyz):
        topology, reference = self.trajectories.topology, self.reference.xyz[0]
        part = topology if len(pin.atoms) == topology.n_atoms else topology.subset(pin.atoms)
        return Layer(
            mdtraj.Trajectory(xyz[None], part), pin.name, colour=pin_colour(pin.key), key=pin.key,
            atoms=pin.atoms, reference=None if self.has_chain else reference[pin.atoms],
        )  # fmt: skip

    def window(self) -> int:
        """Number of frames that fit into one message."""
        return int(np.clip(WINDOW_BYTES // (12 * self.n_atoms), 1, WINDOW_FRAMES))

    def representatives(self, session: Session, n: int, choose: str, opacity: float = BEHIND) -> Scene:
        """``n`` frames that stand for the selection, overlaid; all but the first of an ``opacity``."""
        space = session.result.embedding if session.result is not None else None
        selected = session.selection.frames
        found = representatives(space, session.dataset, n=n, frames=selected, choose=choose)
        layers, colours = [], representative_colours(session, found.frames)
        for i, (frame, fraction) in enumerate(zip(found.frames, found.shares, strict=True)):
            label = frame_name(session, frame).partition(", ")[2]
            label = f"{fraction:.0%}   {label}" if choose == "medoids" and len(found.frames) > 1 else label
            style = {"colour": colours[i], "opacity": 1.0 if i == 0 else opacity}
            layers.append(self.layer(self.frames([frame]), label, **style))
        meaning = {
            "medoids": "each the most typical of its part of the selection",
            "centroid": "those nearest to the selection's mean",
            "random": "drawn at random",
        }
        text = f"{len(layers)} of {len(selected):,} frames, {meaning[choose]}."
        return Scene(layers, text, origins=[(int(frame), "") for frame in found.frames])

    def path(self, session: Session, shown: str) -> tuple[Images, str]:
        """The images of the session's path, and why they are not decoded where that was asked for."""
        unable = ""
        try:
            found = landscape_path.images(session, session.path, shown, self.reference)
        except FelError as error:
            unable = f"{error.given} The observed frames are shown."
            found = landscape_path.images(session, session.path, "observed", self.reference)
        reference = self.reference.xyz[0]
        if found.n_atoms != len(reference):  # decoded without some atoms, such as hydrogens
            return Images(
                Layer(found, colour=DECODED, reference=found.xyz[0]), soundness(found, found.xyz[0])
            ), unable
        return Images(self.layer(self._shown(found)), soundness(found, reference)), unable

    def point(self, session: Session) -> Scene:
        """The observed frame nearest to the clicked point, and the structure decoded there."""
        point = session.point
        whole = superpose(self.trajectories.frames([point.frame]), self.reference)
        observed = self.layer(self._shown(whole), "Nearest frame", frame_name(session, point.frame))
        result = session.results.get(point.model)
        if result is None or not result.method.has_decoder:
            why = f"{point.model} has no decoder" if result is not None else "There is no model yet"
            text = f"{why}, so this is the nearest observed frame."
            return Scene([observed], text, origins=[(point.frame, "")])
        text = f"Distance to the data: {point.distance:.3g} in the map's units."
        try:
            features = result.method.inverse_transform(point.position[None])[0]
            made = reconstruct(features, session.dataset.attrs, nearest=whole.xyz[0])
        except FelError as error:
            text = f"{text} No structure can be decoded: {error.given}"
            return Scene([observed], text, _warning(point), [(point.frame, "")])
        note = f"RMS error: {made.error_text}" if made.error_text else ""
        decoded = Layer(
            made.trajectory(whole.topology),
            "Decoded here",
            note,
            colour=DECODED,
            column=1,
            reference=whole.xyz[0][made.atoms],
            atoms=made.atoms,
        )
        text = f"{text} {made.note}".strip()
        origins = [(point.frame, ""), (point.frame, "decoded")]
        return Scene([observed, decoded], text, _warning(point), origins)


def representative_colours(session: Session, frames) -> list[str]:
    """Colours of overlaid frames: tints of the colours of their states; without states, colours of none."""
    result = session.result
    if result is None or result.state is None:
        return [APART[i % len(APART)] for i in range(len(frames))]
    states = result.state[np.asarray(frames)]
    own = result.colours(np.unique(states))
    shades = {state: iter(tints(own[state], int(np.sum(states == state)))) for state in own}
    return [next(shades[int(state)]) for state in states]


def pin_colour(key: int) -> str:
    """A pin's colour, which is not that of a state."""
    return APART[key % len(APART)]


def _warning(point: Point) -> str:
    if not point.off_manifold:
        return ""
    return "Off the data: no frame lies near this point, so what is decoded here is an extrapolation."


def _address(atom) -> tuple:
    """Identity of an atom among all others."""
    residue = atom.residue
    return residue.chain.index, residue.resSeq, residue.name, atom.name


def frame_name(session: Session, frame: int) -> str:
    """ "frame 1,234, 2.5 ns of trajectory 3"."""
    if session.dataset is not None:
        time = float(session.dataset["time"].values[frame])
        trajectory = int(session.dataset["trajectory"].values[frame])
        unit = session.dataset.attrs["time_unit"]
    else:
        trajectory, within = (int(part[0]) for part in session.trajectories.locate([frame]))
        time, unit = within * session.trajectories.time_step, "ps"
    return f"frame {frame:,}, {readable_time(time, unit)} of trajectory {trajectory + 1}"


def readable_time(time: float, unit: str) -> str:
    """ "250 ps", "2.5 ns"; dimensionless times as they are."""
    if unit == "ps" and abs(time) >= 1000:
        time, unit = time / 1000, "ns"
    return f"{time:g}" + ("" if unit == "1" else f" {unit}")
