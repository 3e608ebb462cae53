"""Structures behind the selection, a clicked point, a path, or the frame being played."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import panel_material_ui as pmui
import param
from panel.viewable import Viewer

from fel_explorer.app.page_jobs import PageJobs
from fel_explorer.app.session.session import Session
from fel_explorer.app.viewer import Layer, StructureViewer
from fel_explorer.app.viewer.reels import FramesReel, PathReel, Reel, SimulationReel
from fel_explorer.app.viewer.scenes import Scene, Scenes
from fel_explorer.app.views.paths import landscape_path
from fel_explorer.app.views.simulate.simulation import shown_simulation
from fel_explorer.app.views.structure.measure_bar import MeasureBar
from fel_explorer.app.views.structure.pin_button import Pinning
from fel_explorer.app.views.structure.representation_bar import RepresentationBar
from fel_explorer.app.views.structure.save_button import shown_button
from fel_explorer.app.widgets.after_draw import AfterDraw
from fel_explorer.app.widgets.layout import lay_out
from fel_explorer.app.widgets.markdown import literal
from fel_explorer.app.widgets.text import Notice, Text
from fel_explorer.errors import FelError

VIEWS = {
    "representatives": "Selection", "point": "Point", "path": "Path", "simulation": "Simulation",
    "frames": "Play", "pinned": "Pinned",
}  # fmt: skip
REELS = {"path": PathReel, "simulation": SimulationReel, "frames": FramesReel}  # the views that are played
MOVED_BY = {"path": "image", "simulation": "step"}  # what of the session says which place is shown
CHANGES = (
    "selection",
    "point",
    "frame",
    "shown",
    "path",
    "simulation",
)  # after which something else is shown
ONE_ROW = {  # buttons and slider of the player: the molecule gets the height
    "flexDirection": "row-reverse", "alignItems": "center", "gap": "10px", "overflow": "hidden",
    "& > .MuiBox-root:first-of-type": {"flex": 1, "minWidth": 0, "px": "8px"},
    "& > .MuiBox-root:last-of-type": {"flexWrap": "nowrap"},
}  # fmt: skip
NO_DATA = "Structures appear here. Open trajectory files or the sample data to start."
NO_TRAJECTORIES = "These data have no structures. Open their trajectory files to see molecules."


class StructurePanel(Viewer):
    """Representatives of the selection overlaid, a point observed and decoded, a path or frames played.

    What the user did last decides which of them is shown; a switch changes it by hand.
    """

    session = param.ClassSelector(class_=Session)
    dark = param.Boolean(False, doc="Colours for a dark page.")
    view: param.Selector[str] = param.Selector(default="frames", objects=list(VIEWS), doc="What is shown.")

    def __init__(self, session: Session, board: PageJobs | None = None, **params):
        super().__init__(session=session, **params)
        self._scenes: Scenes | None = None
        self._reel: Reel | None = None
        self._held: range | None = None  # places of the reel that the viewer holds
        self._origins: list[tuple[int, str]] = []  # of the layers, where nothing is played
        self._moving = False
        self._soon = AfterDraw(self._refresh)
        self._make_widgets(board)
        self._watchers = [
            session.param.watch(self._on_data, ["trajectories", "dataset"]),
            session.param.watch(self._on_change, [*CHANGES]),
            session.param.watch(self._on_place, ["image", "step"]),
            session.param.watch(self._on_representation, ["representation"]),
            session.param.watch(self._on_pinned, ["pinned"]),
        ]
        self._on_data()
        lay_out(self._layout, self._message, self._body)

    def close(self) -> None:
        """Stop watching the session."""
        for watcher in self._watchers:
            self.session.param.unwatch(watcher)
        self._watchers = []
        self.representation.close()
        self.measure.close()

    def __panel__(self):
        return self._layout

    @property
    def trajectory(self):
        """Shown structures as a list of ``mdtraj.Trajectory``, one for each layer."""
        return [layer.trajectory for layer in self._layers]

    def to_nglview(self):
        """The first layer that is shown as an nglview widget, for notebooks."""
        from fel_explorer.structures import to_nglview

        if not self._layers:
            raise FelError("No structure is shown.", remedy="Open trajectory files first.")
        return to_nglview(self._layers[0].trajectory)

    # ---- what is built once

    def _make_widgets(self, board):
        small = {"size": "small", "variant": "outlined", "margin": (6, 6, 0, 6)}
        self.viewer = StructureViewer(sizing_mode="stretch_both", min_height=120, margin=(0, 4))
        self._views = pmui.RadioButtonGroup(
            label="", options={"Play": "frames"}, value="frames", size="small", margin=(8, 2, 0, 6),
            sx={"& .MuiToggleButton-root": {"px": "7px", "fontSize": "0.75rem"}},
        )  # fmt: skip
        self.representation = RepresentationBar(self.session, self.viewer)
        self.measure = MeasureBar(self.session, board, self.viewer, lambda: next(iter(self._layers), None))
        self.pinning = Pinning(self.session, self.viewer, self._pinnable)
        self.save = shown_button(lambda: self._layers, lambda: self.viewer.frame)
        self._player = pmui.Player(
            start=0, end=1, value=0, interval=120, show_loop_controls=False, show_value=False, size="small",
            visible_buttons=["previous", "reverse", "pause", "play", "next"], sizing_mode="stretch_width",
            margin=(0, 12, 0, 4), sx=ONE_ROW,
        )  # fmt: skip
        self._text = Text("", variant="body2", margin=(2, 12, 6, 12), sizing_mode="stretch_width")
        self._warning = Notice(
            "", severity="warning", margin=(2, 8), sizing_mode="stretch_width", visible=False,
            sx={"py": 0, "& p": {"my": 0}},
        )  # fmt: skip
        self._message = Text(NO_DATA, variant="body1", margin=20, sizing_mode="stretch_width")
        self._images = pmui.Select(
            label="Images", value="observed",
            options={text: name for name, text in landscape_path.SHOWN.items()},
            width=152, visible=False, **small,
            description="Observed frames, or structures decoded by the model.",
        )  # fmt: skip
        self._layers: list[Layer] = []
        self._own: list[Layer] = []  # without the pins that are laid over them
        bar = pmui.FlexBox(align_items="center", margin=0)
        lay_out(bar, self._views, self.pinning.button, self.save, self._images, *self.representation.widgets)
        self._body = pmui.Column(sizing_mode="stretch_both", margin=0)
        lay_out(
            self._body, bar, self.representation.more, self.viewer, self.measure.layout, self._warning,
            self._text, self._player,
        )  # fmt: skip
        self._layout = pmui.Column(sizing_mode="stretch_both", margin=0)
        self._views.param.watch(self._on_view, "value")
        self._images.param.watch(self._on_choice, "value")
        self._player.param.watch(self._on_player, "value")
        self.viewer.param.watch(self._on_measuring, "measuring")

    # ---- what users do in this panel

    def _on_view(self, event):
        if event.new and event.new != self.view:
            self.view = event.new
            self._refresh()

    def _on_choice(self, *_):
        if self.view == "path":
            self._refresh()

    def _on_player(self, event):
        if not self._moving and self._reel is not None:
            with self._moved():
                self._reel.go(event.new)
            self._show_place(event.new)

    def _pinnable(self) -> list[tuple[Layer, int, str]]:
        """Each layer of the view's own with its frame, or with the nearest one and what it is."""
        origins = self._origins if self._reel is None else self._reel.origins(self._reel.at)
        return [(layer, *origin) for layer, origin in zip(self._own, origins, strict=True)]

    # ---- what happens in the session

    def _on_data(self, *_):
        trajectories = self.session.trajectories
        if self._scenes is None or self._scenes.trajectories is not trajectories:
            self._scenes = None if trajectories is None else Scenes(trajectories)
            self.viewer.param.update(measuring=False, measured=[])
            self.pinning.load(self._scenes)
            self.representation.offer(chains=self._scenes is not None and self._scenes.has_chain)
            self.view = "representatives" if self.session.selection.count else "frames"
        self._on_change()

    def _on_change(self, *events):
        changed = {event.name for event in events}
        if "simulation" in changed and shown_simulation(self.session) is not None:
            self.view = "simulation"
        elif "path" in changed and self.session.path is not None:
            self.view = "path"
        elif "point" in changed and self.session.point is not None:
            self.view = "point"
        elif "selection" in changed and self.session.selection.count:
            self.view = "representatives"
        elif changed == {"frame"}:
            if self._moving:
                return
            self.view = "frames"
        if changed & {"selection", "point"}:
            self._soon()  # the map comes first
        else:
            self._refresh()

    def _on_place(self, event):
        """Another image of the path, or step of the simulation, is the current one."""
        if self._reel is not None and not self._moving and event.name == MOVED_BY.get(self.view):
            self._play()

    def _on_representation(self, event):
        changed = {name for name in event.new if event.new[name] != event.old.get(name)}
        if self.view == "representatives" and changed & {"count", "choice"}:
            self._refresh()
        elif self.view == "representatives" and "opacity" in changed:
            self.viewer.fade(self.representation.opacity.value)

    @param.depends("dark", watch=True)
    def _on_dark(self):
        self.representation.darken(self.dark)

    def _on_measuring(self, event):
        self._text.visible = not event.new  # the line of the measurement takes its place

    def _on_pinned(self, event):
        old, new = event.old, event.new
        moved = (old.pins, old.reference) != (new.pins, new.reference)
        if moved:
            self.pinning.load(self._scenes)
        if new.shown and not moved and old.overlaid == new.overlaid:  # asked for, maybe once more
            self.view = "pinned"
        if self.view == "pinned" or old.overlaid | new.overlaid:
            self._held = None
            self._refresh()

    def _refresh(self):
        """Show the present view, or the next best one."""
        self._message.visible = self._scenes is None
        self._body.visible = self._scenes is not None
        if self._scenes is None:
            self._message.object = NO_DATA if self.session.dataset is None else NO_TRAJECTORIES
            self._layers, self._own = [], []
            self.viewer.show([])
            return
        session = self.session
        possible = {
            "representatives": session.selection.count > 0,
            "point": session.point is not None,
            "path": session.path is not None,
            "simulation": shown_simulation(session) is not None,
            "pinned": session.pinned.shown > 0,
        }
        if not possible.get(self.view, True):
            self.view = next((view for view, able in possible.items() if able), "frames")
        options = {VIEWS[view]: view for view in VIEWS if possible.get(view, True)}
        self._views.param.update(options=options, value=self.view)
        self.representation.show_ensemble(self.view == "representatives")
        self._images.visible = self.view == "path"
        self.pinning.button.disabled = self.view == "pinned"
        self._player.visible = self.view in REELS
        try:
            self._show()
        except FelError as error:  # a file that vanished or broke: said where the structure would be
            self._say(Scene(warning=str(error)))

    def _show(self):
        if self.view in REELS:
            self._play()
            return
        self._reel = None
        if self.view == "pinned":
            scene = self._scenes.pinned(self.session.pinned)
        elif self.view == "point":
            scene = self._scenes.point(self.session)
        else:
            bar = self.representation
            scene = self._scenes.representatives(
                self.session, bar.count.value, bar.choice.value, bar.opacity.value
            )
        self._origins = scene.origins
        self._hold(scene.layers)
        self._say(scene)

    def _hold(self, layers, frame=0):
        """Show layers, whose atoms are found among those of the data."""
        big = self.session.pinned.shown if self.view == "pinned" else 0
        self._own = [self._scenes.locate(layer) for layer in layers]
        self._layers = [*self._own, *self.pinning.overlaid(without=big)]
        self.viewer.show(self._layers, frame=frame)

    def _say(self, scene: Scene):
        self._text.object = literal(scene.text)
        self._warning.param.update(object=literal(scene.warning), visible=bool(scene.warning))

    # ---- playing

    def _play(self):
        """Take the reel of the view, keep what is loaded of the same one, and show its current place."""
        made = self._made_reel()
        if not made.same(self._reel):
            self._reel, self._held = made, None
        reel, at = self._reel, self._reel.at
        with self._moved():
            self._player.param.update(start=0, end=max(reel.count - 1, 1), step=reel.step, value=at)
        self._show_place(at)

    def _made_reel(self):
        if self.view == "path":
            return PathReel(self._scenes, self.session, self._images.value)
        return REELS[self.view](self._scenes, self.session)

    @contextmanager
    def _moved(self):
        """While the panel moves the player or the session, the other's answer must not move it again."""
        before, self._moving = self._moving, True
        try:
            yield
        finally:
            self._moving = before

    def _show_place(self, at):
        reel = self._reel
        if self._held is None or at not in self._held:
            played = range(at % reel.step, reel.count, reel.step)
            first = at // reel.step - reel.window // 4  # some places back too: players go both ways
            first = int(np.clip(first, 0, max(len(played) - reel.window, 0)))
            self._held = played[first : first + reel.window]
            self._hold(reel.layers(np.array(self._held)), frame=self._held.index(at))
        else:
            self.viewer.frame = self._held.index(at)
        self._say(reel.scene(at))
