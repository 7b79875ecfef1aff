"""The step `redpajama`: the quality signals of RedPajama-V2 under their own names, and Gopher's rules on them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from pydantic import Field

from curate.errors import MissingAsset
from curate.steps.flagged_words import LDNOOBW, list_file
from curate.steps.step import Bound, Filter, Signal, bounded
from curate.steps.word_lists import content_hash, domain_files, domains, stop_word_file, stop_words
from curate.text import buffers

if TYPE_CHECKING:
    from curate.kernels.groups import Hashes
    from curate.kernels.redpajama import Phrases
    from curate.kernels.redpajama_lines import Lines

_COUNT, _FRACTION = pa.int32(), pa.float64()

_NATURAL_LANGUAGE = {
    "rps_doc_mean_word_length": Bound(min=3, max=10),
    "rps_doc_symbol_to_word_ratio": Bound(max=0.1),
    "frac_lines_start_with_bulletpoint": Bound(max=0.9),
}
_LINE = pa.struct(
    {
        "end": _COUNT,
        "rps_lines_num_words": _COUNT,
        "rps_lines_javascript_counts": _COUNT,
        "rps_lines_ending_with_terminal_punctution_mark": pa.bool_(),
        "rps_lines_start_with_bulletpoint": pa.bool_(),
        "rps_lines_numerical_chars_fraction": pa.float32(),
        "rps_lines_uppercase_letter_fraction": pa.float32(),
    }
)
# Signals that need a list -> the setting that names it.
_LISTED = {
    "rps_doc_stop_word_fraction": "stop_words",
    "rps_doc_ldnoobw_words": "flagged_words",
    "rps_doc_ut1_blacklist": "domains",
}


@bounded
class RedPajama(Filter):
    """The quality signals of RedPajama-V2 that need no model, by the names they have there; Gopher's rules on them.

    Words of the normal form are without ASCII punctuation, in lower case and NFD; other words are runs of letters,
    digits and underscores, or of other marks. Values are those of RedPajama's code, not rounded, and 0 where it has
    null (a text without words). Perplexity, language, classifier scores and importance (by `dsir`, towards texts that you
    name) are signals of other steps.
    """

    kind: ClassVar[str] = "redpajama"
    source: ClassVar[str] = (
        "RedPajama-V2 (arXiv 2411.12372); rules: Gopher (arXiv 2112.11446), table A1, on its signals"
    )
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "ccnet_length": Signal(_COUNT, "characters (code points)"),
        "ccnet_nlines": Signal(_COUNT, "lines"),
        "rps_doc_curly_bracket": Signal(_FRACTION, "{ and } / characters"),
        "rps_doc_symbol_to_word_ratio": Signal(_FRACTION, "#, ... and … / words and runs of marks"),
        "rps_doc_num_sentences": Signal(_COUNT, "stretches between . ! and ? that have a letter or digit"),
        "rps_doc_frac_all_caps_words": Signal(_FRACTION, "words in capitals / words and runs of marks"),
        "rps_doc_frac_no_alph_words": Signal(_FRACTION, "those without a letter a-z / words and runs of marks"),
        "rps_doc_stop_word_fraction": Signal(_FRACTION, "stop words, in this very case / words and runs of marks"),
        "rps_doc_word_count": Signal(_COUNT, "words of the normal form"),
        "rps_doc_mean_word_length": Signal(_FRACTION, "characters of these words / words"),
        "rps_doc_frac_unique_words": Signal(_FRACTION, "different ones of these words / words"),
        "rps_doc_unigram_entropy": Signal(_FRACTION, "entropy of these words, in nats"),
        "rps_doc_lorem_ipsum": Signal(_FRACTION, "`lorem ipsum` / characters, both in the normal form"),
        "rps_doc_ldnoobw_words": Signal(_COUNT, "words and phrases of the list in the normal form, also overlapping"),
        **{
            f"rps_doc_frac_chars_top_{n}gram": Signal(
                _FRACTION, f"characters of the most frequent {n}-gram x its count / characters of words; 0 if met once"
            )
            for n in (2, 3, 4)
        },
        **{
            f"rps_doc_frac_chars_dupe_{n}grams": Signal(
                _FRACTION, f"characters in {n}-grams that occur more than once, each counted once / characters of words"
            )
            for n in range(5, 11)
        },
        "rps_doc_frac_lines_end_with_ellipsis": Signal(_FRACTION, "lines that end with ... or … / lines"),
        "rps_doc_ut1_blacklist": Signal(
            pa.string(), "categories of the host, or the domain above it; null if not listed"
        ),
        "frac_lines_start_with_bulletpoint": Signal(_FRACTION, "lines that start with one of ten bullets / lines"),
        "frac_lines_ending_with_terminal_punctuation": Signal(_FRACTION, "lines that end with . ! ? or ” / lines"),
        "javascript_count": Signal(_COUNT, "how often `javascript` is a word of the normal form"),
        "lines": Signal(pa.list_(_LINE), "of each line: where it ends, in characters, and the signals rps_lines_*"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "gopher": {
            "rps_doc_word_count": Bound(min=50, max=100_000),
            **_NATURAL_LANGUAGE,
            "rps_doc_frac_lines_end_with_ellipsis": Bound(max=0.3),
            # runs of marks count as words here: this rule alone drops a fifth of good web text
            "rps_doc_frac_no_alph_words": Bound(max=0.2),
            **{
                f"rps_doc_frac_chars_top_{n}gram": Bound(max=most) for n, most in ((2, 0.20), (3, 0.18), (4, 0.16))
            },
            **{
                f"rps_doc_frac_chars_dupe_{n}grams": Bound(max=round(0.20 - n / 100, 2)) for n in range(5, 11)
            },
        },
        # the rules that the dataset's card prints; it allows 10,000 words where Gopher allows 100,000
        "redpajama": {
            "rps_doc_word_count": Bound(min=50, max=10_000),
            **_NATURAL_LANGUAGE,
            "rps_doc_frac_chars_top_2gram": Bound(max=0.20),
        },
        "none": {},
    }  # fmt: skip
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"stop_words", "flagged_words", "domains"})

    preset: str | list[str] = Field(
        "redpajama",
        description="named bounds: redpajama (those of its card), gopher (all that the signals allow), none",
    )
    language: str = Field("en", description="language of the lists")
    stop_words: str | list[str] | None = Field(
        None, description="words written out, a file with a word a line or JSON by language, or `stopwordsiso`"
    )
    flagged_words: str | list[str] | None = Field(
        LDNOOBW, description="phrases written out, a folder with a file LANGUAGE.txt each, a file, or `ldnoobw`"
    )
    domains: str | None = Field(None, description="folder of the UT1 lists, with files CATEGORY/domains")
    per_line: bool = Field(False, description="also a list of the signals of each line")

    def signals(self) -> Mapping[str, Signal]:
        """Those whose list is named; `lines` if `per_line`."""
        absent = {name for name, setting in _LISTED.items() if getattr(self, setting) is None}
        return {
            name: signal
            for name, signal in self.SIGNALS.items()
            if name not in absent and (name != "lines" or self.per_line)
        }

    def assets(self) -> dict[str, str]:
        """The hash of each list that is read from a file."""
        for name, setting in _LISTED.items():
            asked = isinstance(getattr(self, name, None), Bound) or any(name in rule for rule in self.rules)
            if asked and getattr(self, setting) is None:
                raise MissingAsset(self.name, f"a rule asks for {name}, which needs a list", f"name one in `{setting}`")
        found = {}
        if isinstance(self.stop_words, str):
            stop_words(self.name, self.stop_words, self.language)
            found["stop_words"] = content_hash([stop_word_file(self.name, self.stop_words)])
        if isinstance(self.flagged_words, str):
            found["flagged_words"] = content_hash([list_file(self.name, self.flagged_words, self.language)])
        if self.domains is not None:
            found["domains"] = content_hash(domain_files(self.name, self.domains))
        return found

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Add the signals of each text; a null text is an empty one."""
        from curate.kernels.redpajama import COLUMNS, redpajama_signals

        data, offsets = buffers(batch.column("text"))
        stops, flagged = _lists(
            self.name, _key(self.stop_words), _key(self.flagged_words), self.language
        )  # fmt: skip
        values, lines = redpajama_signals(data, offsets, stop_words=stops, flagged=flagged, per_line=self.per_line)
        made = dict(zip(COLUMNS, values.T, strict=True))
        number = np.maximum(made["nlines"], 1)
        columns: dict[str, Any] = {f"rps_doc_{name}": made[name] for name in COLUMNS} | {
            "ccnet_length": made["length"],
            "ccnet_nlines": made["nlines"],
            "frac_lines_start_with_bulletpoint": made["bullet_lines"] / number,
            "frac_lines_ending_with_terminal_punctuation": made["terminal_lines"] / number,
            "javascript_count": made["javascript"],
        }
        if self.domains is not None:
            columns["rps_doc_ut1_blacklist"] = self._categories(batch.column("url"))
        if self.per_line:
            columns["lines"] = _line_lists(lines)
        return self.with_signals(batch, **{name: columns[name] for name in self.signals()})

    def _categories(self, urls: pa.Array) -> list[str | None]:
        """The categories of each address, parted by commas; null if it is on no list."""
        lists = domains(self.name, self.domains or "")
        return [",".join(lists.categories(url)) or None if url else None for url in urls.to_pylist()]


def _key(source: str | list[str] | None) -> str | tuple[str, ...] | None:
    return tuple(source) if isinstance(source, list) else source


def _line_lists(lines: Lines) -> pa.Array:
    """The signals of lines as a list for each text."""
    columns = [pa.array(column, field.type) for column, field in zip(lines[1:], _LINE, strict=True)]
    return pa.ListArray.from_arrays(lines.first, pa.StructArray.from_arrays(columns, fields=list(_LINE)))


@functools.lru_cache(16)
def _lists(
    where: str, stops: str | tuple[str, ...] | None, flagged: str | tuple[str, ...] | None, language: str
) -> tuple[Hashes, Phrases]:
    """The tables of both lists; empty ones where none is named."""
    from curate.kernels.redpajama import phrases
    from curate.kernels.word_set import hash_set, word_hash

    words = stop_words(where, stops, language) if isinstance(stops, str) else stops or ()
    if isinstance(flagged, str):
        flagged = tuple(line.strip() for line in list_file(where, flagged, language).read_text("utf-8").splitlines())
    return hash_set(word_hash(word.encode()) for word in words if word), phrases(flagged or ())
