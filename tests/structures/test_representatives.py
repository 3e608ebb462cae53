from itertools import combinations

import numpy as np
import pytest

from fel_explorer.data import as_dataset
from fel_explorer.errors import FelError
from fel_explorer.structures import geometry, principal_view, representatives, superpose
from fel_explorer.structures.alignment import fit_atoms
from fel_explorer.structures.medoids import k_medoids


def distance_matrix(points):
    return np.linalg.norm(points[:, None] - points, axis=2)


def cost(matrix, medoids):
    return matrix[list(medoids)].min(axis=0).sum()


@pytest.mark.parametrize(("n", "margin"), [(1, 1), (2, 1), (3, 1.1)])
def test_medoids_are_the_best_of_all_choices(n, margin):
    points = np.random.default_rng(n).normal(size=(14, 2))
    matrix = distance_matrix(points)
    best = min(cost(matrix, choice) for choice in combinations(range(14), n))
    assert cost(matrix, k_medoids(matrix, n)) <= best * margin + 1e-9


def test_each_basin_gets_a_representative(dataset, trajs):
    found = representatives(None, dataset, trajs, n=2)
    assert {frame % 2 for frame in found.frames} == {0, 1}
    np.testing.assert_allclose(found.shares.sum(), 1)
    assert found.shares[0] >= found.shares[1]


def test_structures_are_those_of_the_frames_and_aligned(dataset, trajs, peptide):
    found = representatives(None, dataset, trajs, n=3)
    assert len(found.trajectory) == 3
    for xyz, frame in zip(found.trajectory.xyz, found.frames, strict=True):
        assert geometry.rmsd(xyz.astype(float), peptide.xyz[frame].astype(float)) < 1e-4
    heavy = fit_atoms(peptide.topology)
    for xyz in found.trajectory.xyz[1:].astype(float):
        moved = np.sqrt(np.mean(np.sum((xyz - found.trajectory.xyz[0])[heavy] ** 2, axis=1)))
        assert moved == pytest.approx(
            geometry.rmsd(xyz[heavy], found.trajectory.xyz[0][heavy].astype(float)), abs=1e-3
        )


def test_only_frames_of_the_selection_are_chosen(dataset):
    frames = np.array([3, 5, 8, 21])
    for choose in ("medoids", "centroid", "random"):
        assert set(representatives(None, dataset, n=2, frames=frames, choose=choose).frames) <= set(frames)
    assert set(representatives(None, dataset, n=9, frames=frames).frames) == set(frames)


def test_embedding_decides_when_it_is_given(dataset):
    embedding = np.arange(40.0)[:, None]
    assert representatives(embedding, dataset, n=1, frames=np.arange(11)).frames.tolist() == [5]
    assert representatives(
        embedding, dataset, n=1, frames=np.arange(11), choose="centroid"
    ).frames.tolist() == [5]


@pytest.mark.parametrize("n_frames", [400, 4000])
def test_frame_weights_decide_what_is_typical(n_frames):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 10, n_frames)
    weights = np.exp(-0.5 * (x - 7) ** 2 / 0.3**2)  # samples of N(7, 0.3) from uniform ones
    weighted = as_dataset(x[:, None], weights=weights)
    for choose in ("medoids", "centroid"):
        frame = representatives(x[:, None], weighted, n=1, choose=choose).frames[0]
        assert abs(x[frame] - 7) < 0.1
        plain = representatives(x[:, None], as_dataset(x[:, None]), n=1, choose=choose).frames[0]
        assert abs(x[plain] - 5) < 1
    drawn = representatives(x[:, None], weighted, n=100, choose="random").frames
    assert np.abs(x[drawn] - 7).max() < 2


def test_weighted_medoids_count_frames_as_often_as_they_weigh():
    points = np.random.default_rng(5).normal(size=(14, 2))
    counts = np.random.default_rng(6).integers(1, 4, size=14)
    repeated = np.repeat(points, counts, axis=0)
    distance = np.linalg.norm(repeated[:, None] - points, axis=2).T
    best = min(cost(distance, pair) for pair in combinations(range(14), 2))
    assert cost(distance, k_medoids(distance_matrix(points), 2, counts)) <= best + 1e-9


def test_frames_of_no_weight_stand_for_nothing(dataset):
    data = dataset.assign(weight=("frame", (np.arange(40) < 3).astype(float)))
    assert set(representatives(None, data, n=9).frames) == {0, 1, 2}
    assert len(representatives(None, data, n=2, frames=np.arange(10, 20)).frames) == 2
    np.testing.assert_allclose(representatives(None, data, n=3).shares, 1 / 3)


def test_a_fitted_method_is_asked_for_its_embedding(dataset):
    class Doubled:
        def transform(self, X):
            return 2 * X[:, :1]

    found = representatives(Doubled(), dataset, n=1)
    values = dataset["features"].values[:, 0]
    assert abs(values[found.frames[0]] - np.median(values)) < 0.01


def test_nothing_to_represent_is_said(dataset):
    with pytest.raises(FelError, match="empty selection"):
        representatives(None, dataset, frames=[])
    with pytest.raises(FelError, match="Choices are"):
        representatives(None, dataset, choose="best")


def test_principal_view_has_its_longest_axis_along_x(peptide):
    seen = principal_view(peptide)
    heavy = seen.xyz[0][peptide.topology.select("element != H")]
    spread = heavy.std(axis=0)
    assert spread[0] > spread[1] > spread[2]
    assert geometry.rmsd(seen.xyz[0].astype(float), peptide.xyz[0].astype(float)) < 1e-4  # no mirror image


def test_superposing_leaves_the_input_alone(peptide):
    before = peptide.xyz.copy()
    superpose(peptide, peptide[3])
    np.testing.assert_array_equal(peptide.xyz, before)
