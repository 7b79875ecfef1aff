"""k-means over embeddings, by FAISS: seeded, on a sample, on one thread, so that the same points give the same clusters.

Where FAISS sees GPUs, points are assigned there.

clusters = kmeans(vectors, 100, seed=17)      # (n, d) float32, or an iterable of blocks of it
labels, nearness = clusters.assign(vectors)   # (n,) int32, -1 for a row that is no point; (n,) float32
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.errors import CurateError
from curate.select.faiss_module import faiss_module, on_gpus, threads
from curate.select.points import Points, blocks, check_width, distinct, sample_points, unit_points, valid_rows

ITERATIONS = 20
# More points a cluster move no centroid that matters (FAISS' own limit).
POINTS_A_CLUSTER = 256


@dataclass(frozen=True)
class Clusters:
    """What k-means found. A cluster may be empty, of the points it was fitted on or of others.

    Attributes:
        centroids: (k, d) float32; of length 1 if spherical.
        spherical: whether points are compared by cosine, else by Euclidean distance.
    """

    centroids: Points
    spherical: bool

    def assign(self, points: Points) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """(n, d) -> each row's cluster and its nearness to the centroid.

        Nearness is the cosine, or the *negative* squared distance: the greater, the nearer. A row that is null, or not
        finite, has cluster -1 and NaN. Of equally near clusters the first counts.
        """
        labels = np.full(len(points), -1, np.int32)
        nearness = np.full(len(points), np.nan, np.float32)
        index = on_gpus(_flat(self.centroids, self.spherical))
        start = 0
        check_width(points, self.centroids.shape[1])
        with threads(1):
            for block in blocks(points):
                chosen, valid = _points(block, self.spherical)
                if len(chosen):
                    near, label = index.search(chosen, 1)
                    rows = start + np.flatnonzero(valid)
                    labels[rows] = label[:, 0]
                    nearness[rows] = near[:, 0] if self.spherical else -near[:, 0]
                start += len(block)
        return labels, nearness


def kmeans(
    points: Points | Iterable[Points],
    clusters: int,
    *,
    seed: int = 0,
    spherical: bool = True,
    iterations: int = ITERATIONS,
    sample: int = POINTS_A_CLUSTER,
) -> Clusters:
    """Lloyd's iterations from `clusters` random points, on at most `sample` points a cluster.

    Rows that are null or not finite are left out. There are never more clusters than different points; an empty
    cluster takes half of a large one (FAISS). Raises CurateError where there is no point.
    """
    if clusters < 1:
        raise CurateError("k-means", f"expected at least 1 cluster, got {clusters}", "")
    faiss = faiss_module("k-means")
    drawn = sample_points(points, clusters * sample, seed)
    if not len(drawn):
        raise CurateError(
            "k-means", "there is no point: all vectors are null or not finite", "embed the documents first"
        )
    drawn = _points(drawn, spherical)[0]
    many = distinct(drawn, clusters)
    settings = faiss.ClusteringParameters()
    settings.niter, settings.seed, settings.spherical = iterations, seed & 0x7FFFFFFF, spherical
    settings.min_points_per_centroid, settings.max_points_per_centroid = 1, max(sample, len(drawn) // many + 1)
    made = faiss.Clustering(drawn.shape[1], many, settings)
    with threads(1):
        made.train(drawn, on_gpus(_flat(np.zeros((0, drawn.shape[1]), np.float32), spherical)))
    centroids = faiss.vector_to_array(made.centroids).reshape(many, -1)
    if spherical:
        # the last update is normalised up to rounding; a cluster whose points cancel out keeps no direction
        lengths = np.linalg.norm(centroids, axis=1, keepdims=True)
        centroids = centroids / np.where(lengths > 0, lengths, 1)
    return Clusters(centroids.astype(np.float32), spherical)


def _points(block: Points, spherical: bool) -> tuple[Points, npt.NDArray[np.bool_]]:
    if spherical:
        return unit_points(block)
    # the null vector is no direction, and a document without words: it is left out here as well
    valid = valid_rows(block)
    return (block if valid.all() else block[valid]), valid


def _flat(points: Points, spherical: bool) -> Any:
    faiss = faiss_module("k-means")
    index = (faiss.IndexFlatIP if spherical else faiss.IndexFlatL2)(points.shape[1])
    if len(points):
        index.add(np.ascontiguousarray(points))
    return index
