"""Decoded structures against molecular dynamics: geometry, shape and distance from the frames themselves."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx
import numpy as np
import torch
import xarray as xr

from fel_explorer.free_energy import aligned_rms, from_density
from fel_explorer.kinetics import relaxation
from fel_explorer.methods.latent_simulator.internal_coordinates import superpose, to_internal, z_matrix

CLASH = 0.9  # of the closest approach seen in the data, beyond three bonds, that counts as a clash
TORSION_BINS = 36
TICA_ATOMS = 20  # whose distances are projected; more atoms are thinned evenly
TICA_BINS = 30


def rmsd(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Root-mean-square deviation (frame,) in nm of structures (frame, atom, 3), each pair superposed."""
    a, b = (torch.from_numpy(xyz).double() for xyz in (first, second))
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    covariance = a.transpose(1, 2) @ b
    values = torch.linalg.svdvals(covariance)
    values[:, 2] = values[:, 2] * torch.sign(torch.linalg.det(covariance))
    square = a.square().sum((1, 2)) + b.square().sum((1, 2)) - 2 * values.sum(1)
    return (square.clamp_min(0) / a.shape[1]).sqrt().numpy()


def radius_of_gyration(xyz: np.ndarray) -> np.ndarray:
    """Radius of gyration (frame,) in nm of structures (frame, atom, 3), all atoms alike."""
    return np.sqrt(((xyz - xyz.mean(axis=1, keepdims=True)) ** 2).sum(axis=2).mean(axis=1))


