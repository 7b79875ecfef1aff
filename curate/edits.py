"""Edits of conversations: what a step does to the text is done to each message, so that shards hold no stale ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.conversation import MESSAGES, Message, render
from curate.dedup.step import GlobalStep
from curate.documents import set_column
from curate.steps.step import Step


def edit_messages(step: Step, before: pa.RecordBatch, after: pa.RecordBatch) -> pa.RecordBatch:
    """Where the step changed the text of a conversation, it does the same to each of its messages.

    The text is then the rendering of what they became. A message on which the step fails, or of which it leaves
    nothing, is the conversation's error. So is an edit by what a global step found at places of the whole text.
    """
    if after.num_rows != before.num_rows:
        return after
    sound = pc.and_(pc.is_null(after["error"]), pc.is_valid(before["messages"]))
    rows = np.flatnonzero(pc.fill_null(pc.and_(sound, pc.not_equal(before["text"], after["text"])), False))
    if not len(rows):
        return after
    if isinstance(step, GlobalStep):
        why = f"{step.name}: cuts the text of a conversation at places that its messages do not have"
        hit = pa.array(np.isin(np.arange(after.num_rows), rows))
        return set_column(after, "error", pc.if_else(hit, why, after["error"]))
    talks = before["messages"].take(pa.array(rows))
    turns = talks.flatten()
    owner = rows[pc.list_parent_indices(talks).to_numpy()]
    single = set_column(before.take(pa.array(owner)), "text", turns.field("content"))
    single = set_column(single, "messages", pa.nulls(single.num_rows, MESSAGES))
    done = step.process(single)
    messages, texts, errors = (after[name].to_pylist() for name in ("messages", "text", "error"))
    for row in rows:
        messages[row] = []
    for row, role, text, error in zip(
        owner, turns.field("role").to_pylist(), done["text"].to_pylist(), done["error"].to_pylist(), strict=True
    ):
        if error is None and not (text or "").strip():
            error = f"{step.name}: nothing is left of message {len(messages[row])}, from {role}"
        errors[row] = errors[row] or error
        messages[row].append(Message(role, text or ""))
    for row in rows:
        texts[row] = render(messages[row])
    for name, values in (("messages", messages), ("text", texts), ("error", errors)):
        after = set_column(after, name, pa.array(values, after.schema.field(name).type))
    return after
