"""Words of scripts without spaces: known answers, a slow twin word by word, other scripts untouched."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icu4py.breakers import WordBreaker
from unspaced import pieces, ranges

from curate.kernels import segments
from curate.kernels.segments import BEGIN, END, NARROW_RANGES, SPELLED_RANGES, UNSPACED_RANGES, segmented, word_edges
from curate.kernels.words import split_words, words_of
from curate.steps import step_class
from curate.text import buffers


def words(text: str) -> list[str]:
    found, raw = words_of(pa.array([text])), text.encode()
    return [raw[i:j].decode() for i, j in zip(found.start, found.stop, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("同时也以 24 次拦截领先NFL橄榄球联盟。", "同时 也 以 24 次 拦截 领先 NFL 橄榄 球 联盟 。"),
        ("好。吗？", "好 。 吗 ？"),
        ("人類社会のすべての構成員", "人類 社会 の すべて の 構成 員"),
        ("カメラを買いました", "カメラ を 買い ま した"),
        ("ในขณะที่เป็นผู้นำ", "ใน ขณะ ที่ เป็น ผู้นำ"),
        ("ដោយយល់ឃើញថា ការទទួលស្គាល់", "ដោយ យល់ឃើញ ថា ការ ទទួលស្គាល់"),
        ("ດ້ວຍເຫດວ່າ", "ດ້ວຍ ເຫດ ວ່າ"),
        ("လူခပ်သိမ်း၏", "လူ ခပ်သိမ်း ၏"),
        ("वह गया।फिर आया।", "वह गया । फिर आया ।"),
        ("وہ گیا۔پھر", "وہ گیا ۔ پھر"),
        ("1۔2 中文", "1۔2 中文"),
        ("ነው።፡የተፈጥሮ፡ነው፣ሕሊና፡፡", "ነው ። የተፈጥሮ ነው ፣ ሕሊና"),
        ("ཐོབ་ཐངགི་རང་དབང༌།  ཡོད།འགྲོ་བ", "ཐོབ ཐངགི རང དབང ། ཡོད ། འགྲོ བ"),
        ("ដោយ\u200bយល់ឃើញ\u200bថា", "ដោយ យល់ឃើញ ថា"),
        ("read\u200b(int)", "read\u200b(int )"),
        ("ողջույն։Աշխարհ՝ ուրիշ", "ողջույն ։ Աշխարհ ՝ ուրիշ"),
        ("한국어는 띄어쓰기가 있다.", "한국어는 띄어쓰기가 있다 ."),
        ("क्‍षत्रिय don't “x”", "क्‍षत्रिय do n't “ x ”"),
    ],
)
def test_known_answers(text: str, expected: str) -> None:
    assert words(text) == expected.split()


# behind dandas and Arabic marks only what is beyond ASCII begins a word: `1۔2` stays whole
NEEDED = re.compile(
    f"[{ranges(UNSPACED_RANGES)}]|[{ranges('3002 FF01 FF1F')}](?=.)|[{ranges(NARROW_RANGES)}](?=[^\x00-\x7f])",
    re.DOTALL,
)
PIECES = [
    "中文",
    "好",
    "。",
    "です",
    "ไทย",
    "ខ្មែរ",
    "လူ",
    "ກ",
    "है",
    "।",
    "ནི",
    "་",
    "།",
    "۔",
    "وہ",
    "a",
    "b2",
    " ",
    "\n",
    ".",
    "한국",
    "😀",
    "𠀀",
]


def check(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(texts, pa.string()))
    plain, raw, found = split_words(data, offsets), bytes(data), words_of(pa.array(texts, pa.string()))
    for text in range(len(texts)):
        expected: list[str] = []
        for w in range(plain.first[text], plain.first[text + 1]):
            word = raw[plain.start[w] : plain.stop[w]].decode()
            expected += list(WordBreaker(word, "en")) if NEEDED.search(word) else [word]
        own = slice(found.first[text], found.first[text + 1])
        assert [raw[i:j].decode() for i, j in zip(found.start[own], found.stop[own], strict=True)] == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), max_size=4))
def test_equals_the_twin(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=25).map("".join), max_size=4))
def test_edges_are_those_of_ideographs_and_of_icu_words_of_each_run(texts: list[str]) -> None:
    data, offsets = buffers(pa.array(["x", *texts], pa.string()).slice(1))
    edges = word_edges(data, offsets).tolist() or [0] * len(data)
    inside, spelled = (re.compile(f"[{ranges(scripts)}]") for scripts in (UNSPACED_RANGES, SPELLED_RANGES))
    want = [0]
    for text in texts:
        found = [*pieces(text), ""]
        for piece, after in zip(found[:-1], found[1:], strict=True):
            own = [0] * len(piece.encode())
            if inside.match(piece):
                own[0] = BEGIN
                own[-len(piece[-1].encode())] |= 0 if spelled.match(piece) and spelled.match(after) else END
            want += own
    assert edges == want[: len(data)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=4))
def test_any_texts_equal_the_twin(texts: list[str]) -> None:
    check(texts)


def test_small_chunks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["同时也以 24 次拦截领先", "人類社会のすべて の構成員", "ในขณะที่เป็นผู้นำ"] * 20
    for size in (1, 7, 40, 1000):
        monkeypatch.setattr(segments, "_CHUNK", size)
        check(texts)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_within_bounds(raw: bytes) -> None:
    data, offsets = np.frombuffer(raw, np.uint8), np.array([0, len(raw)], np.int32)
    found = segmented(data, split_words(data, offsets), np.ones(1, np.bool_))
    assert (found.start < found.stop).all() and (np.diff(found.start) > 0).all()


def test_steps_that_count_words_name_the_version_of_icu() -> None:
    for kind in ("quality", "repetition", "lines"):
        assert "icu" in step_class(kind)().assets()
