"""States in words: regions of the Ramachandran map, helices, distances that set them apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import xarray as xr

from fel_explorer.data.frame_values import frame_values, torsions
from fel_explorer.structures.ramachandran import REGIONS, SIDE, SIDES, group_of_region, ramachandran_region
from fel_explorer.structures.state_differences import Differences

MAX_FRAMES = 20_000  # that are looked at
MOST = 0.7  # fraction of a state's frames that a region must hold to describe it
LIFT = 0.4  # by which that fraction must be larger than in the other states, to set it apart
MIN_POPULATION = 0.001
MAX_PARTS = 2  # residues or ranges of them in a description
LARGER = 5  # times as many frames: one of two states with the same description may keep it
CHAIN = 3  # residues from which all of them together are a helix or extended
MAX_EITHER = 4  # residues of which pairs are looked at
RIGHT = [i for i, name in enumerate(REGIONS) if SIDE[name] == SIDES[1]]
WHOLE = {"alpha-R": "helix", "beta": "extended", "PPII": "extended", "extended": "extended"}


def describe_states(states: np.ndarray | xr.DataArray, dataset: xr.Dataset) -> list[str]:
    """Short descriptions of states by what sets them apart; no two are the same.

    First the backbone: residues whose region of the Ramachandran map is not the usual one, with the region
    that holds at least 70 % of the state's frames, or a coarser one where none does. A state in which all
    residues are as usual is a helix or extended where that holds for the chain, else it is described by the
    residues in which others differ. Where that does not suffice, a torsion or distance that differs.

    Parameters
    ----------
    states
        (frame,) int state of each frame.
    dataset
        With torsions "phi RESIDUE" and "psi RESIDUE" as columns in degrees, or as cosines and sines among the
        features; or with distances among them.

    Returns
    -------
    list of str
        (state,) such as "alpha-R", "ALA2 phi > 0", "helix", "residues 2-4 extended", "ALA1-CA to LEU5-CA
        short"; "" where nothing sets a state apart, and for states with less than 0.1 % of the frames.
    """
    return describe_levels([np.asarray(states)], [], dataset)[0]


def describe_levels(
    levels: Sequence[np.ndarray],
    parents: Sequence[np.ndarray],
    dataset: xr.Dataset,
    *,
    unique: bool = True,
) -> list[list[str]]:
    """Descriptions of the states of a tree; see `describe_states`.

    A state that does not divide keeps its description; otherwise no two states of the tree have the same:
    the parts of a state are described first, and the state itself by something coarser.

    Parameters
    ----------
    levels
        For each level, from the longest lag to the shortest, (frame,) int state of each frame.
    parents
        For each level but the first (state,) the index of its parent in the level above.
    unique
        Whether descriptions are different in the whole tree, or within each level only.

    Returns
    -------
    list of list of str
        (level)(state,).
    """
    every = len(levels[0]) // MAX_FRAMES + 1
    backbone = Backbone(dataset.isel(frame=slice(None, None, every)))
    found: list[list[str]] = [[] for _ in levels]
    used: set[str] = set()
    for level in range(len(levels))[::-1]:
        states = np.asarray(levels[level])
        n = int(states.max(initial=-1)) + 1
        said = _inherited(n, parents[level], found[level + 1]) if level + 1 < len(levels) else [""] * n
        frames = np.bincount(states, minlength=n)
        open_ = [s for s in range(n) if not said[s] and frames[s] >= max(MIN_POPULATION * len(states), 1)]
        for names in backbone.candidates(states[::every], n) if open_ else ():
            for state in _clear([names[s] if s in open_ else "" for s in range(n)], frames):
                if names[state] not in used | {*said}:
                    said[state] = names[state]
            open_ = [s for s in open_ if not said[s]]
            if not open_:
                break
        used |= {*said} if unique else set()
        found[level] = said
    return found


def _clear(names, frames):
    """The states that may have their names: of those with the same only one much larger than the others."""
    for state, name in enumerate(names):
        others = [frames[s] for s, other in enumerate(names) if other == name and s != state]
        if name and frames[state] >= LARGER * max(others, default=0):
            yield state


def _inherited(n, parents, below):
    """Descriptions (state,) of the states that do not divide, "" of others."""
    children = np.bincount(parents, minlength=n)
    only = {int(parent): below[child] for child, parent in enumerate(parents) if children[parent] == 1}
    return [only.get(state, "") for state in range(n)]


class Backbone:
    """What the backbone torsions, and other torsions and distances, say on states of a dataset."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self.dataset = dataset
        names = torsions(dataset)
        pairs = [n.removeprefix("phi ") for n in names if n.startswith("phi ") and f"psi {n[4:]}" in names]
        self.residues = pairs
        self.regions = [
            ramachandran_region(*(frame_values(dataset, f"{kind} {residue}") for kind in ("phi", "psi")))
            for residue in pairs
        ]

    @cached_property
    def differences(self) -> Differences:
        return Differences(self.dataset)

    def candidates(self, states: np.ndarray, n_states: int) -> Iterator[list[str]]:
        """Descriptions (state,), "" where there is none: the best first, then coarser, then longer ones."""
        counts = [_counts(states, n_states, region) for region in self.regions]
        named = []
        for step in range(3 if counts else 0):
            named.append([self._describe(counts, state, step) for state in range(n_states)])
            yield named[-1]
        for step, names in enumerate(named):
            yield [self._longer(names, counts, state, step) for state in range(n_states)]
        yield [self._either(states, state) for state in range(n_states)]
        for names in [*named, [""] * n_states]:
            for apart in self.differences.of(states, n_states, names):
                pairs = zip(names, apart, strict=True)
                yield [", ".join(filter(None, pair)) if pair[1] else "" for pair in pairs]

    def _describe(self, counts, state, step):
        """Description of a state by the groups of regions of a step and coarser ones; "" without one."""
        parts = _parts(counts, state, step)
        labels = [part.label for part in parts]
        if len(parts) == 1:
            return labels[0] if parts[0].differs else ""
        unusual = [i for i, part in enumerate(parts) if part.label and part.unusual and part.lift > LIFT]
        whole = _whole(labels) if step < 2 else ""
        if whole and len(unusual) in (0, len(parts)):
            return whole
        if unusual:
            return self._list(unusual, parts)
        return self._list(_telling(parts), parts)

    def _longer(self, names, counts, state, step):
        """A description with one more residue, for states that have the same."""
        parts = _parts(counts, state, step)
        if len(parts) < 2 or names.count(names[state]) < 2:
            return ""
        best = sorted((i for i, part in enumerate(parts) if part.label), key=lambda i: -parts[i].lift)
        return self._list(
            [i for i in best if parts[i].lift > LIFT / 2][: MAX_PARTS + 1], parts, MAX_PARTS + 1
        )

    def _either(self, states, state):
        """ "ALA3 or LEU4 phi > 0", where one of two residues is on the unusual side."""
        own, best = states == state, ("", LIFT)
        right = [np.isin(region, RIGHT) for region in self.regions]
        rare = [i for i, one in enumerate(right) if one.mean() < 0.5]
        if not own.any() or own.all():
            return ""
        rare = sorted(rare, key=lambda i: right[i][~own].mean() - right[i][own].mean())[:MAX_EITHER]
        for i, first in enumerate(sorted(rare)):
            for second in sorted(rare)[i + 1 :]:
                either = right[first] | right[second]
                lift = either[own].mean() - either[~own].mean()
                if either[own].mean() >= MOST and lift > best[1]:
                    best = f"{self.residues[first]} or {self.residues[second]} {SIDES[1]}", lift
        return best[0]

    def _list(self, chosen, parts, most=MAX_PARTS):
        """ "ALA2 alpha-R, residues 4-6 extended": neighbours that are alike together, the clearest first."""
        runs: list[list[int]] = []
        for i in sorted(chosen):
            if runs and runs[-1][-1] == i - 1 and _alike(parts[runs[-1][-1]].label, parts[i].label):
                runs[-1].append(i)
            else:
                runs.append([i])
        runs.sort(key=lambda run: -max(parts[i].lift for i in run))
        texts = {run[0]: self._run_text(run, parts) for run in runs[:most]}
        return ", ".join(texts[first] for first in sorted(texts))

    def _run_text(self, run, parts):
        numbers = [_number(self.residues[i]) for i in run]
        if len(run) < CHAIN or None in numbers:
            return ", ".join(f"{self.residues[i]} {parts[i].label}" for i in run)
        label = parts[run[0]].label
        return f"residues {numbers[0]}-{numbers[-1]} {WHOLE.get(label, label)}"


