"""`datatrove`: its filters and formatters run as steps, and mistakes are named."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from curate.documents import document_batch
from curate.errors import MissingAsset, StepError
from curate.steps import datatrove
from curate.steps.datatrove import Datatrove

needs_datatrove = pytest.mark.skipif(
    not datatrove._blocks(), reason="datatrove is not installed: the extra `datatrove`"
)


def process(texts: list[str | None], **settings: Any) -> pa.RecordBatch:
    known = {"source": "s", "path": "p", "offset": 0}
    rows = [
        known | {"row": i, "id": str(i), "text": text, "error": None if text else "lost"}
        for i, text in enumerate(texts)
    ]
    return Datatrove(**settings).process(document_batch(rows))


@needs_datatrove
def test_a_filter() -> None:
    batch = process([" ".join(f"word{i}" for i in range(100)), "word " * 60, None], block="GopherRepetitionFilter")
    assert batch["datatrove"].to_pylist()[0] == {"keep": True, "reason": "", "changed": False}
    assert batch["datatrove"].field("keep").to_pylist() == [True, False, True]
    assert batch["datatrove"].field("reason")[1].as_py() == "top_2_gram"
    assert batch["error"].to_pylist() == [None, None, "lost"]
    assert Datatrove(block="RegexFilter").rule_table() == {"RegexFilter": "datatrove.keep"}


@needs_datatrove
def test_arguments() -> None:
    texts = ["good", "bad word"]
    batch = process(texts, block="RegexFilter", args={"regex_exp": "bad"})
    assert batch["datatrove"].field("keep").to_pylist() == [True, False]
    with pytest.raises(StepError, match=r"RegexFilter[\s\S]*it takes"):
        process(texts, block="RegexFilter", args={"no_such": 1})


@needs_datatrove
def test_a_formatter() -> None:
    batch = process(["write to someone@gmail.com", "nothing"], block="PIIFormatter")
    assert "someone" not in batch["text"][0].as_py() and batch["text"][1].as_py() == "nothing"
    assert batch["datatrove"].field("changed").to_pylist() == [True, False]


@needs_datatrove
def test_an_exception_costs_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Any, document: Any) -> bool:
        if document.text == "bad":
            raise RuntimeError("no")
        return True

    monkeypatch.setattr(datatrove._blocks()["GopherRepetitionFilter"], "filter", fail)
    batch = process(["good", "bad"], block="GopherRepetitionFilter", args={"dup_line_frac": 0.5})
    assert batch["error"].to_pylist() == [None, "datatrove: GopherRepetitionFilter failed: RuntimeError: no"]


@needs_datatrove
def test_an_unknown_block() -> None:
    with pytest.raises(ValueError, match="did you mean GopherQualityFilter"):
        Datatrove(block="GopherQualtyFilter")


def test_an_unfit_block() -> None:
    with pytest.raises(ValueError, match="order of the documents"):
        Datatrove(block="SamplerFilter")


def test_without_datatrove(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datatrove, "_blocks", dict)
    with pytest.raises(MissingAsset, match=r"curate\[datatrove\]"):
        Datatrove(block="GopherQualityFilter").assets()
