"""Results of a fitted method on a dataset, and edits of its states."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx
import numpy as np
import xarray as xr

from fel_explorer.app.session.selection import Selection
from fel_explorer.app.session.tree_nodes import proposed_names, tree_colours, tree_names, undivided
from fel_explorer.kinetics import merge_states, split_state
from fel_explorer.methods import Method
from fel_explorer.methods.idm.parameters import MIN_POPULATION
from fel_explorer.plots.colours import state_colours


@dataclass(frozen=True)
class Merge:
    """States that the user made one."""

    states: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """A state of which the user made a selected part a new one."""

    state: int
    selection: Selection


@dataclass(frozen=True, eq=False)
class Result:
    """A fitted method and its results on the session's dataset; made by a job, read by every panel.

    Attributes
    ----------
    label
        Names the model in the page ("IDM 1").
    method
        The fitted method; given None, as for an embedding that was made elsewhere, a `Method` that can do
        nothing.
    embedding
        (frame, cv) float32.
    membership, state
        (frame, state) float32 and (frame,) int; None for methods without states.
    partial
        True for a training that was stopped before its end.
    tree
        networkx.DiGraph of a method that finds a tree of states, see `DivisiveIDM.graph`, else None.
    levels
        Of a tree: this result at each of its levels, from the longest lag to the shortest.
    level
        Which of them this is.
    edited
        Whether the user merged or split states.
    changes
        How they did, in order.
    refines
        The method whose states a training of this one refined; None for others.
    remark
        What that changed, in a sentence.
    words
        {node: what sets its state apart, such as "alpha-R"}; its proposed name, for states that have one.
    """

    label: str
    method: Method
    embedding: np.ndarray
    membership: np.ndarray | None = None
    state: np.ndarray | None = None
    seconds: float = float("nan")
    partial: bool = False
    tree: object = None
    levels: Sequence[Result] = ()
    level: int = 0
    edited: bool = False
    changes: tuple[Merge | Split, ...] = ()
    refines: Method | None = None
    remark: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if self.method is None:
            object.__setattr__(self, "method", Method())
        if self.state is not None and self.membership is None:
            hard = np.eye(self.state.max() + 1, dtype=np.float32)[self.state]
            object.__setattr__(self, "membership", hard)

    @classmethod
    def of(cls, label: str, method, dataset: xr.Dataset, seconds=float("nan"), partial=False) -> Result:
        """Embed (and assign) every frame of ``dataset`` with the fitted ``method``."""
        base = cls(label, method, method.transform(dataset).values, seconds=seconds, partial=partial)
        if not method.has_states:
            return base
        if not method.has_tree:
            found = base.with_states(method.predict_proba(dataset).values)
            return replace(found, words=proposed_names([found.state], None, dataset))
        base, levels = replace(base, tree=method.graph), range(method.n_levels)
        if method.has_microstates:
            memberships = [method.microstate_memberships(level) for level in levels]
            microstates = method.predict_microstates(dataset).values
            states = [chi.argmax(axis=1).take(microstates) for chi in memberships]
            base = replace(base, words=proposed_names(states, base.tree, dataset))
            return MicrostateLevels(base, microstates, memberships)[method.default_level]
        each = [base.with_states(method.predict_proba(dataset, level).values) for level in levels]
        words = proposed_names([one.state for one in each], base.tree, dataset)
        each = [replace(one, level=level, words=words) for level, one in enumerate(each)]
        return replace(each[method.default_level], levels=tuple(each))

    def with_states(self, membership: np.ndarray) -> Result:
        """The same with other memberships (frame, state)."""
        return replace(self, membership=membership, state=membership.argmax(axis=1))

    def relabel(self, label: str) -> Result:
        """The same under another label."""
        if isinstance(self.levels, MicrostateLevels):
            levels = self.levels.relabel(label)
        else:
            levels = tuple(replace(level, label=label) for level in self.levels)
        changes = tuple(
            Split(one.state, one.selection.relabel(self.label, label)) if isinstance(one, Split) else one
            for one in self.changes
        )
        return replace(self, label=label, levels=levels, changes=changes)

    def refining(self, first: Method | None, remark: str, hues: Mapping[str, int]) -> Result:
        """The same as what refines the states of a method, at all levels.

        ``hues`` numbers the colours of the nodes of the tree; without them they keep their own.
        """
        about = {"refines": first, "remark": remark}
        if hues:
            tree = self.tree.copy()
            networkx.set_node_attributes(tree, dict(hues), "hue")
            about["tree"] = tree
        levels = tuple(replace(level, **about) for level in self.levels)
        return replace(self, levels=levels, **about)

    @property
    def hues(self) -> dict[str, int]:
        """``{node: number of its colour}`` of a tree that has those of the states that it refined."""
        return {} if self.tree is None else networkx.get_node_attributes(self.tree, "hue")

    def at(self, level: int) -> Result:
        """This result at a level of its tree; itself where there is no tree."""
        return self.levels[level] if self.levels else self

    @property
    def n_levels(self) -> int:
        return 1 if self.tree is None else 1 + max(level for _, level in self.tree.nodes(data="level"))

    @property
    def lag_time(self) -> float | None:
        """Lag of the method (of the level in a tree), in the data's time unit; None where it has none."""
        lags = self.method.lags  # states and tree may be those of another model
        return lags[min(self.level, len(lags) - 1)] if lags else None

    @property
    def cv_names(self) -> list[str]:
        return [f"CV {i + 1}" for i in range(self.embedding.shape[1])]

    # ---- states

    def states(self, min_population: float = MIN_POPULATION) -> list[int]:
        """States that hold at least ``min_population`` of the frames, in order."""
        if self.state is None:
            return []
        populations = np.bincount(self.state) / len(self.state)
        return [int(s) for s in np.flatnonzero(populations >= min_population)]

    def default_name(self, state: int) -> str:
        """ "state 3: alpha-R", number and proposed name; without the latter `numbered_name`."""
        number, words = self.numbered_name(state), self.words.get(self.node(state), "")
        return f"{number}: {words}" if words else number

    def numbered_name(self, state: int) -> str:
        """ "state 3", in a tree "state 2-3" (level and index; see `tree_names`), or "part of state 3".

        The last is a state that the user split off; the next one from the same state is "part 2 of state 3".
        """
        origins = [change.state for change in self.changes if isinstance(change, Split)]
        first = 0 if self.membership is None else self.membership.shape[1] - len(origins)
        if origins and state >= first:
            return self._part_name(state, first, origins)
        default = f"state {state + 1}" if self.tree is None else f"state {self.node(state)}"
        return default if self.tree is None else tree_names(self.tree).get(self.node(state), default)

    def _part_name(self, state, first, origins):
        """Name of a split-off state; those from ``first`` on were split off ``origins``, in order."""

        def whole(part):
            while part >= first:
                part = origins[part - first]
            return part

        earlier = [whole(first + i) for i in range(state - first)]
        number = 1 + earlier.count(whole(state))
        return f"part{f' {number}' if number > 1 else ''} of {self.numbered_name(whole(state))}"

    def node(self, state: int) -> str:
        """Name of a state's node in the tree."""
        return f"{self.level + 1}-{state + 1}"

    def same_branch(self, state: int) -> list[tuple[int, int]]:
        """(level, state) of the state and, in a tree, of the levels at which it is the same one."""
        node = self.node(state)
        if self.tree is None or node not in self.tree:
            return [(self.level, state)]
        about = self.tree.nodes
        if "branch" in about[node]:
            chain = [one for one in about if about[one]["branch"] == about[node]["branch"]]
        else:
            chain = undivided(self.tree, node)
        return [(about[one]["level"], about[one]["state"]) for one in chain]

    def colours(self, states, *, dark: bool = False) -> dict[int, str]:
        """``{state: colour}``; in a tree the children of a state have tints of its colour."""
        if self.tree is None:
            return state_colours(states, dark=dark)
        known = tree_colours(self.tree, dark=dark)
        n_known = sum(level == self.level for _, level in self.tree.nodes(data="level"))
        colours = state_colours(states, dark=dark)  # those that the user split off are not in the tree
        return colours | {s: known[f"{self.level + 1}-{s + 1}"] for s in colours if s < n_known}

    def states_in(self, mask: np.ndarray) -> list[int]:
        """States of which at least half of the frames are in ``mask`` (frame,), largest first."""
        n = self.membership.shape[1]
        frames, inside = np.bincount(self.state, minlength=n), np.bincount(self.state[mask], minlength=n)
        states = np.flatnonzero((frames > 0) & (2 * inside >= frames))
        return [int(state) for state in states[np.argsort(-frames[states], kind="stable")]]

    def state_cut_by(self, mask: np.ndarray) -> int | None:
        """The state that holds most of the frames in ``mask`` (frame,), unless it is wholly inside."""
        if not mask.any():
            return None
        state = int(np.bincount(self.state[mask]).argmax())
        return None if mask[self.state == state].all() else state

    def merge(self, states) -> Result:
        """With ``states`` as one; see `kinetics.merge_states`."""
        state, membership = merge_states(self.state, self.membership, states)
        change = Merge(tuple(int(one) for one in states))
        others = {node: said for node, said in self.words.items() if node not in map(self.node, states)}
        return replace(self._edited(state, membership, change), words=others)

    def split(self, state: int, selection: Selection) -> Result:
        """With the selected frames of ``state`` as a new, last state; see `kinetics.split_state`."""
        hard, membership = split_state(self.state, self.membership, state, selection.mask)
        return self._edited(hard, membership, Split(int(state), selection))

    def _edited(self, state, membership, change):
        changes = (*self.changes, change)
        return replace(self, membership=membership, state=state, levels=(), edited=True, changes=changes)


