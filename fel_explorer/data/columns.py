"""Per-frame columns from tables: energies, a user's CSV, PLUMED's COLVAR with weights."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.data.schema import validate
from fel_explorer.errors import FelError

BOLTZMANN = 0.00831446261815324  # kJ/mol/K
KEYS = ["trajectory", "frame_in_trajectory"]
RESERVED = {"features", "feature", "frame", "weight"}


def attach_columns(
    dataset: xr.Dataset,
    table,
    *,
    units: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    bias_column: str | None = None,
    temperature: float | None = None,
) -> xr.Dataset:
    """Add per-frame columns, and frame weights if asked, to a dataset.

    Rows belong to frames by the table's columns ``trajectory`` and ``frame_in_trajectory`` (counted in the
    trajectory files, before any stride) where it has them, else by order: one row per frame of the dataset,
    or of the files. A column ``time`` is left out: the dataset has its own.

    Parameters
    ----------
    table
        Path of a CSV or PLUMED COLVAR file, a mapping of arrays (frame,), or a pandas DataFrame.
    units
        {column: unit}, kept in the column's attrs. A CSV may name them itself: ``energy [kJ/mol]``.
    weight_column
        Column that becomes ``weight``.
    bias_column
        Column with the bias energy in kJ/mol, such as ``metad.rbias``; ``weight`` becomes
        exp(bias / kT), scaled to mean 1.
    temperature
        Of the biased simulation, in K; needed with ``bias_column``.

    Returns
    -------
    xarray.Dataset
        A copy with the columns.

    Raises
    ------
    FelError
        If the table can't be read or doesn't match the frames, a column is not numeric or has a name that
        the dataset uses itself, or the weights are not valid.

    Examples
    --------
    >>> data = attach_columns(data, "COLVAR", bias_column="metad.rbias", temperature=300.0)
    """
    frame, found_units = _read(table)
    rows = _match(dataset, frame)
    values = frame.drop(columns=[c for c in (*KEYS, "time") if c in frame])
    weight = _weights(values, weight_column, bias_column, temperature)
    values = values.drop(columns=[c for c in [weight_column] if c])
    if taken := [c for c in values if c in RESERVED]:
        raise FelError(
            f"The table has a column '{taken[0]}', a name that the dataset uses itself.",
            remedy="Take it as frame weights (weight_column='weight'), or rename it."
            if taken[0] == "weight"
            else "Rename it.",
        )
    units = {**found_units, **(units or {})}
    source = {"table": str(table)} if isinstance(table, str | Path) else {}
    options = {"weight_column": weight_column, "bias_column": bias_column, "temperature": temperature}
    if source and any(options.values()):
        source["table_options"] = json.dumps({name: value for name, value in options.items() if value})
    result = dataset.copy()
    if temperature is not None:
        result.attrs["temperature"] = float(temperature)
    for name in values:
        column = values[name].to_numpy()[rows]
        if column.dtype.kind not in "iufb":
            raise FelError(
                f"Column '{name}' holds {frame[name].dtype}.",
                "Columns must be numbers.",
                "Leave it out or code it.",
            )
        attrs = source | ({"units": units[name]} if name in units else {})
        result[name] = ("frame", column, attrs)
    if weight is not None:
        result["weight"] = ("frame", weight[rows], source)
        validate(result, check_values=False)
        result["weight"].values /= result["weight"].values.mean()
    return validate(result, check_values=False)


def column_names(path) -> list[str]:
    """Names of a table's columns that hold values of frames; `FelError` if it can't be read."""
    table, _ = _split_units(_read_file(Path(path).expanduser(), n_rows=1))
    return [str(name) for name in table.columns if name not in (*KEYS, "time")]


def _read(table) -> tuple[pd.DataFrame, dict[str, str]]:
    """The table and the units that its header names."""
    if isinstance(table, str | Path):
        return _split_units(_read_file(Path(table).expanduser()))
    if isinstance(table, pd.DataFrame):
        return _split_units(table.reset_index(drop=True))
    if isinstance(table, Mapping) and table:
        arrays = {str(name): np.asarray(values) for name, values in table.items()}
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise FelError(
                f"Columns of shapes {', '.join(f'{n}: {a.shape}' for n, a in arrays.items())}.",
                "All columns have one value per frame.",
            )
        return _split_units(pd.DataFrame(arrays))
    raise FelError(
        f"A table of type {type(table).__name__}{'' if table is None else ' without columns'}.",
        "A CSV or COLVAR path, a mapping of arrays, or a DataFrame.",
    )


def _read_file(path: Path, n_rows: int | None = None) -> pd.DataFrame:
    if not path.is_file():
        raise FelError(f"The table '{path}' does not exist.", remedy="Check the path.")
    if path.suffix.lower() == ".edr":
        raise FelError(
            f"'{path}' is a GROMACS energy file, which is not read here.",
            "Tables are CSV or COLVAR files.",
            "Turn it into a CSV, for instance with panedr: edr_to_df(path).to_csv('energies.csv').",
        )
    try:
        with path.open() as stream:
            header = stream.readline()
        if header.startswith("#! FIELDS"):
            names = header.split()[2:]
            table = pd.read_csv(path, sep=r"\s+", comment="#", names=names, index_col=False, nrows=n_rows)
        else:
            table = pd.read_csv(path, skipinitialspace=True, nrows=n_rows)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise FelError(
            f"The table '{path}' can't be read ({str(error).splitlines()[0]}).",
            "It is a CSV with a header line, or a COLVAR that starts with '#! FIELDS'.",
        ) from error
    if table.empty:
        raise FelError(f"The table '{path}' has no rows.", "One row per frame is needed.")
    return table


def _split_units(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    matches = {str(c): re.fullmatch(r"(.+?)\s*[\[(]([^\])]+)[\])]", str(c)) for c in table.columns}
    names = {c: m.group(1) if m else c for c, m in matches.items()}
    table = table.set_axis(list(names.values()), axis="columns")
    if repeated := table.columns[table.columns.duplicated()].tolist():
        raise FelError(f"The table has two columns '{repeated[0]}'.", "Each name may come once.")
    return table, {names[c]: m.group(2) for c, m in matches.items() if m}


def _match(dataset: xr.Dataset, table: pd.DataFrame) -> np.ndarray:
    """Row of the table for each frame of the dataset, (frame,)."""
    stride = int(dataset.attrs.get("stride", 1))
    trajectory = dataset["trajectory"].values
    raw_frame = dataset["frame_in_trajectory"].values * stride
    if set(KEYS) <= set(table.columns):
        return _match_keys(table, trajectory, raw_frame)
    n_frames = dataset.sizes["frame"]
    if len(table) == n_frames:
        return np.arange(n_frames)
    lengths = _raw_lengths(dataset)
    if len(table) == sum(lengths):
        return np.concatenate([[0], np.cumsum(lengths)])[trajectory] + raw_frame
    valid = f"One row per frame is needed: {n_frames}"
    raise FelError(
        f"The table has {len(table)} rows.",
        f"{valid} (or {sum(lengths)}, the files' frames before the stride)." if stride > 1 else f"{valid}.",
        "Drop the extra rows (PLUMED and GROMACS often write one more, at time 0), or add the columns "
        "'trajectory' and 'frame_in_trajectory'.",
    )


def _raw_lengths(dataset: xr.Dataset) -> list[int]:
    """Frames of each trajectory in the files, before the stride."""
    if "joined_lengths" in dataset.attrs:
        return json.loads(dataset.attrs["joined_lengths"])
    return [file["n_frames"] for file in json.loads(dataset.attrs.get("files", "[]"))]


def _match_keys(table, trajectory, raw_frame) -> np.ndarray:
    keys = pd.MultiIndex.from_frame(table[KEYS])
    if keys.has_duplicates:
        first = keys[keys.duplicated()][0]
        raise FelError(
            f"The table has two rows for trajectory {first[0]}, frame {first[1]}.", "One row per frame."
        )
    rows = keys.get_indexer(pd.MultiIndex.from_arrays([trajectory, raw_frame]))
    if (rows < 0).any():
        at = int(np.argmax(rows < 0))
        raise FelError(
            f"The table has no row for {int((rows < 0).sum())} of {len(rows)} frames, the first of them "
            f"trajectory {trajectory[at]}, frame {raw_frame[at]}.",
            "Each frame needs a row; both are counted from 0.",
        )
    return rows


def _weights(table, weight_column, bias_column, temperature) -> np.ndarray | None:
    """Weights of the table's rows, not scaled."""
    if weight_column and bias_column:
        raise FelError("Both weight_column and bias_column.", "Weights come from one of them.")
    for column in (weight_column, bias_column):
        if column and column not in table:
            raise FelError(f"The table has no column '{column}'.", f"It has {', '.join(table.columns)}.")
    if temperature is not None and bias_column is None:
        biases = [c for c in table if c.endswith("bias")]
        raise FelError(
            f"temperature={temperature:g} without a bias column.",
            f"Columns that look like one: {', '.join(biases) or 'none'}.",
            "Give bias_column=.",
        )
    if weight_column:
        return table[weight_column].to_numpy(float)
    if bias_column is None:
        return None
    if temperature is None or not temperature > 0:
        raise FelError(
            f"bias_column='{bias_column}' with temperature={temperature}.",
            "The temperature of the simulation in K is needed to turn a bias (kJ/mol) into weights.",
        )
    bias = table[bias_column].to_numpy(float)
    return np.exp((bias - bias.max()) / (BOLTZMANN * temperature))
