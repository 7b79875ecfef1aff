"""A step whose output changes must raise its version: else the store would hand out results of the old code.

`CURATE_GOLDEN=write python -m pytest tests/test_golden.py` records new outputs, for steps whose version was raised.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.memory import resolve_here
from curate.dedup.step import GlobalStep
from curate.documents import DOCUMENT, FINDINGS_COLUMN, RAW, document_batch
from curate.select.compare import Aiming, Targeted
from curate.steps import STEPS, step_class
from curate.work import with_findings

GOLDEN = Path(__file__).parent / "golden.json"
TEXTS = (
    "The quick brown fox jumps over the lazy dog. It was, of course, a matter of time!\nAnd then nothing happened...",
    "",
    "• one\n• two\n- three\n- three\n- three",
    "Café — “naïve” ﬁancé\u00a0costs 3,50 €; see https://example.org/a?b=c or mail bob@example.org [12].\r\n\r\n\r\n\tIt's {code}.",
    "नमस्ते दुनिया। यह एक परीक्षण है।\n你好，世界。这是测试。\nПривет, мир! Это проверка.",
    "a b a b a b a b a b a b a b a b a b a b\n" * 4,
    "lorem ipsum dolor\njavascript is required\nWe use cookies. Read our privacy policy.\nSign-in Home 3 likes\nHOME ABOUT CONTACT US",
    "word " * 60 + "# # # …",
)  # fmt: skip
PAGE = (
    b"<html lang=en><head><title>On Rivers</title><meta name=date content=2020-01-02></head><body><nav>Home | About</nav>"
    b"<article><h1>On Rivers</h1><p>Rivers run to the sea, and have done so for a very long time, as everybody knows.</p>"
    b"<p>Some of them are caf\xe9 brown; others are not, and nobody has said why that should be so.</p></article></body></html>"
)
# what they give is another library's, or that of a model which the user names
FOREIGN = ("datatrove", "classifier", "perplexity", "judge", "ifd", "less", "perplexity_correlations")
# steps that read conversations
TALKING = ("instruct_mining",)
SETTINGS: dict[str, dict[str, Any]] = {
    "datatrove": {"block": "GopherQualityFilter"},
    "choose": {"by": "golden.row"},
    "domain_cap": {"max_documents": 5},
    "deita": {"complexity": "golden.row", "quality": "golden.row"},
    "decontaminate": {"against": str(Path(__file__).parent / "golden_set.jsonl"), "action": "cut"},
    # the documents are short
    "dsir": {"min_tokens": 0},
    "ensemble": {"scores": ["golden.row"]},
    "quantiles": {"by": "golden.row"},
    "scores": {"keys": ["a.b"]},
    "tag": {"quantile": 0.5, "prefix": [{"name": "source", "of": "source"}]},
}


def sample(kind: str) -> pa.RecordBatch:
    """The fixed documents, as pages for steps that read pages."""
    place = {"source": "golden", "path": "golden", "url": "https://www.example.org/a/b.html"}
    if step_class(kind).reads_raw:
        return document_batch(
            [{"row": 0, "id": "0", "offset": 0, "content": PAGE, "media_type": "text/html", **place}], raw=True
        )
    rows = [{"row": i, "id": str(i), "offset": i, "text": text, **place} for i, text in enumerate(TEXTS)]
    if kind == "scores":
        rows = [
            {**row, "metadata": json.dumps({"a": {"b": value}})}
            for row, value in zip(rows, (1, "2.5", None, True, "x"), strict=False)
        ]
    if kind in TALKING:
        rows = [{**row, "messages": talk(row["text"])} for row in rows]
    return document_batch(rows)


def talk(answer: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": "Go on:"}, {"role": "assistant", "content": answer}]


def output_hash(kind: str) -> str:
    """A hash of everything that a step makes of the sample; floats to five digits."""
    step = step_class(kind).model_validate(SETTINGS.get(kind, {}))
    if isinstance(step, Aiming):
        step = step.aimed_at_points(vectors(3)[1:])
    elif isinstance(step, Targeted):
        step = step.aimed_at(pa.array(TEXTS[:2]))
    batch, collected = sample(kind), {}
    if isinstance(step, GlobalStep):
        collected = dict(step.collect(batch))
        batch = found(step, batch, pa.table({"row": batch["row"], **collected}))
    made = step.process(batch)
    assert set(DOCUMENT.names) <= set(made.schema.names)
    columns = {name: made[name].to_pylist() for name in made.schema.names}
    columns |= {name: array.to_pylist() for name, array in collected.items()}
    for name in (*RAW.names, "messages", "metadata", FINDINGS_COLUMN):
        columns.pop(name, None)
    return hashlib.sha256(json.dumps(_rounded(columns), sort_keys=True, default=repr).encode()).hexdigest()[:16]


def found(step: GlobalStep, batch: pa.RecordBatch, contributed: pa.Table) -> pa.RecordBatch:
    """The batch with what the step resolves to, if it applies that; signals are row numbers, or vectors made of them."""
    if step.FINDINGS is None:
        return batch
    count = batch.num_rows
    signals = {
        name: [vectors(count) if name.endswith(".vector") else np.arange(count, dtype=np.float64)]
        for name in step.reads().values()
    }
    texts = lambda _, rows: batch["text"].take(pa.array(rows))  # noqa: E731
    return with_findings(batch, resolve_here(step, [contributed], texts, signals)[0])


def vectors(count: int) -> np.ndarray:
    """(count, 4) float32."""
    return np.cos(np.arange(1, count + 1)[:, None] * np.arange(1, 5)).astype(np.float32)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize("kind", [kind for kind in STEPS if kind not in FOREIGN])
def test_a_changed_output_has_a_new_version(kind: str) -> None:
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    now = {"version": step_class(kind).version, "output": output_hash(kind)}
    if os.environ.get("CURATE_GOLDEN") == "write":
        known = golden.get(kind)
        assert known is None or known["version"] != now["version"] or known == now, f"raise the version of {kind} first"
        GOLDEN.write_text(json.dumps({**golden, kind: now}, indent=1, sort_keys=True) + "\n")
        return
    assert kind in golden, f"{kind} has no golden output: CURATE_GOLDEN=write"
    if golden[kind]["version"] == now["version"]:
        assert golden[kind]["output"] == now["output"], f"the output of {kind} changed: raise its version"
    else:
        pytest.fail(f"{kind} has a new version: record its output with CURATE_GOLDEN=write")
