"""Twins in Python of what the kernels make of scripts without spaces."""

from __future__ import annotations

import re
from collections.abc import Iterator

from icu4py.breakers import WordBreaker

from curate.kernels.segments import UNSPACED_RANGES


def ranges(text: str) -> str:
    """ "61 65-66" -> "a-ae-f", for a regular expression."""
    parts = [part.partition("-") for part in text.split()]
    return "".join(f"{chr(int(low, 16))}-{chr(int(high or low, 16))}" for low, _, high in parts)


def pieces(text: str, scripts: str = UNSPACED_RANGES) -> Iterator[str]:
    """The text in pieces: words of these scripts by ICU, whatever stands between them as it is."""
    inside = f"[{ranges(scripts)}]"
    for run in re.findall(f"{inside}+|{inside.replace('[', '[^')}+", text):
        yield from WordBreaker(run, "en") if re.match(inside, run) else [run]
