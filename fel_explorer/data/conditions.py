"""The condition of each trajectory: mutant, ligand, temperature or force field.

A dataset keeps conditions as the column ``condition`` (frame,) of their numbers, the same in all frames of a
trajectory, with their names in its attrs: a dataset without the column has none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.data.frame_values import CONDITIONS as NAMES
from fel_explorer.data.schema import trajectory_lengths
from fel_explorer.errors import FelError

COLUMN = "condition"
BY_FOLDER, BY_NAME = "folder", "name"  # ways to read conditions from the paths of files
FORMS = (
    "A name for each trajectory, {pattern of a path: name}, 'folder', 'name', or the path of a table with "
    "the columns file and condition, are valid."
)


def set_conditions(
    dataset: xr.Dataset, conditions: Sequence[str] | Mapping[str, str] | str | Path
) -> xr.Dataset:
    """A copy of ``dataset`` in which each trajectory has a condition.

    Parameters
    ----------
    conditions
        A name for each trajectory; ``{pattern: name}``, where the first pattern (with ``*`` and ``?``) that
        fits the path of a trajectory's file or its name decides; ``"folder"``, the name of the file's
        folder; ``"name"``, the file's name up to its number ("apo_3.xtc": "apo"); or the path of a CSV table
        with the columns ``file`` (path or name) and ``condition``, or with ``condition`` in order.

    Raises
    ------
    FelError
        If a trajectory gets no condition, or the dataset does not know its files.

    Examples
    --------
    >>> data = fel.data.set_conditions(data, {"*trajectory-[0-3]*": "apo", "*": "holo"})
    >>> fel.data.condition_names(data)
    ['apo', 'holo']
    """
    n = len(trajectory_lengths(dataset))
    if isinstance(conditions, Mapping):
        names = _by_pattern(_files(dataset, n), conditions)
    elif isinstance(conditions, str | Path) and str(conditions) in (BY_FOLDER, BY_NAME):
        names = [_from_path(path, str(conditions)) for path in _files(dataset, n)]
    elif isinstance(conditions, str | Path):
        names = _by_table(dataset, Path(conditions).expanduser(), n)
    else:
        names = [str(name).strip() for name in conditions]
    if len(names) != n or not all(names):
        raise FelError(f"{len([one for one in names if one])} names for {n} trajectories.", FORMS)
    distinct = list(dict.fromkeys(names))
    numbers = np.array([distinct.index(name) for name in names])
    column = np.repeat(numbers, trajectory_lengths(dataset))
    return dataset.assign({COLUMN: ("frame", column, {NAMES: json.dumps(distinct)})})


def condition_names(dataset: xr.Dataset) -> list[str]:
    """Names of the conditions, in the order of their numbers; [] where the dataset has none."""
    if COLUMN not in dataset or NAMES not in dataset[COLUMN].attrs:
        return []
    try:
        names = json.loads(dataset[COLUMN].attrs[NAMES])
        numbers = np.unique(dataset[COLUMN].values)
        known = isinstance(names, list) and all(isinstance(name, str) for name in names)
        known = known and numbers.dtype.kind in "iu" and 0 <= numbers[0] and numbers[-1] < len(names)
    except ValueError:
        known = False
    if not known:
        raise FelError(
            "The column 'condition' does not fit the names of its conditions.",
            "It holds the number of a condition for each frame.",
            "Set the conditions again: fel.data.set_conditions(data, ...).",
        )
    return names


def condition_masks(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    """{condition: (frame,) bool} of the conditions that hold frames.

    Raises
    ------
    FelError
        If the dataset has fewer than two conditions.
    """
    names = condition_names(dataset)
    column = dataset[COLUMN].values if names else np.zeros(0)
    masks = {name: column == number for number, name in enumerate(names) if (column == number).any()}
    if len(masks) < 2:
        raise FelError(
            f"The data have {len(masks)} conditions.",
            "A comparison needs two at least.",
            "Give each trajectory one: fel.data.set_conditions(data, ...), or Conditions under Data.",
        )
    return masks


def conditions_by_trajectory(dataset: xr.Dataset) -> list[str]:
    """Condition of each trajectory; [] where the dataset has none."""
    names = condition_names(dataset)
    if not names:
        return []
    starts = np.flatnonzero(dataset["frame_in_trajectory"].values == 0)
    return [names[number] for number in dataset[COLUMN].values[starts]]


def trajectory_files(dataset: xr.Dataset) -> list[str]:
    """Path of the file of each trajectory; [] where it is not known."""
    files = [str(entry["path"]) for entry in json.loads(dataset.attrs.get("files", "[]"))]
    return files if len(files) == len(trajectory_lengths(dataset)) else []


def _files(dataset, n) -> list[str]:
    files = trajectory_files(dataset)
    if not files:
        raise FelError(
            f"The files of the {n} trajectories are not known, or were joined.",
            FORMS,
            "Give a name for each trajectory.",
        )
    return files


def _from_path(path: str, how: str) -> str:
    if how == BY_FOLDER:
        return Path(path).parent.name or "."
    stem = Path(path).name.split(".")[0]
    return re.sub(r"[\W_]*(run|rep|replica|part|traj|trajectory)?[\W_]*\d*$", "", stem, flags=re.I) or stem


def _by_pattern(files, patterns) -> list[str]:
    names = []
    for file in files:
        fits = [name for p, name in patterns.items() if fnmatch(file, p) or fnmatch(Path(file).name, p)]
        if not fits:
            raise FelError(
                f"No pattern fits '{Path(file).name}'.",
                f"The patterns are {', '.join(map(repr, patterns))}.",
                "Add one, such as '*' for the rest.",
            )
        names.append(str(fits[0]).strip())
    return names


def _by_table(dataset, path, n) -> list[str]:
    if not path.is_file():
        raise FelError(f"conditions='{path}'.", FORMS)
    try:
        table = pd.read_csv(path, comment="#", dtype=str, sep="[,;\t]", engine="python").rename(
            columns=str.strip
        )
    except (ValueError, OSError, UnicodeDecodeError) as error:
        raise FelError(f"'{path.name}' can't be read as a table: {error}.", FORMS) from error
    if "condition" not in table or table["condition"].isna().any():
        raise FelError(f"'{path.name}' has the columns {', '.join(table)}.", FORMS)
    if "file" not in table:
        return table["condition"].str.strip().tolist()
    named = dict(zip(table["file"].str.strip(), table["condition"].str.strip(), strict=True))
    names = []
    for file in _files(dataset, n):
        if file not in named and Path(file).name not in named:
            raise FelError(f"'{path.name}' has no row of '{Path(file).name}'.", FORMS)
        names.append(str(named[file] if file in named else named[Path(file).name]))
    return names
