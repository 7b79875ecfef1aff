"""Evidence that people can read: what two near-duplicates have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Thai to Lao, Burmese, Khmer, kana, ideographs: where words are not spaced, a character counts as one.
_UNSPACED = "\u0e01-\u0edf\u1000-\u109f\u1780-\u17dd\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af"
WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])\w)+")


def shared_passage(text_a: str, text_b: str, *, limit: int = 300) -> str:
    """The longest run of words that both texts have, as it stands in `text_a`; "" where they share no word.

    Words are compared in lower case, whatever stands between them; a character of a script without spaces is one. At most
    `limit` characters, cut behind a word where a word fits; of several runs of one length the first in `text_a`.
    """
    spans = [match.span() for match in WORD.finditer(text_a)]
    words_a = [text_a[start:stop].lower() for start, stop in spans]
    words_b = [match.group().lower() for match in WORD.finditer(text_b)]
    # no run of more words can be shown: a word takes a character and its neighbour another
    low, high, at = 0, min(len(words_a), len(words_b), limit // 2 + 1), 0
    while low < high:
        middle = (low + high + 1) // 2
        found = _common_run(words_a, words_b, middle)
        if found is None:
            high = middle - 1
        else:
            low, at = middle, found
    if low == 0:
        return ""
    start = spans[at][0]
    ends = [stop for _, stop in spans[at : at + low] if stop - start <= limit]
    return text_a[start : ends[-1]] if ends else text_a[start : start + limit]


def _common_run(words_a: Sequence[str], words_b: Sequence[str], length: int) -> int | None:
    """Where in `words_a` the first run of `length` words begins that `words_b` has too."""
    runs = {tuple(words_b[i : i + length]) for i in range(len(words_b) - length + 1)}
    for i in range(len(words_a) - length + 1):
        if tuple(words_a[i : i + length]) in runs:
            return i
    return None
