"""k-means: planted clusters found, the same bytes from any blocks, and what becomes of points that are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from curate.errors import CurateError
from curate.select.kmeans import kmeans
from curate.select.points import blocks, distinct, sample_points

NAN = float("nan")


def planted(seed: int, clusters: int, size: int, width: int = 16) -> Any:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(clusters), size)
    centres = rng.standard_normal((clusters, width))
    return (centres[labels] + 0.05 * rng.standard_normal((len(labels), width))).astype(np.float32), labels


@pytest.mark.parametrize("spherical", [True, False])
def test_planted_clusters_are_found_and_centroids_are_means(spherical: bool) -> None:
    points, truth = planted(1, 8, 50)
    found = kmeans(points, 24, seed=3, spherical=spherical, iterations=50)
    labels, nearness = found.assign(points)
    for cluster in np.unique(labels):
        assert len(set(truth[labels == cluster].tolist())) == 1, "no cluster mixes what was planted"
        own = points[labels == cluster]
        own = own / np.linalg.norm(own, axis=1, keepdims=True) if spherical else own
        mean = own.mean(0) / (np.linalg.norm(own.mean(0)) if spherical else 1)
        assert np.allclose(found.centroids[cluster], mean, atol=2e-3)
    assert nearness.min() > (0.9 if spherical else -1)


def test_the_same_points_in_other_blocks_give_the_same_clusters() -> None:
    points = np.random.default_rng(2).standard_normal((3000, 24)).astype(np.float32)
    whole = kmeans(points, 10, seed=5, sample=64)
    parts = kmeans(iter([points[:7], points[7:2000], points[2000:]]), 10, seed=5, sample=64)
    assert whole.centroids.tobytes() == parts.centroids.tobytes()
    assert np.allclose(np.linalg.norm(whole.centroids, axis=1), 1, atol=1e-6)
    assert kmeans(points, 10, seed=6, sample=64).centroids.tobytes() != whole.centroids.tobytes()


def test_assignment_is_to_the_nearest_centroid_by_cosine() -> None:
    points = np.random.default_rng(3).standard_normal((200, 5)).astype(np.float32) * 7
    found = kmeans(points, 6, seed=1)
    cosines = points / np.linalg.norm(points, axis=1, keepdims=True) @ found.centroids.T
    labels, nearness = found.assign(points)
    assert labels.tolist() == cosines.argmax(1).tolist() and np.allclose(nearness, cosines.max(1), atol=1e-5)


@pytest.mark.parametrize(("bad", "value"), [("null", 0.0), ("nan", NAN), ("inf", float("inf"))])
def test_a_row_that_is_no_point_has_no_cluster(bad: str, value: float) -> None:
    points = np.random.default_rng(4).standard_normal((50, 4)).astype(np.float32)
    points[[3, 40]] = value
    found = kmeans(points, 4, seed=1)
    labels, nearness = found.assign(points)
    assert np.flatnonzero(labels < 0).tolist() == np.flatnonzero(np.isnan(nearness)).tolist() == [3, 40]
    assert np.isfinite(found.centroids).all()


@pytest.mark.parametrize(("rows", "clusters", "made"), [(1, 5, 1), (100, 5, 1), (3, 2, 1)])
def test_identical_points_are_one_cluster(rows: int, clusters: int, made: int) -> None:
    points = np.full((rows, 8), 0.5, np.float32)
    found = kmeans(points, clusters, seed=1)
    assert len(found.centroids) == made and set(found.assign(points)[0].tolist()) == {0}


def test_few_different_points_are_that_many_clusters() -> None:
    points = np.eye(3, 8, dtype=np.float32)[np.arange(30) % 3]
    found = kmeans(points, 10, seed=1)
    assert len(found.centroids) == 3 and distinct(points, 10) == 3 and distinct(points, 2) == 2


def test_a_cluster_without_points_stays_empty() -> None:
    points, _ = planted(5, 4, 20)
    found = kmeans(points, 4, seed=1)
    labels, _ = found.assign(points[:20])
    assert set(labels.tolist()) < {0, 1, 2, 3} and len(found.centroids) == 4


@pytest.mark.parametrize(
    ("points", "clusters", "said"),
    [
        (np.zeros((5, 4), np.float32), 2, "there is no point"),
        (np.full((5, 4), NAN, np.float32), 2, "there is no point"),
        (np.ones((5, 4), np.float32), 0, "at least 1 cluster"),
        (np.ones(5, np.float32), 2, "expected an array of (n, d)"),
        ([np.ones((2, 4), np.float32), np.ones((2, 5), np.float32)], 2, "dimensions differ: 4 and 5"),
        ([], 2, "there is no point"),
    ],
)
def test_what_cannot_be_clustered_is_told(points: Any, clusters: int, said: str) -> None:
    with pytest.raises(CurateError) as error:
        kmeans(points, clusters)
    assert said in str(error.value)


def test_other_dimensions_than_the_centroids_are_an_error() -> None:
    found = kmeans(np.eye(4, dtype=np.float32), 2)
    with pytest.raises(CurateError, match="dimensions differ: 4 and 3"):
        found.assign(np.ones((2, 3), np.float32))


@pytest.mark.parametrize("size", [1, 10, 99, 100, 1000])
def test_a_sample_is_the_same_from_any_blocks_and_in_order(size: int) -> None:
    points = np.arange(1, 401, dtype=np.float32).reshape(100, 4)
    points[50] = NAN
    whole = sample_points(points, size, 3)
    assert len(whole) == min(size, 99) and (np.diff(whole[:, 0]) > 0).all()
    assert np.array_equal(sample_points([points[:1], points[1:60], points[60:]], size, 3), whole)
    assert np.array_equal(np.concatenate(list(blocks(points, 7))), points, equal_nan=True)