class _Part:
    """What a residue is in a state, and how far that sets the state apart.

    Parameters
    ----------
    counts
        Frames (state, region).
    step
        Groups of regions to begin with, see `group_of_region`.

    Attributes
    ----------
    label
        Its region, or group of regions; "" where none holds most of the frames.
    unusual
        Whether it is another one than in most frames.
    lift
        Fraction of the state's frames in the region, less that of the frames of the others.
    differs
        Whether it is another one than in some other state.
    information
        Mutual information of state and group, in nats.
    """

    def __init__(self, counts: np.ndarray, state: int, step: int) -> None:
        n, total = counts[state].sum(), counts.sum()
        self.label, self.lift = "", 0.0
        for coarser in range(step, 3):
            groups = _grouped(counts, coarser)
            name = max(groups, key=lambda one: groups[one][state])
            inside = groups[name][state]
            if n and inside >= MOST * n:
                self.label = name
                self.lift = inside / n - (groups[name].sum() - inside) / max(total - n, 1)
                break
        coarse = _grouped(counts, max(step, 1))
        usual = max(coarse, key=lambda one: coarse[one].sum())
        self.unusual = max(coarse, key=lambda one: coarse[one][state]) != usual
        table = np.stack(list(_grouped(counts, step).values()), axis=1)
        kinds = {int(row.argmax()) if row.max() >= MOST * row.sum() else -1 for row in table if row.sum()}
        self.differs = len(kinds) > 1
        self.information = _information(table)


