"""The one shared state of an explorer.  Panels read and write it and never call each other.

A session works the same in a script, in a test and behind a page.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import param

from fel_explorer.app.session.atom_values import AtomValues
from fel_explorer.app.session.data import OF_ALL_DATA, STAYING, SessionData
from fel_explorer.app.session.feature_sets import feature_set_name
from fel_explorer.app.session.history import History
from fel_explorer.app.session.pinned import Pinned
from fel_explorer.app.session.recipe import Recipe, Sweep
from fel_explorer.app.session.refined_states import carried_names, nearest_level
from fel_explorer.app.session.result import Result
from fel_explorer.app.session.selection import PathAnchors, Point, Selection
from fel_explorer.app.session.selection_origin import Condition, Origin, StateFrames
from fel_explorer.app.session.snapshot import Snapshot
from fel_explorer.data import select
from fel_explorer.data.frame_values import has_values
from fel_explorer.errors import FelError
from fel_explorer.plots.energy_units import UNITS, EnergyUnit, energy_unit

FREE_ENERGY = "free energy"
ROOM = 300.0  # K, where the data don't say at which temperature they were made


class Session(SessionData):
    """Dataset, models, selection, clicked point, colours and history of one explorer.

    Watch the Params; change the selection, the point, the colour, the names and the pins only through the
    methods, so that each change can be undone.
    """

    results = param.Dict({}, doc="{label: Result}, in order of training.")
    active = param.String("", doc="Label of the result that is shown; '' when there is none.")
    levels = param.Dict({}, doc="{label: level shown} of trees of states; others show their default level.")
    edits = param.Dict({}, doc="{(label, level): Result} whose states the user merged or split.")
    shown = param.ClassSelector(
        class_=Result,
        default=None,
        allow_None=True,
        doc="What every panel shows: the active result at its level, with the user's edits. Follows from the "
        "four above; watch it, don't set it.",
    )
    selection = param.ClassSelector(class_=Selection, default=Selection(np.zeros(0, bool)))
    point = param.ClassSelector(class_=Point, default=None, allow_None=True)
    frame = param.Integer(0, bounds=(0, None), doc="Current frame: what is played and shown alone.")
    path_anchors = param.ClassSelector(
        class_=PathAnchors, default=None, allow_None=True, doc="Anchors of a path."
    )
    drawing = param.Boolean(False, doc="Whether a click on the map sets an anchor of the path.")
    path = param.Parameter(None, doc="The path through the anchors, a `LandscapePath`; None without one.")
    image = param.Integer(0, bounds=(0, None), doc="Current image of the path.")
    simulators = param.List([], doc="`simulating.Trained`, one an encoder.")
    simulation = param.Parameter(None, doc="What was simulated last, a `simulating.Simulation`, or None.")
    step = param.Integer(0, bounds=(0, None), doc="Current frame of the simulation.")
    beside = param.String("", doc="Label of the result on the second map; '' when that is closed.")
    recipe = param.ClassSelector(
        class_=Recipe, default=None, allow_None=True, doc="What the form of the Model panel shall take."
    )
    sweep = param.ClassSelector(class_=Sweep, default=None, allow_None=True, doc="The sweep queued last.")
    axes = param.Tuple(("", ""), length=2, doc="Names of the axes of the map; empty for the usual ones.")
    axes_beside = param.Tuple(("", ""), length=2, doc="The same of the second map.")
    colour_by = param.String(FREE_ENERGY)
    energy_unit: param.Selector[str] = param.Selector(
        default="kT", objects=list(UNITS), doc="Unit in which energies are shown."
    )
    temperature = param.Number(
        ROOM, bounds=(0.0, None), inclusive_bounds=(False, True), doc="Of the simulation, K."
    )
    representation = param.Dict(
        {}, doc="How structures are to be drawn, see `RepresentationBar`; stays with new data."
    )
    atom_values = param.ClassSelector(
        class_=AtomValues, default=None, allow_None=True, doc="What colours the atoms of the structures."
    )
    pinned = param.ClassSelector(class_=Pinned, default=Pinned(), doc="Structures that were put aside.")
    thumbnails = param.Dict({}, doc="{key of a pin: its picture as a data URL}, taken by the 3-D viewer.")
    state_names = param.Dict({}, doc="{(label, level, state): name} given by the user.")
    certified = param.Integer(0, doc="Counts the jobs that made certificates of the models.")
    refine = param.Boolean(True, doc="Whether a network refines states that were found without one.")
    can_undo = param.Boolean(False)
    can_redo = param.Boolean(False)

    def __init__(self, dataset=None, trajectories=None, **params):
        super().__init__(**params)
        self._history = History()
        if dataset is not None:
            self.load(dataset, trajectories)

    def copy(self) -> Session:
        """The same state apart from this session, without its history: what a job reads while users go on."""
        made, left_out = Session(), ("name", "shown", *OF_ALL_DATA)  # `shown` follows
        made.param.update({name: getattr(self, name) for name in self.param if name not in left_out})
        return made

    def earlier(self, name: str) -> Session:
        """A session on data that were opened before, as they were left, without its history."""
        made = Session()
        made.param.update(**self.earlier_data[name].values, data_name=name)
        return made

    def add_earlier_result(self, name: str, result: Result, feature_set: str) -> None:
        """Add a result to data that were opened before, where it is shown as soon as they are."""
        there, made = self.earlier_data[name], self.earlier(name)
        made.add_result(result, feature_set=feature_set)
        values = {key: getattr(made, key) for key in there.values}
        self.earlier_data = {**self.earlier_data, name: replace(there, values=values)}

    # ---- data and results

    def _usual(self, trajectories, dataset) -> dict:
        """``{param: value}`` of a session on data of which nothing was made yet."""
        left_out = {*STAYING, *OF_ALL_DATA}
        usual = {name: Session.param[name].default for name in Session.param if name not in left_out}
        usual |= {name: {} for name, value in usual.items() if isinstance(value, dict)}
        usual |= {name: [] for name, value in usual.items() if isinstance(value, list)}
        usual |= {"trajectories": trajectories, "dataset": dataset}
        if dataset is not None:
            name = feature_set_name(dataset)
            usual |= {"feature_set": name, "feature_sets": {name: dataset}}
        usual["selection"] = Selection(np.zeros(0 if dataset is None else dataset.sizes["frame"], bool))
        usual["temperature"] = ROOM if dataset is None else dataset.attrs.get("temperature", ROOM)
        return usual

    @property
    def unit(self) -> EnergyUnit:
        """The unit in which energies are shown."""
        return energy_unit(self.energy_unit, self.temperature)

    @property
    def result(self) -> Result | None:
        """The shown result, see `shown`."""
        return self.shown

    @property
    def own_results(self) -> dict[str, Result]:
        """{label: Result} of the models that were trained on the shown features."""
        own = (label for label in self.results if self.features_of[label] == self.feature_set)
        return {label: self.results[label] for label in own}

    @param.depends("results", "active", "levels", "edits", watch=True)
    def _follow(self):
        changes, name = {}, self.features_of.get(self.active, self.feature_set)
        if name != self.feature_set:
            changes = {"feature_set": name, "dataset": self.feature_sets[name]}
        result = self._found()
        if result is not self.shown:
            changes["shown"] = result
        self.param.update(**changes)

    def _found(self):
        """The active result at its level, with the user's edits."""
        result = self.results.get(self.active)
        if result is None:
            return None
        result = result.at(self.levels.get(self.active, result.level))
        return self.edits.get((result.label, result.level), result)

    def show_level(self, level: int) -> None:
        """Show another level of the active tree of states."""
        if self.result is None or not 0 <= level < self.result.n_levels:
            raise FelError(
                f"level={level}.",
                f"The shown model has {0 if self.result is None else self.result.n_levels} levels, from 0.",
            )
        self.levels = {**self.levels, self.active: level}

    def add_result(self, result: Result, *, show: bool = True, feature_set: str = "") -> None:
        """Add (or replace, by label) a result and show it; without ``feature_set`` it is of the shown one."""
        if self.dataset is None or len(result.embedding) != self.dataset.sizes["frame"]:
            raise FelError(f"Result '{result.label}' does not belong to the loaded dataset.")
        changes = {"results": {**self.results, result.label: result}}
        changes["features_of"] = {**self.features_of, result.label: feature_set or self.feature_set}
        if result.label in self.results:  # trained again: its states are others
            changes["edits"] = {key: edit for key, edit in self.edits.items() if key[0] != result.label}
            changes["levels"] = {k: level for k, level in self.levels.items() if k != result.label}
        if show:
            changes.update(active=result.label, point=None)
            if result.tree is not None and self.colour_by == FREE_ENERGY:
                changes["colour_by"] = "state"  # what the slider of the time resolution changes
        self.param.update(**changes)

    def add_refined(self, refined: Result, *, feature_set: str = "") -> bool:
        """Add a result that refines another one, and show it in its place; returns whether it is shown.

        The selection, the clicked frame and the names of states stay.  It only joins the list where something
        else is shown, or where the user changed the states or drew a path on their map.
        """
        label = next((key for key, one in self.results.items() if one.method is refined.refines), "")
        edited = any(key[0] == label for key in self.edits)
        self.add_result(refined, show=False, feature_set=feature_set)
        if not label or label != self.active or edited or self.path_anchors is not None:
            return False
        names = carried_names(self.state_names, self.results[label], refined)
        level = nearest_level(refined, self.shown.lag_time)
        self._history.remember(Snapshot.of(self, model=True))
        self.param.update(
            active=refined.label,
            levels={**self.levels, refined.label: level},
            state_names={**self.state_names, **names},
            **self._history.flags,
        )
        return True

    def rename_result(self, label: str, new: str) -> None:
        """Give a result another label, also where names, edits, clicked point and history speak of it."""
        results = {new if key == label else key: result for key, result in self.results.items()}
        self._rewrite(
            lambda snapshot: snapshot.relabel(label, new),
            results={**results, new: results[new].relabel(new)},
            active=new if self.active == label else self.active,
            beside=new if self.beside == label else self.beside,
            features_of={new if key == label else key: name for key, name in self.features_of.items()},
            levels={new if key == label else key: level for key, level in self.levels.items()},
        )

    def remove_result(self, label: str) -> None:
        """Delete a result; where it was shown the one before it, or the next, takes its place."""
        labels = list(self.results)
        place = labels.index(label)
        others = labels[:place][::-1] + labels[place + 1 :]
        self._rewrite(
            lambda snapshot: snapshot.without(label),
            results={key: result for key, result in self.results.items() if key != label},
            active=self.active if self.active != label else (others or [""])[0],
            beside=self.beside if self.beside != label else "",
            features_of={key: name for key, name in self.features_of.items() if key != label},
            levels={key: level for key, level in self.levels.items() if key != label},
        )

    def _rewrite(self, change, **changes):
        """Change what is shown and what undo restores alike."""
        self._history.rewrite(change)
        self.param.update(**change(Snapshot.of(self)).changes(self), **changes)

    def new_label(self, method_name: str) -> str:
        """'IDM 1', 'IDM 2', ...: the first that is free."""
        number = 1
        while f"{method_name} {number}" in self.results:
            number += 1
        return f"{method_name} {number}"

    # ---- changes that can be undone

    def select(self, mask: np.ndarray, how: str, mode: str = "replace", origin: Origin | None = None) -> None:
        """Change the selection.

        ``how`` says in words what was done, ``origin`` so that it can be done again; ``mode`` is one of
        `selection.MODES`.
        """
        self._change(selection=self.selection.combine(np.asarray(mask, bool), how, mode, origin))

    def select_where(self, formula: str, mode: str = "replace", base: Selection | None = None) -> None:
        """Select the frames where ``formula`` holds, see `data.select`; ``base`` is combined with them.

        Without ``base`` that is the selection as it is.
        """
        if self.dataset is None:
            raise FelError("No data.", remedy="Load trajectories first.")
        mask, origin = select(self.dataset, formula), Condition.of(formula)
        base = self.selection if base is None else base
        self._change(selection=base.combine(mask, f"frames where {formula}", mode, origin))

    def name_selection(self, name: str) -> None:
        """Keep the selection as a column ``name``, 1 in it and 0 elsewhere, for formulas and colours."""
        if not self.selection.count:
            raise FelError("Nothing is selected.", remedy="Select frames first.")
        name = name.strip()
        if not name or "`" in name or has_values(self.dataset, name):
            raise FelError(f"The name '{name}'.", "It is new, without backticks, and not empty.")
        column = ("frame", self.selection.mask.astype(np.float32), {"selection": self.selection.how})
        self.attach(self.dataset.assign({name: column}))

    def select_state(self, state: int, mode: str = "replace") -> None:
        """Select the frames of a state of the shown result."""
        result, how = self._states(), f"{self.state_name(state)} of {self.active}"
        origin = StateFrames(result.label, result.level, int(state))
        self.select(result.state == state, how, mode, origin)

    def invert_selection(self) -> None:
        self._change(selection=self.selection.invert())

    def clear_selection(self) -> None:
        self._change(selection=Selection(np.zeros_like(self.selection.mask)), point=None)

    def pick(self, point: Point) -> None:
        """Set the clicked point; its nearest frame becomes the current one."""
        self._change(point=point, also={"frame": point.frame})

    def add_anchor(self, x: float, y: float, axes: tuple[str, str]) -> None:
        """Lengthen the path on the map of ``axes`` to (x, y); on other axes a new one starts."""
        here = self.path_anchors is not None and self.path_anchors.axes == tuple(axes)
        self._change(path_anchors=(self.path_anchors if here else PathAnchors(tuple(axes))).then(x, y))

    def clear_path(self) -> None:
        if self.path_anchors is not None:
            self._change(path_anchors=None)

    def pin(self, pinned: Pinned) -> None:
        """Take ``pinned`` in the place of the pins that there are."""
        if pinned is not self.pinned:
            self._change(pinned=pinned)

    def colour(self, colour_by: str) -> None:
        self._change(colour_by=colour_by)

    def name_state(self, state: int, name: str) -> None:
        """Give a state of the shown result a name; an empty one takes it back.

        A state that stays undivided over a range of lags has the name in all of it.
        """
        same = {(self.active, level, one): name for level, one in self.result.same_branch(state)}
        names = {**self.state_names, **same}
        self._change(state_names={key: name for key, name in names.items() if name})

    def state_name(self, state: int) -> str:
        """The user's name of a state of the shown result, or its number with its proposed name."""
        return self.given_name(state) or self.result.default_name(state)

    def given_name(self, state: int) -> str:
        """The user's name of a state of the shown result; "" without one."""
        return self.state_names.get((self.active, self.result.level, state), "")

    def selected_states(self) -> list[int]:
        """States of the shown result of which at least half of the frames are selected, largest first."""
        return self._states().states_in(self.selection.mask)

    def divided_state(self) -> int | None:
        """The state that holds most of the selected frames, if some of its frames are not selected."""
        return self._states().state_cut_by(self.selection.mask)

    def merge_states(self, states=None) -> None:
        """Make ``states`` (default `selected_states`) of the shown result one; see `Result.merged`."""
        self._edit(self._states().merge(self.selected_states() if states is None else states))

    def split_state(self, state: int | None = None) -> None:
        """Make the selected frames of ``state`` (default `divided_state`) a state of their own."""
        state = self.divided_state() if state is None else state
        if state is None:
            raise FelError(
                "No state is partly selected.",
                "A split needs some of a state's frames, but not all.",
                "Lasso the part that is to be a state of its own.",
            )
        self._edit(self._states().split(state, self.selection))

    def _edit(self, result):
        self._change(edits={**self.edits, (result.label, result.level): result})

    def _states(self) -> Result:
        if self.result is None or self.result.state is None:
            raise FelError("No states are shown.", remedy="Train a method with states, such as IDM.")
        return self.result

    def undo(self) -> None:
        """Take the last change back; before the first one, go back to the data that were open before."""
        snapshot = self._history.back(self._like)
        if snapshot is None:
            self._go_to(self._history.before, after=self.data_name)
        self._restore(snapshot)

    def redo(self) -> None:
        """Make the change again that was undone last."""
        snapshot = self._history.forth(self._like)
        if snapshot is None:
            self._go_to(self._history.after, before=self.data_name)
        self._restore(snapshot)

    def _go_to(self, data, **neighbours):
        if data in self.earlier_data:
            if self.dataset is not None:
                vars(self.earlier_data[data].history).update(neighbours)
            self.show_data(data)

    def _like(self, snapshot) -> Snapshot:
        return Snapshot.of(self, model=snapshot.shown_model is not None)

    def _change(self, also=None, **changes) -> None:
        self._history.remember(Snapshot.of(self))
        self.param.update(**changes, **(also or {}), **self._history.flags)

    def _restore(self, snapshot) -> None:
        if snapshot is not None:
            self.param.update(**snapshot.changes(self), **self._history.flags)
