"""Languages found, and clean prose kept by the presets of each language: `python -m benchmarks.languages [--quick]`

First how often `language` names the language of a text right, by set and by language. Then the texts of each language in
UDHR (a translation is a document), GNOME help and XQuAD contexts are joined to documents of at least 300 words and 6 lines, and
the rules of the preset fineweb2 (`repetition`, `quality`), and of `setu` for the languages of India, judge them by the
language that they are in. No preset should drop more than 10 % of clean prose; rules on length and on the number of lines
are reported apart. The last line is the share that Gopher's and FineWeb's rules for English drop over that of fineweb2.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.common import parser, shared_file
from curate.documents import document_batch
from curate.kernels.segments import segmented
from curate.kernels.words import split
from curate.steps import step_class
from curate.steps.by_language import canonical, fineweb2
from curate.steps.language import identify, language_names
from curate.text import Bytes, Offsets, buffers
from pipelines.language_words import help_pages
from pipelines.language_words import joined as documents_of

SETS = ("udhr_articles_0_20", "xquad_contexts", "gnome_help_a", "libreoffice_help_hi_a", "pud_news_sentences",
        "ud_indic_sentences")  # fmt: skip
PROSE = SETS[:3]
UDHR, _, HELP = PROSE
LENGTH = ("word_count", "char_count", "line_count", "words_per_line", "sentence_count")
# what judges a language without its own rules
ENGLISH = {"repetition": "gopher", "quality": ["gopher", "fineweb"]}
OWN = {"repetition": "fineweb2", "quality": "fineweb2"}
INDIC = sorted("as bn brx doi gom gu hi kn ks mai ml mni mr ne or pa sa sat sd ta te ur".split())


class Text(NamedTuple):
    """A text in a language, by the code of `language`."""

    lang: str
    text: str


def read(name: str) -> list[Text]:
    """The texts of one of the multilingual sets that are in a language which `language` can name.

    Of UDHR one text a translation, of its articles of odd number: the others gave the presets stop words.
    """
    with gzip.open(shared_file(f"multilingual/{name}.jsonl.gz"), "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    known = set(language_names().to_pylist()) | set(fineweb2())
    if name == UDHR:
        parts: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            if row.get("lang") and row["article"] % 2:
                parts[canonical(row["lang"]), row["id"].rpartition("-")[0]].append(row["text"])
        found = [Text(lang, "\n".join(articles)) for (lang, _), articles in parts.items()]
    else:
        found = [Text(canonical(row["lang"]), row["text"].lstrip("\ufeff")) for row in rows]
    return [text for text in found if text.lang in known]


def accuracy(texts: Sequence[Text]) -> dict[str, tuple[int, int]]:
    """Language -> (texts, those that `language` names so)."""
    labels, _ = identify(pa.array([text.text for text in texts], pa.string()), 1024)
    right: dict[str, list[bool]] = defaultdict(list)
    for text, label in zip(texts, labels.to_pylist(), strict=True):
        right[text.lang].append(canonical(label) == text.lang)
    return {lang: (len(found), sum(found)) for lang, found in right.items()}


def joined(texts: Iterable[Text]) -> Iterator[Text]:
    """The texts of each language joined, a line each, to documents that are long enough; the rest is left out."""
    by_language: dict[str, list[str]] = defaultdict(list)
    for text in texts:
        by_language[text.lang].append(text.text)
    for lang, parts in by_language.items():
        yield from (Text(lang, document) for document in documents_of(parts))


def clean_prose(sets: Mapping[str, Sequence[Text]]) -> list[Text]:
    """Documents of the three sets of prose: UDHR's translations as they are, the others joined."""
    prose = [text for name in PROSE for text in (sets[name] if name == UDHR else joined(sets[name]))]
    return [text for text in prose if text.lang in fineweb2()]


def held_out(sets: Mapping[str, Sequence[Text]]) -> dict[str, Sequence[Text]]:
    """The sets of prose without the help pages of even number, which gave bounds on lines to some languages."""
    pages = help_pages(shared_file(f"multilingual/{HELP}.jsonl.gz"), 1)
    return {**sets, HELP: [Text(lang, text) for lang, texts in pages.items() for text in texts]}


def foreign(texts: Sequence[Text]) -> list[bool]:
    """Of each document whether most of it is in another script than the one that its language's bounds are for."""
    batch = pa.RecordBatch.from_pydict({"text": [text.text for text in texts]})
    scripts = step_class("script")().process(batch)["script"].field("script").to_pylist()
    return [script != fineweb2()[text.lang]["name"][4:] for text, script in zip(texts, scripts, strict=True)]


def failures(texts: Sequence[Text], presets: Mapping[str, Any]) -> list[set[str]]:
    """Of each document the rules that it fails."""
    batch = document_batch([{"row": i, "text": text.text, "lang": text.lang} for i, text in enumerate(texts)])
    failed: list[set[str]] = [set() for _ in texts]
    for kind, preset in presets.items():
        step = step_class(kind).model_validate({"preset": preset})
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([step.process(batch).select([kind])])))
        for rule, sql in step.rule_table().items():
            for row in np.flatnonzero(~frame.select(pl.sql_expr(sql).alias("kept"))["kept"].to_numpy()).tolist():
                failed[row].add(rule)
    return failed


class Kept(NamedTuple):
    """What rules do to the documents of one language."""

    documents: int
    dropped: int  # by rules that are not of length
    length: int  # by rules of length
    rules: Counter[str]