def _parts(counts, state, step):
    return [_Part(one, state, step) for one in counts]


def _grouped(counts, step):
    """{group of regions at a step: frames (state,)}."""
    groups: dict[str, np.ndarray] = {}
    for region, name in enumerate(group_of_region(step).values()):
        groups[name] = groups.get(name, 0) + counts[:, region]
    return groups


def _counts(states, n_states, regions):
    """Frames (state, region)."""
    cell = states * len(REGIONS) + regions
    return np.bincount(cell, minlength=n_states * len(REGIONS)).reshape(n_states, -1)


def _telling(parts):
    """The residues that separate the states best, of those in which some state differs."""
    known = [i for i, part in enumerate(parts) if part.label and part.differs and part.lift > LIFT / 2]
    best = max((parts[i].information for i in known), default=0.0)
    return [i for i in known if parts[i].information > best / 2]


def _whole(labels):
    """ "helix" or "extended" where that holds for a chain as a whole."""
    kinds = {WHOLE.get(label, "") for label in labels}
    return kinds.pop() if len(labels) >= CHAIN and len(kinds) == 1 else ""


def _alike(first, second):
    return WHOLE.get(first, first) == WHOLE.get(second, second)


def _number(residue):
    """Number of a residue such as "ALA12" or "A:ALA12", None where its name has none."""
    digits = residue[len(residue.rstrip("0123456789")) :]
    return int(digits) if digits else None


def _information(table) -> float:
    joint = table / max(table.sum(), 1)
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    known = joint > 0
    return float((joint[known] * np.log(joint[known] / independent[known])).sum())
