"""The coarse master equation from soft memberships (paper 000, Eqs. 6 and 7).

The rate matrix is K = diag(pi)^(1/2) S diag(pi)^(-1/2) acting on probability columns, with S symmetric, so
that mass is conserved (columns sum to 0) and detailed balance K_ij pi_j = K_ji pi_i holds by construction.
The paper fits K by an evolution strategy; in this form the likelihood is smooth and L-BFGS finds it.

Eq. 6 as printed takes chi(t + n tau) for the state at that time.  A soft chi is only what one frame tells of
it: a frame of state b shows on average the memberships E_ab = <chi_a | b>.  Without that matrix the
uncertainty of a single frame is fitted as fast transitions (in the tests, time scales four times too short).
Calibrated memberships determine it, E = <chi chi^T> diag(<chi>)^-1, so the likelihood here is
chi(t + n tau)^T ln[E exp(nK) chi(t)]; for hard states E = 1 and nothing changes.
"""

from __future__ import annotations

import numpy as np
import torch
import xarray as xr

from fel_explorer.errors import FelError
from fel_explorer.kinetics.series import lag_frames, split

EPSILON = 1e-12


def rate_matrix(log_flux: torch.Tensor, log_population: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Symmetrised rate matrix S (state, state) and pi (state,) from free parameters.

    ``log_flux`` (state * (state - 1) / 2,) are logs of the equilibrium fluxes F_ij = K_ij pi_j per lag, which
    are symmetric under detailed balance; S_ij = F_ij / sqrt(pi_i pi_j).
    """
    n = len(log_population)
    pi = torch.softmax(log_population, 0)
    i, j = torch.triu_indices(n, n, 1)
    flux = torch.zeros(n, n, dtype=pi.dtype)
    flux = flux.index_put((i, j), log_flux.exp())
    flux = flux + flux.T
    root = pi.sqrt()
    return flux / torch.outer(root, root) - torch.diag(flux.sum(0) / pi), pi


def propagator(S: torch.Tensor, pi: torch.Tensor, n: float) -> torch.Tensor:
    """exp(nK) (state, state): probability columns n lags later."""
    # an eigendecomposition would be shared by all n, but its gradient breaks where eigenvalues coincide
    root = pi.sqrt()
    return root[:, None] * torch.matrix_exp(n * S) / root[None, :]


class CoarseMasterEquation:
    """Rates between soft states by maximum likelihood, with detailed balance and conservation of mass.

    Parameters
    ----------
    lag_time
        Time resolution tau, in the data's time unit.
    multiples
        Which n of exp(n K tau) are fitted at once; the relation holds for n >> 1 (paper 000, below Eq. 6).
    n_bootstraps
        Refits on trajectories drawn with replacement, for the intervals; 0 for none.  With few
        trajectories blocks of them are drawn.
    min_population
        States below it are left out: nothing can be said of their rates.
    correct_noise
        Use E as described above; False is Eq. 7 as printed.
    confidence
        Of the intervals.
    seed
        Of the bootstrap.

    After `fit`
    -----------
    ``states_`` (state,) the states kept; ``rate_matrix_`` (state, state) in 1/time, column j to row i;
    ``lower_``, ``upper_`` its interval; ``significant_`` (state, state) bool, see `fit`;
    ``stationary_distribution_`` (state,); ``timescales_`` (state - 1,) with ``timescales_lower_`` and
    ``timescales_upper_``.
    """

    def __init__(
        self,
        lag_time: float,
        *,
        multiples=(1, 2, 4, 8),
        n_bootstraps=50,
        min_population=0.001,
        correct_noise=True,
        confidence=0.95,
        seed=0,
    ):
        self.lag_time, self.multiples, self.n_bootstraps = lag_time, tuple(multiples), n_bootstraps
        self.min_population, self.correct_noise = min_population, correct_noise
        self.confidence, self.seed = confidence, seed

    def fit(self, memberships, *, time_step: float | None = None, callback=None) -> CoarseMasterEquation:
        """Fit to memberships chi (frame, state): ``predict_proba(data)``'s result, or a list of arrays.

        A rate is significant if at least a fraction ``confidence`` of the bootstrap replicas see more net
        transitions than one: its flux times the time observed exceeds 1, the weight of a single jump.

        Raises
        ------
        FelError
            If fewer than two states are populated or the lag does not fit.
        """
        parts, step = split(memberships, time_step)
        lag = lag_frames(self.lag_time, step, max(map(len, parts)))
        chi = [np.asarray(part, float) for part in parts]
        population = np.concatenate(chi).mean(0)
        self.states_ = np.flatnonzero(population >= self.min_population)
        if len(self.states_) < 2:
            raise FelError(
                f"{len(self.states_)} state(s) hold at least {self.min_population:.1%} of the frames.",
                "Rates need two populated states.",
                "Train at a shorter lag, where more states are metastable.",
            )
        blocks = _blocks(chi, lag * max(self.multiples))
        pairs = [_pairs(block[:, self.states_], lag, self.multiples) for block in blocks]
        parameters = _start(pairs, len(self.states_))
        noise = _noise(np.concatenate(chi)[:, self.states_], self.correct_noise)
        parameters = _maximise(_pool(pairs, np.ones(len(pairs))), parameters, self.multiples, noise)
        K, pi = self._physical(parameters)
        self.rate_matrix_, self.stationary_distribution_ = K, pi
        self.timescales_ = _timescales(K, pi)
        self._bootstrap(pairs, parameters, noise, sum(len(c) for c in chi) * step, callback)
        return self

    def _physical(self, parameters):
        with torch.no_grad():
            S, pi = rate_matrix(*parameters)
            root = pi.sqrt()
            K = root[:, None] * S / root[None, :] / self.lag_time
        return K.numpy(), pi.numpy()

    def _bootstrap(self, pairs, parameters, noise, observed_time, callback):
        rng = np.random.default_rng(self.seed)
        rates, fluxes, timescales = [], [], []
        for index in range(self.n_bootstraps):
            weights = np.bincount(rng.integers(len(pairs), size=len(pairs)), minlength=len(pairs))
            K, pi = self._physical(
                _maximise(_pool(pairs, weights), parameters, self.multiples, noise, max_iter=50)
            )
            rates.append(K)
            fluxes.append(K * pi * observed_time)
            timescales.append(_timescales(K, pi))
            if callback is not None and callback(index + 1, self.n_bootstraps):
                break
        tail = (1 - self.confidence) / 2
        n = len(self.states_)
        nothing = np.full((2, n, n), np.nan), np.full((2, n - 1), np.nan), np.ones((n, n), bool)
        if rates:
            nothing = (
                np.quantile(rates, [tail, 1 - tail], axis=0),
                np.quantile(timescales, [tail, 1 - tail], axis=0),
                np.mean(np.array(fluxes) > 1, axis=0) >= self.confidence,
            )
        (self.lower_, self.upper_), (self.timescales_lower_, self.timescales_upper_), seen = nothing
        self.significant_ = seen & ~np.eye(n, dtype=bool)

    def propagator(self, time: float) -> np.ndarray:
        """exp(K t) (state, state): probability columns after ``time``."""
        K, root = self.rate_matrix_, np.sqrt(self.stationary_distribution_)
        values, vectors = np.linalg.eigh(K * root[None, :] / root[:, None])
        return root[:, None] * (vectors * np.exp(values * time)) @ vectors.T / root[None, :]

    def to_dataset(self) -> xr.Dataset:
        """All results with named dims ``to`` and ``from``, for tables and export."""
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
            attrs={"lag_time": self.lag_time},
        )


def _blocks(chi, shortest):
    """What the bootstrap draws: trajectories, or blocks of them where there are fewer than ten."""
    per_trajectory = max(1, -(-10 // len(chi)))
    return [
        block
        for part in chi
        for block in np.array_split(part, max(1, min(per_trajectory, len(part) // (2 * shortest))))
        if len(block) > shortest
    ]


def _pairs(chi, lag, multiples):
    """chi(t) and chi(t + n tau) at frames tau apart, one (source, target) for each n."""
    return [
        (torch.from_numpy(chi[: -n * lag : lag]), torch.from_numpy(chi[n * lag :: lag])) for n in multiples
    ]


def _pool(pairs, weights):
    """Concatenated pairs with frame weights, {n index: (source, target, weight)}."""
    pooled = []
    for index in range(len(pairs[0])):
        used = [(pair[index], w) for pair, w in zip(pairs, weights, strict=True) if w]
        sources = torch.cat([source for (source, _), _ in used])
        targets = torch.cat([target for (_, target), _ in used])
        weight = torch.cat([torch.full((len(source),), float(w)) for (source, _), w in used])
        pooled.append((sources, targets, weight.double() / weight.sum()))
    return pooled


def _start(pairs, n):
    """Start from the symmetrised soft counts at the first multiple."""
    joint = sum(source.T @ target for source, target in (pair[0] for pair in pairs))
    joint = (joint + joint.T) / joint.sum() / 2
    i, j = torch.triu_indices(n, n, 1)
    return joint[i, j].clamp_min(1e-8).log(), joint.sum(0).clamp_min(1e-8).log()


def _maximise(pooled, start, multiples, noise, max_iter=200):
    parameters = [p.clone().double().requires_grad_(True) for p in start]
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=max_iter,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimizer.zero_grad()
        loss = -log_likelihood(pooled, *parameters, multiples, noise)
        loss.backward()
        return loss

    optimizer.step(closure)
    return [p.detach() for p in parameters]


def log_likelihood(pooled, log_flux, log_population, multiples, noise) -> torch.Tensor:
    """Paper 000, Eq. 7, summed over the multiples: mean of chi(t + n tau)^T ln[E exp(nK) chi(t)]."""
    S, pi = rate_matrix(log_flux, log_population)
    total = 0.0
    for n, (source, target, weight) in zip(multiples, pooled, strict=True):
        predicted = source @ (noise @ propagator(S, pi, n)).T
        total = total + (weight * (target * (predicted + EPSILON).log()).sum(1)).sum()
    return total


def _noise(chi, correct):
    """E (shown state, true state) of the module's docstring; columns sum to 1."""
    chi = chi / chi.sum(1, keepdims=True)
    joint = chi.T @ chi if correct else np.diag(chi.sum(0))
    return torch.from_numpy(joint / joint.sum(0))


def _timescales(K, pi):
    root = np.sqrt(pi)
    values = np.sort(np.linalg.eigvalsh(K * root[None, :] / root[:, None]))[::-1]
    return -1 / np.minimum(values[1:], -1e-300)
