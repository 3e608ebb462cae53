"""Animations of the 3-D viewer: frames, the images of a path, a simulation.  No widgets here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer.component import Layer
from fel_explorer.app.viewer.scenes import DECODED, Scene, Scenes, frame_name, readable_time
from fel_explorer.app.views.paths import landscape_path
from fel_explorer.app.views.simulate.simulation import shown_simulation
from fel_explorer.data.coordinates import ATOM_SETS
from fel_explorer.data.topologies import select_atoms
from fel_explorer.structures import superpose

PLAYED = 400  # frames of one run-through of trajectories by default


class Reel(ABC):
    """A row of places that a player goes through; a subclass says where it is and what is seen there.

    Attributes
    ----------
    count
        Number of places.
    step
        How many places the player goes on at a time.
    window
        How many of the places played are loaded at once.
    """

    count = 1
    step = 1

    def __init__(self, scenes: Scenes, session: Session):
        self.scenes, self.session = scenes, session
        self.window = scenes.window()

    def same(self, other) -> bool:
        """Whether what ``other`` has loaded can be kept."""
        return False

    @property
    @abstractmethod
    def at(self) -> int:
        """The place that is current in the session."""

    @abstractmethod
    def go(self, at: int) -> None:
        """Make the place ``at`` the current one of the session."""

    @abstractmethod
    def layers(self, places) -> list[Layer]:
        """Layers with a frame for each of ``places``."""

    @abstractmethod
    def scene(self, at: int) -> Scene:
        """In words what is seen at a place."""

    @abstractmethod
    def origins(self, at: int) -> list[tuple[int, str]]:
        """(frame, "") of each layer that was observed, (nearest frame, what it is) of one that was made."""


class FramesReel(Reel):
    """The frames of the selection in time order, or all where the current frame is not among them."""

    def __init__(self, scenes, session):
        super().__init__(scenes, session)
        selected = session.selection.frames
        everything = not len(selected) or session.frame not in selected
        self.frames = np.arange(scenes.trajectories.n_frames) if everything else selected
        self.count, self.step = len(self.frames), readable_step(len(self.frames) / PLAYED)

    def same(self, other):
        return isinstance(other, FramesReel) and np.array_equal(self.frames, other.frames)

    @property
    def at(self):
        return int(np.searchsorted(self.frames, min(self.session.frame, self.frames[-1])))

    def go(self, at):
        self.session.frame = int(self.frames[at])

    def layers(self, places):
        return [self.scenes.layer(self.scenes.frames(self.frames[places]))]

    def scene(self, at):
        among = "frames" if self.count == self.scenes.trajectories.n_frames else "selected frames"
        every = f", every {ordinal(self.step)} is played" if self.step > 1 else ""
        name = frame_name(self.session, int(self.frames[at])).capitalize()
        return Scene(text=f"{name}. {self.count:,} {among}{every}.")

    def origins(self, at):
        return [(int(self.frames[at]), "")]


class PathReel(Reel):
    """The images of the session's path; those that can't be decoded are shown as observed."""

    def __init__(self, scenes, session, shown: str):
        super().__init__(scenes, session)
        self.count = self.window = session.path.n_images
        self._images, self._unable = scenes.path(session, shown)
        self.decoded = shown == "decoded" and not self._unable

    @property
    def at(self):
        return min(self.session.image, self.count - 1)

    def go(self, at):
        self.session.image = at

    def layers(self, places):
        return [self._images.layer]

    def scene(self, at):
        path = self.session.path
        name = frame_name(self.session, int(path.curve.frames[at]))
        text = (
            f"Image {at + 1} of {self.count}, {self.session.unit.text(path.free_energy[at])}: "
            f"{landscape_path.verdict(self._images.checks, at)}; "
            f"{'nearest' if self.decoded else 'showing'} {name}."
        )
        return Scene(text=text, warning=self._unable)

    def origins(self, at):
        return [(int(self.session.path.curve.frames[at]), "decoded" if self.decoded else "")]


class SimulationReel(Reel):
    """One trajectory of the session's simulation: what was drawn next to the nearest frames of the data."""

    def __init__(self, scenes, session):
        super().__init__(scenes, session)
        self.simulation = shown_simulation(session)
        self.first, last = self.simulation.trajectory_at(session.step)
        self.count = last - self.first

    def same(self, other):
        same = isinstance(other, SimulationReel) and self.simulation is other.simulation
        return same and self.first == other.first

    @property
    def at(self):
        return int(np.clip(self.session.step - self.first, 0, self.count - 1))

    def go(self, at):
        self.session.step = self.first + at

    @cached_property
    def _atoms(self):
        """The decoded atoms among those of the trajectories."""
        topology, atoms = self.scenes.trajectories.topology, self.simulation.trained.simulator.atoms
        return select_atoms(topology, ATOM_SETS.get(atoms, atoms))

    def layers(self, places):
        nearest = self.simulation.nearest[self.first + np.asarray(places)]
        if self.simulation.file is None:
            return [self.scenes.layer(self.scenes.frames(nearest), "Nearest frame of the data")]
        reference = self.scenes.reference.atom_slice(self._atoms)
        observed = self.scenes.trajectories.frames(nearest).atom_slice(self._atoms)
        drawn = self.simulation.structures(self.first + int(places[0]), self.first + int(places[-1]) + 1)
        observed.topology = drawn.topology  # C-alphas as a chain, as they are drawn
        style = {"reference": reference.xyz[0]}
        return [
            Layer(superpose(drawn, reference), "Synthetic", colour=DECODED, **style),
            Layer(superpose(observed, reference), "Nearest frame of the data", column=1, **style),
        ]

    def scene(self, at):
        simulation, step = self.simulation, self.first + at
        time = float(simulation.latents["time"].values[step])
        unit = simulation.latents.attrs["time_unit"]
        number = self.first // simulation.n_steps + 1
        name = frame_name(self.session, int(simulation.nearest[step]))
        missing = "" if simulation.file else " No decoder was trained, so there are no synthetic structures."
        text = (
            f"Step {at + 1:,} of {self.count:,}, {readable_time(time, unit)} of synthetic trajectory "
            f"{number}; nearest {name}.{missing}"
        )
        return Scene(text=text)

    def origins(self, at):
        nearest = int(self.simulation.nearest[self.first + at])
        observed = [(nearest, "")]
        return observed if self.simulation.file is None else [(nearest, "synthetic"), *observed]


def readable_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least ``least``."""
    step, factors = 1, (2, 2.5, 2)
    for i in range(100):
        if step >= least:
            break
        step = round(step * factors[i % 3])
    return step


def ordinal(number: int) -> str:
    """ "2nd", "5th", "10th"."""
    return f"{number:,}" + ("nd" if number == 2 else "th")
