"""Where the sentences of a text are, in any script, by punctuation and line breaks alone."""

from __future__ import annotations

import re

# Latin, Greek and Cyrillic marks end a sentence before white space only (3.14, e.g.com), the marks of Chinese, Japanese,
# Indic scripts, Arabic, Urdu, Ethiopic and Burmese anywhere, a line break always. The look-behind and the possessive
# quantifiers keep the search linear in long runs of marks.
_END = re.compile(
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\]]*+\s++"
    r"|[\u3002\uff01\uff1f\u0964\u0965\u061f\u06d4\u1362\u104b]++[\"\u201d\u2019\u300d\u300f\uff09)]*+\s*+"
    r"|\n\s*+"
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """(start, stop) in characters of each sentence, without white space around it; none for a blank text.

    Abbreviations before a space (`Mr. X`) end a sentence: where only scores of pieces are wanted, that does no harm.
    """
    spans = []
    start = 0
    for match in _END.finditer(text):
        spans.append((start, match.end()))
        start = match.end()
    spans.append((start, len(text)))
    found = []
    for start, stop in spans:
        piece = text[start:stop]
        inner = piece.strip()
        if inner:
            start += len(piece) - len(piece.lstrip())
            found.append((start, start + len(inner)))
    return found
