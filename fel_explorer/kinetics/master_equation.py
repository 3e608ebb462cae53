"""The coarse master equation from soft memberships.

Source: J. Zhang et al., J. Phys. Chem. Lett. 10, 5571 (2019), doi:10.1021/acs.jpclett.9b02012, Eqs. 6 and 7
(numbers of the preprint, doi:10.48550/arXiv.1906.02852).

The rate matrix is K = diag(pi)^(1/2) S diag(pi)^(-1/2) acting on probability columns, with S symmetric, so
that mass is conserved (columns sum to 0) and detailed balance K_ij pi_j = K_ji pi_i holds by construction.
There K is fitted by an evolution strategy; in this form the objective is smooth and L-BFGS finds it.

Eq. 6 as printed takes chi(t + n tau) for the state at that time.  A soft chi is only what one frame shows of
it: a frame of state b shows on average the memberships E_ab = <chi_a | b>.  Three forms differ in E:

``"printed"``
    Eq. 7 as printed, E = 1: the uncertainty of a single frame is fitted as fast transitions.
``"calibrated"``
    The likelihood chi(t + n tau)^T ln[E exp(nK) chi(t)] with E = <chi chi^T> diag(<chi>)^-1, which holds if
    the memberships are true probabilities.  For hard states E = 1.
``"correlations"``
    E from correlations over three times (`fel_explorer.kinetics.emission`), whatever the memberships are,
    and K by least squares from E diag(pi) exp(nK)^T E^T = <chi(t) chi(t + n tau)^T>.

The check of calibration: C(tau)^-1 C(2 tau) of the memberships has the eigenvalues of exp(K) whatever E is;
E^-1 C(tau) E^-T has them only if E is right.  The two slow time scales are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from jaxtyping import Float

from fel_explorer.errors import FelError
from fel_explorer.kinetics.emission import block_correlations, calibrated_emission, correlations, slow_time
from fel_explorer.kinetics.rate_estimation import CorrelationFit, LikelihoodFit, rate_matrix
from fel_explorer.kinetics.series import lag_frames, split
from fel_explorer.resampling import Blocks

FORMS = ("auto", "calibrated", "correlations", "printed")
TOLERANCES = (np.log(1.1), np.log(1.5))  # least and largest of the ratio of two slow time scales
CHECK_DRAWS = 50


@dataclass(frozen=True)
class CalibrationCheck:
    """Slow time scale with memberships taken as calibrated, and free of that assumption.

    Attributes
    ----------
    calibrated, invariant
        The two, in the unit of time; infinite or nan where the data don't show a decay.
    tolerance
        Of the logarithm of their ratio: two standard errors, at least 10 % and at most 50 %.
    """

    calibrated: float
    invariant: float
    tolerance: float

    @property
    def verdict(self) -> str:
        """One of "calibrated", "not calibrated", and "not checked for calibration", without a decay."""
        if not np.isfinite(self.invariant):
            return "not checked for calibration"
        with np.errstate(invalid="ignore"):
            agree = np.abs(np.log(self.calibrated / self.invariant)) <= self.tolerance
        return "calibrated" if agree else "not calibrated"


class CoarseMasterEquation:
    """Rates between soft states, with detailed balance and conservation of mass.

    Frame weights are not used: rates are those of the trajectories as they are.

    Parameters
    ----------
    lag_time
        Time resolution tau, in the data's time unit.
    multiples
        Which n of exp(n K tau) are fitted at once; the relation holds for n >> 1 (below Eq. 6 of the source).
    form
        ``"calibrated"``, ``"correlations"`` or ``"printed"``, see the module; ``"auto"`` takes "calibrated"
        where the check of calibration does not fail, because it is the more precise, else "correlations".
    n_bootstraps
        Refits to resampled trajectories or blocks of them (`fel_explorer.resampling`), for the intervals; 0
        for none.
    min_population
        States below it are left out: the data hold too few of their transitions.
    confidence
        Of the intervals.
    seed
        Of the bootstrap.

    Attributes
    ----------
    form_, calibration_
        The form that was used, and the `CalibrationCheck` that chose it.
    emission_
        (state, state) E, shown state by true state.
    states_
        (state,) the states kept.
    rate_matrix_, lower_, upper_
        (state, state) in 1/time, column j to row i, and its interval.
    significant_
        (state, state) bool, see `fit`.
    stationary_distribution_
        (state,), populations that the rates keep.
    timescales_, timescales_lower_, timescales_upper_
        (state - 1,) with their interval, longest first.
    """

    def __init__(
        self,
        lag_time: float,
        *,
        multiples: Sequence[int] = (1, 2, 4, 8),
        form: str = "auto",
        n_bootstraps: int = 50,
        min_population: float = 0.001,
        confidence: float = 0.95,
        seed: int = 0,
    ) -> None:
        if form not in FORMS:
            raise FelError(f"form={form!r}.", f"The forms are {', '.join(FORMS)}.", "Take form='auto'.")
        self.lag_time, self.multiples, self.form = lag_time, tuple(multiples), form
        self.n_bootstraps, self.min_population = n_bootstraps, min_population
        self.confidence, self.seed = confidence, seed

    def fit(
        self,
        memberships: xr.DataArray | np.ndarray | Sequence[np.ndarray],
        *,
        time_step: float | None = None,
        callback: Callable[[int, int], bool | None] | None = None,
    ) -> CoarseMasterEquation:
        """Fit to memberships chi (frame, state): ``predict_proba(data)``'s result, or a list of arrays.

        A rate is significant if at least a fraction ``confidence`` of the bootstrap replicas see more net
        transitions than one: its flux times the time observed exceeds 1, the weight of a single jump.

        Raises
        ------
        FelError
            If fewer than two states are populated, the lag or its multiples do not fit, or
            ``form="correlations"`` and the memberships don't separate the states over two lags.
        """
        parts, step = split(memberships, time_step)
        longest = max(map(len, parts))
        lag = lag_frames(self.lag_time, step, longest)
        for n in (*self.multiples, 2):
            lag_frames(n * self.lag_time, step, longest)
        chi = self._populated(np.concatenate(parts).astype(float))
        blocks = Blocks.of_lengths([len(p) for p in parts], min_length=lag * max(self.multiples))
        sums = block_correlations(chi, blocks, lag, self.multiples)
        self.calibration_ = self._check_calibration(blocks, sums)
        self.form_ = self._choose_form(sums)
        estimate: CorrelationFit | LikelihoodFit
        if self.form_ == "correlations":
            estimate = CorrelationFit(sums, self.multiples)
        else:
            calibrated = self.form_ == "calibrated"
            estimate = LikelihoodFit(chi, blocks, sums, lag, self.multiples, calibrated=calibrated)
        self.emission_ = estimate.emission(np.ones(len(blocks)))
        parameters = estimate(np.ones(len(blocks)))
        self.rate_matrix_, self.stationary_distribution_ = self._physical(parameters)
        self.timescales_ = _timescales(self.rate_matrix_, self.stationary_distribution_)
        self._bootstrap(blocks, estimate, parameters, len(chi) * step, callback)
        return self

    def _populated(self, chi):
        self.states_ = np.flatnonzero(chi.mean(0) >= self.min_population)
        if len(self.states_) < 2:
            raise FelError(
                f"{len(self.states_)} state(s) hold at least {self.min_population:.1%} of the frames.",
                "Rates need two populated states.",
                "Train at a shorter lag, where more states are metastable.",
            )
        return chi[:, self.states_]

    def _check_calibration(self, blocks, sums) -> CalibrationCheck:
        def slow_times(weights):
            moments = correlations(sums, weights)
            return slow_time(moments, calibrated_emission(moments)), slow_time(moments)

        calibrated, invariant = slow_times(np.ones(len(blocks)))
        draws = blocks.draw(CHECK_DRAWS, seed=self.seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios = np.array([np.log(np.divide(*slow_times(counts))) for counts in draws.counts])
            ratios = np.where(np.isfinite(ratios), ratios, np.nan)
        error = np.nan_to_num(float(draws.standard_error(ratios)), nan=0.0)
        tolerance = float(np.clip(2 * error, *TOLERANCES))
        return CalibrationCheck(calibrated * self.lag_time, invariant * self.lag_time, tolerance)

    def _choose_form(self, sums) -> str:
        if self.form != "auto":
            return self.form
        if self.calibration_.verdict != "not calibrated":
            return "calibrated"
        try:
            CorrelationFit(sums, self.multiples).emission(np.ones(len(sums[0])))
        except FelError:
            return "calibrated"  # the verdict says that the memberships are not
        return "correlations"

    def _physical(self, parameters):
        S, pi = rate_matrix(*parameters)
        root = pi.sqrt()
        K = root[:, None] * S / root[None, :] / self.lag_time
        return K.numpy(), pi.numpy()

    def _bootstrap(self, blocks, estimate, parameters, observed_time, callback):
        n = len(self.states_)
        self.lower_, self.upper_ = np.full((2, n, n), np.nan)
        self.timescales_lower_, self.timescales_upper_ = np.full((2, n - 1), np.nan)
        self.significant_ = ~np.eye(n, dtype=bool)
        draws = blocks.draw(self.n_bootstraps, seed=self.seed)
        rates, fluxes, timescales = [], [], []
        for index, counts in enumerate(draws.counts):
            try:
                K, pi = self._physical(estimate(counts, parameters, max_iter=50))
            except FelError:
                K, pi = np.full((n, n), np.nan), np.full(n, np.nan)  # a draw that doesn't separate the states
            rates.append(K)
            fluxes.append(K * pi * observed_time)
            timescales.append(_timescales(K, pi))
            if callback is not None and callback(index + 1, self.n_bootstraps):
                break
        if not rates:
            return
        draws = replace(draws, counts=draws.counts[: len(rates)])
        self.lower_, self.upper_ = draws.interval(rates, self.confidence)
        self.timescales_lower_, self.timescales_upper_ = draws.interval(timescales, self.confidence)
        self.significant_ &= np.mean(np.array(fluxes) > 1, axis=0) >= self.confidence

    def propagator(self, time: float) -> Float[np.ndarray, "state state"]:
        """exp(K t) (state, state): probability columns after ``time``."""
        K, root = self.rate_matrix_, np.sqrt(self.stationary_distribution_)
        values, vectors = np.linalg.eigh(K * root[None, :] / root[:, None])
        return root[:, None] * (vectors * np.exp(values * time)) @ vectors.T / root[None, :]

    def to_dataset(self) -> xr.Dataset:
        """All results with named dims ``to`` and ``from``, for tables and export.

        Attrs: ``lag_time``, ``form``, and of the check of calibration ``calibration`` (its verdict),
        ``slow_time_calibrated`` and ``slow_time_invariant``.
        """
        dims = ("to", "from")
        return xr.Dataset(
            {
                "rate": (dims, self.rate_matrix_),
                "lower": (dims, self.lower_),
                "upper": (dims, self.upper_),
                "significant": (dims, self.significant_),
                "stationary_distribution": ("from", self.stationary_distribution_),
            },
            coords={"to": self.states_, "from": self.states_},
            attrs={
                "lag_time": self.lag_time,
                "form": self.form_,
                "calibration": self.calibration_.verdict,
                "slow_time_calibrated": self.calibration_.calibrated,
                "slow_time_invariant": self.calibration_.invariant,
            },
        )


def _timescales(K, pi):
    """Time scales (state - 1,) of a rate matrix, slowest first; nan of a failed estimate."""
    if not np.isfinite(K).all():
        return np.full(len(pi) - 1, np.nan)
    root = np.sqrt(pi)
    values = np.sort(np.linalg.eigvalsh(K * root[None, :] / root[:, None]))[::-1]
    return -1 / np.minimum(values[1:], -1e-300)
