"""`extract` with our own engine: a whole batch of pages in one call, without a Python object for a page in UTF-8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import set_column
from curate.steps.charset import decode_page
from curate.steps.step import Signal
from curate.text import buffers, clean_surrogates

if TYPE_CHECKING:
    from curate.extraction.engine import Extracted

#: the signals of the model and of the head of a page, beside those that every engine has
SIGNALS: Mapping[str, Signal] = {
    "confidence": Signal(
        pa.float32(), "the F1 that the model expects of its choice, 0 to 1: low where it is unsure; 0 without text"
    ),
    "blocks": Signal(pa.int32(), "blocks of text that the page has"),
    "kept_blocks": Signal(pa.int32(), "blocks of them that are main text"),
    "hidden_used": Signal(
        pa.bool_(), "whether hidden text, navigation and the like were looked at, little else being there"
    ),
    "author": Signal(pa.string(), "the author that the head of the page names; may be empty"),
    "canonical": Signal(pa.string(), "the address that the page calls its own (`rel=canonical`); may be empty"),
    "license": Signal(pa.string(), "the licence that the page names or links to; may be empty"),
}


ESCAPE = 0x1B


class Utf8(NamedTuple):
    """Pages in UTF-8."""

    pages: pa.Array  # string
    encoding: list[str]
    replaced: list[int]  # characters that became U+FFFD


def in_utf8(content: pa.Array, charset: pa.Array) -> Utf8:
    """Raw pages -> UTF-8, as `decode_page` reads them; pages that are in UTF-8 already are not copied."""
    from curate.kernels.html_tags import has_byte

    count = len(content)
    try:
        pages = content.cast(pa.string())
        data, offsets = buffers(pages)
        # encodings with escapes are ASCII to the eye
        if not has_byte(data, int(offsets[0]), int(offsets[-1]), ESCAPE):
            return Utf8(pages, ["utf-8"] * count, [0] * count)
    except pa.ArrowInvalid:
        pass
    raw = content.to_pylist()
    decoded = [decode_page(*page) for page in zip(raw, charset.to_pylist(), strict=True)]
    utf8 = [
        page if encoding == "utf-8" and not replaced else clean_surrogates(text)[0].encode()
        for page, (text, encoding, replaced) in zip(raw, decoded, strict=True)
    ]
    made = pa.array(utf8, pa.binary()).cast(pa.string())
    return Utf8(made, [page[1] for page in decoded], [page[2] for page in decoded])


class Merged:
    """A column made of old values, those of HTML pages, and those of other raw pages."""

    def __init__(self, html: Any, rest: Any) -> None:
        self._html, self._rest, self._all = pa.array(html), pa.array(rest), bool(html.all())

    def of_html(self, values: pa.Array) -> pa.Array:
        """The values of HTML pages; nothing is copied if all are."""
        return values if self._all else values.filter(self._html)

    def of_rest(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of other raw pages."""
        return batch.filter(self._rest)

    def column(self, old: pa.Array, of_html: pa.Array, of_rest: Sequence[Any]) -> pa.Array:
        """The values in the order of the rows."""
        if self._all:
            return of_html.cast(old.type)
        made = pc.replace_with_mask(old, self._html, of_html.cast(old.type))
        return pc.replace_with_mask(made, self._rest, pa.array(of_rest, old.type)) if of_rest else made


def known(value: pa.Array) -> pa.Array:
    """Strings, null where they are empty."""
    return pc.if_else(pc.equal(value, ""), pa.scalar(None, pa.string()), value)


def lower(value: pa.Array) -> pa.Array:
    """Strings in lower case without white space around."""
    return pc.utf8_lower(pc.utf8_trim_whitespace(value))


def of_model(found: Extracted) -> dict[str, pa.Array]:
    """The signals of the model, by name."""
    made = {
        "confidence": pa.array(found.confidence),
        "blocks": pa.array(found.blocks),
        "kept_blocks": pa.array(found.kept),
        "hidden_used": pa.array(found.relaxed),
    }
    return made | {name: found.fields[name] for name in ("author", "canonical", "license")}


def empty(signal: Signal, count: int) -> pa.Array:
    """The signal of documents that are no HTML pages."""
    value: Any = "" if pa.types.is_string(signal.type) else 0
    return pa.array([value] * count).cast(signal.type)


def with_columns(batch: pa.RecordBatch, columns: Mapping[str, pa.Array]) -> pa.RecordBatch:
    """The batch with these columns set."""
    for name, values in columns.items():
        batch = set_column(batch, name, values)
    return batch


def sizes(content: pa.Array) -> Any:
    """The bytes of each page, 0 for none: a numpy array."""
    return np.asarray(pc.fill_null(pc.binary_length(content), 0))
