"""Arrow text columns as the flat buffers that kernels read, and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int32]


def buffers(text: pa.Array) -> tuple[Bytes, Offsets]:
    """A string or binary array -> (its UTF-8 bytes, n + 1 int32 offsets into them), without a copy.

    Text i is `data[offsets[i]:offsets[i + 1]]`; slices are honoured, a null is an empty text.
    """
    if text.null_count:
        text = text.fill_null("" if pa.types.is_string(text.type) else b"")
    _, offset_buffer, data_buffer = text.buffers()
    if len(text) == 0 or offset_buffer is None:
        return np.zeros(0, np.uint8), np.zeros(1, np.int32)
    offsets = np.frombuffer(offset_buffer, np.int32, len(text) + 1, text.offset * 4)
    data = np.zeros(0, np.uint8) if data_buffer is None else np.frombuffer(data_buffer, np.uint8)
    # both read-only whatever Arrow's buffer was: one type, one compiled kernel
    offsets.flags.writeable = False
    data.flags.writeable = False
    return data, offsets


def from_buffers(data: Bytes, offsets: Offsets) -> pa.Array:
    """(UTF-8 bytes, n + 1 int32 offsets) -> a string array; the bytes must be valid UTF-8."""
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def clean_utf8(raw: bytes) -> tuple[str, int]:
    """Bytes -> (text, how many invalid sequences became U+FFFD)."""
    try:
        return raw.decode("utf-8"), 0
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        return text, max(1, text.count("\ufffd") - raw.count(b"\xef\xbf\xbd"))


def clean_surrogates(text: str) -> tuple[str, int]:
    """A Python string -> (the same with lone surrogates as U+FFFD, how many there were)."""
    try:
        text.encode("utf-8")
        return text, 0
    except UnicodeEncodeError:
        clean = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
        return clean, sum(a != b for a, b in zip(text, clean, strict=True))
