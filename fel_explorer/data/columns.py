"""Per-frame columns of tables as variables of a dataset, and frame weights from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from fel_explorer.data.row_matching import KEYS, count_from_zero, match_each, match_one
from fel_explorer.data.schema import validate
from fel_explorer.data.tables import Table, read_table, split_units
from fel_explorer.errors import FelError

BOLTZMANN = 0.00831446261815324  # kJ/mol/K
RESERVED = {"features", "feature", "frame", "weight"}


def attach_columns(
    dataset: xr.Dataset,
    table: str | Path | Mapping | pd.DataFrame | Sequence,
    *,
    units: Mapping[str, str] | None = None,
    weight_column: str | None = None,
    bias_column: str | None = None,
    temperature: float | None = None,
) -> xr.Dataset:
    """Add per-frame columns, and frame weights if asked, to a dataset.

    Rows belong to frames by the table's columns ``trajectory`` and ``frame_in_trajectory`` (counted in the
    trajectory files, before any stride) where it has them; else by ``time`` where both the table and the
    files of the dataset have times, at any stride of both; else by order: one row per frame of the dataset,
    or of the files. Of rows with the same time, as a restart leaves them, the last counts. The column
    ``time`` itself is left out: the dataset has its own.

    Parameters
    ----------
    table
        Path of a table (CSV, TSV, text in columns, XVG, PLUMED's COLVAR; also compressed), a mapping of
        arrays (frame,), or a pandas DataFrame; for all trajectories, or a list with one for each. Times are
        in ps unless the table says otherwise: ``time [ns]``.
    units
        {column: unit}, kept in the column's attrs. A table may name them itself: ``energy [kJ/mol]``.
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
        A copy with the columns. Those that a COLVAR says to be periodic have the attrs ``minimum`` and
        ``period``.

    Raises
    ------
    FelError
        If a table can't be read or doesn't match the frames, a column is not numeric or has a name that
        the dataset uses itself, or the weights are not valid.

    Examples
    --------
    >>> data = attach_columns(data, "COLVAR", bias_column="metad.rbias", temperature=300.0)
    """
    tables = [_read(one) for one in (table if isinstance(table, list | tuple) else [table])]
    tables = [replace(one, values=count_from_zero(one.values)) for one in tables]
    if isinstance(table, list | tuple):
        rows = match_each(dataset, [one.values for one in tables])
        _check_same_columns(tables)
    else:
        rows = match_one(dataset, tables[0].values)
    frame = pd.concat([one.values for one in tables], ignore_index=True)
    found_units = {name: unit for one in tables for name, unit in one.units.items()}
    left_out = {*KEYS, "time"} | ({"frame"} if set(KEYS) <= set(frame) else set())
    values = frame.drop(columns=[c for c in frame if c in left_out])
    weight = _weights(values, weight_column, bias_column, temperature, rows)
    values = values.drop(columns=[c for c in [weight_column] if c])
    if taken := [c for c in values if c in RESERVED]:
        raise FelError(
            f"The table has a column '{taken[0]}', a name that the dataset uses itself.",
            remedy="Take it as frame weights (weight_column='weight'), or rename it."
            if taken[0] == "weight"
            else "Rename it.",
        )
    units = {**found_units, **(units or {})}
    source = _source(table, weight_column, bias_column, temperature)
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
        attrs = source | _period(tables[0].periods.get(name))
        attrs |= {"units": units[name]} if name in units else {}
        result[name] = ("frame", column, attrs)
    if weight is not None:
        result["weight"] = ("frame", weight, source)
        validate(result, check_values=False)
        result["weight"].values /= result["weight"].values.mean()
    return validate(result, check_values=False)


def column_names(path: str | Path) -> list[str]:
    """Names of a table's columns that hold values of frames; `FelError` if it can't be read."""
    names = read_table(Path(path).expanduser(), n_rows=1).values.columns
    return [str(name) for name in names if name not in (*KEYS, "time")]


def _read(table) -> Table:
    """The columns of a table, its units and periods."""
    if isinstance(table, str | Path):
        return read_table(Path(table).expanduser())
    if isinstance(table, pd.DataFrame):
        return split_units(Table(table.reset_index(drop=True)))
    if isinstance(table, Mapping) and table:
        arrays = {str(name): np.asarray(values) for name, values in table.items()}
        shapes = {array.shape for array in arrays.values()}
        if len(shapes) > 1 or len(next(iter(shapes))) != 1:
            raise FelError(
                f"Columns of shapes {', '.join(f'{n}: {a.shape}' for n, a in arrays.items())}.",
                "All columns have one value per frame.",
            )
        return split_units(Table(pd.DataFrame(arrays)))
    raise FelError(
        f"A table of type {type(table).__name__}{'' if table is None else ' without columns'}.",
        "A path of a table, a mapping of arrays, or a DataFrame.",
    )


def _check_same_columns(tables: list[Table]) -> None:
    first = set(tables[0].values.columns)
    for number, one in enumerate(tables):
        if differ := first ^ set(one.values.columns):
            raise FelError(
                f"Table {number} and table 0 differ in the columns {', '.join(sorted(map(str, differ)))}.",
                "The tables of all trajectories have the same columns.",
            )


def _source(table, weight_column, bias_column, temperature) -> dict[str, str]:
    """Attrs that say which table a column is from, where it is a file."""
    paths = table if isinstance(table, list | tuple) else [table]
    if not all(isinstance(path, str | Path) for path in paths):
        return {}
    source = {"table": str(table) if paths is not table else json.dumps([str(path) for path in paths])}
    options = {"weight_column": weight_column, "bias_column": bias_column, "temperature": temperature}
    if any(options.values()):
        source["table_options"] = json.dumps({name: value for name, value in options.items() if value})
    return source


def _period(bounds: tuple[float, float] | None) -> dict[str, float]:
    return {} if bounds is None else {"minimum": bounds[0], "period": bounds[1] - bounds[0]}


def _weights(table, weight_column, bias_column, temperature, rows) -> np.ndarray | None:
    """Weights of the frames (frame,), whose values are in these ``rows`` of the table; not scaled."""
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
        return table[weight_column].to_numpy(float)[rows]
    if bias_column is None:
        return None
    if temperature is None or not temperature > 0:
        raise FelError(
            f"bias_column='{bias_column}' with temperature={temperature}.",
            "The temperature of the simulation in K is needed to turn a bias (kJ/mol) into weights.",
        )
    bias = table[bias_column].to_numpy(float)[rows]
    return np.exp((bias - bias.max()) / (BOLTZMANN * temperature))
