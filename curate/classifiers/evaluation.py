"""How well scores part two classes: ROC curve's area, average precision, precision and recall by threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Truth = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.floating[Any]]

# The thresholds of the table let pass these shares of the negatives, which stand for the pool to be filtered.
NEGATIVES_KEPT = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
CURVE_POINTS = 101


def auc(truth: Truth, scores: Scores) -> float:
    """Probability that a positive scores above a negative, ties counted half (Mann-Whitney); NaN without both classes."""
    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return float((ranks[inverse][truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def precision_recall(truth: Truth, scores: Scores) -> tuple[Scores, Scores, Scores]:
    """(thresholds, descending and distinct; precision and recall of `score >= threshold` at each)."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1) if len(ranked) else np.zeros(0, np.int64)
    return ranked[last], hits[last] / (last + 1), hits[last] / max(int(truth.sum()), 1)


def average_precision(truth: Truth, scores: Scores) -> float:
    """Precision averaged over the steps of recall, without interpolation."""
    _, precision, recall = precision_recall(truth, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def at_threshold(truth: Truth, scores: Scores, threshold: float) -> dict[str, float]:
    """Precision, recall, F1 and the shares of negatives and of all that score at least `threshold`."""
    kept = scores >= threshold
    hits = float((kept & truth).sum())
    precision, recall = hits / max(float(kept.sum()), 1.0), hits / max(float(truth.sum()), 1.0)
    return {
        "threshold": _rounded(threshold),
        "precision": _rounded(precision),
        "recall": _rounded(recall),
        "f1": _rounded(2 * precision * recall / (precision + recall) if hits else 0.0),
        "negatives_kept": _rounded((kept & ~truth).sum() / max(float((~truth).sum()), 1.0)),
        "kept": _rounded(kept.mean() if len(kept) else 0.0),
    }


def evaluate(truth: Truth, scores: Scores) -> dict[str, Any]:
    """AUC, average precision, a table of thresholds and at most 101 points of the precision-recall curve."""
    thresholds, precision, recall = precision_recall(truth, scores)
    points = np.unique(np.linspace(0, len(thresholds) - 1, min(CURVE_POINTS, len(thresholds))).round().astype(int))
    negatives = np.sort(scores[~truth])[::-1]
    chosen = {float(negatives[min(int(share * len(negatives)), len(negatives) - 1)]) for share in NEGATIVES_KEPT}
    return {
        "positives": int(truth.sum()),
        "negatives": int((~truth).sum()),
        "auc": _rounded(auc(truth, scores)),
        "average_precision": _rounded(average_precision(truth, scores)),
        "thresholds": [at_threshold(truth, scores, value) for value in sorted({*chosen, 0.5}, reverse=True)],
        "curve": [
            {"threshold": _rounded(thresholds[i]), "precision": _rounded(precision[i]), "recall": _rounded(recall[i])}
            for i in points
        ],
    }


def _rounded(value: Any) -> float:
    return round(float(value), 6)
