"""A selector over documents in memory: no files, no pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.conversation import MESSAGES
from curate.dedup.memory import resolve_here
from curate.documents import DOCUMENT, document_batch, set_column
from curate.select.selector import Selector


def scored(
    selector: Selector,
    texts: pa.Array,
    signals: Mapping[str, Any] | None = None,
    *,
    messages: pa.Array | None = None,
    columns: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
    """Run a selector over (n,) texts, and the conversations that they render if it reads those.

    `columns` has others of the documents, as `url` or `source`. `signals` has, by name (`step.field`), what the selector reads: (n,) float64, or (n, d) float32 for embeddings.
    Returns `score`, `rank`, `tokens`, `share`, what else the selector finds and, with a budget, `chosen` (bool), one row a
    text, in order.
    """
    count = len(texts)
    batch = document_batch([{"row": i, "id": str(i)} for i in range(count)])
    batch = set_column(batch, "text", texts.cast(DOCUMENT.field("text").type))
    for name, values in (columns or {}).items():
        batch = set_column(batch, name, values.cast(DOCUMENT.field(name).type))
    if messages is not None:
        batch = set_column(batch, "messages", messages.cast(MESSAGES))
    table = pa.table({"row": batch["row"], **dict(selector.collect(batch))})
    held = {name: [np.asarray(values)] for name, values in (signals or {}).items()}
    found = resolve_here(selector, [table], lambda _, rows: texts.take(pa.array(rows)), held)[0].drop_columns("row")
    if selector.budget is None:
        return found
    return found.append_column("chosen", pc.fill_null(_within(selector, found), False))


def _within(selector: Selector, found: pa.Table) -> pa.ChunkedArray:
    import polars as pl

    assert selector.budget is not None
    frame = pl.DataFrame(pl.from_arrow(found)).select(pl.struct(pl.all()).alias(selector.name))
    return pa.chunked_array([frame.select(pl.sql_expr(selector.budget.sql(selector.name))).to_series().to_arrow()])
