"""`script`: letters by script, against the script property of another library."""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.documents import document_batch
from curate.kernels.script_names import SCRIPTS
from curate.kernels.scripts import NO_SCRIPT, script_counts, script_table
from curate.steps.script import Script
from curate.text import buffers

CASES = [
    ("Hello, world 42", 10, "Latn", 1.0, 1, 1.0),
    ("\u0928\u092e\u0938\u094d\u0924\u0947 ok", 8, "Deva", 0.75, 2, 0.25),
    ("\u6771\u4eac\u306b\u3044\u304f", 5, "Jpan", 1.0, 2, 0.0),
    ("\u6211\u662f\u4e2d\u56fd\u4eba", 5, "Hani", 1.0, 1, 0.0),
    ("12 + 3 = 15!", 0, "", 0.0, 0, 0.0),
    ("", 0, "", 0.0, 0, 0.0),
    (None, 0, "", 0.0, 0, 0.0),
]


def test_signals() -> None:
    batch = document_batch([{"row": i, "text": case[0]} for i, case in enumerate(CASES)])
    found = Script().process(batch)["script"].to_pylist()
    keys = ("letters", "script", "share", "scripts", "Latn_share")
    assert [tuple(row[key] for key in keys) for row in found] == [case[1:] for case in CASES]


def test_ratios_are_signals_and_rules() -> None:
    step = Script(ratios=["Indic", "Cyrl"], keep=["Deva", "Jpan"], preset="pure")
    assert step.rule_table() == {"script": "script.script IN ('Deva', 'Jpan')", "share": "script.share >= 0.95"}
    made = step.process(document_batch([{"row": 0, "text": "\u0928\u092e\u0430\u0431"}]))["script"].to_pylist()[0]
    assert made["Indic_share"] == made["Cyrl_share"] == 0.5
    with pytest.raises(ValidationError, match="unknown script Latin"):
        Script(ratios=["Latin"])


def slow(text: str) -> list[int]:
    counted = Counter(int(script_table()[ord(char)]) for char in text)
    return [counted[place] for place in range(len(SCRIPTS))]


@settings(deadline=None)
@given(st.lists(st.text(), max_size=5), st.integers(0, 40))
def test_counts(texts: list[str], most: int) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    assert script_counts(data, offsets).tolist() == [slow(text) for text in texts]
    clipped = script_counts(data, offsets, most)
    # a cut inside a character counts no letter of a script for it
    whole = [text.encode()[:most].decode(errors="ignore") for text in texts]
    assert [sum(row) for row in clipped.tolist()] == [sum(slow(text)) for text in whole]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=5))
def test_any_bytes(parts: list[bytes]) -> None:
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    counts = script_counts(np.frombuffer(b"".join(parts), np.uint8), offsets)
    assert [sum(row) <= len(part) for row, part in zip(counts.tolist(), parts, strict=True)] == [True] * len(parts)


def test_the_table_agrees_with_the_script_property() -> None:
    table = script_table()
    patterns = [regex.compile(rf"\p{{Script={code}}}") for code in SCRIPTS[:-1]]
    wrong = [hex(i) for i in range(0x20000) if table[i] < len(patterns) and not patterns[table[i]].match(chr(i))]
    # half-width sound marks and the ideographic closing mark have no script of their own in the standard
    assert len(wrong) < 120, wrong
    letters = [i for i in range(0x20000) if unicodedata.category(chr(i)) in ("Lu", "Ll", "Lo")]
    unknown = [hex(i) for i in letters if table[i] == NO_SCRIPT]
    assert not unknown


def test_languages_are_in_their_scripts(shared_data: Path) -> None:
    wanted = {
        "hi": "Deva",
        "ta": "Taml",
        "th": "Thai",
        "ko": "Hang",
        "ru": "Cyrl",
        "el": "Grek",
        "ja": "Jpan",
        "sat": "Olck",
    }
    with gzip.open(shared_data / "multilingual/udhr_articles_0_20.jsonl.gz") as file:
        rows = [row for line in file if (row := json.loads(line))["lang"] in wanted]
    found = Script().process(document_batch([{"row": i, "text": row["text"]} for i, row in enumerate(rows)]))["script"]
    assert found.field("script").to_pylist() == [wanted[row["lang"]] for row in rows]


def romanised(texts: list[str]) -> list[str]:
    return Script().process(document_batch([{"row": i, "text": text} for i, text in enumerate(texts)]))["script"].field("romanised").to_pylist()  # fmt: skip


def test_romanised_hindi() -> None:
    texts = [
        "Mujhe samajh nahin aa raha hai ki yeh kaise hua, lekin hum log kal phir se koshish karenge.",
        "I do not understand how this could happen, but we are going to try again tomorrow.",
        "\u092e\u0941\u091d\u0947 \u0938\u092e\u091d \u0928\u0939\u0940\u0902 \u0906 \u0930\u0939\u093e \u0939\u0948",
        "",
    ]
    assert romanised(texts) == ["hi", "", "", ""]


def test_romanised_hindi_of_people_and_languages_that_are_none(shared_data: Path) -> None:
    def rows(path: str) -> list[dict[str, str]]:
        with gzip.open(shared_data / path) as file:
            return [json.loads(line) for line in file]

    hindi = [r["text"] for r in rows("toxicity/hatecheck_multilingual_a.jsonl.gz") if r["lang"] == "hi-Latn"]
    assert np.mean([code == "hi" for code in romanised(hindi)]) > 0.65
    # rows that the model was not trained on
    others = rows("multilingual/udhr_articles_0_20.jsonl.gz")[::5] + rows("web_text/c4_demo_a.jsonl.gz")
    assert np.mean([bool(code) for code in romanised([r["text"] for r in others])]) < 0.005
