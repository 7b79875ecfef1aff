"""`normalize` does what its slow twin does, for any text, and a second time does nothing."""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import DOCUMENT
from curate.steps.mojibake import fix_mojibake
from curate.steps.normalize import Normalize

SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
BREAKS = "\r\x0b\x0c\x85\u2028\u2029"
INVISIBLE = "\u00ad\u180e\u200b\u2060\ufeff"


def twin(text: str, indentation: bool) -> str:
    text = re.sub(r"\r\n", "\n", text)
    text = re.sub(f"[{BREAKS}]", "\n", text)
    text = re.sub(f"[{SPACES}]", " ", text)
    text = re.sub(f"[{INVISIBLE}\x00-\x08\x0e-\x1f\x7f-\x9f]", "", text)
    lines = []
    for line in text.split("\n"):
        line = line.rstrip(" \t")
        body = line.lstrip(" \t")
        indent = line[: len(line) - len(body)] if indentation else ""
        lines.append(indent + re.sub(r"[ \t]+", lambda run: "\t" if "\t" in run[0] else " ", body))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(" \t\n")
    return unicodedata.normalize("NFC", text)


def normalized(texts: list[str | None], **settings: bool) -> pa.RecordBatch:
    columns = {"row": list(range(len(texts))), "text": texts}
    batch = pa.RecordBatch.from_pydict(columns, schema=pa.schema([DOCUMENT.field("row"), DOCUMENT.field("text")]))
    return Normalize(**settings).process(batch)


pieces = st.text(st.sampled_from(f" \n\t\r\x00ab#\u00e9e\u0301\u0915\u200d\u4e2d\U0001f600{SPACES}{BREAKS}{INVISIBLE}"))
texts = st.lists(st.one_of(pieces, st.text()), max_size=5)


@settings(max_examples=200, deadline=None)
@given(texts, st.booleans())
def test_equals_the_slow_twin(given: list[str], indentation: bool) -> None:
    batch = normalized(given, indentation=indentation)
    assert batch["text"].to_pylist() == [twin(text, indentation) for text in given]
    again = Normalize(indentation=indentation).process(batch)
    assert again["text"].to_pylist() == batch["text"].to_pylist()
    assert not any(again["normalize"].field("removed").to_pylist())


def test_signals() -> None:
    batch = normalized(["a\u00a0b \r\nc\x00", "e\u0301", None, "", "plain"])
    assert batch["text"].to_pylist() == ["a b\nc", "\u00e9", None, "", "plain"]
    assert batch["normalize"].to_pylist() == [
        {"removed": 3, "replaced": 1, "composed": False, "repaired": False},
        {"removed": 0, "replaced": 0, "composed": True, "repaired": False},
        *[{"removed": 0, "replaced": 0, "composed": False, "repaired": False}] * 3,
    ]


def test_indentation() -> None:
    code = "def f():\n    if x:\n\treturn  1"
    assert normalized([code])["text"][0].as_py() == "def f():\n    if x:\n\treturn 1"
    assert normalized([code], indentation=False)["text"][0].as_py() == "def f():\nif x:\nreturn 1"


def test_slices_and_no_rows() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["x ", " y", "z\u200b"]}, schema=pa.schema([DOCUMENT.field("text")]))
    assert Normalize().process(batch.slice(1, 2))["text"].to_pylist() == ["y", "z"]
    assert Normalize().process(batch.slice(1, 0))["text"].to_pylist() == []


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("caf\u00c3\u00a9", "caf\u00e9"),
        ("it\u00e2\u20ac\u2122s \u00e2\u20ac\u0153so\u00e2\u20ac\u009d", "it\u2019s \u201cso\u201d"),
        ("caf\u00c3\u0192\u00c2\u00a9", "caf\u00e9"),
        ("\u00c9t\u00e9 \u00e0 la mer", "\u00c9t\u00e9 \u00e0 la mer"),
        ("\u00c3 and \u4e2d", "\u00c3 and \u4e2d"),
    ],
)
def test_mojibake(wrong: str, right: str) -> None:
    assert fix_mojibake(wrong) == right
    batch = normalized([wrong, "x"], fix_mojibake=True)
    assert batch["text"].to_pylist() == [right, "x"]
    assert batch["normalize"].field("repaired").to_pylist() == [wrong != right, False]
