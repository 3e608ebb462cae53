"""Structures behind the selection, a clicked point, a path, or the frame being played."""

from __future__ import annotations

import numpy as np
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app import routes
from fel_explorer.app.session import Session
from fel_explorer.app.viewer import REPRESENTATIONS, Layer, StructureViewer
from fel_explorer.app.viewer.scenes import Scene, Scenes, frame_name
from fel_explorer.errors import FelError

VIEWS = {"representatives": "Selection", "point": "Point", "path": "Path", "frames": "Play"}
PLAYED = 400  # frames of one run-through by default
CHOICES = {"medoids": "medoids", "nearest to the mean": "centroid", "random": "random"}
NO_DATA = "Structures appear here. Open trajectory files or the sample data to start."
NO_TRAJECTORIES = "These data are numbers without structures. Open their trajectory files to see molecules."


class StructurePanel(Viewer):
    """Representatives of the selection overlaid, a point observed and decoded, a path or frames played.

    What the user did last decides which of them is shown; a switch changes it by hand.
    """

    session = param.ClassSelector(class_=Session)
    view = param.Selector(default="frames", objects=list(VIEWS), doc="What is shown.")

    def __init__(self, session: Session, **params):
        super().__init__(session=session, **params)
        self._scenes: Scenes | None = None
        self._playlist = np.zeros(0, int)
        self._window = (0, 0, 1)  # first, last and step of the playlist's part that the viewer holds
        self._moving = False
        self._checks, self._unable = None, ""
        self._make_widgets()
        self._watchers = [
            session.param.watch(self._on_data, ["trajectories", "dataset"]),
            session.param.watch(self._on_change, ["selection", "point", "frame", "shown", "way"]),
            session.param.watch(self._on_image, ["image"]),
        ]
        self._on_data()

    def close(self) -> None:
        """Let go of the session."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self._watchers = []

    def __panel__(self):
        return self._layout

    @property
    def trajectory(self):
        """What is shown, as a list of ``mdtraj.Trajectory``, one for each layer."""
        return [layer.trajectory for layer in self._layers]

    def to_nglview(self):
        """The first layer that is shown as an nglview widget, for notebooks."""
        from fel_explorer.structures import to_nglview

        if not self._layers:
            raise FelError("No structure is shown.", remedy="Open trajectory files first.")
        return to_nglview(self._layers[0].trajectory)

    # ---- what is built once

    def _make_widgets(self):
        small = {"size": "small", "variant": "outlined", "margin": (6, 6, 0, 6)}
        self.viewer = StructureViewer(sizing_mode="stretch_both", min_height=120, margin=(0, 4))
        self._views = pmui.RadioButtonGroup(
            label="", options={"Play": "frames"}, value="frames", size="small", margin=(8, 6, 0, 6)
        )
        self._style = pmui.Select(
            label="Style", options=list(REPRESENTATIONS), value="ball+stick", width=120,
            description="How atoms and bonds are drawn.", **small,
        )  # fmt: skip
        self._hydrogens = pmui.Switch(label="H atoms", value=True, size="small", margin=(12, 4, 0, 4))
        self._count = pmui.IntSlider(
            label="Structures", start=1, end=8, value=3, width=140, size="small", margin=(2, 14, 0, 14)
        )
        self._choice = pmui.Select(
            label="Chosen as", options=CHOICES, value="medoids", width=170,
            description="Medoids are the frames most like the others around them.", **small,
        )  # fmt: skip
        self._player = pmui.Player(
            start=0, end=1, value=0, interval=120, show_loop_controls=False, show_value=False, size="small",
            visible_buttons=["previous", "reverse", "pause", "play", "next"], sizing_mode="stretch_width",
            margin=(0, 8),
        )  # fmt: skip
        self._text = pmui.Typography("", variant="body2", margin=(2, 12, 6, 12), sizing_mode="stretch_width")
        self._warning = pmui.Alert(
            "",
            severity="warning",
            margin=(2, 8),
            sizing_mode="stretch_width",
            visible=False,
            sx={"py": 0, "& p": {"my": 0}},
        )
        self._message = pmui.Typography(NO_DATA, variant="body1", margin=20, sizing_mode="stretch_width")
        self._selecting = pmui.Row(self._count, self._choice, margin=0, visible=False)
        self._images = pmui.Select(
            label="Images", options={text: name for name, text in routes.SHOWN.items()}, value="observed",
            width=190, visible=False, **small,
            description="Frames that were seen, or structures that the model makes.",
        )  # fmt: skip
        self._layers: list[Layer] = []
        self._body = pmui.Column(
            pmui.FlexBox(
                self._views, self._style, self._hydrogens, self._selecting, self._images,
                align_items="center", margin=0,
            ),
            self.viewer, self._warning, self._text, self._player, sizing_mode="stretch_both", margin=0,
        )  # fmt: skip
        self._layout = pmui.Column(self._message, self._body, sizing_mode="stretch_both", margin=0)
        self._views.param.watch(self._on_view, "value")
        self._style.param.watch(self._on_style, "value")
        self._hydrogens.param.watch(self._on_style, "value")
        self._count.param.watch(self._on_choice, "value_throttled")
        self._choice.param.watch(self._on_choice, "value")
        self._images.param.watch(self._on_choice, "value")
        self._player.param.watch(self._on_player, "value")

    # ---- what users do in this panel

    def _on_view(self, event):
        if event.new and event.new != self.view:
            self.view = event.new
            self._refresh()

    def _on_style(self, *_):
        self.viewer.param.update(representation=self._style.value, hydrogens=self._hydrogens.value)

    def _on_choice(self, *_):
        if self.view in ("representatives", "path"):
            self._refresh()

    def _on_player(self, event):
        if self.view == "path":
            if not self._moving:
                self.session.image = event.new
            return
        if not self._moving and len(self._playlist):
            self._moving = True  # the session's answer must not move the player again
            try:
                self.session.frame = int(self._playlist[event.new])
                self._show_frame()
            finally:
                self._moving = False

    # ---- what happens in the session

    def _on_data(self, *_):
        trajectories = self.session.trajectories
        if self._scenes is None or self._scenes.trajectories is not trajectories:
            self._scenes = None if trajectories is None else Scenes(trajectories)
            ribbons = self._scenes is not None and self._scenes.has_chain
            styles = [style for style in REPRESENTATIONS if style != "cartoon" or ribbons]
            value = "cartoon" if ribbons else "ball+stick"
            self._style.param.update(options=styles, value=value)
            self.view = "representatives" if self.session.selection.count else "frames"
        self._on_change()

    def _on_change(self, *events):
        changed = {event.name for event in events}
        if "way" in changed and self.session.way is not None:
            self.view = "path"
        elif "point" in changed and self.session.point is not None:
            self.view = "point"
        elif "selection" in changed and self.session.selection.count:
            self.view = "representatives"
        elif changed == {"frame"}:
            if self._moving:
                return
            self.view = "frames"
        self._refresh()

    def _refresh(self):
        """Show the present view, or the next best one."""
        self._message.visible = self._scenes is None
        self._body.visible = self._scenes is not None
        if self._scenes is None:
            self._message.object = NO_DATA if self.session.dataset is None else NO_TRAJECTORIES
            self._layers = []
            self.viewer.show([])
            return
        session = self.session
        possible = {
            "representatives": session.selection.count > 0,
            "point": session.point is not None,
            "path": session.way is not None,
        }
        if not possible.get(self.view, True):
            self.view = next((view for view, able in possible.items() if able), "frames")
        options = {VIEWS[view]: view for view in VIEWS if possible.get(view, True)}
        self._views.param.update(options=options, value=self.view)
        self._selecting.visible = self.view == "representatives"
        self._images.visible = self.view == "path"
        self._player.visible = self.view in ("frames", "path")
        try:
            self._show()
        except FelError as error:  # a file that vanished or broke: said where the structure would be
            self._say(Scene(warning=str(error)))

    def _show(self):
        if self.view == "frames":
            self._load_playlist()
            self._show_frame()
            return
        if self.view == "path":
            self._load_path()
            return
        if self.view == "point":
            scene = self._scenes.point(self.session)
        else:
            scene = self._scenes.representatives(self.session, self._count.value, self._choice.value)
        self._window = (0, 0, 1)
        self._layers = scene.layers
        self.viewer.show(scene.layers)
        self._say(scene)

    def _say(self, scene: Scene):
        self._text.object = scene.text
        self._warning.param.update(object=scene.warning, visible=bool(scene.warning))

    # ---- playing a path

    def _load_path(self):
        """Show the images of the path; what can't be decoded is shown as observed."""
        images, self._unable = self._scenes.path(self.session, self._images.value)
        self._checks, self._layers = images.checks, [images.layer]
        self._window = (0, 0, 1)
        last = self.session.way.n_images - 1
        self.viewer.show(self._layers, frame=min(self.session.image, last))
        self._moving = True
        try:
            self._player.param.update(start=0, end=last, step=1, value=min(self.session.image, last))
        finally:
            self._moving = False
        self._on_image()

    def _on_image(self, *_):
        """Another image of the path is the current one."""
        way = self.session.way
        if way is None or self._scenes is None or self.view != "path":
            return
        at = min(self.session.image, way.n_images - 1)
        self._moving = True
        try:
            self._player.value = at
        finally:
            self._moving = False
        self.viewer.frame = at
        energy, frame = way.free_energy[at], int(way.path.frames[at])
        name = frame_name(self.session, frame)
        found = "nearest" if self._images.value == "decoded" and not self._unable else "showing"
        text = (
            f"Image {at + 1} of {way.n_images}, {energy:.1f} kT: {routes.verdict(self._checks, at)}; "
            f"{found} {name}."
        )
        self._say(Scene(text=text, warning=self._unable))

    # ---- playing frames

    def _load_playlist(self):
        """Frames of the selection in time order, or all where the current frame is not among them."""
        session = self.session
        selected = session.selection.frames
        everything = not len(selected) or session.frame not in selected
        playlist = np.arange(self._scenes.trajectories.n_frames) if everything else selected
        at = int(np.searchsorted(playlist, min(session.frame, playlist[-1])))
        if not np.array_equal(playlist, self._playlist):
            self._playlist, self._window = playlist, (0, 0, 1)
        self._moving = True
        try:
            step = readable_step(len(playlist) / PLAYED)
            self._player.param.update(start=0, end=max(len(playlist) - 1, 1), step=step, value=at)
        finally:
            self._moving = False

    def _show_frame(self):
        at, step = self._player.value, self._player.step
        first, last, held = self._window
        if not (first <= at < last and held == step and (at - first) % step == 0):
            window = self._scenes.window()
            first = at - step * min(at // step, window // 4)  # some frames back too: players go both ways
            places = np.arange(first, len(self._playlist), step)[:window]
            self._window = (first, int(places[-1]) + 1, step)
            self._layers = [self._scenes.layer(self._scenes.frames(self._playlist[places]))]
            self.viewer.show(self._layers, frame=(at - first) // step)
        else:
            self.viewer.frame = (at - first) // step
        among = "frames" if len(self._playlist) == self._scenes.trajectories.n_frames else "selected frames"
        every = f", every {ordinal(step)} is played" if step > 1 else ""
        name = frame_name(self.session, int(self._playlist[at])).capitalize()
        self._say(Scene(text=f"{name}. {len(self._playlist):,} {among}{every}."))


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