def lengths(xyz: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Distances (frame, pair) in nm of pairs (pair, 2) of atoms."""
    return np.linalg.norm(xyz[:, pairs[:, 1]] - xyz[:, pairs[:, 0]], axis=2)


def bond_table(observed: np.ndarray, decoded: np.ndarray, bonds: np.ndarray) -> xr.Dataset:
    """Mean and spread of each bond, in nm: ``mean`` and ``spread`` over (ensemble, bond)."""
    values = [lengths(xyz, bonds) for xyz in (observed, decoded)]
    dims = ("ensemble", "bond")
    return xr.Dataset(
        {"mean": (dims, [v.mean(0) for v in values]), "spread": (dims, [v.std(0) for v in values])},
        coords={"ensemble": ["md", "synthetic"], "bond": [f"{a}-{b}" for a, b in bonds.tolist()]},
        attrs={"units": "nm"},
    )


def far_pairs(n_atoms: int, bonds: np.ndarray) -> np.ndarray:
    """Pairs (pair, 2) of atoms more than three bonds apart."""
    graph = nx.Graph()
    graph.add_nodes_from(range(n_atoms))
    graph.add_edges_from(map(tuple, bonds))
    near = dict(nx.all_pairs_shortest_path_length(graph, cutoff=3))
    return np.array(
        [(i, j) for i in range(n_atoms) for j in range(i + 1, n_atoms) if j not in near[i]], int
    ).reshape(-1, 2)


def clash_fraction(observed: np.ndarray, decoded: np.ndarray, bonds: np.ndarray) -> float:
    """Fraction of decoded structures with a pair of atoms much closer than any in the data ever are."""
    pairs = far_pairs(observed.shape[1], bonds)
    if not len(pairs):
        return 0.0
    closest = [
        np.concatenate([lengths(b, pairs).min(1) for b in _batches(xyz)]) for xyz in (observed, decoded)
    ]
    return float((closest[1] < CLASH * closest[0].min()).mean())


def _batches(xyz, size=500):
    return [xyz[i : i + size] for i in range(0, len(xyz), size)]


def torsion_table(observed: np.ndarray, decoded: np.ndarray, bonds: np.ndarray) -> xr.Dataset:
    """Densities of the torsions (ensemble, torsion, angle) per degree, and their total variation (torsion,).

    Of atoms that turn about the same bond only the first counts; the others follow it.
    """
    matrix = z_matrix(observed.shape[1], bonds)
    lead = matrix.leader < 0
    edges = np.linspace(-180, 180, TORSION_BINS + 1)
    histograms = []
    for xyz in (observed, decoded):
        angles = np.degrees(to_internal(torch.from_numpy(xyz).double(), matrix)[2].numpy()[:, lead])
        histograms.append([np.histogram(a, edges, density=True)[0] for a in angles.T])
    densities = np.array(histograms)
    distance = 0.5 * np.abs(densities[0] - densities[1]).sum(axis=1) * (edges[1] - edges[0])
    atoms = matrix.order[3:][lead]
    return xr.Dataset(
        {
            "density": (("ensemble", "torsion", "angle"), densities),
            "total_variation": ("torsion", distance),
        },
        coords={
            "ensemble": ["md", "synthetic"],
            "angle": (edges[1:] + edges[:-1]) / 2,
            "atoms": (("torsion", "place"), np.c_[matrix.anchors[3:][lead][:, ::-1], atoms]),
        },
    )


def tica_projection(
    observed: np.ndarray, lengths_of_parts: Sequence[int] | np.ndarray, lag: int, decoded: np.ndarray
) -> xr.Dataset | None:
    """Free energies over the two leading TICA coordinates of distances between atoms, kT.

    ``observed`` (frame, atom, 3) are consecutive frames of trajectories of the given lengths, the TICA is of
    them at ``lag`` frames; ``decoded`` are structures of a simulation.  None where the lag does not fit.
    """
    from fel_explorer.methods.spectral.tica import TICA

    chosen = np.unique(np.linspace(0, observed.shape[1] - 1, TICA_ATOMS).astype(int))
    pairs = np.array([(i, j) for n, i in enumerate(chosen) for j in chosen[n + 2 :]])
    parts = np.split(lengths(observed, pairs), np.cumsum(lengths_of_parts)[:-1])
    if max(map(len, parts)) <= lag + 1:
        return None
    tica = TICA(lag_time=float(lag), n_dims=2).fit(parts)
    values = [tica.transform(parts).values, tica.transform(lengths(decoded, pairs)).values]
    low, high = values[0].min(axis=0), values[0].max(axis=0)
    edges = [np.linspace(a, b, TICA_BINS + 1) for a, b in zip(low, high, strict=True)]
    surfaces = []
    for v in values:
        x, y = np.clip(v, low, high).T
        counts = np.histogram2d(x, y, bins=edges)[0]
        surface = from_density(counts)
        surfaces.append(surface - np.nanmin(surface))
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    return xr.Dataset(
        {"free_energy": (("ensemble", "tic_1", "tic_2"), surfaces)},
        coords={"ensemble": ["md", "synthetic"], "tic_1": centres[0], "tic_2": centres[1]},
        attrs={"rms": aligned_rms(surfaces[0].ravel(), surfaces[1].ravel()), "units": "kT"},
    )


def gyration_table(observed_parts: list[np.ndarray], decoded_parts: list[np.ndarray]) -> xr.Dataset:
    """Mean, spread and block error of the mean of the radius of gyration, nm, over (ensemble)."""
    return _summary(radius_of_gyration, observed_parts, decoded_parts)


def native_table(
    observed_parts: list[np.ndarray], decoded_parts: list[np.ndarray], native: np.ndarray
) -> xr.Dataset:
    """Mean, spread and block error of the mean of the RMSD to a structure (atom, 3), nm, over (ensemble)."""

    def to_native(xyz):
        return rmsd(xyz, np.broadcast_to(native, xyz.shape).copy())

    return _summary(to_native, observed_parts, decoded_parts)


def _summary(function, observed_parts, decoded_parts) -> xr.Dataset:
    rows = []
    for parts in (observed_parts, decoded_parts):
        values = [function(part) for part in parts if len(part)]
        every = np.concatenate(values)
        error = relaxation.block_error(values, lambda p: np.concatenate(p).mean())
        rows.append((every.mean(), every.std(), float(error)))
    names, columns = ("mean", "spread", "error"), np.array(rows, float).T
    return xr.Dataset(
        {name: ("ensemble", column) for name, column in zip(names, columns, strict=True)},
        coords={"ensemble": ["md", "synthetic"]},
        attrs={"units": "nm"},
    )


def superposed_mean(xyz: np.ndarray) -> np.ndarray:
    """Mean structure (atom, 3) of structures (frame, atom, 3) laid on the first."""
    values = torch.from_numpy(xyz).double()
    return superpose(values, values[0]).mean(0).numpy()


def basin_table(
    psi_md: np.ndarray,
    xyz_md: np.ndarray,
    psi_synthetic: np.ndarray,
    xyz_synthetic: np.ndarray,
    borders: np.ndarray,
    random: np.random.Generator,
) -> xr.Dataset:
    """RMSD in nm between random structures of the same basin along psi_1, per basin.

    ``floor`` between frames of the data, ``rmsd`` between decoded structures and frames of the data, and
    ``rmsd_of_means`` between the mean structures; NaN where a basin has fewer than two of either.
    """
    n_basins = len(borders) + 1
    found = np.full((3, n_basins), np.nan)
    basins = [np.digitize(psi, borders) for psi in (psi_md, psi_synthetic)]
    for basin in range(n_basins):
        md, synthetic = (np.flatnonzero(b == basin) for b in basins)
        if min(len(md), len(synthetic)) < 2:
            continue
        one, two = random.choice(md, (2, 300))
        other = random.choice(synthetic, 300)
        found[0, basin] = rmsd(xyz_md[one], xyz_md[two]).mean()
        found[1, basin] = rmsd(xyz_synthetic[other], xyz_md[one]).mean()
        means = superposed_mean(xyz_md[md]), superposed_mean(xyz_synthetic[synthetic])
        found[2, basin] = rmsd(means[0][None], means[1][None])[0]
    names = ("floor", "rmsd", "rmsd_of_means")
    return xr.Dataset(
        {name: ("basin", values) for name, values in zip(names, found, strict=True)},
        coords={"basin": np.arange(n_basins)},
        attrs={"units": "nm", "borders": list(map(float, borders))},
    )
