"""The elements of one large JSON list, without the list in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from curate.readers.codecs import Damaged

_OPENING = re.compile(r"\ufeff?[ \t\r\n]*\[[ \t\r\n]*(\]?)")
_BETWEEN = re.compile(r"[ \t\r\n]*([,\]])[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


def elements(blocks: Iterator[bytes], limit: int) -> Iterator[bytes | str]:
    """The bytes of each element of the list that the blocks hold; for what cannot be read, the error, which ends it.

    Memory holds one element, of at most `limit` bytes and a block.
    """
    text = _Text(blocks)
    opening = text.match(_OPENING)
    ended = opening is not None and bool(opening[1])
    try:
        while opening is not None and not ended:
            end = text.element(limit)
            if end is None:
                yield text.problem(limit)
                return
            yield text.held[text.position : end].encode("utf-8", "surrogateescape")
            text.position = end
            between = text.match(_BETWEEN)
            if between is None:
                yield text.damage or "a JSON list that is not closed: what follows is lost"
                return
            ended = between[1] == "]"
    except RecursionError:
        yield "an element nested too deeply: what follows is lost"


class _Text:
    """The characters in hand and a position in them, filled up from blocks of bytes; invalid bytes are escaped."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._decoder = blocks, codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.held, self.position, self.damage = "", 0, ""

    def _more(self) -> bool:
        """Put another block in hand, and let go of what lies behind the position."""
        try:
            block = next(self._blocks, None)
        except Damaged as damage:
            self.damage, block = f"{damage}: what follows is lost", None
        if block is None:
            return False
        self.held, self.position = self.held[self.position :] + self._decoder.decode(block), 0
        return True

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The match at the position, which moves behind it; one that ends where the text in hand ends may go on."""
        found = pattern.match(self.held, self.position)
        while (found is None or found.end() == len(self.held)) and len(self.held) - self.position < 1 << 16:
            if not self._more():
                break
            found = pattern.match(self.held, self.position)
        if found:
            self.position = found.end()
        return found

    def element(self, limit: int) -> int | None:
        """Where the value at the position ends; None if it is not whole, no JSON, or longer than the limit."""
        tried = 0
        while True:
            length = len(self.held) - self.position
            # each attempt reads twice as far, so that a long element is not read again for every block
            if length >= 2 * tried:
                tried = length
                try:
                    end = _decode(self.held, self.position)[1]
                except ValueError:
                    pass
                else:
                    # a number may go on in the next block
                    if end < len(self.held) or not self._more():
                        return end if end - self.position <= limit else None
                    tried = 0
                    continue
            if length > limit or not self._more():
                return self._last_try(limit)

    def _last_try(self, limit: int) -> int | None:
        try:
            end = _decode(self.held, self.position)[1]
        except ValueError:
            return None
        return end if end - self.position <= limit else None

    def problem(self, limit: int) -> str:
        """Why there is no element at the position."""
        if self.damage:
            return self.damage
        try:
            _decode(self.held, self.position)
        except ValueError as error:
            if len(self.held) - self.position <= limit:
                return f"not JSON: {error}: what follows is lost"
        return f"an element above the limit of {limit} bytes, or no JSON: what follows is lost"
