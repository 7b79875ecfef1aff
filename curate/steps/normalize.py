"""`normalize`: one form for what looks the same, and no invisible characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.documents import set_column
from curate.steps.step import Signal, Step
from curate.text import Bytes, Offsets, buffers, from_buffers


class Normalize(Step):
    """Clean whitespace and invisible characters, and compose Unicode (NFC or NFKC); one spelling for Indic scripts.

    Every kind of line end becomes a line feed and every kind of space a space. Control characters, byte order marks,
    soft hyphens and zero-width spaces go; joiners (ZWJ, ZWNJ) stay, because Indic and Persian spelling needs them. Runs
    of spaces inside lines are squeezed, trailing ones cut, at most one blank line stays in a row.

    `indic` replaces what looks like a letter of an Indic script and is written otherwise: vowel letters of two parts,
    signs out of order, a final consonant with a joiner (Malayalam chillu, Bengali khanda ta), `|` for a danda.
    """

    kind: ClassVar[str] = "normalize"
    version: ClassVar[int] = 1
    source: ClassVar[str] = (
        "Unicode Standard Annex 15 (NFC, NFKC) and core specification, chapter 12 (sequences not to use); "
        "whitespace as in RefinedWeb (arXiv 2306.01116, at most two line feeds)"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "removed": Signal(pa.int32(), "characters of the text that were removed"),
        "replaced": Signal(pa.int32(), "spaces and line ends of other kinds that became plain ones, or went"),
        "composed": Signal(pa.bool_(), "whether NFC or NFKC changed the text"),
        "repaired": Signal(pa.bool_(), "whether misread UTF-8 was put right"),
    }

    indentation: bool = Field(True, description="keep spaces and tabs at the beginning of lines (code, verse)")
    form: Literal["NFC", "NFKC"] = Field(
        "NFC", description="`NFKC`: also plain characters for ligatures, wide and raised forms (m² becomes m2)"
    )
    indic: bool = Field(False, description="standard spelling in Indic scripts")
    digits: Literal["keep", "ascii"] = Field("keep", description="`ascii`: 0-9 for digits of Indic scripts and Arabic")
    fix_mojibake: bool = Field(False, description="put right UTF-8 that was once read as windows-1252")

    def signals(self) -> Mapping[str, Signal]:
        """The fixed signals, and how many sequences were respelled if any may be."""
        if not self.indic and self.digits == "keep":
            return self.SIGNALS
        return {**self.SIGNALS, "respelled": Signal(pa.int32(), "sequences that became standard spelling, digits too")}

    def assets(self) -> dict[str, str]:
        """The version of the Unicode database that composes."""
        return {"unicode": unicodedata.unidata_version}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Changes `text`; a null text stays null."""
        from curate.kernels.whitespace import clean

        text = batch.column("text")
        repaired = np.zeros(len(text), np.bool_)
        if self.fix_mojibake:
            text, repaired = _repaired(text)
        data, offsets, removed, replaced, marked = clean(*buffers(text), self.indentation)
        more = {}
        if "respelled" in self.signals():
            from curate.kernels.indic import standard_spelling

            data, offsets, more["respelled"] = standard_spelling(
                data, offsets, spelling=self.indic, digits=self.digits == "ascii"
            )
        if self.form == "NFKC":  # characters below U+0300 have other forms, too
            marked = _not_ascii(data, offsets)
        cleaned, composed = _composed(from_buffers(data, offsets), marked, self.form)
        if text.null_count:
            cleaned = pc.if_else(text.is_valid(), cleaned, pa.scalar(None, pa.string()))
        batch = set_column(batch, "text", cleaned)
        return self.with_signals(
            batch, removed=removed, replaced=replaced, composed=composed, repaired=repaired, **more
        )


def _not_ascii(data: Bytes, offsets: Offsets) -> np.ndarray:
    """Which texts have a character beyond ASCII."""
    wide = np.concatenate([[0], np.cumsum(data >= 0x80, dtype=np.int64)])
    return np.asarray(np.diff(wide[offsets]) > 0)


def _composed(text: pa.Array, marked: np.ndarray, form: Literal["NFC", "NFKC"]) -> tuple[pa.Array, np.ndarray]:
    """(the texts in this form, which of them changed); only those `marked` are looked at."""
    changed = np.zeros(len(text), np.bool_)
    values = {}
    for index in np.flatnonzero(marked).tolist():
        value = text[index].as_py()
        if not unicodedata.is_normalized(form, value):
            values[index] = unicodedata.normalize(form, value)
            changed[index] = True
    return _with_rows(text, values), changed


def _repaired(text: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """(the texts without mojibake, which of them changed)."""
    from curate.steps.mojibake import fix_mojibake

    changed = np.zeros(len(text), np.bool_)
    values = {}
    # every misread sequence begins with one of the letters that are C3 82 to C3 B4 in UTF-8
    suspects = pc.fill_null(pc.match_substring_regex(text, "[\u00c2-\u00f4]"), False)
    for index in np.flatnonzero(suspects.to_numpy(zero_copy_only=False)).tolist():
        value = text[index].as_py()
        fixed = fix_mojibake(value)
        if fixed != value:
            values[index] = fixed
            changed[index] = True
    return _with_rows(text, values), changed


def _with_rows(text: pa.Array, values: dict[int, str]) -> pa.Array:
    """The texts with those at the indices in `values` (ascending) replaced."""
    if not values:
        return text
    mask = np.zeros(len(text), np.bool_)
    mask[list(values)] = True
    return pc.replace_with_mask(text, pa.array(mask), pa.array(list(values.values()), pa.string()))
