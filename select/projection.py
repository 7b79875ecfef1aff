"""Vectors in the plane, for a map: principal components, or UMAP where it is installed and asked for."""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from curate.errors import MissingAsset
from curate.select.points import Points

Plane = npt.NDArray[np.float64]
Method = Literal["pca", "umap"]


def plane(points: Points, method: Method = "pca", *, seed: int = 0) -> tuple[Plane, float | None]:
    """(n, d) -> ((n, 2) in the unit square, the share of the variance that it shows, None of UMAP).

    Raises MissingAsset for UMAP that is not installed.
    """
    found, shown = _pca(points) if method == "pca" else (_umap(points, seed), None)
    low, high = found.min(axis=0, initial=0), found.max(axis=0, initial=0)
    if len(found):
        low, high = found.min(axis=0), found.max(axis=0)
    return (found - low) / np.where(high > low, high - low, 1), shown


def _pca(points: Points) -> tuple[Plane, float]:
    """The first two principal components; of each, what is greatest is positive, so that the sign is no chance."""
    centred = (
        points.astype(np.float64) - points.mean(axis=0, dtype=np.float64) if len(points) else points.astype(np.float64)
    )
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])] < 0, -1, 1)
    found: Plane = centred @ axes
    if found.shape[1] < 2:
        found = np.pad(found, ((0, 0), (0, 2 - found.shape[1])))
    whole = float(values.sum())
    return found, float(values[-2:].sum()) / whole if whole > 0 else 1.0


def _umap(points: Points, seed: int) -> Plane:
    if importlib.util.find_spec("umap") is None:
        raise MissingAsset("umap", "needs the package umap-learn", "pip install umap-learn")
    import umap

    made: Any = umap.UMAP(
        n_components=2, metric="cosine", random_state=seed, n_jobs=1, n_neighbors=min(15, len(points) - 1)
    )
    return np.asarray(made.fit_transform(points), np.float64)
