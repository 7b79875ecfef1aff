"""Our filters decide as datatrove's do: rates against the decisions it took on real documents, words by spaCy.

`python -m benchmarks.agreement --same-words` passes spaCy's words to our kernels: all decisions agree then.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from curate.kernels.words import Words, split_words
from curate.text import buffers


@pytest.fixture(autouse=True)
def benchmarks_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.mark.parametrize(
    ("name", "floor"),
    [
        ("gopher_rep", 0.998),
        ("gopher_quality", 0.996),
        ("fineweb_quality", 0.998),
        ("fineweb_quality_fineweb_cfg", 0.998),
        ("c4", 0.999),
        ("c4_fineweb_cfg", 0.999),
    ],
)
def test_decisions_agree_with_datatrove(shared_data: Path, name: str, floor: float) -> None:
    from benchmarks.agreement import agreement, corpus

    documents = corpus()
    rate, classes = agreement(name, documents, split_words(*buffers(documents.text)))
    assert rate >= floor, classes.most_common(5)


def test_the_edited_text_is_that_of_datatrove(shared_data: Path) -> None:
    import hashlib
    import json

    from benchmarks.agreement import corpus
    from curate.kernels import line_rules
    from curate.text import from_buffers

    documents = corpus()
    oracle = json.loads((shared_data / "corpus/oracle/datatrove_c4.reasons.json").read_text())
    on = line_rules.TERMINAL_PUNCT | line_rules.CITATIONS | line_rules.JAVASCRIPT_LINES | line_rules.POLICY_LINES
    rules = line_rules.LineRules(on=on, min_words=3, max_word_length=1000, max_upper_share=1.0, marks=b".?!\"'")
    data, offsets, *_ = line_rules.edit_lines(*buffers(documents.text), rules)
    texts = from_buffers(data, offsets)
    kept = [(key, oracle[key][1], str(text)) for key, text in zip(documents.ids, texts, strict=True)
            if isinstance(oracle.get(key), list)]  # fmt: skip
    assert len(kept) > 1000
    same = [hashlib.sha1(text.encode()).hexdigest() == digest for _, digest, text in kept]
    assert all(same)


def test_words_of_another_splitter_can_be_passed() -> None:
    import pyarrow as pa

    from curate.kernels.repetition import COLUMNS, repetition_signals

    data, offsets = buffers(pa.array(["a-b a-b a-b a-b"]))
    whole = Words(np.array([0, 4, 8, 12], np.int32), np.array([3, 7, 11, 15], np.int32), np.array([0, 4]))
    top = COLUMNS.index("top_2gram_char_frac")
    assert repetition_signals(data, offsets, whole)[0, top] == 21 / 15
    assert repetition_signals(data, offsets, split_words(data, offsets))[0, top] == 12 / 15
