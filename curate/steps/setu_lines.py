"""The step `setu_lines`: the cleaning of web text in Indian languages, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.documents import set_column
from curate.steps.step import Bound, Signal, Step
from curate.text import buffers, from_buffers

_COUNT, _FRACTION = pa.int32(), pa.float64()
# Elements of HTML in a line, functions of JavaScript, rules of CSS. Arrow's engine takes time linear in the text.
CODE = (
    r"<[^<>\n]+>[^\n]+?</[^<>\n]+>",
    r"(?s)\bfunction\b[^(){};]*\([^()]*\)\s*\{.*?\}",
    r"[.#@][A-Za-z_-][^.{}\n]*\{[^{}]*\}",
)


class SetuLines(Step):
    """Clean text as Setu does: cut code, then lines of numbers and marks and lines that do not end like a sentence.

    A line goes if at least `number_share` of its characters are neither letters of Indian scripts or English nor blanks,
    or if it does not end in one of `. ! ? । ॥ : , ; ) " ' ؟ ۔`, or ends in `...`. Documents of which `symbol_frac` is
    at least `max_symbol_frac`, or of which nothing stays, are dropped.

    The rules for whole documents are those of `setu`, which should follow.

    Unlike the released code, blanks at the end of a line do not count as its end, ZWJ and ZWNJ are no symbols, and a
    rule of CSS begins at its selector: there it takes all text from the first full stop on.
    """

    kind: ClassVar[str] = "setu_lines"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "IndicLLMSuite (Khan et al. 2024, arXiv 2403.06350), Setu: cleaning and analysis"
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "symbol_frac": Signal(_FRACTION, "characters beside letters, digits and blanks / characters, code left out"),
        "code_chars": Signal(_COUNT, "characters cut as code"),
        "lines": Signal(_COUNT, "lines, blank ones left out"),
        "number_lines": Signal(_COUNT, "lines removed since they are numbers and marks"),
        "unterminated_lines": Signal(_COUNT, "lines removed since they do not end like a sentence"),
        "short_lines": Signal(_COUNT, "lines removed since they have fewer than `min_words` words"),
        "lines_removed_frac": Signal(_FRACTION, "lines removed / lines"),
        "chars_left": Signal(_COUNT, "characters that stay"),
    }
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"rules", "max_symbol_frac"})

    code: bool = Field(True, description="cut code: HTML, JavaScript, CSS (Setu does so for crawls alone)")
    number_share: float = Field(0.4, gt=0, le=1, description="share of numbers and marks from which a line goes")
    terminal_punct: bool = Field(True, description="remove lines that do not end like a sentence")
    min_words: int = Field(0, ge=0, description="remove lines of fewer words; 2 is Setu's chunk length filter")
    max_symbol_frac: float = Field(0.2, description="documents with this share of symbols or more are dropped")
    lines_removed_frac: Bound | None = Field(None, description="bound on: lines removed / lines")
    chars_left: Bound | None = Field(Bound(min=1), description="bound on: characters that stay")

    def rule_table(self) -> dict[str, str]:
        """The share of symbols, then the bounds."""
        return {"symbol_frac": f"{self.name}.symbol_frac < {self.max_symbol_frac:g}"} | super().rule_table()

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Replace each text by what stays of it and add the signals; a null text stays null."""
        from curate.kernels.setu_lines import COLUMNS, edit_chunks

        column = batch["text"]
        whole = pc.fill_null(pc.utf8_length(column), 0).to_numpy()
        text = without_code(column) if self.code else column
        data, offsets, counts = edit_chunks(
            *buffers(text), number_share=self.number_share, terminal=self.terminal_punct, min_words=self.min_words
        )
        counted = dict(zip(COLUMNS, counts.T, strict=True))
        edited = from_buffers(data, offsets)
        removed = counted["number_lines"] + counted["unterminated_lines"] + counted["short_lines"]
        kept = pc.if_else(column.is_null(), None, edited) if column.null_count else edited
        return self.with_signals(
            set_column(batch, "text", kept),
            symbol_frac=counted["symbols"] / np.maximum(counted["chars"], 1),
            code_chars=whole - counted["chars"],
            **{name: counted[name] for name in ("lines", "number_lines", "unterminated_lines", "short_lines")},
            lines_removed_frac=removed / np.maximum(counted["lines"], 1),
            chars_left=pc.utf8_length(edited).to_numpy(),
        )


def without_code(text: pa.Array) -> pa.Array:
    """The texts without what looks like code; only those with signs of code are searched."""
    suspect = pc.fill_null(pc.or_(pc.match_substring(text, "</"), pc.match_substring(text, "{")), False)
    rows = np.flatnonzero(suspect.to_numpy(zero_copy_only=False))
    if not len(rows):
        return text
    cut = text.take(pa.array(rows))
    for pattern in CODE:
        cut = pc.replace_substring_regex(cut, pattern, "")
    return pc.replace_with_mask(text, suspect, cut)
