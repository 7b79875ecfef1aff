"""The step `repetition`: drops texts that repeat their lines, paragraphs or n-grams (Gopher)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pyarrow as pa
from pydantic import Field

from curate.steps.by_language import ByLanguage, fineweb2_bounds
from curate.steps.step import Bound, Signal, bounded
from curate.steps.word_assets import word_assets
from curate.text import buffers

_FRACTION = pa.float64()


@bounded
class Repetition(ByLanguage):
    """Drop documents that repeat themselves: duplicate lines and paragraphs, frequent and repeated n-grams of words.

    The preset `fineweb2` has bounds for 186 languages, by the language of each document, and none for others.
    """

    kind: ClassVar[str] = "repetition"
    version: ClassVar[int] = 3
    source: ClassVar[str] = (
        "Rae et al. 2021, arXiv 2112.11446, table A1; counted as datatrove 0.10 GopherRepetitionFilter; FineWeb-2 "
        "(arXiv 2506.20920) and its released configurations"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "char_count": Signal(pa.int32(), "characters (code points) of the text"),
        "dup_line_frac": Signal(_FRACTION, "second and later copies of lines / lines"),
        "dup_line_char_frac": Signal(_FRACTION, "characters in second and later copies of lines / characters"),
        "dup_para_frac": Signal(_FRACTION, "second and later copies of paragraphs / paragraphs"),
        "dup_para_char_frac": Signal(_FRACTION, "characters in second and later copies of paragraphs / characters"),
        **{
            f"top_{n}gram_char_frac": Signal(
                _FRACTION, f"length of the most frequent {n}-gram x its count / characters"
            )
            for n in (2, 3, 4)
        },
        **{
            f"dup_{n}gram_char_frac": Signal(_FRACTION, f"characters in {n}-grams seen before / characters")
            for n in range(5, 11)
        },
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "gopher": {
            # an empty text repeats nothing, and is dropped all the same
            "char_count": Bound(min=1),
            "dup_line_frac": Bound(max=0.30),
            "dup_para_frac": Bound(max=0.30),
            "dup_line_char_frac": Bound(max=0.20),
            "dup_para_char_frac": Bound(max=0.20),
            "top_2gram_char_frac": Bound(max=0.20),
            "top_3gram_char_frac": Bound(max=0.18),
            "top_4gram_char_frac": Bound(max=0.16),
            "dup_5gram_char_frac": Bound(max=0.15),
            "dup_6gram_char_frac": Bound(max=0.14),
            "dup_7gram_char_frac": Bound(max=0.13),
            "dup_8gram_char_frac": Bound(max=0.12),
            "dup_9gram_char_frac": Bound(max=0.11),
            "dup_10gram_char_frac": Bound(max=0.10),
        },
        # without tests of paragraphs; its bound on characters of duplicate lines is `quality.char_dup_frac`
        "fineweb2": {"char_count": Bound(min=1), **fineweb2_bounds("repetition")},
    }

    preset: str | list[str] = Field(
        "gopher", description="named bounds, the later override the earlier: gopher, fineweb2"
    )

    def assets(self) -> dict[str, str]:
        """The version of ICU, by which words of scripts without spaces are found."""
        return word_assets()

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the signals of each text; a null text is an empty one."""
        from curate.kernels.repetition import COLUMNS, repetition_signals
        from curate.kernels.words import words_of

        text = batch.column("text")
        data, offsets = buffers(text)
        values = repetition_signals(data, offsets, words_of(text))
        return self.with_language(batch, **{name: values[:, place] for place, name in enumerate(COLUMNS)})
