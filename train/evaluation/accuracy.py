"""From likelihoods to accuracies with their standard errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from curate.train.evaluation.likelihood import Likelihoods, Scorer
from curate.train.evaluation.tasks import Task


def run_task(scorer: Scorer, task: Task) -> dict[str, Any]:
    """`examples`, `accuracy`, and for choices `accuracy_normalised`, `chance`, for clozes `perplexity`; each accuracy with its
    standard error under `..._error`."""
    pairs = [pair for item in task.items for pair in item.candidates]
    found = scorer.score(pairs)
    return cloze(found) if task.kind == "cloze" else choices(task, found)


def choices(task: Task, found: Likelihoods) -> dict[str, Any]:
    """The likeliest candidate, by its likelihood and by that over the bytes of its continuation (lm-evaluation-harness calls them
    acc and acc_norm; its lengths are characters). Of equal ones the first is taken."""
    raw, normal, chance = [], [], []
    at = 0
    for item in task.items:
        count = len(item.candidates)
        nats = found.nats[at : at + count]
        sizes = np.array([len(continuation.strip().encode()) for _, continuation in item.candidates])
        raw.append(int(np.argmin(nats)) == item.gold)
        normal.append(int(np.argmin(nats / np.maximum(sizes, 1))) == item.gold)
        chance.append(1 / count)
        at += count
    return {
        "kind": "choice", "examples": len(task.items), **_share("accuracy", raw), **_share("accuracy_normalised", normal),
        "chance": round(float(np.mean(chance)), 4),
    }  # fmt: skip


def cloze(found: Likelihoods) -> dict[str, Any]:
    """Whether the model's likeliest tokens are the continuation; perplexity is that of whole continuations, and `loss` by token."""
    count = len(found.nats)
    return {
        "kind": "cloze", "examples": count, **_share("accuracy", found.greedy.tolist()),
        "perplexity": round(math.exp(min(700.0, float(found.nats.mean()))), 4),
        "loss": round(float(found.nats.sum() / max(1, found.tokens.sum())), 4),
    }  # fmt: skip


def _share(name: str, right: list[bool]) -> dict[str, float]:
    """The share of those that are right, and the standard error of a mean of so many."""
    count, share = len(right), sum(right) / max(1, len(right))
    error = math.sqrt(share * (1 - share) / (count - 1)) if count > 1 else 0.0
    return {name: round(share, 4), f"{name}_error": round(error, 4)}
