"""Estimates behind a certificate: of an embedding's functions, next to functions of all features."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from fel_explorer.data import schema
from fel_explorer.errors import FelError
from fel_explorer.kinetics.effective_dynamics import effective_dynamics
from fel_explorer.kinetics.projected_rates import pair_moments, projected_rates, timescales_of
from fel_explorer.methods import base, block_mapping
from fel_explorer.methods.assessment.certificate_definitions import N_CELLS, Measure
from fel_explorer.methods.assessment.certificate_estimates import (
    cells_of,
    chapman_kolmogorov,
    indicators,
    left_on_cells,
    outer_halves,
    passages_of,
    slow_times,
    slow_vector,
    thin,
    vamp2_score,
)
from fel_explorer.methods.idm.microstates import find_microstates
from fel_explorer.resampling import Blocks

MULTIPLES = (1, 2, 3, 4, 6, 8)  # of the lag, in the Chapman-Kolmogorov test
TESTED = (2, 4)  # those whose error is a measure
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
        multiples = [n for n in MULTIPLES if n * self.lag < self.lengths.max()]
        moments = [pair_moments(blocks, self.z, n * self.lag, self.weights) for n in multiples]
        n = min(N_PROCESSES, self.n_axes)
        found = chapman_kolmogorov([one.sum(axis=0) for one in moments], multiples, n)
        drawn = list(zip(*(draws.sums(one) for one in moments), strict=True))
        samples = np.array([chapman_kolmogorov(list(one), multiples, n) for one in drawn])
        low, high = draws.interval(samples[:, 2])
        self.tables["chapman_kolmogorov"] = xr.Dataset(
            {
                "error": ("multiple", found[0, :, 0]),
                "standard_error": ("multiple", draws.standard_error(samples[:, 0, :, 0])),
                "predicted": (("multiple", "process"), found[1]),
                "estimated": (("multiple", "process"), found[2]),
                "lower": (("multiple", "process"), low),
                "upper": (("multiple", "process"), high),
            },
            coords={"multiple": multiples, "process": np.arange(1, n + 1)},
            attrs={"time_unit": self.unit, "lag_time": self.lag_time},
        )
        score = vamp2_score(moments[0].sum(axis=0))
        measures = [_measure("vamp2", score, [vamp2_score(one[0]) for one in drawn], draws)]
        measures += self._timescales()
        tested = [i for i, n in enumerate(multiples) if n in TESTED]
        if tested:
            worst = samples[:, 0, tested, 0].max(axis=1)
            measures.append(_measure("ck_error", found[0, tested, 0].max(), worst, draws))
        return measures

    def _timescales(self) -> list[Measure]:
        longest = int(self.lengths.max())
        last = max(self.lag, min(10 * self.lag, longest // 4))
        frames = np.unique(np.round(np.geomspace(1, last, N_LAGS)).astype(int))
        frames = np.unique([*frames, self.lag, *([2 * self.lag] if 2 * self.lag < longest else [])])
        n = min(N_PROCESSES, self.of_cv.shape[1])
        rows, scores = {}, []
        blocks = Blocks.of_lengths(self.lengths, min_length=self.lag)
        draws = blocks.draw(self.n_bootstraps, seed=self.seed)
        for lag in frames:
            moments = pair_moments(blocks, self.of_cv, int(lag), self.weights)
            value = slow_times(moments.sum(axis=0), lag * self.step, n)
            rows[int(lag)] = value, np.array([slow_times(m, lag * self.step, n) for m in draws.sums(moments)])
            of_axes = pair_moments(blocks, self.z, int(lag), self.weights)
            drawn = np.array([vamp2_score(m) for m in draws.sums(of_axes)])
            scores.append((vamp2_score(of_axes.sum(axis=0)), *draws.interval(drawn)))
        table = [(value, *draws.interval(samples)) for value, samples in rows.values()]
        columns = zip(("timescale", "lower", "upper"), zip(*table, strict=True), strict=True)
        self.tables["timescales"] = xr.Dataset(
            {name: (("lag_time", "process"), np.array(values)) for name, values in columns},
            coords={"lag_time": frames * self.step, "process": np.arange(1, n + 1)},
            attrs={"time_unit": self.unit},
        )
        columns = zip(("score", "lower", "upper"), zip(*scores, strict=True), strict=True)
        self.tables["vamp2"] = xr.Dataset(
            {name: ("lag_time", np.array(values, float)) for name, values in columns},
            coords={"lag_time": frames * self.step},
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
        slow = slow_vector(transition, populations[used])
        self.sides = np.zeros(len(populations), int)
        if slow is None:
            return None
        sides = outer_halves(slow, populations[used])
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


def _measure(key, value, samples, draws, **about) -> Measure:
    """A measure with its error and interval from its values on bootstrap draws."""
    samples = np.asarray(samples, float)
    return Measure.of(key, value, draws.standard_error(samples), *draws.interval(samples), **about)
