"""UTF-8 that was once read as windows-1252 (`cafÃ©`), put right line by line where it is beyond doubt.

The idea is that of ftfy (Speer 2019): text that encodes to windows-1252 and whose bytes are then valid UTF-8 was
hardly meant as it stands.
"""

from __future__ import annotations

import re

# windows-1252 with its five holes filled as browsers do
_BYTES = {bytes([code]).decode("cp1252", "ignore") or chr(code): code for code in range(0x80, 0x100)}
_WRONG = "".join(map(re.escape, _BYTES))
# a lead byte and at least one continuation byte, as they look when misread
_SIGN = re.compile("[\u00c2-\u00f4][" + "".join(re.escape(char) for char, code in _BYTES.items() if code < 0xC0) + "]")
_RUN = re.compile(f"[{_WRONG}]+")


def fix_mojibake(text: str) -> str:
    """The text with every run of misread characters decoded again, until nothing changes (it may be wrong twice)."""
    while _SIGN.search(text):
        fixed = _RUN.sub(lambda run: _decoded(run[0]), text)
        if fixed == text:
            break
        text = fixed
    return text


def _decoded(run: str) -> str:
    try:
        return bytes(_BYTES[char] for char in run).decode("utf-8")
    except UnicodeDecodeError:
        return run
