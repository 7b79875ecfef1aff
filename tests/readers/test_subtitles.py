"""Subtitles: timing, numbers and tags go; lines shown twice count once; speakers and paragraphs stay."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.readers import FORMATS
from curate.readers.reader import ReadSettings, Tally
from curate.readers.subtitles import cues_of, running_text

SRT = """1
00:00:01,000 --> 00:00:02,500
<i>It was</i> {\\an8}a dark night,

2
00:00:02,600 --> 00:00:04,000
and the storm
did not end.

3
00:00:10,000 --> 00:00:11,000
[thunder]

4
00:00:12,000 --> 00:00:13,000
- Who is there?
- Nobody &amp; nothing.
"""
VTT = """WEBVTT - talk
Kind: captions
Language: en

NOTE a comment
00 not a cue

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.000 align:start position:0%
<v Fred Smith>Hi, I'm <c.loud>Fred</c>.

00:02.100 --> 00:03.000
<v.first Mary>Hello<00:00:02.500><c> there</c></v>
"""
# what YouTube gives for its own captions: each line stays while the next is spoken
ROLLING = """WEBVTT

00:00:00.000 --> 00:00:02.000
so<00:00:00.500><c> today</c><00:00:01.000><c> we</c>

00:00:02.000 --> 00:00:02.010
so today we

00:00:02.010 --> 00:00:04.000
so today we
talk<00:00:03.000><c> about rivers</c>

00:00:04.000 --> 00:00:04.010
talk about rivers

00:00:04.010 --> 00:00:06.000
talk about rivers
and seas
"""
GROWING = """1
00:00:00,000 --> 00:00:01,000
so today

2
00:00:01,000 --> 00:00:02,000
so today we talk

3
00:00:02,000 --> 00:00:03,000
so today we talk about it
"""


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (SRT, "It was a dark night, and the storm did not end.\n- Who is there?\n- Nobody & nothing.\n"),
        (VTT, "Fred Smith: Hi, I'm Fred.\nMary: Hello there\n"),
        (ROLLING, "so today we talk about rivers and seas\n"),
        (GROWING, "so today we talk about it\n"),
        # said twice, with a pause between
        ("0:01.000 --> 0:02.000\nNo.\n\n0:04.000 --> 0:05.000\nNo.\n", "No. No.\n"),
        # numbers without blank lines, carriage returns
        ("1\r\n00:00:01,000 --> 00:00:02,000\r\nA\r\n2\r\n00:00:02,000 --> 00:00:03,000\r\nB\r\n", "A B\n"),
        ("00:01.000 --> 00:02.000\n今日は\n\n00:02.000 --> 00:03.000\nいい天気\n", "今日はいい天気\n"),
    ],
)  # fmt: skip
def test_running_text(source: str, text: str) -> None:
    assert running_text(list(cues_of(source))) == text


@pytest.mark.parametrize(
    ("name", "content", "lang", "error"),
    [
        ("talk.de.srt", SRT.encode(), "de", None),
        ("talk.vtt", VTT.encode("utf-16"), "en", None),
        ("talk.srt", SRT.replace("storm", "Stürm und Größe").encode("windows-1252"), None, None),
        ("talk.srt", b"just text\n", None, "no line of timing"),
        ("talk.srt", b"x" * 2_000_000, None, "the limit"),
    ],
)
def test_files(tmp_path: Path, name: str, content: bytes, lang: str | None, error: str | None) -> None:
    (tmp_path / name).write_bytes(content)
    reader = FORMATS["subtitles"]
    (batch,) = reader.read(
        reader.pieces(str(tmp_path / name))[0], ReadSettings("s", "subtitles", max_document_bytes=1 << 20), Tally()
    )
    (row,) = batch.to_pylist()
    assert row["lang"] == lang and (
        error in row["error"] if error else row["error"] is None and "-->" not in row["text"]
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.lists(st.sampled_from(["a", "a b", "A: x", "", "- y"]), max_size=3)), max_size=8
    )
)
@settings(max_examples=100, deadline=None)
def test_every_word_that_is_shown_is_read(cues: list[tuple[int, list[str]]]) -> None:
    source = "\n\n".join(f"0:{start:02d}.000 --> 0:{start + 1:02d}.000\n" + "\n".join(lines) for start, lines in cues)
    made = running_text(list(cues_of(source)))
    shown = [line for cue in cues_of(source) for line in cue.lines]
    assert set(made.split()) == {word for line in shown for word in line.split()}
