"""Does a document of a row see another? Tried on a batch of the training: one document is changed, the others must not notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from curate.train.attention import implementation, influence, model_inputs
from curate.train.batch import Batch
from curate.train.check.finding import Finding, Subject

WIDTH = 512
# Beyond rounding, of which there is none: the same shapes are computed twice.
TOLERANCE = 1e-4
MEND = (
    "write `model: {attention: sdpa}` or `eager`; an architecture that ignores masks cannot be trained on packed rows"
)


def check_apart(subject: Subject) -> Finding:
    """The largest difference of the logits of the documents that were not changed."""
    model, kind = subject.model, implementation(subject.model)
    found = _shared_row(subject.batches)
    try:
        with subject.parallel.autocast():
            if found is None:
                width = min(WIDTH, subject.settings.context)
                difference = influence(model, subject.vocabulary, context=width)
                where = "documents of random tokens"
            else:
                batch, row = found
                difference = changed_document(model, batch, row, subject.vocabulary)
                where = f"row {row} of step {batch.step}, {int(batch.documents[row].max()) + 1} documents"
    except (RuntimeError, TypeError, ValueError) as error:
        what = f"the model cannot be told which tokens are of one document: {str(error).splitlines()[0]} ({kind})"
        return Finding("documents apart", "broken", what, MEND)
    if difference <= TOLERANCE:
        return Finding(
            "documents apart", "ok", f"{where}: one was changed, the others' logits by {difference:.1g} ({kind})"
        )
    what = f"{where}: one was changed, and the logits of others by {difference:.3g} ({kind})"
    return Finding("documents apart", "broken", what, MEND)


def _shared_row(batches: Sequence[Batch]) -> tuple[Batch, int] | None:
    """A row that begins with at least two documents."""
    for batch in batches:
        for row in range(len(batch.tokens)):
            if batch.documents[row, : WIDTH // 2].max() > 0:
                return batch, row
    return None


def changed_document(model: Any, batch: Batch, row: int, vocabulary: int) -> float:
    """How much other logits of a row change, at most, when its first document becomes other tokens."""
    (one,) = (part for i, part in enumerate(batch.micro_batches(1)) if i == row)
    other = replace(
        one, tokens=np.where(one.documents == 0, (one.tokens + 1) % vocabulary, one.tokens).astype(np.int32)
    )
    logits = []
    was = model.training
    model.eval()
    with torch.no_grad():
        for part in (one, other):
            tensors = {name: t[:, :WIDTH].to(_device(model)) for name, t in part.torch().items()}
            logits.append(model(**model_inputs(model, tensors)).logits[0].float())
    model.train(was)
    rest = torch.from_numpy(one.documents[0, :WIDTH] > 0).to(logits[0].device)
    return float((logits[0][rest] - logits[1][rest]).abs().max())


def _device(model: Any) -> torch.device:
    device: torch.device = next(model.parameters()).device
    return device
