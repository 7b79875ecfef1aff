"""CCNet's normal form and the split into tokens, against slow twins."""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.kernels.tokens import PUNCTUATION, normalized, split_lines
from curate.text import buffers

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("aA1 \n\t.é—한́ก"), max_size=30))


def ccnet(text: str) -> str:
    """The form of whole texts: lower case, no accents, digits 0, punctuation, no control characters but line feeds."""
    # one character at a time: else a capital sigma at the end of a word has another lower case
    text = "".join(char.lower() for char in text.replace("\t", " "))
    text = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
    text = re.sub(r"\d", "0", text)
    text = "".join(PUNCTUATION.get(char, char) for char in text)
    return re.sub("[\x00-\x09\x0b-\x1f\x7f-\x9f]", "", text)


def tokens(text: str, *, words: bool) -> list[list[str]]:
    parts = r"[^\W]" if words else r"\S"
    lines = []
    for line in text.split("\n"):
        found: list[str] = []
        joined = False
        for char in line:
            unspaced = bool(re.match("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
                                     "\u3400-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0010ffff]", char))  # fmt: skip
            part = bool(re.match(parts, char)) or (words and unicodedata.category(char)[0] in "LM")
            if char.isspace():
                joined = False
            elif part and not (words and unspaced):
                found[-1:] = [found[-1] + char] if joined else [*found[-1:], char]
                joined = True
            else:
                found.append(char)
                joined = False
        lines += [found] if found else []
    return lines


@settings(max_examples=150, deadline=None)
@given(TEXTS)
def test_form_is_that_of_its_definition(texts: list[str]) -> None:
    data, bounds = normalized(*buffers(pa.array(texts, pa.string())))
    made = [data[a:b].tobytes().decode() for a, b in zip(bounds, bounds[1:], strict=False)]
    # marks that are not Mn may come in another order: none of them stands in the form
    assert [sorted(text) for text in made] == [sorted(ccnet(text)) for text in texts]
    ascii_only = [(ours, text) for ours, text in zip(made, texts, strict=True) if text.isascii()]
    assert all(ours == ccnet(text) for ours, text in ascii_only)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.booleans())
def test_tokens_are_those_of_their_definition(texts: list[str], words: bool) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    lines = split_lines(data, offsets.astype("int64"), words=words)
    cut = [data[a:b].tobytes().decode() for a, b in zip(lines.start, lines.stop, strict=True)]
    made = [
        [cut[lines.first[k] : lines.first[k + 1]] for k in range(a, b)]
        for a, b in zip(lines.texts, lines.texts[1:], strict=False)
    ]
    assert made == [tokens(text, words=words) for text in texts]


def test_the_form_of_real_lines() -> None:
    given = ["Déjà Vu — “25 €” …", "Ｈｅｌｌｏ，世界！１２", "İSTANBUL\tÇok\x00 güzel\x85", "हिन्दी", "한국"]
    data, bounds = normalized(*buffers(pa.array(given)))
    made = [data[a:b].tobytes().decode() for a, b in zip(bounds, bounds[1:], strict=False)]
    assert made[0] == 'deja vu  -  "00 €" ...'
    assert made[1] == "ｈｅｌｌｏ,世界!00"
    assert made[2] == "istanbul cok guzel"
    assert made[3] == "".join(c for c in "हिन्दी" if unicodedata.category(c) != "Mn")
    assert made[4] == unicodedata.normalize("NFD", "한국")
