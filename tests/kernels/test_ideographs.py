"""Words of Chinese and Japanese: ours are ICU's, clause by clause."""

from __future__ import annotations

import random

import numpy as np
import pytest

from curate.kernels.ideographs import _kinds, ideograph_cuts
from curate.kernels.segments import _icu_cuts
from curate.text import Bytes

# frequent characters and words, so that random strings hold words of the dictionary
_COMMON = "的 一 是 不 了 人 我 在 有 他 这 中 国 中国 人民 我们 软件 自由 使用 日本 日本語 東京 です ます した して いる から ソフト パッケージ インストール の を に は が".split()


def _cuts(clauses: list[str]) -> tuple[list[list[int] | None], list[list[int]]]:
    """(our cuts of each clause, None where they are left to ICU; ICU's)."""
    raw = [clause.encode() for clause in clauses]
    ends = np.cumsum([len(clause) for clause in raw]).astype(np.int32)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int32)
    data: Bytes = np.frombuffer(b"".join(raw), np.uint8)
    cuts, counts = ideograph_cuts(data, starts, ends)
    others, numbers = _icu_cuts(data, starts, ends)
    ours = np.split(cuts, np.cumsum(np.maximum(counts, 0))[:-1])
    theirs = np.split(others, np.cumsum(numbers)[:-1])
    return (
        [own.tolist() if count >= 0 else None for own, count in zip(ours, counts, strict=True)],
        [other.tolist() for other in theirs],
    )


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("自由软件基金会", ["自由", "软件", "基金", "会"]),
        ("日本語のパッケージ", ["日本語", "の", "パッケージ"]),
        ("使用Debian系统3个月", ["使用", "Debian", "系统", "3", "个", "月"]),
        ("「中国」、人", ["「", "中国", "」", "、", "人"]),
        ("𠀀人", None),
        ("中国1.5", None),
        ("한국中国", None),
    ],
)
def test_clauses_are_cut_into_words_or_left_to_icu(clause: str, words: list[str] | None) -> None:
    (own,), (icu,) = _cuts([clause])
    assert own is None if words is None else own == icu
    raw = clause.encode()
    if words is not None:
        assert [raw[i:j].decode() for i, j in zip([0, *icu], [*icu, len(raw)], strict=True)] == words


def test_random_clauses_are_cut_where_icu_cuts() -> None:
    draw = random.Random(5)
    known = [chr(code) for code in np.flatnonzero(_kinds())]
    marks = [char for char in known if not "\u3041" <= char <= "\u9fff"]
    kana = [char for char in known if "\u3041" <= char <= "\u30ff"]
    clauses = [
        "".join(draw.choice(draw.choice((_COMMON, _COMMON, kana, marks, known))) for _ in range(draw.randint(1, 24)))
        for _ in range(4000)
    ]
    ours, icu = _cuts(clauses)
    assert sum(own is not None for own in ours) > 3000
    assert [own for own in ours if own is not None] == [i for own, i in zip(ours, icu, strict=True) if own is not None]
