"""Certificate of a fitted method: what is known about its collective variables, with errors, in one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.methods.assessment.certificate_definitions import Measure
from fel_explorer.methods.assessment.certificate_measures import FEW, N_AXES, Assessment
from fel_explorer.methods.assessment.cross_validation import cross_validate
from fel_explorer.progress import Callback, Progress

if TYPE_CHECKING:
    import pandas as pd

    from fel_explorer.methods.base import Method

N_BOOTSTRAPS = 50
STAGES = ("embedding", "time scales", "effective dynamics", "level sets", "held-out score")


@dataclass(frozen=True, eq=False)
class Certificate:
    """Measures of a fitted method on data, what they cannot show, and the curves behind them.

    Attributes
    ----------
    method
        Name of its class.
    lag_time, time_unit
        At which the kinetic measures are taken.
    measures
        In the order of the table.
    limits
        Sentences on what the certificate cannot see.
    tables
        ``timescales`` (lag_time, process), ``vamp2`` (lag_time), ``chapman_kolmogorov`` (multiple, process),
        ``effective_dynamics`` (bin; of the variable with the slowest effective dynamics), ``rates`` (process)
        of `kinetics.projected_rates`, and ``cross_validation`` where it was done.
    """

    method: str
    lag_time: float
    time_unit: str
    measures: tuple[Measure, ...]
    limits: tuple[str, ...] = ()
    tables: dict[str, xr.Dataset] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Measure:
        """The measure of that key; a `FelError` where there is none."""
        for measure in self.measures:
            if measure.key == key:
                return measure
        raise FelError(f"Measure {key!r}.", f"There are {', '.join(m.key for m in self.measures)}.")

    def to_frame(self) -> pd.DataFrame:
        """One row a measure, indexed by key."""
        import pandas as pd

        return pd.DataFrame([asdict(measure) for measure in self.measures]).set_index("key")

    def to_dict(self) -> dict[str, Any]:
        """JSON types: the measures by key, the limits, the method and the lag; NaN as None."""

        def plain(value):
            return None if isinstance(value, float) and not np.isfinite(value) else value

        measures = {m.key: {k: plain(v) for k, v in asdict(m).items() if k != "key"} for m in self.measures}
        about = {"method": self.method, "lag_time": self.lag_time, "time_unit": self.time_unit}
        return {**about, "measures": measures, "limits": list(self.limits)}

    def to_json(self) -> str:
        """JSON text of everything, with the curves, for `from_json`."""
        tables = {name: table.to_dict() for name, table in self.tables.items()}
        about = {"method": self.method, "lag_time": self.lag_time, "time_unit": self.time_unit}
        measures = [asdict(measure) for measure in self.measures]
        whole = {**about, "measures": measures, "limits": self.limits, "tables": tables}
        return json.dumps(whole, default=_plain)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """The certificate that `to_json` wrote; a `FelError` for anything else."""
        try:
            whole = json.loads(text)
            measures = tuple(Measure.from_dict(one) for one in whole["measures"])
            limits = tuple(str(one) for one in whole["limits"])
            tables = {str(name): xr.Dataset.from_dict(one) for name, one in whole["tables"].items()}
            about = str(whole["method"]), float(whole["lag_time"]), str(whole["time_unit"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FelError(
                "This is not a certificate.", "Certificate.to_json writes them.", "Certify the model again."
            ) from error
        return cls(*about, measures, limits, tables)

    def __str__(self) -> str:
        unit = "" if self.time_unit == "1" else f" {self.time_unit}"
        width = max(len(measure.title) for measure in self.measures)
        lines = [f"{self.method} at a lag of {self.lag_time:g}{unit}"]
        for measure in self.measures:
            note = f"  ({measure.note})" if measure.note else ""
            lines.append(f"  {measure.title:<{width}}  {measure.text}{note}")
        return "\n".join([*lines, "Not seen:", *(f"  - {limit}" for limit in self.limits)])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr title='{escape(m.definition, quote=True)}'><td>{escape(m.title)}</td>"
            f"<td>{escape(m.text)}</td><td>{escape(m.note)}</td></tr>"
            for m in self.measures
        )
        limits = "".join(f"<li>{escape(limit)}</li>" for limit in self.limits)
        return f"<table>{rows}</table><p>Not seen:</p><ul>{limits}</ul>"


def certify(
    method: Method,
    X: xr.Dataset | np.ndarray | Sequence[np.ndarray],
    *,
    lag_time: float | None = None,
    reference: Method | None = None,
    n_folds: int = 3,
    n_bootstraps: int = N_BOOTSTRAPS,
    seed: int = 0,
    device: str = "auto",
    callback: Callback | None = None,
) -> Certificate:
    """Certificate of a fitted method: scores, time scales, and what its variables leave out, with errors.

    Every method with an embedding can be certified.  Kinetic measures take the data to be at equilibrium
    (pairs count in both directions of time).

    Parameters
    ----------
    method
        Fitted.
    X
        The data that the measures are estimated from: dataset, array (frame, feature), or list of arrays.
    lag_time
        In the data's time unit; by default that of the method, of a tree the shortest.
    reference
        Another fitted method, whose embedding joins the functions that stand for the full dynamics.  These
        are by default indicators of microstates in the TICA coordinates of the features, and functions of
        the method's own embedding.
    n_folds
        Folds of the held-out score, for each of which the method is trained again; 0 for no such score.
    n_bootstraps
        Draws of trajectories or blocks for the errors.
    callback
        Called with `progress.Progress`; returning True stops before the next part, and the measures so far
        are returned.

    Returns
    -------
    Certificate
        Its measures: ``held_out_vamp2``, ``vamp2``, ``timescale``, ``timescale_growth``, ``ck_error``,
        ``effective_timescale``, ``full_timescale``, ``rate_excess``, ``rate_bound``, ``unexplained_mode``,
        ``unexplained_committor``, ``unexplained_features``, ``effective_samples``, ``transitions``, and of
        weighted data ``weight_samples``.  `Measure.definition` defines each.

    Raises
    ------
    FelError
        If the method is not fitted, has no lag and none is given, or no trajectory is longer than the lag.

    Notes
    -----
    VAMP: H. Wu and F. Noe, J. Nonlinear Sci. 30, 23 (2020), doi:10.1007/s00332-019-09567-y.  Bound of the
    effective dynamics: W. Zhang, C. Hartmann and C. Schuette, Faraday Discuss. 195, 365 (2016),
    doi:10.1039/c6fd00147e.

    Examples
    --------
    >>> x = np.cumsum(np.random.default_rng(0).normal(size=(2000, 2)), axis=0) % 9
    >>> certificate = fel.certify(fel.TICA(lag_time=1.0, n_dims=1).fit(x), x, n_folds=2)
    >>> certificate["transitions"].key
    'transitions'
    """
    dataset = schema.as_dataset(X)
    lag_time = lag_time or (method.lags[-1] if method.lags else None)
    if lag_time is None:
        raise FelError(
            f"{type(method).__name__} has no lag.",
            "Time scales and scores are taken at a lag.",
            "Give lag_time=..., in the data's time unit.",
        )
    schema.lag_in_frames(dataset, lag_time)
    found = Assessment(method, dataset, lag_time, reference, n_bootstraps, seed)
    parts = (found.prepare, found.kinetics, found.effective, found.level_sets)
    measures: list[Measure] = []
    stopped = False
    for i, part in enumerate(parts):
        if callback is not None and callback(Progress(i, len(STAGES), message=STAGES[i])):
            stopped = True
            break
        measures += part()
    why = "not asked for" if not n_folds else "stopped"
    held_out = Measure.of("held_out_vamp2", float("nan"), note=why)
    if n_folds and not stopped:
        held_out = _held_out(method, dataset, lag_time, n_folds, device, callback, found.tables, held_out)
    unit = dataset.attrs["time_unit"]
    return Certificate(
        type(method).__name__, float(lag_time), unit, (held_out, *measures),
        _limits_of(found, held_out, reference), found.tables,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """NumPy numbers and arrays as JSON types."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)


