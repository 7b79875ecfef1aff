"""Where the sentences of a text are, in any script, by punctuation and line breaks alone."""

from __future__ import annotations

import re

# Marks that end a sentence with or without white space behind: of Chinese and Japanese; danda and double danda of Indic
# scripts, Ol Chiki, Meetei Mayek and Chakma; of Arabic, Urdu, Syriac, N'Ko, Armenian, Ethiopic, Tibetan, Burmese, Khmer,
# Mongolian. (The ranges of `kernels.unicode.TERMINAL_RANGES` hold more, among them commas.)
MARKS = (
    "\u3002\uff01\uff1f\uff61\u0964\u0965\u1c7e\u1c7f\uabeb\U00011141-\U00011143\u061e\u061f\u06d4\u0700-\u0702\u07f9"
    "\u0589\u1362\u1367\u1368\u0f0d\u0f0e\u104b\u17d4\u17d5\u1803\u1809"
)
# Latin, Greek and Cyrillic marks end a sentence before white space only (3.14, e.g.com), a line break always. The
# look-behind and the possessive quantifiers keep the search linear in long runs of marks.
_END = re.compile(
    r"(?<![.!?\u2026])[.!?\u2026]++[\"'\u201d\u2019\u00bb)\]]*+\s++"
    rf"|[{MARKS}]++[\"\u201d\u2019\u300d\u300f\uff09)]*+\s*+"
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
