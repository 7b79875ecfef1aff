"""AUC, average precision and thresholds: by hand, and as scikit-learn counts them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from curate.classifiers.evaluation import at_threshold, auc, average_precision, evaluate, precision_recall

SCORED = st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60).filter(
    lambda rows: len({truth for truth, _ in rows}) == 2
)


@pytest.mark.parametrize(
    ("truth", "scores", "wanted"),
    [([1, 0], [2, 1], 1.0), ([1, 0], [1, 2], 0.0), ([1, 0], [1, 1], 0.5), ([1, 1, 0, 0], [3, 1, 2, 0], 0.75)],
)
def test_auc_by_hand(truth: list[int], scores: list[float], wanted: float) -> None:
    assert auc(np.array(truth, bool), np.array(scores, float)) == wanted


def test_one_class_has_no_auc() -> None:
    assert math.isnan(auc(np.ones(3, bool), np.arange(3.0))) and math.isnan(auc(np.zeros(0, bool), np.zeros(0)))


@given(SCORED)
def test_as_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([truth for truth, _ in rows]), np.array([score for _, score in rows], float)
    assert auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    assert average_precision(truth, scores) == pytest.approx(average_precision_score(truth, scores))


def test_thresholds_keep_what_scores_as_much() -> None:
    truth, scores = np.array([1, 1, 0, 1, 0, 0], bool), np.array([0.9, 0.8, 0.8, 0.4, 0.3, 0.1])
    row = at_threshold(truth, scores, 0.8)
    assert row["precision"] == row["recall"] == row["f1"] == pytest.approx(2 / 3, abs=1e-6)
    assert row["negatives_kept"] == pytest.approx(1 / 3, abs=1e-6) and row["kept"] == 0.5
    thresholds, precision, recall = precision_recall(truth, scores)
    assert thresholds.tolist() == [0.9, 0.8, 0.4, 0.3, 0.1]
    assert precision.round(3).tolist() == [1, 0.667, 0.75, 0.6, 0.5] and recall.round(3).tolist()[:2] == [0.333, 0.667]
    found = evaluate(truth, scores)
    assert (found["positives"], found["negatives"], found["auc"]) == (3, 3, pytest.approx(7.5 / 9, abs=1e-6))
    assert [point["threshold"] for point in found["curve"]] == [0.9, 0.8, 0.4, 0.3, 0.1]
