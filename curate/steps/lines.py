"""The step `lines`: removes lines that are no prose (C4, RefinedWeb) and judges the page by what was removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

from curate.documents import set_column
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.steps.word_assets import word_assets
from curate.text import buffers, from_buffers

_COUNT, _FRACTION = pa.int32(), pa.float64()

_C4: dict[str, Any] = {
    "terminal_punct": True, "terminal_marks": ".?!\"'", "min_words": 3, "max_word_length": 1000, "javascript": True,
    "policy": True, "citations": True, "max_upper_share": 1.0, "digits_only": False, "counters": False,
    "snippets": False, "keep_blank": False,
}  # fmt: skip
# What a preset removes. The original C4 wants 5 words a line and 3 sentences a page, datatrove 3 words and 5 sentences.
SETTINGS: dict[str, dict[str, Any]] = {
    "c4": _C4 | {"terminal_marks": '.?!"', "min_words": 5},
    "c4_datatrove": _C4,
    "c4_fineweb": _C4 | {"terminal_punct": False},
    "refinedweb": {
        "terminal_punct": False, "terminal_marks": ".?!\"'", "min_words": 2, "max_word_length": 0, "javascript": False,
        "policy": False, "citations": False, "max_upper_share": 0.5, "digits_only": True, "counters": True,
        "snippets": True, "keep_blank": True,
    },
}  # fmt: skip
_PAGE = {"lorem_ipsum": Bound(max=0), "curly_bracket": Bound(max=0)}


@bounded
class Lines(Filter):
    """Remove lines of menus, notices and code from the text, then drop pages that had too many of them."""

    kind: ClassVar[str] = "lines"
    version: ClassVar[int] = 3
    source: ClassVar[str] = (
        "C4 (Raffel et al. 2020) as datatrove 0.10 C4QualityFilter; RefinedWeb (arXiv 2306.01116, G.2) and DCLM"
    )
    # unlike elsewhere a preset decides the text, not only what is kept
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"rules"})
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "lines_removed": Signal(_COUNT, "lines removed, blank ones left out"),
        "lines_removed_frac": Signal(_FRACTION, "lines removed / lines, blank ones left out"),
        "chars_removed": Signal(_COUNT, "characters (code points) removed"),
        "words_removed_frac": Signal(_FRACTION, "words removed / words, parted by white space"),
        "sentence_count": Signal(_COUNT, "sentences of the lines that stay, counted line by line"),
        "lorem_ipsum": Signal(_COUNT, "lines with `lorem ipsum` that no earlier rule removed"),
        "curly_bracket": Signal(_COUNT, "lines with { that no earlier rule removed"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "c4": {"sentence_count": Bound(min=3), **_PAGE},
        "c4_datatrove": {"sentence_count": Bound(min=5), **_PAGE},
        "c4_fineweb": {"sentence_count": Bound(min=5), **_PAGE},
        "refinedweb": {"words_removed_frac": Bound(max=0.05)},
    }

    preset: str = Field("c4_fineweb", description="what is removed: c4, c4_datatrove, c4_fineweb or refinedweb")
    terminal_punct: bool | None = Field(None, description="remove lines that do not end in one of `terminal_marks`")
    terminal_marks: str | None = Field(None, description="ASCII characters that end a sentence")
    min_words: int | None = Field(None, ge=0, description="remove lines of fewer words")
    max_word_length: int | None = Field(None, ge=0, description="remove lines with a longer word; 0 for no limit")
    javascript: bool | None = Field(None, description="remove lines with `javascript`")
    policy: bool | None = Field(None, description="remove lines with a phrase of cookie and privacy notices")
    citations: bool | None = Field(None, description="cut [12], [edit] and [citation needed]")
    max_upper_share: float | None = Field(
        None, ge=0, le=1, description="remove lines with more capitals; 1 for no limit"
    )
    digits_only: bool | None = Field(None, description="remove lines of digits alone")
    counters: bool | None = Field(None, description="remove lines such as `3 likes`")
    snippets: bool | None = Field(
        None, description="cut `items in cart`, a last `read more...`, a first `sign-in` from lines of up to 10 words"
    )
    keep_blank: bool | None = Field(None, description="keep one blank line between paragraphs")

    @field_validator("terminal_marks")
    @classmethod
    def _ascii(cls, marks: str | None) -> str | None:
        if marks is not None and not (marks.isascii() and marks):
            raise ValueError(f"terminal_marks must be ASCII characters, got {marks!r}")
        return marks

    def removes(self) -> dict[str, Any]:
        """The settings in force: those of the preset, and what overrides them."""
        preset = SETTINGS[self.preset]
        return {name: value if (own := getattr(self, name)) is None else own for name, value in preset.items()}

    def assets(self) -> dict[str, str]:
        """The version of ICU, by which words of scripts without spaces are found."""
        return word_assets()

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Replace each text by its edited lines and add the signals; a null text stays null."""
        from curate.kernels import line_rules as kernel
        from curate.kernels.carried_words import carried_words
        from curate.kernels.words import remember_words, words_of

        settings = self.removes()
        switches = {
            "terminal_punct": kernel.TERMINAL_PUNCT, "citations": kernel.CITATIONS,
            "javascript": kernel.JAVASCRIPT_LINES, "policy": kernel.POLICY_LINES, "digits_only": kernel.DIGITS_ONLY,
            "counters": kernel.COUNTERS, "snippets": kernel.SNIPPETS, "keep_blank": kernel.KEEP_BLANK,
        }  # fmt: skip
        rules = kernel.LineRules(
            on=sum(bit for name, bit in switches.items() if settings[name]),
            min_words=settings["min_words"],
            max_word_length=settings["max_word_length"],
            max_upper_share=settings["max_upper_share"],
            marks=settings["terminal_marks"].encode(),
        )
        column = batch.column("text")
        data, offsets, counts, kept = kernel.edit_lines(*buffers(column), rules)
        text = from_buffers(data, offsets)
        words = carried_words(text, words_of(column), kept)
        remember_words(text, words)
        counted = dict(zip(kernel.COLUMNS, counts.T, strict=True))
        edited = pc.if_else(column.is_null(), None, text) if column.null_count else text
        return self.with_signals(
            set_column(batch, "text", edited),
            lines_removed=counted["lines_removed"],
            lines_removed_frac=counted["lines_removed"] / np.maximum(counted["lines"], 1),
            chars_removed=counted["chars_removed"],
            words_removed_frac=counted["words_removed"] / np.maximum(counted["words"], 1),
            sentence_count=kernel.count_sentences(*buffers(text), words),
            lorem_ipsum=counted["lorem_ipsum"],
            curly_bracket=counted["curly_bracket"],
        )