def by_language(texts: Sequence[Text], presets: Mapping[str, Any]) -> dict[str, Kept]:
    """Language -> what the rules do to its documents."""
    found: dict[str, Kept] = {}
    for text, failed in zip(texts, failures(texts, presets), strict=True):
        own = failed - set(LENGTH)
        n, dropped, length, rules = found.get(text.lang, Kept(0, 0, 0, Counter()))
        found[text.lang] = Kept(n + 1, dropped + bool(own), length + bool(failed - own), rules + Counter(own))
    return found


def total(kept: Mapping[str, Kept]) -> tuple[int, int, int]:
    """(documents, dropped, dropped by length)."""
    return tuple(map(sum, zip(*((k.documents, k.dropped, k.length) for k in kept.values()), strict=True)))  # type: ignore[return-value]


def segmentation(texts: Sequence[Text]) -> None:
    """Print how fast words are found in some languages, without and with ICU's dictionaries (which some do not need)."""
    print("\nwords: language, MB, MB/s split at spaces and marks, MB/s with dictionaries; words of each")
    for lang in ("zh", "th", "hi", "ar", "en"):
        data, offsets = buffers(pa.array([text.text for text in texts if text.lang == lang], pa.string()))
        plain, cut = _timed(data, offsets, dictionaries=False), _timed(data, offsets, dictionaries=True)
        print(f"{lang:4} {len(data) / 1e6:6.2f} {plain[1]:8.1f} {cut[1]:8.1f}  {plain[0]:,} {cut[0]:,}")


def _timed(data: Bytes, offsets: Offsets, *, dictionaries: bool) -> tuple[int, float]:
    """(how many words there are, MB of text for each second of processor time)."""
    repeats, busy = 10, 0.0
    for repeat in range(repeats + 1):
        start = time.process_time()
        words, unspaced = split(data, offsets)
        if dictionaries:
            words = segmented(data, words, unspaced)
        busy += time.process_time() - start if repeat else 0
    return len(words.start), repeats * len(data) / 1e6 / busy


def main() -> None:
    arguments = parser(__doc__).parse_args()
    sets = {name: read(name) for name in SETS}
    if arguments.quick:
        sets = {name: texts[:: 5 if name in SETS[4:] else 1] for name, texts in sets.items()}
    print("languages found: set, languages, texts, right; languages below 90 %")
    for name, texts in sets.items():
        found = accuracy(texts)
        n, right = (sum(pair[place] for pair in found.values()) for place in (0, 1))
        weak = sorted((right / n, lang) for lang, (n, right) in found.items() if right < 0.9 * n)
        shown = " ".join(f"{lang}:{share:.0%}" for share, lang in weak)
        print(f"{name:22} {len(found):4} {n:6,} {right / n:7.1%}  {len(weak)} languages below 90 %: {shown}")
        if len(found) <= 30:
            print("   " + " ".join(f"{lang}:{right / n:.1%}" for lang, (n, right) in sorted(found.items())))
    prose = clean_prose(sets)
    other = foreign(prose)
    apart = Counter(text.lang for text, is_foreign in zip(prose, other, strict=True) if is_foreign)
    prose = [text for text, is_foreign in zip(prose, other, strict=True) if not is_foreign]
    print(f"\nleft out, in another script than the bounds of their language: {dict(sorted(apart.items()))}")
    own, english = by_language(prose, OWN), by_language(prose, ENGLISH)
    print("\nclean prose dropped: language, documents, fineweb2, English rules, fineweb2 by length; its rules")
    for lang, kept in sorted(own.items()):
        if kept.dropped or kept.length or kept.documents >= 10:
            rules = ", ".join(f"{rule} {n}" for rule, n in kept.rules.most_common(4))
            poor = "  <-- above 10 %" if kept.dropped > 0.1 * kept.documents else ""
            print(
                f"{lang:4} {kept.documents:5} {kept.dropped / kept.documents:7.1%} "
                f"{english[lang].dropped / kept.documents:7.1%} {kept.length / kept.documents:7.1%}  {rules}{poor}"
            )
    above = [lang for lang, kept in own.items() if kept.dropped > 0.1 * kept.documents]
    (n, dropped, length), (_, by_english, _) = total(own), total(english)
    print(f"all: {n:,} documents in {len(own)} languages, fineweb2 drops {dropped / n:.2%} (length {length / n:.2%}), "
          f"above 10 % in {len(above)} languages: {' '.join(sorted(above))}; English rules drop {by_english / n:.2%}")  # fmt: skip
    unseen = clean_prose(held_out(sets))
    unseen = [text for text, is_foreign in zip(unseen, foreign(unseen), strict=True) if not is_foreign]
    rest = by_language(unseen, OWN)
    small = [
        f"{lang} {kept.dropped} of {kept.documents}"
        for lang, kept in sorted(rest.items())
        if 10 * kept.dropped > kept.documents
    ]
    (n, dropped, _) = total(rest)
    print(
        f"with the help pages of odd number alone: {n:,} documents, {dropped / n:.2%}; above 10 %: {', '.join(small)}"
    )
    print("\nsetu: language, documents, dropped, by length and lines; rules")
    for lang, kept in sorted(by_language([text for text in prose if text.lang in INDIC], {"setu": "setu"}).items()):
        rules = ", ".join(f"{rule} {n}" for rule, n in kept.rules.most_common(4))
        print(
            f"{lang:4} {kept.documents:5} {kept.dropped / kept.documents:7.1%} {kept.length / kept.documents:7.1%}  {rules}"
        )
    segmentation(sets["xquad_contexts"])
    print(f"ratio: {by_english / max(dropped, 1):.2f}")


if __name__ == "__main__":
    main()
