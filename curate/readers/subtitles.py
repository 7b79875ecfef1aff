"""Subtitles and transcripts (SubRip, WebVTT) as running text: no timing, numbers or tags; speakers stay.

Captions that roll up, as YouTube's do, show each line two or three times, or grow word by word: a line counts once. Lines
run on as one paragraph; a new one begins at a new speaker or behind a pause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import pairwise
from typing import Any, NamedTuple

from curate.readers.plain import Unreadable, decode_any
from curate.readers.reader import ReadSettings, Tally

# Seconds between cues: up to the first the same line is shown on, from the second a paragraph ends.
SAME, PAUSE = 0.5, 3.0
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_VOICE = re.compile(r"<v(?:\.[^ \t>]*)?[ \t]+([^>]*)>")
# tags of HTML and WebVTT, and of ASS as SubRip files have them: {\an8}
_TAG = re.compile(r"</?[A-Za-z][^<>]*>|<\d+:[\d:.]+>|\{\\[^{}]*\}")
_SOUND = re.compile(r"(?:\s*(?:\[[^\[\]]*\]|[♪♫#*]+)\s*)+")
_SOUND_MARKS = "[♪♫#*"
_SPEAKER = re.compile(r"(?:-|–|—|>>)\s*\S|[^\W\d_][^\W_]*(?:[ .'-]+[^\W_]+){0,3}:\s")
_LANGUAGE = re.compile(r"\.([A-Za-z]{2,3})(?:[-_][A-Za-z]+)?\.(?:srt|vtt)(?:\.\w+)?$")
_HEADER_LANGUAGE = re.compile(r"^Language:\s*([A-Za-z]{2,3})", re.MULTILINE)
# from here on scripts that set no space between words: kana, CJK ideographs, full-width forms; Thai to Khmer apart
_SPACELESS = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u31c0-\u9fff\uf900-\ufaff\uff00-\uffef]"
)


class Cue(NamedTuple):
    """One caption: when it is shown, in seconds, and its lines without tags."""

    start: float
    stop: float
    lines: list[str]


def parse_subtitles(content: bytes, path: str, settings: ReadSettings, tally: Tally) -> dict[str, Any]:
    """A file -> its document. Raises Unreadable."""
    text, _ = decode_any(content)
    cues = list(cues_of(text))
    if not cues:
        raise Unreadable("no subtitles: no line of timing, as `00:00:01,000 --> 00:00:02,000`")
    named = _LANGUAGE.search(path) or _HEADER_LANGUAGE.search(text[:1000])
    return {"text": running_text(cues), "lang": named[1].lower() if named else None}


def cues_of(text: str) -> Iterator[Cue]:
    """The captions of a SubRip or WebVTT file, in the order of the file."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    i = 0
    while i < len(lines):
        timing = _timing(lines[i])
        i += 1
        if not timing:
            continue  # numbers, notes, styles, what stands between cues
        begin = i
        # a blank line ends a caption, unless the file has blank lines inside of them: what follows then is no new cue
        while i < len(lines) and lines[i].strip() and not _timing(lines[i]):
            i += 1
        body = lines[begin:i]
        if i < len(lines) and _timing(lines[i]) and body and body[-1].strip().isdigit():
            body.pop()  # the next cue's number, without a blank line before it
        start, stop = _seconds(timing.groups()[:4]), _seconds(timing.groups()[4:])
        yield Cue(start, stop, [line for line in map(_plain, body) if line])


def _timing(line: str) -> re.Match[str] | None:
    return _TIMING.match(line) if "-->" in line else None


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _plain(line: str) -> str:
    """A line without tags and sounds; a voice tag becomes `Name: `."""
    if "<" in line or "{" in line:
        line = _TAG.sub("", _VOICE.sub(lambda found: f"{found[1].strip()}: ", line))
    line = " ".join(unescape(line).split())
    return "" if line[:1] in _SOUND_MARKS and _SOUND.fullmatch(line) else line


def running_text(cues: list[Cue]) -> str:
    """The lines of captions, each once, as paragraphs."""
    paragraphs: list[list[str]] = []
    last, ended = [""], -PAUSE  # the lines of the cue before, and when it went
    for cue in sorted(cues, key=lambda cue: cue.start):
        lines = cue.lines
        shown_on = cue.start - ended <= SAME
        repeated = _repeated(last, lines) if shown_on else 0
        new = lines[repeated:]
        if shown_on and new and last and not repeated and _grows(last[-1], new[0]) and paragraphs:
            paragraphs[-1][-1] = new[0]  # the same line, with more words
            new = new[1:]
        elif cue.start - ended >= PAUSE and new:
            paragraphs.append([])
        for line in new:
            if not paragraphs or (_SPEAKER.match(line) and paragraphs[-1]):
                paragraphs.append([])
            paragraphs[-1].append(line)
        if lines:
            last = lines
        ended = max(ended, cue.stop) if lines or shown_on else ended
    return "\n".join(_joined(lines) for lines in paragraphs if lines) + "\n"


def _repeated(last: list[str], lines: list[str]) -> int:
    """How many of the first lines are the last ones of the cue before."""
    return next((n for n in range(min(len(last), len(lines)), 0, -1) if last[-n:] == lines[:n]), 0)


def _grows(line: str, longer: str) -> bool:
    return longer.startswith(f"{line} ") and line != ""


def _joined(lines: list[str]) -> str:
    parts = lines[:1]
    for before, line in pairwise(lines):
        parts += ["" if _SPACELESS.match(before[-1]) and _SPACELESS.match(line[0]) else " ", line]
    return "".join(parts)