def _held_out(method, dataset, lag_time, n_folds, device, callback, tables, missing) -> Measure:
    if method.embedding_ is not None:
        return replace(missing, note="trained on another model's embedding: certify that model")
    if method.needs_positions(dataset):
        return replace(missing, note="needs positions of the atoms, which folds of the features lack")

    def report(progress):
        if callback is None:
            return False
        done = len(STAGES) - 1 + progress.step / max(progress.n_steps, 1)
        return callback(Progress(round(1000 * done), 1000 * len(STAGES), {}, progress.eta, progress.message))

    try:
        table = cross_validate(
            method, dataset, n_folds=n_folds, lag_time=lag_time, device=device, callback=report
        )
    except FelError as failure:
        return replace(missing, note=f"could not be trained on the folds: {failure.given}")
    if not np.isfinite(table["mean"]):
        return missing
    tables["cross_validation"] = table
    value, error = float(table["mean"]), float(table["error"])
    trained = float(table["train_score"].mean())
    note = f"{trained:.3g} on its training data: it overfits" if trained - value > 0.1 * (trained - 1) else ""
    return Measure.of("held_out_vamp2", value, error, value - 1.96 * error, value + 1.96 * error, note=note)


def _limits_of(found: Assessment, held_out: Measure, reference: Method | None) -> tuple[str, ...]:
    """What the certificate cannot see, in sentences."""
    lag = f"{found.lag_time:g}{'' if found.unit == '1' else f' {found.unit}'}"
    said = ["Motions that never happened in these data, and states that were not visited."]
    if found.n_transitions < FEW:
        said.append(
            f"The slowest process happened {found.n_transitions} times: its time scale and every error "
            "of it are guesses."
        )
    said.append(f"Processes faster than the lag of {lag}.")
    by = "the features" if reference is None else f"the features and {type(reference).__name__}"
    said.append(f"Slow motions that {by} don't show: the full time scale is the best of these functions.")
    if not np.isfinite(held_out.value):
        said.append(
            "Overfitting: nothing here is held out from the training unless the data of the certificate are."
        )
    said.append("Dynamics out of equilibrium: pairs of frames count in both directions of time.")
    if found.weights is not None:
        said.append(
            "Unbiased kinetics: frame weights reweight pairs by their first frame, but a bias changes the "
            "dynamics themselves."
        )
    if found.thinned > 1:
        said.append(f"Every {found.thinned}th frame was used.")
    if found.n_axes > N_AXES:
        said.append(f"Effective dynamics along axes beyond the first {N_AXES}, or along several at once.")
    elif found.n_axes > 1:
        said.append("Effective dynamics along several axes at once: they are taken along each alone.")
    return tuple(said)
