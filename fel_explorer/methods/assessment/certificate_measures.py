"""Estimates behind a certificate: of an embedding's functions, next to functions of all features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.kinetics.effective_dynamics import effective_dynamics
from fel_explorer.kinetics.projected_rates import (
    forms,
    pair_moments,
    projected_rates,
    timescales_of,
    whitening,
)
from fel_explorer.methods import base, block_mapping
from fel_explorer.methods.assessment.certificate_definitions import N_CELLS, Measure
from fel_explorer.methods.idm.microstates import find_microstates
from fel_explorer.resampling import Blocks, Bootstrap

MAX_FRAMES = 200_000  # beyond, every n-th frame is used where n divides the lag
SAMPLE = 20_000  # frames among which cells are sought
MULTIPLES = (2, 4)  # of the lag, in the Chapman-Kolmogorov test
N_LAGS = 6
N_PROCESSES = 3
N_AXES = 3  # of the embedding whose effective dynamics are compared
FEW = 10  # transitions below which errors are not trusted
DIFFUSIVE = 2.0  # ratio of time scales beyond which effective dynamics are not trusted
CHANGES = 1e-6  # least spread of an axis, as a fraction of the largest value


class Assessment:
    """Estimates for one fitted method on one dataset; each method returns measures and keeps `tables`."""

    def __init__(
        self,
        method: base.Method,
        dataset: xr.Dataset,
        lag_time: float,
        reference: base.Method | None,
        n_bootstraps: int,
        seed: int,
    ) -> None:
        self.method, self.reference = method, reference
        self.n_bootstraps, self.seed = max(n_bootstraps, 2), seed
        self.lag_time, self.unit = float(lag_time), dataset.attrs["time_unit"]
        self.dataset, self.thinned = thin(dataset, schema.lag_in_frames(dataset, lag_time))
        self.step = schema.time_step(dataset) * self.thinned
        self.lag = schema.lag_in_frames(dataset, lag_time) // self.thinned
        self.lengths = schema.trajectory_lengths(self.dataset)
        self.weights = schema.frame_weights(self.dataset) if "weight" in self.dataset else None
        self.tables: dict[str, xr.Dataset] = {}
        self.n_transitions = 0
        self.n_axes = 0

    # ---- functions of the embedding and of everything

    def prepare(self) -> list[Measure]:
        """Embed the frames and find the functions that stand for the embedding and for the full dynamics."""
        z = self.method.transform(self.dataset).values.astype(float)
        spread = z.std(axis=0)
        z = z[:, spread > CHANGES * np.maximum(np.abs(z).max(axis=0), 1e-300)]
        if not z.shape[1]:
            raise FelError(
                "The embedding is constant.", "At least one axis changes.", "Train on other features."
            )
        self.n_axes = z.shape[1]
        self.z = (z - z.mean(axis=0)) / z.std(axis=0)
        self.cells = cells_of(self.z, N_CELLS, self.seed)
        self.of_cv = np.concatenate([self.z, indicators(self.cells)], axis=1).astype(np.float32)
        states = find_microstates(self.dataset, max(1, self.lag // 4), n_microstates=N_CELLS, seed=self.seed)
        self.microstates = states.labels
        other = [indicators(states.labels)]
        if self.reference is not None:
            embedded = self.reference.transform(self.dataset).values.astype(float)
            other += [embedded, indicators(cells_of(embedded, N_CELLS, self.seed))]
        self.other = np.concatenate(other, axis=1).astype(np.float32)
        return []

    # ---- time scales

    def kinetics(self) -> list[Measure]:
        """Scores and time scales of the embedding's functions, at the lag and at others."""
        blocks = Blocks.of_lengths(self.lengths, min_length=self.lag)
        draws = blocks.draw(self.n_bootstraps, seed=self.seed)
        multiples = [n for n in (1, *MULTIPLES) if n * self.lag < self.lengths.max()]
        moments = [pair_moments(blocks, self.z, n * self.lag, self.weights) for n in multiples]

        def linear(sums):
            return chapman_kolmogorov(sums, multiples)

        found = linear([one.sum(axis=0) for one in moments])
        samples = [linear(one) for one in zip(*(draws.sums(one) for one in moments), strict=True)]
        score, error = found[0], found[1:]
        errors = np.array([sample[1:] for sample in samples])
        self.tables["chapman_kolmogorov"] = xr.Dataset(
            {"error": ("multiple", error), "standard_error": ("multiple", draws.standard_error(errors))},
            coords={"multiple": multiples[1:]},
        )
        measures = [_measure("vamp2", score, [s[0] for s in samples], draws)]
        measures += self._timescales()
        if len(error):
            worst = [sample[1:].max() for sample in samples]
            measures.append(_measure("ck_error", error.max(), worst, draws))
        return measures

    def _timescales(self) -> list[Measure]:
        longest = int(self.lengths.max())
        last = max(self.lag, min(10 * self.lag, longest // 4))
        frames = np.unique(np.round(np.geomspace(1, last, N_LAGS)).astype(int))
        frames = np.unique([*frames, self.lag, *([2 * self.lag] if 2 * self.lag < longest else [])])
        n = min(N_PROCESSES, self.of_cv.shape[1])
        rows = {}
        blocks = Blocks.of_lengths(self.lengths, min_length=self.lag)
        draws = blocks.draw(self.n_bootstraps, seed=self.seed)
        for lag in frames:
            moments = pair_moments(blocks, self.of_cv, int(lag), self.weights)
            value = slow_times(moments.sum(axis=0), lag * self.step, n)
            rows[int(lag)] = value, np.array([slow_times(m, lag * self.step, n) for m in draws.sums(moments)])
        table = [(value, *draws.interval(samples)) for value, samples in rows.values()]
        columns = zip(("timescale", "lower", "upper"), zip(*table, strict=True), strict=True)
        self.tables["timescales"] = xr.Dataset(
            {name: (("lag_time", "process"), np.array(values)) for name, values in columns},
            coords={"lag_time": frames * self.step, "process": np.arange(1, n + 1)},
            attrs={"time_unit": self.unit},
        )
        value, samples = rows[self.lag]
        measures = [_measure("timescale", value[0], samples[:, 0], draws, time_unit=self.unit)]
        if 2 * self.lag in rows:
            later, more = rows[2 * self.lag]
            with np.errstate(invalid="ignore", divide="ignore"):
                growth, drawn = later[0] / value[0] - 1, more[:, 0] / samples[:, 0] - 1
            measures.append(_measure("timescale_growth", growth, drawn, draws))
        return measures

    # ---- effective dynamics

    def effective(self) -> list[Measure]:
        """Effective dynamics along the axes, full rates, and the bound of their difference."""
        trajectories = np.split(self.z, np.cumsum(self.lengths)[:-1])
        best, axis = None, 0
        for i in range(min(self.n_axes, N_AXES)):
            found = effective_dynamics(
                [part[:, i] for part in trajectories], self.step, time_step=self.step,
                weights=self.weights, n_bootstraps=self.n_bootstraps, seed=self.seed,
            )  # fmt: skip
            if best is None or float(found["rate"][0]) < float(best["rate"][0]):
                best, axis = found, i
        assert best is not None
        self.tables["effective_dynamics"] = best.assign_attrs(axis=axis)
        rates = projected_rates(
            self.of_cv, self.other, self.lengths, self.lag, time_step=self.step, weights=self.weights,
            n_rates=N_PROCESSES, n_bootstraps=self.n_bootstraps, seed=self.seed,
        )  # fmt: skip
        self.tables["rates"] = rates
        first = rates.isel(process=0)
        excess = float(first["projected_rate"] - first["rate"])
        error = float(np.hypot(first["projected_rate_error"], first["rate_error"]))
        bound = float(first["bound"] - first["rate"])
        left = [first[f"unexplained{suffix}"] for suffix in ("", "_error", "_lower", "_upper")]
        measures = [
            self._of_rate("effective_timescale", best.isel(process=0)),
            self._of_rate("full_timescale", first, lag_time=self.lag_time),
            Measure.of("rate_excess", excess, error, time_unit=self.unit),
            Measure.of("rate_bound", bound, float(first["bound_error"]), time_unit=self.unit),
            Measure.of("unexplained_mode", *map(float, left)),
        ]
        notes = [f"along axis {axis + 1}"] * (self.n_axes > 1)
        ratio = measures[0].value / float(first["projected_timescale"])
        if not 1 / DIFFUSIVE < ratio < DIFFUSIVE:
            notes.append(f"{ratio:.2g} times that of the embedding: between frames it is not a diffusion")
        measures[0] = replace(measures[0], note=", ".join(notes))
        return measures

    def _of_rate(self, key, table, lag_time=None) -> Measure:
        """A time scale from a rate with its errors: implied at ``lag_time``, or the inverse."""

        def time(name):
            rate = np.array([float(table[name])])
            with np.errstate(divide="ignore"):
                return float((1 / rate if lag_time is None else timescales_of(rate, lag_time))[0])

        rate, value = float(table["rate"]), time("rate")
        spread = value * float(table["rate_error"]) / rate if rate > 0 else np.nan
        return Measure.of(key, value, spread, time("rate_upper"), time("rate_lower"), time_unit=self.unit)

    # ---- level sets and sampling

    def level_sets(self) -> list[Measure]:
        """Committor and features on level sets; how well the slow process is sampled."""
        blocks = Blocks.of_lengths(self.lengths, min_length=self.lag)
        draws = blocks.draw(self.n_bootstraps, seed=self.seed)
        weight = np.ones(len(self.z)) if self.weights is None else self.weights
        measures = []
        q = self._committor()
        if q is not None:
            value, samples = left_on_cells(q[:, None], self.cells, weight, draws)
            measures.append(_measure("unexplained_committor", value, samples, draws))
        value, samples = self._features_left(weight, draws)
        measures.append(_measure("unexplained_features", value, samples, draws))
        return measures + self._sampling(blocks, draws)

    def _committor(self) -> np.ndarray | None:
        """Committor (frame,) of the microstates' model between the sides of its slowest process, or None."""
        counts = Blocks.of_lengths(self.lengths).pair_sums(
            self.microstates, int(self.microstates.max()) + 1, self.lag, self.weights
        )
        counts = counts.sum(axis=0)
        counts = counts + counts.T
        populations = counts.sum(axis=1)
        used = populations > 0
        transition = counts[np.ix_(used, used)] / populations[used, None]
        slow = _slow_vector(transition, populations[used])
        self.sides = np.zeros(len(populations), int)
        if slow is None:
            return None
        sides = _outer_halves(slow, populations[used])
        self.sides[used] = sides
        q = np.where(sides > 0, 1.0, 0.0)
        middle = sides == 0
        if middle.any():
            matrix = np.eye(middle.sum()) - transition[np.ix_(middle, middle)]
            q[middle] = np.linalg.lstsq(
                matrix, transition[np.ix_(middle, sides > 0)].sum(axis=1), rcond=None
            )[0]
        committor = np.zeros(len(populations))
        committor[used] = q
        return committor[self.microstates]

    def _features_left(self, weight, draws):
        features = self.dataset["features"]
        n_cells = int(self.cells.max()) + 1
        population = np.bincount(self.cells, weight, minlength=n_cells)
        total, inside = np.zeros(features.shape[1]), np.zeros(len(weight))
        mean = (weight @ np.asarray(features.values, float)) / weight.sum()
        sums = np.zeros((n_cells, features.shape[1]))
        rows = [slice(i, i + block_mapping.BLOCK) for i in range(0, len(weight), block_mapping.BLOCK)]
        for part in rows:
            x = np.asarray(features[part].values, float) - mean
            total += weight[part] @ x**2
            np.add.at(sums, self.cells[part], weight[part, None] * x)
        changes = total > 1e-12 * np.maximum(mean**2, 1e-12) * weight.sum()
        centre = sums / np.maximum(population, 1e-300)[:, None]
        for part in rows:
            x = np.asarray(features[part].values, float) - mean - centre[self.cells[part]]
            inside[part] = (x[:, changes] ** 2 / total[changes]).mean(axis=1) * weight.sum()
        blocks = draws.blocks
        zero = np.zeros(len(weight), int)
        sums = np.concatenate([blocks.sums(zero, 1, weight * inside), blocks.sums(zero, 1, weight)], axis=1)
        drawn = draws.sums(sums)
        return float(weight @ inside / weight.sum()), drawn[:, 0] / drawn[:, 1]

    def _sampling(self, blocks, draws) -> list[Measure]:
        """How well the slowest process is sampled."""
        first = self.tables["rates"].isel(process=0)
        rates = np.array([float(first[name]) for name in ("rate", "rate_lower", "rate_upper")])
        with np.errstate(divide="ignore"):
            n, low, high = self.lengths.sum() * self.step / (2 * timescales_of(rates, self.lag_time))
        error = n * float(first["rate_error"]) / rates[0]
        side = self.sides[self.microstates]
        passages = [passages_of(side[a:b]) for a, b in zip(blocks.start, blocks.stop, strict=True)]
        within = np.split(side, np.cumsum(self.lengths)[:-1])
        self.n_transitions = sum(passages_of(one) for one in within)
        spread = draws.standard_error(draws.sums(np.array(passages)[:, None]))[0]
        few = "too few for trustworthy errors" if self.n_transitions < FEW else ""
        measures = [
            Measure.of("effective_samples", n, error, low, high),
            Measure.of("transitions", self.n_transitions, spread, note=few),
        ]
        if self.weights is not None:
            sums = [[w.sum(), np.square(w).sum()] for w in blocks.segments(self.weights)]
            samples = [one**2 / max(two, 1e-300) for one, two in draws.sums(np.array(sums))]
            kish = self.weights.sum() ** 2 / np.square(self.weights).sum()
            measures.append(_measure("weight_samples", kish, samples, draws))
        return measures


# ---- pieces


def thin(dataset: xr.Dataset, lag: int) -> tuple[xr.Dataset, int]:
    """Every n-th frame of each trajectory, n a divisor of the lag that brings the frames to `MAX_FRAMES`."""
    wanted = dataset.sizes["frame"] / MAX_FRAMES
    divisors = [n for n in range(1, lag + 1) if lag % n == 0]
    n = next((d for d in divisors if d >= wanted), divisors[-1])
    if n == 1 or wanted <= 1:
        return dataset, 1
    frames = dataset["frame_in_trajectory"].values
    kept = dataset.isel(frame=np.flatnonzero(frames % n == 0))
    kept = kept.assign_coords(frame_in_trajectory=kept["frame_in_trajectory"] // n)
    return kept.assign_attrs(time_step=schema.time_step(dataset) * n), n


def cells_of(z: np.ndarray, n: int, seed: int) -> np.ndarray:
    """KMeans cell (frame,) of each frame in coordinates (frame, axis), at most ``n``, none of them empty."""
    from sklearn.cluster import KMeans

    random = np.random.default_rng(seed)
    sample = z[np.sort(random.choice(len(z), min(SAMPLE, len(z)), replace=False))]
    n = min(n, max(2, len(z) // 50), len(np.unique(sample, axis=0)))
    labels = KMeans(n, n_init=1, max_iter=50, random_state=seed).fit(sample).predict(z)
    return np.unique(labels, return_inverse=True)[1]


def indicators(labels: np.ndarray) -> np.ndarray:
    """Indicator functions (frame, label) of all labels but the first."""
    return (labels[:, None] == np.arange(1, int(labels.max()) + 1)).astype(np.float32)


def slow_times(moments: np.ndarray, lag_time: float, n: int) -> np.ndarray:
    """Slowest implied time scales (n,) from sums of `pair_moments`; NaN where there are fewer."""
    found = np.full(n, np.nan)
    if moments[0, 0] > 0:
        energy, covariance = forms(moments, lag_time)
        whiten = whitening(covariance)
        rates = np.linalg.eigvalsh(whiten.T @ energy @ whiten)[:n]
        found[: len(rates)] = timescales_of(rates, lag_time)
    return found


def chapman_kolmogorov(sums: list[np.ndarray], multiples: list[int]) -> np.ndarray:
    """VAMP-2 at the first lag, then the spectral norm of K(lag)^n - K(n lag) for each further multiple n."""
    if not all(one[0, 0] > 0 for one in sums):
        return np.full(len(sums), np.nan)
    energies, covariances = zip(*(forms(one, 1.0) for one in sums), strict=True)
    whiten = whitening(covariances[0])
    one = np.eye(whiten.shape[1])
    # C(n lag) = C(0) - E, with C(0) of the same pairs
    operators = [whiten.T @ (c - e) @ whiten for c, e in zip(covariances, energies, strict=True)]
    ranks = [whiten.T @ c @ whiten for c in covariances]
    operators = [np.linalg.solve(r + 1e-10 * one, k) for r, k in zip(ranks, operators, strict=True)]
    score = 1.0 + float(np.square(np.linalg.eigvalsh((operators[0] + operators[0].T) / 2)).sum())
    errors = [
        np.linalg.norm(np.linalg.matrix_power(operators[0], n) - k, 2)
        for n, k in zip(multiples[1:], operators[1:], strict=True)
    ]
    return np.array([score, *errors])


def left_on_cells(
    values: np.ndarray, cells: np.ndarray, weight: np.ndarray, draws: Bootstrap
) -> tuple[float, np.ndarray]:
    """Fraction of the variance of values (frame, 1) within cells, and on each draw."""
    n = int(cells.max()) + 1
    powers = [draws.blocks.sums(cells, n, weight * values[:, 0] ** power) for power in range(3)]

    def fraction(sums):
        w, first, second = sums
        with np.errstate(invalid="ignore", divide="ignore"):
            within = second.sum() - np.nansum(np.where(w > 0, first**2 / w, 0.0))
            return within / (second.sum() - first.sum() ** 2 / w.sum())

    samples = [fraction(one) for one in zip(*(draws.sums(p) for p in powers), strict=True)]
    return float(fraction([p.sum(axis=0) for p in powers])), np.array(samples)


def passages_of(side: np.ndarray) -> int:
    """Number of passages from one side to the other in a series (frame,) of -1, 0 (between) and 1."""
    visited = side[side != 0]
    return int((visited[1:] != visited[:-1]).sum())


def _slow_vector(transition, populations):
    """Slowest eigenvector (state,) of a reversible transition matrix among connected states; None for one."""
    if len(populations) < 2:
        return None
    root = np.sqrt(populations)
    symmetric = root[:, None] * transition / root
    values, vectors = np.linalg.eigh((symmetric + symmetric.T) / 2)
    slow = vectors[:, -2] / root
    return slow if np.ptp(slow) > 0 and values[-2] > 0 else None


def _outer_halves(slow, populations):
    """-1 and 1 (state,) for the outer half, by population, of each side of a slow vector; 0 between."""
    centred = slow - populations @ slow / populations.sum()
    sides = np.zeros(len(slow), int)
    for sign in (-1, 1):
        mine = np.flatnonzero(sign * centred > 0)
        order = mine[np.argsort(-sign * centred[mine], kind="stable")]
        filled = np.cumsum(populations[order]) - populations[order]
        sides[order[filled < populations[mine].sum() / 2]] = sign
    return sides


def _measure(key, value, samples, draws, **about) -> Measure:
    """A measure with its error and interval from its values on bootstrap draws."""
    samples = np.asarray(samples, float)
    return Measure.of(key, value, draws.standard_error(samples), *draws.interval(samples), **about)


def limits_of(found: Assessment, held_out: Measure, reference: base.Method | None) -> tuple[str, ...]:
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
