"""How often 95 % intervals hold the exact value: all those of kinetics and free energy that the page shows.

Simulates a chain of three states whose lifetimes, time scales, first passage times, fluxes and rates are
known by linear algebra, as one long and as many short trajectories; a chain of two states as very short ones;
and a Gaussian process whose free energy is known.  Prints a row for each quantity: the fraction of intervals
that hold the exact value, with its standard error.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
import scipy.linalg
from scipy.stats import norm
from scores import markdown_table

from fel_explorer import kinetics
from fel_explorer.free_energy import estimate
from fel_explorer.free_energy.grid import Grid

PI = np.array([0.6, 0.3, 0.1])
FLUX = np.array([[0, 0.008, 0.0015], [0.008, 0, 0], [0.0015, 0, 0]])  # per frame
K = FLUX / PI - np.diag((FLUX / PI).sum(0))
P = scipy.linalg.expm(K).T
TIMESCALES = -1 / np.sort(np.linalg.eigvals(K).real)[::-1][1:]  # 62 and 24 frames
LAG = 5
DESIGNS = {"1 x 20,000": (1, 20_000), "40 x 500": (40, 500)}  # trajectories x frames
TWO_STATES = np.array([[0.9, 0.1], [0.2, 0.8]])  # lifetime of the first: 9.49 frames
SHORT = {"1 x 1,000": (1, 1_000), "24 x 30": (24, 30), "70 x 10": (70, 10), "150 x 5": (150, 5)}
PROCESS_TIME = 20.0  # correlation time of the Gaussian process in frames
EDGES = np.linspace(-2, 2, 17)


def simulate(n, design, rng, transition=P, start=PI):
    """States (trajectory, frame) of each of ``n`` simulations."""
    n_chains, n_frames = design
    cumulative = transition.cumsum(1)
    states = np.zeros((n_frames, n * n_chains), np.int8)
    states[0] = rng.choice(len(start), size=n * n_chains, p=start)
    for t in range(1, n_frames):
        states[t] = (rng.random(n * n_chains)[:, None] > cumulative[states[t - 1]]).sum(1)
    return [list(chains) for chains in states.T.astype(int).reshape(n, n_chains, n_frames)]


def inside(lower, exact, upper):
    """Fraction of the defined intervals that hold the exact values, those of exact numbers left out."""
    lower, exact, upper = np.broadcast_arrays(*(np.asarray(v, float) for v in (lower, exact, upper)))
    known = np.isfinite(lower) & ~np.isnan(upper) & (upper > lower)
    return np.mean((lower <= exact)[known] & (exact <= upper)[known]) if known.any() else np.nan


# ---- exact values


def exact_paths():
    """Quantities of the transition paths from state 2 to state 1 at the lag."""
    matrix = np.linalg.matrix_power(P, LAG)
    source, target, between = 2, 1, 0
    q = np.zeros(3)
    q[target] = 1.0
    q[between] = matrix[between, target] / (1 - matrix[between, between])
    net = PI[:, None] * matrix * np.maximum(q[None, :] - q[:, None], 0) / LAG
    others = [source, between]
    hitting = np.linalg.solve(np.eye(2) - matrix[np.ix_(others, others)], np.full(2, float(LAG)))
    return {
        "committor": q,
        "stationary_distribution": PI,
        "net_flux": net,
        "total_flux": net[source].sum(),
        "mean_first_passage_time": hitting[0],
    }


# ---- one simulation each: {quantity: covered}


def cover_lifetimes(chains, rng, transition=P, time=30.0):
    row = kinetics.lifetimes(chains).sel(state=0)
    stay = transition[0, 0]
    curve = kinetics.survival(kinetics.dwells(chains).of(0)).sel(time=slice(None, time))
    covered = {"mean lifetime": inside(row["lower"], -1 / np.log(stay), row["upper"])}
    if curve.sizes["time"]:
        last = curve.isel(time=-1)
        covered["survival (Kaplan-Meier)"] = inside(last["lower"], stay ** float(last["time"]), last["upper"])
    return covered


def cover_markov(chains, rng):
    scales = kinetics.implied_timescales(chains, [LAG], n_timescales=2).isel(lag_time=0)
    test = kinetics.ck_test(chains, LAG, multiples=[4]).isel(multiple=0)
    exact = np.linalg.matrix_power(P, 4 * LAG)[np.ix_(test["from"].values, test["to"].values)]
    return {
        "slowest time scale": inside(scales["lower"][0], TIMESCALES[0], scales["upper"][0]),
        "second time scale": inside(scales["lower"][1], TIMESCALES[1], scales["upper"][1]),
        "Chapman-Kolmogorov": inside(test["lower"], exact, test["upper"]),
    }


def cover_paths(chains, rng, uncertainty="bootstrap"):
    table = kinetics.transition_paths(chains, 2, 1, LAG, uncertainty=uncertainty)
    return {
        f"{name.replace('_', ' ')}, {uncertainty}": inside(
            table[f"{name}_lower"], value, table[f"{name}_upper"]
        )
        for name, value in exact_paths().items()
    }


def cover_rates(chains, rng, form="auto", distort=1.0):
    chi = []
    for states in chains:
        x = 2.5 * states + rng.normal(size=len(states))
        density = (PI * np.exp(-0.5 * (x[:, None] - 2.5 * np.arange(3)) ** 2)) ** distort
        chi.append(density / density.sum(1, keepdims=True))
    model = kinetics.CoarseMasterEquation(LAG, form=form, n_bootstraps=40).fit(chi)
    real = FLUX > 0
    name = {1.0: "calibrated", 4.0: "sharpened", 0.3: "flattened"}[distort]
    return {
        f"rates, {name} memberships": inside(model.lower_[real], K[real], model.upper_[real]),
        f"slow time of the rates, {name} memberships": inside(
            model.timescales_lower_[0], TIMESCALES[0], model.timescales_upper_[0]
        ),
    }


def cover_free_energy(chains, rng):
    n, n_frames = np.shape(chains)
    decay = np.exp(-1 / PROCESS_TIME)
    x = np.empty((n, n_frames))
    x[:, 0] = rng.normal(size=n)
    noise = np.sqrt(1 - decay**2) * rng.normal(size=(n, n_frames))
    for t in range(1, n_frames):
        x[:, t] = decay * x[:, t - 1] + noise[:, t]
    exact = -np.log(np.diff(norm.cdf(EDGES)))
    lowest = len(exact) // 2
    found = estimate(
        x.reshape(-1, 1), trajectory=np.repeat(np.arange(n), n_frames), smoothing=0.0,
        grid=Grid.of_edges(EDGES), lowest=lowest,
    )  # fmt: skip
    error = 2 * found.error.values
    f = found.values.values - found.values.values[lowest]
    return {"free energy, 2 standard errors": inside(f - error, exact - exact[lowest], f + error)}


def report(cover, designs, n, simulated=simulate):
    """Print a row for each quantity: what ``n`` simulations of each design cover."""
    columns = []
    for number, design in enumerate(designs.values()):
        rng, covered = np.random.default_rng(number), {}
        for chains in simulated(n, design, rng):
            for name, value in cover(chains, rng).items():
                covered.setdefault(name, []).append(value)
        columns.append(covered)
    rows = []
    for name in columns[0]:
        found = [np.array([v for v in column.get(name, ()) if np.isfinite(v)]) for column in columns]
        cells = [f"{v.mean():.3f} +- {v.std() / np.sqrt(len(v)):.3f}" if len(v) else "" for v in found]
        rows.append([name, n, *cells])
    print(markdown_table(["interval", "simulations", *designs], rows), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=100)
    parser.add_argument(
        "--lifetimes", type=int, default=1000, help="simulations of lifetimes, which are quick"
    )
    parser.add_argument("--likelihood", type=int, default=25, help="of rates by likelihood, which are slow")
    options = parser.parse_args()
    two = partial(simulate, transition=TWO_STATES, start=np.array([2 / 3, 1 / 3]))
    report(partial(cover_lifetimes, transition=TWO_STATES, time=4.0), SHORT, options.lifetimes, two)
    report(cover_lifetimes, DESIGNS, options.lifetimes)
    report(cover_free_energy, DESIGNS, options.simulations)
    report(cover_markov, DESIGNS, options.simulations)
    report(partial(cover_rates, distort=4.0), DESIGNS, options.simulations)
    report(partial(cover_rates, distort=0.3), DESIGNS, options.simulations)
    report(cover_paths, DESIGNS, options.simulations)
    report(partial(cover_paths, uncertainty="bayesian"), DESIGNS, options.simulations)
    report(partial(cover_rates, form="calibrated"), DESIGNS, options.likelihood)


if __name__ == "__main__":
    main()
