"""The step `dolma`: the signals of Dolma's heuristic taggers under their own names, and the rules of its releases."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.steps.flagged_words import LDNOOBW, list_file
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.steps.word_lists import content_hash
from curate.text import buffers

if TYPE_CHECKING:
    from curate.kernels.automaton import Automaton
    from curate.kernels.groups import Hashes

_COUNT, _FRACTION = pa.int32(), pa.float64()

_DUPLICATE = {
    f"fraction_of_characters_in_duplicate_{n}grams": Bound(max=round(0.20 - n / 100, 2)) for n in range(5, 11)
}
_V1_6 = {
    "word_count": Bound(min=50, max=100_000),
    "median_word_length": Bound(min=3, max=10),
    "symbol_to_word_ratio": Bound(max=0.1),
    "fraction_of_words_with_alpha_character": Bound(min=0.8),
    "required_word_count": Bound(min=2),
    "fraction_of_lines_starting_with_bullet_point": Bound(max=0.9),
    "fraction_of_lines_ending_with_ellipsis": Bound(max=0.3),
    "fraction_of_duplicate_lines": Bound(max=0.3),
    "fraction_of_characters_in_duplicate_lines": Bound(max=0.3),
    **_DUPLICATE,
    "max_repetition": Bound(max=99),
}


@bounded
class Dolma(Filter):
    """The signals of Dolma's taggers gopher, c4_v2, code_redpajama, repetitions and of lengths, and rules on them.

    Values are those of Dolma's code but for repetitions, which are of words where Dolma takes tokens of a model.
    Taggers that are models (fastText quality, toxicity, language) and personal data are steps of their own; the lines
    that c4_v2 cuts, the step `lines` cuts.
    """

    kind: ClassVar[str] = "dolma"
    source: ClassVar[str] = "Dolma (arXiv 2402.00159), toolkit 1.2; thresholds: its mixer's configurations of v1.6"
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "character_count": Signal(_COUNT, "characters (code points)"),
        "word_count": Signal(_COUNT, "words, parted by white space"),
        "median_word_length": Signal(_FRACTION, "median of the characters of words"),
        "symbol_to_word_ratio": Signal(_FRACTION, "words with # or … / words"),
        "fraction_of_words_with_alpha_character": Signal(_FRACTION, "words with a letter / words"),
        "required_word_count": Signal(_COUNT, "how often the be to of and that have with occur"),
        "fraction_of_lines_starting_with_bullet_point": Signal(_FRACTION, "lines that start with * or - / lines"),
        "fraction_of_lines_ending_with_ellipsis": Signal(_FRACTION, "lines that end with … / lines"),
        "fraction_of_duplicate_lines": Signal(_FRACTION, "lines that occur more than once, all copies / lines"),
        "fraction_of_characters_in_duplicate_lines": Signal(_FRACTION, "characters of these / characters of words"),
        **{
            f"fraction_of_characters_in_most_common_{n}grams": Signal(
                _FRACTION, f"characters of the most frequent {n}-gram x its count / characters of words"
            )
            for n in (2, 3, 4)
        },
        **{
            name: Signal(_FRACTION, f"characters of {name[-7:-5].strip('_')}-grams that occur more than once / of all")
            for name in _DUPLICATE
        },
        "line_count": Signal(_COUNT, "lines, the empty one behind a last newline included"),
        "lines_with_no_ending_punctuation": Signal(_COUNT, 'lines that do not end with . ? ! or "'),
        "lines_with_too_few_words": Signal(_COUNT, "lines of fewer than 3 words"),
        "has_curly_brace": Signal(_COUNT, "1 if { occurs"),
        "has_lorem_ipsum": Signal(_COUNT, "1 if `lorem ipsum` occurs in either case"),
        "has_javascript": Signal(_COUNT, "1 if `javascript` occurs in either case"),
        "has_naughty_word": Signal(_COUNT, "1 if a word of the list stands between white space, or a phrase anywhere"),
        "max_repetition": Signal(_COUNT, "how often up to 13 words stand one behind the other, at most; 0 below 3"),
        "max_repetition_length": Signal(_COUNT, "characters of the longest such stretch"),
        "bytes_length": Signal(_COUNT, "bytes"),
        "stripped_length": Signal(_COUNT, "characters without white space at the ends"),
        "whitespace_tokens": Signal(_COUNT, "pieces between words and runs of marks, as whitespace_tokenizer_v1"),
        "max_line_length": Signal(_COUNT, "characters of the longest line"),
        "avg_line_length": Signal(_FRACTION, "mean of the characters of lines"),
        "alnum_prop": Signal(_FRACTION, "letters and numbers / characters"),
        "alpha_token_prop": Signal(_FRACTION, "letters / whitespace_tokens"),
        "has_xml_template": Signal(_COUNT, "1 if `<?xml version=` stands in the first 100 characters"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        # what the mixer did: its rules on most common n-grams ask for a name that the tagger never writes
        "v1_6": _V1_6,
        "gopher": {name: bound for name, bound in _V1_6.items() if name != "max_repetition"}
        | {
            f"fraction_of_characters_in_most_common_{n}grams": Bound(max=most)
            for n, most in ((2, 0.20), (3, 0.18), (4, 0.16))
        },
        "c4": {
            name: Bound(max=0) for name in ("has_curly_brace", "has_lorem_ipsum", "has_javascript", "has_naughty_word")
        },
        # RedPajama's rules for code, as Dolma applies them (section on code), and StarCoder's on XML
        "code": {
            "max_line_length": Bound(max=1000),
            "avg_line_length": Bound(max=100),
            "alnum_prop": Bound(min=0.25),
            "alpha_token_prop": Bound(min=1.5),
            "has_xml_template": Bound(max=0),
        },
        "none": {},
    }
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"naughty_words"})

    preset: str | list[str] = Field(
        "v1_6", description="named bounds, the later override the earlier: v1_6, gopher, c4, code, none"
    )
    language: str = Field("en", description="language of the list")
    naughty_words: str = Field(LDNOOBW, description="a folder with a file LANGUAGE.txt each, a file, or `ldnoobw`")
    empty_lines: bool = Field(True, description="whether empty lines are lines for the gopher tagger: its version 1")

    def assets(self) -> dict[str, str]:
        """The hash of the list."""
        return {"naughty_words": content_hash([list_file(self.name, self.naughty_words, self.language)])}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the signals of each text; a null text is an empty one."""
        from curate.kernels.automaton import find
        from curate.kernels.dolma import COLUMNS, dolma_signals

        data, offsets = buffers(batch.column("text"))
        words, phrases = _lists(self.name, self.naughty_words, self.language)
        values = dolma_signals(data, offsets, naughty=words, empty_lines=self.empty_lines)
        columns: dict[str, Any] = dict(zip(COLUMNS, values.T, strict=True))
        found = np.diff(find(data, offsets, phrases).first)
        columns["has_naughty_word"] = (columns.pop("naughty_words") > 0) | (found > 0)
        return self.with_signals(batch, **columns)


@functools.lru_cache(16)
def _lists(where: str, source: str, language: str) -> tuple[Hashes, Automaton]:
    """The words of the list, and its phrases."""
    from curate.kernels.automaton import automaton, folded
    from curate.kernels.word_set import hash_set, word_hash

    lines = list_file(where, source, language).read_text("utf-8").splitlines()
    entries = {folded(line.strip()) for line in lines if line.strip()}
    words = {entry for entry in entries if " " not in entry}
    return hash_set(word_hash(word.encode()) for word in words), automaton(sorted(entries - words), boundaries=False)