class MicrostateLevels(Sequence):
    """A result at each level of a tree whose states are made of microstates, looked up when it is asked for.

    Parameters
    ----------
    base
        The result without states.
    microstates
        (frame,) int microstate of each frame.
    memberships
        For each level (microstate, state) float32.
    """

    KEPT = 4  # levels, so that what is shown stays the same object

    def __init__(self, base: Result, microstates: np.ndarray, memberships: list[np.ndarray]):
        self._base, self.microstates, self._memberships = base, microstates, memberships
        self._labels = [chi.argmax(axis=1) for chi in memberships]
        self._kept: OrderedDict[int, Result] = OrderedDict()

    def __len__(self) -> int:
        return len(self._memberships)

    def __getitem__(self, level):
        level = range(len(self))[level]
        if level not in self._kept:
            membership = self._memberships[level].take(self.microstates, axis=0)
            state = self._labels[level].take(self.microstates)
            about = {"membership": membership, "state": state, "level": level, "levels": self}
            self._kept[level] = replace(self._base, **about)
            while len(self._kept) > self.KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(level)
        return self._kept[level]

    def memberships(self, level: int) -> np.ndarray:
        """(microstate, state) float32 at a level."""
        return self._memberships[level]

    def relabel(self, label: str) -> MicrostateLevels:
        """The same of a result under another label."""
        return MicrostateLevels(replace(self._base, label=label), self.microstates, self._memberships)

    def fractions_inside(self, mask: np.ndarray) -> list[np.ndarray]:
        """For each level the fraction (state,) of each state's frames that are in ``mask`` (frame,)."""
        n = len(self._labels[0])
        frames = np.bincount(self.microstates, minlength=n)
        inside = np.bincount(self.microstates[mask], minlength=n)
        found = []
        for labels, chi in zip(self._labels, self._memberships, strict=True):
            counts = [np.bincount(labels, one, minlength=chi.shape[1]) for one in (inside, frames)]
            found.append(counts[0] / np.maximum(counts[1], 1))
        return found
