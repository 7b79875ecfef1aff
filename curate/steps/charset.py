"""Bytes of a page -> its characters, in the order that browsers use, but with valid UTF-8 believed first."""

from __future__ import annotations

import codecs
import re

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
# what browsers read under these names: the vendors' supersets
WIDER = {"shift_jis": "cp932", "euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"}
# Encodings whose every byte is ASCII: valid UTF-8 says nothing about them.
_ESCAPES = b"\x1b"
_META = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{2,40})", re.IGNORECASE)
# how far browsers look for the declaration
_META_BYTES = 1024


def decode_page(content: bytes, stated: str | None, *, html: bool = True) -> tuple[str, str, int]:
    """(characters, name of the encoding, how many became U+FFFD).

    A byte order mark decides; then valid UTF-8; then what the server stated, what the page states, and what its bytes
    look like. Text that is stated to be UTF-8 and is not quite keeps that encoding.
    """
    for mark, marked in MARKS.items():
        if content.startswith(mark):
            return _decode(content[len(mark) :], marked)
    if _ESCAPES not in content:
        try:
            return content.decode("utf-8"), "utf-8", 0
        except UnicodeDecodeError:
            pass
    meta = _META.search(content, 0, _META_BYTES) if html else None
    for label in (stated, meta[1].decode("ascii") if meta else None):
        if name := _python_name(label):
            return _decode(content, name)
    from resiliparse.parse.encoding import detect_encoding

    return _decode(content, _python_name(detect_encoding(content)) or "utf-8")


def _python_name(label: str | None) -> str | None:
    """The codec of a label as the web uses it: latin-1 and ASCII mean windows-1252. None if there is no such codec."""
    from resiliparse.parse.encoding import map_encoding_to_html5

    name = map_encoding_to_html5(label, False) if label else None
    try:
        # a page that could be searched for `charset=` is not in UTF-16, whatever it says
        if name is None or name.startswith("utf-16"):
            return None
        name = codecs.lookup(name).name
        return WIDER.get(name, name)
    except LookupError:
        return None


def _decode(content: bytes, name: str) -> tuple[str, str, int]:
    try:
        return content.decode(name), name, 0
    except (UnicodeDecodeError, LookupError):
        text = content.decode(name, "replace")
        return text, name, text.count("\ufffd")
