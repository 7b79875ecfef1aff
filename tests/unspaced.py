"""Twins in Python of what the kernels make of scripts without spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from icu4py.breakers import WordBreaker

from curate.kernels.segments import SPELLED_RANGES, UNSPACED_RANGES


def ranges(text: str) -> str:
    """ "61 65-66" -> "a-ae-f", for a regular expression."""
    parts = [part.partition("-") for part in text.split()]
    return "".join(f"{chr(int(low, 16))}-{chr(int(high or low, 16))}" for low, _, high in parts)


def pieces(text: str, ideographs: bool = True) -> Iterator[str]:
    """The text in pieces: words of alphabets by ICU, each ideograph if these count, whatever stands between as it is."""
    spelled = ranges(SPELLED_RANGES)
    alone = f"(?![{spelled}])[{ranges(UNSPACED_RANGES)}]" if ideographs else "(?!)"
    for run in re.findall(f"{alone}|[{spelled}]+|(?:(?!{alone})[^{spelled}])+", text):
        yield from WordBreaker(run, "en") if re.match(f"[{spelled}]", run) else [run]
