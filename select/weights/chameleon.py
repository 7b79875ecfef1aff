"""Chameleon: weights from the domains' embeddings alone, by kernel ridge leverage scores."""

from __future__ import annotations

from typing import Literal

import numpy as np

from curate.select.weights.history import Floats
from curate.select.weights.weighting import normalised, softmax

#: the paper's: lambda, and the temperatures of its two softmaxes
RIDGE, PRETRAIN_TEMPERATURE, FINETUNE_TEMPERATURE = 10.0, 5.0, 0.2


def leverage(embeddings: Floats, ridge: float = RIDGE) -> Floats:
    """(k, d) embeddings -> (k,) scores diag(K (K + k ridge I)^-1), K the doubly centred X X^T: the greater, the more apart.

    Xie et al. 2025 (arXiv 2505.24844), section 3 and released code.
    """
    x = np.asarray(embeddings, np.float64)
    centred = x - x.mean(axis=0)
    kernel = centred @ centred.T
    k = len(x)
    scores: Floats = np.diag(np.linalg.solve(kernel + k * ridge * np.eye(k), kernel)).copy()
    return scores


def chameleon(
    embeddings: Floats,
    *,
    purpose: Literal["pretrain", "finetune"] = "pretrain",
    ridge: float = RIDGE,
    temperature: float | None = None,
) -> Floats:
    """(k, d) embeddings of domains, each the mean hidden state of a small model over its samples -> (k,) weights.

    Pre-training prefers what is central, softmax((1 / S) / 5), fine-tuning what is apart, softmax(S / 0.2), S the leverage
    scores over their sum. Domains that are all alike get equal weights.
    """
    scores = np.maximum(leverage(embeddings, ridge), 0.0)
    if not scores.sum() > 0:
        return np.full(len(scores), 1 / len(scores))
    shares = normalised(scores)
    if purpose == "finetune":
        return softmax(shares / (temperature or FINETUNE_TEMPERATURE))
    # a domain in the very middle has no leverage: its weight is the limit, all
    return softmax(1 / np.maximum(shares, 1e-12) / (temperature or PRETRAIN_TEMPERATURE))
