"""The step `setu_lines` against a slow twin and on known lines."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import document_batch
from curate.kernels.setu_lines import DIGIT_RANGES, TERMINAL_MARKS, TEXT_RANGES
from curate.steps.setu_lines import SetuLines, without_code

CHARS = st.sampled_from(list("aZ9 \t\n.!:।॥؟۔कखि०१٣𑄀é€-#…\u200d\u200c(\"'"))


def members(ranges: str) -> set[int]:
    pairs = [part.split("-") for part in ranges.split()]
    return {code for pair in pairs for code in range(int(pair[0], 16), int(pair[-1], 16) + 1)}


TEXT, DIGITS = members(TEXT_RANGES), members(DIGIT_RANGES)


def twin(text: str) -> tuple[str, float, int, int]:
    """(what stays, share of symbols, lines removed as numbers, lines removed for their end)."""
    symbols = sum(char not in " \n" and ord(char) not in TEXT | DIGITS for char in text)
    left, numbers, ends = [], 0, 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        others = sum(char != " " and ord(char) not in TEXT - DIGITS for char in line)
        if line.isnumeric() or others >= 0.4 * len(line):
            numbers += 1
        elif not line.rstrip().endswith(tuple(TERMINAL_MARKS)) or line.rstrip().endswith("..."):
            ends += 1
        else:
            left.append(line)
    return "\n".join(left), symbols / max(len(text), 1), numbers, ends


def run(texts: list[str | None], **options: object) -> list[dict[str, object]]:
    step = SetuLines.model_validate(options)
    done = step.process(document_batch([{"row": i, "id": str(i), "text": text} for i, text in enumerate(texts)]))
    return [{"text": t, **s} for t, s in zip(done["text"].to_pylist(), done["setu_lines"].to_pylist(), strict=True)]


@given(st.lists(st.one_of(st.text(CHARS, max_size=30), st.text(max_size=10)), max_size=5))
@settings(max_examples=150, deadline=None)
def test_agrees_with_a_slow_twin(texts: list[str]) -> None:
    for text, row in zip(texts, run(texts, code=False), strict=True):
        want = twin(text)
        assert row["text"] == want[0] and row["symbol_frac"] == pytest.approx(want[1])
        assert (row["number_lines"], row["unterminated_lines"]) == want[2:]


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("यह एक वाक्य है।", True),
        ("یہ ایک جملہ ہے۔", True),
        ("This is a sentence.", True),
        ("और पढ़ें", False),  # read more: no end
        ("रुकिए...", False),
        ("12.03.2024 (14:30)", False),
        ("१२३४", False),
        ("क्‍ष और र्‍य.", True),  # with ZWJ
        ("कीमत: 500 रुपये,", True),
    ],
)
def test_known_lines(line: str, stays: bool) -> None:
    assert run([line])[0]["text"] == (line if stays else "")


def test_code_goes_and_prose_with_a_brace_stays() -> None:
    text = "पहला वाक्य। <b>मोटा</b> है।\nA sentence. Another {brace} here.\nfunction f(a, b) { return a; }\n.menu a { color: red; }\nअंत।"
    row = run([text])[0]
    assert row["text"] == "पहला वाक्य।  है।\nA sentence. Another {brace} here.\nअंत।"
    assert row["code_chars"] == len("<b>मोटा</b>") + len("function f(a, b) { return a; }") + len(
        ".menu a { color: red; }"
    )


def test_code_is_searched_in_linear_time() -> None:
    hard = "<a>" * 200_000 + "{" * 1000
    assert without_code(pa.array([hard, None])).to_pylist() == [hard, None]


def test_symbols_drop_at_the_threshold_and_nulls_stay() -> None:
    step = SetuLines()
    assert step.rule_table() == {
        "symbol_frac": "setu_lines.symbol_frac < 0.2",
        "chars_left": "setu_lines.chars_left >= 1",
    }
    rows = run([None, "", "abcd€"])
    assert rows[0]["text"] is None and rows[1]["symbol_frac"] == 0 and rows[2]["symbol_frac"] == pytest.approx(0.2)
    assert re.fullmatch(r"[\d ]*", "1 2")
