"""The step `setu`: the document rules with which Setu flags and filters text in the languages of India."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.steps.by_language import ByLanguage
from curate.steps.script import GROUPS
from curate.steps.step import Bound, Signal, bounded
from curate.text import buffers

_FRACTION = pa.float64()


def _by(**values: float) -> dict[str, Bound]:
    return {code: Bound(max=value) for code, value in values.items()}


@bounded
class Setu(ByLanguage):
    """Drop documents in the 22 scheduled languages of India as Setu does.

    Few or short lines, symbols, other scripts, repetition; by the language of each document. Unlike elsewhere both ends of a bound are exclusive (`min: 4` is more than 4), as they are in Setu. Setu judges text
    after its line rules: put `lines` before. Setu has one bound on 10-grams of characters for texts of any length, and
    long texts exceed it less than short ones.
    """

    kind: ClassVar[str] = "setu"
    source: ClassVar[str] = "IndicLLMSuite (Khan et al. 2024, arXiv 2403.06350) and AI4Bharat/setu"
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "line_count": Signal(pa.int32(), "lines that are not blank"),
        "words_per_line": Signal(_FRACTION, "words, parted by white space / lines"),
        "symbol_share": Signal(_FRACTION, "characters that are no letter, mark, digit, joiner or space / characters"),
        "other_script_share": Signal(_FRACTION, "letters of neither Latin nor an Indic script / letters"),
        "word_repetition": Signal(_FRACTION, "5-grams of words that occur twice or more / 5-grams, all occurrences"),
        "char_repetition": Signal(
            _FRACTION,
            "the most frequent 10-grams of characters, sqrt of the different ones / 10-grams, all occurrences",
        ),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "setu": {
            "line_count": Bound(min=4, by=dict.fromkeys(("as", "brx", "gu"), Bound(min=3))),
            "words_per_line": Bound(min=5, by={"gu": Bound(min=4)}),
            "symbol_share": Bound(max=0.2),
            "other_script_share": Bound(max=0.05, by={"as": Bound(max=0.03), **_by(brx=0.06, gu=0.06)}),
            "word_repetition": Bound(max=0.4, by=_by(gu=0.3, hi=0.5, kn=0.5)),
            "char_repetition": Bound(max=0.2, by={"as": Bound(max=0.1)}),
        },
        # of pages read by a scanner: without the tests of repetition
        "setu_ocr": {
            "line_count": Bound(min=4, by=dict.fromkeys(("as", "brx", "gu"), Bound(min=3))),
            "words_per_line": Bound(min=5, by={"gu": Bound(min=4)}),
            "symbol_share": Bound(max=0.2),
            "other_script_share": Bound(max=0.05, by={"as": Bound(max=0.03), **_by(brx=0.06, gu=0.06)}),
        },
    }

    preset: str | list[str] = Field("setu", description="named bounds, the later override the earlier: setu, setu_ocr")

    def rule_table(self) -> dict[str, str]:
        """As of every filter, with exclusive bounds."""
        own = set(self.bounds())
        return {
            rule: sql.replace(" >= ", " > ").replace(" <= ", " < ") if rule in own else sql
            for rule, sql in super().rule_table().items()
        }

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the signals of each text; a null text is an empty one."""
        from curate.kernels.script_names import SCRIPTS
        from curate.kernels.scripts import script_counts
        from curate.kernels.setu import COLUMNS, setu_signals

        data, offsets = buffers(batch.column("text"))
        values = setu_signals(data, offsets)
        letters = script_counts(data, offsets)
        total = letters.sum(axis=1)
        own = letters[:, [SCRIPTS.index(code) for code in ("Latn", *GROUPS["Indic"])]].sum(axis=1)
        return self.with_language(
            batch,
            other_script_share=(total - own) / np.maximum(total, 1),
            **{name: values[:, place] for place, name in enumerate(COLUMNS)},
        )
