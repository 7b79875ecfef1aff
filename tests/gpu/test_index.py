"""Nearest neighbours and k-means where FAISS sees a GPU: what a CPU finds, up to float16."""

from __future__ import annotations

import numpy as np
import pytest

faiss = pytest.importorskip("faiss")

from curate.select import faiss_module as module  # noqa: E402
from curate.select import index as indices  # noqa: E402
from curate.select.index import VectorIndex  # noqa: E402
from curate.select.kmeans import kmeans  # noqa: E402
from curate.select.recall import recall_at  # noqa: E402

if not module.gpus():
    pytest.skip("needs a GPU and faiss-gpu", allow_module_level=True)


@pytest.fixture(scope="module")
def points() -> np.ndarray:
    rng = np.random.default_rng(1)
    made = rng.normal(size=(200, 64))[rng.integers(0, 200, 20_000)] + 0.5 * rng.normal(size=(20_000, 64))
    return made.astype(np.float32)


def on_cpu(patch: pytest.MonkeyPatch) -> None:
    """As if FAISS saw none."""
    patch.setattr(indices, "gpus", lambda: 0)
    patch.setattr("curate.select.kmeans.on_gpus", lambda index: index)


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_neighbours_are_those_of_a_cpu(points: np.ndarray, kind: str, metric: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        on_cpu(patch)
        own = VectorIndex.build(points, kind=kind, metric=metric)  # type: ignore[arg-type]
        near, rows = own.search(points[:500], 10)
    made = VectorIndex(own.faiss, own.kind, own.metric, own.dimensions, rows=own.rows)
    found, numbers = made.search(points[:500], 10)
    assert made._answering is not made.faiss
    assert recall_at(numbers, rows) > 0.99
    same = numbers == rows
    assert np.allclose(found[same], near[same], rtol=1e-2, atol=2e-3 if metric == "cosine" else 0.2)


def test_which_rows_may_be_found_counts_beside_a_gpu(points: np.ndarray) -> None:
    index = VectorIndex.build(points, kind="flat")
    among = np.arange(len(points)) % 3 == 0
    _, rows = index.search(points[:50], 5, among=among)
    assert among[rows].all()


def test_clusters_are_those_of_a_cpu(points: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        on_cpu(patch)
        own = kmeans(points, 50, seed=3)
        labels, nearness = own.assign(points)
    found, near = own.assign(points)
    assert (found == labels).mean() > 0.995 and np.allclose(near, nearness, atol=2e-3)
    made = kmeans(points, 50, seed=3)
    again = kmeans(points, 50, seed=3)
    assert np.array_equal(made.centroids, again.centroids)
    assert made.assign(points)[1].mean() > nearness.mean() - 0.01


def test_an_index_built_and_tuned_beside_a_gpu_finds_what_was_asked(points: np.ndarray) -> None:
    index = VectorIndex.build(points, kind="ivf", recall=0.95)
    assert index.recall is not None and index.recall > 0.94
