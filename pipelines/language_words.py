"""What FineWeb-2's settings lack for our word splitter: curate/assets/fineweb2/own.json, from a text in 400 languages.

    python pipelines/language_words.py ../shared/data curate/assets/fineweb2/own.json

FineWeb-2 chose stop words and the least share of words with a letter by its own tokenizers: Korean ones cut off particles,
Maltese ones keep hyphens. Its stop words come from each language's Wikipedia, of small ones mostly lists of places. From the
Universal Declaration of Human Rights (the preamble and articles of even number, so that the odd ones can check) this takes
for each language and each translation into it: the words that make at least 0.8 % of all, 8 to 40, as further stop words;
and nine tenths of the share of words with a letter, where that is less than FineWeb-2's bound.

Its bounds on line ends and newlines drop more than a tenth of GNOME's help (the pages of even number) in some languages, of pages
that English's bounds keep in English. There those of English hold.
"""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.kernels.words import words_of
from curate.steps.by_language import canonical, released
from curate.steps.quality import Quality

# languages whose bounds the table of FineWeb-2's configurations in our documentation gives: they stay
SPECIFIED = ("hi", "bn", "ta", "te", "mr", "gu", "ur", "fr", "ar", "zh")
STOP_SHARE, LEAST, MOST = 0.008, 8, 40
LEAST_WORDS, LEAST_LINES = 300, 6
LINES = ("line_punct_frac", "newline_ratio")


def texts(path: Path) -> dict[str, dict[str, str]]:
    """Language -> translation -> the articles of even number, a line each."""
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            code = canonical(row.get("lang") or "")
            if code in released() and row["article"] % 2 == 0:
                parts[code][row["id"].rpartition("-")[0]].append(unicodedata.normalize("NFC", row["text"]))
    return {code: {name: "\n".join(found) for name, found in own.items()} for code, own in sorted(parts.items())}


def words(text: str) -> list[str]:
    """The words of a text in lower case."""
    lowered = text.lower()
    found, raw = words_of(pa.array([lowered], pa.string())), lowered.encode()
    return [raw[i:j].decode() for i, j in zip(found.start, found.stop, strict=True)]


def frequent(text: str) -> list[str]:
    """The most frequent words that have a letter."""
    counted = Counter(word for word in words(text) if any(char.isalpha() for char in word))
    ordered = sorted(counted, key=lambda word: (-counted[word], word))
    enough = sum(count >= STOP_SHARE * counted.total() for count in counted.values())
    return ordered[: max(LEAST, min(MOST, enough))]


def signals(texts: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
    """What `quality` finds: signal -> its value of each text."""
    batch = pa.RecordBatch.from_pydict({"text": texts, "lang": [""] * len(texts)})
    found = Quality().process(batch)["quality"]
    return {name: np.array(found.field(name).to_pylist(), np.float64) for name in ("alpha_word_frac", *LINES)}


def help_pages(path: Path, number: int) -> dict[str, list[str]]:
    """Language -> GNOME's help in it: the pages whose number in the order of their names, modulo 2, is `number`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    names = sorted({row["parallel_id"] for row in rows})
    chosen = set(names[number::2])
    pages: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["parallel_id"] in chosen:
            pages[canonical(row["lang"])].append(row["text"].lstrip("\ufeff"))
    return pages


def joined(texts: Iterable[str]) -> Iterator[str]:
    """The texts joined, a line each, to documents of at least 300 words and 6 lines; what is left over is left out."""
    parts = [text.strip() for text in texts]
    counts = np.diff(words_of(pa.array(parts, pa.string())).first)
    lines: list[str] = []
    words = 0
    for part, count in zip(parts, counts.tolist(), strict=True):
        lines += [line for line in part.split("\n") if line.strip()]
        words += count
        if words >= LEAST_WORDS and len(lines) >= LEAST_LINES:
            yield "\n".join(lines)
            lines, words = [], 0


def english_bounds(pages: dict[str, list[str]]) -> dict[str, dict[str, float]]:
    """Language -> English's bounds on lines, of those with which FineWeb-2's own drop more than a tenth of its help."""
    found: dict[str, dict[str, float]] = {}
    for code in sorted(set(pages) - {"en", *SPECIFIED}):
        if not (documents := list(joined(pages[code]))):
            continue
        values, own, english = signals(documents), released()[code]["quality"], released()["en"]["quality"]
        dropped = {"line_punct_frac": values["line_punct_frac"] < own["line_punct_frac"],
                   "newline_ratio": values["newline_ratio"] > own["newline_ratio"]}  # fmt: skip
        if bounds := {name: english[name] for name in LINES if dropped[name].mean() > 0.1}:
            found[code] = bounds
    return found


def main(data: str, output: str) -> None:
    """Write the file: language -> `stop_words`, and bounds on signals of `quality` where they are looser."""
    folder = Path(data) / "multilingual"
    made: dict[str, dict[str, object]] = {}
    for code, variants in texts(folder / "udhr_articles_0_20.jsonl.gz").items():
        known = set(released()[code]["stop_words"])
        stops = dict.fromkeys(word for text in variants.values() for word in frequent(text) if word not in known)
        made[code] = {"stop_words": list(stops)}
        least = round(0.9 * float(signals(list(variants.values()))["alpha_word_frac"].min()), 3)
        if code not in SPECIFIED and code != "en" and least < released()[code]["quality"]["alpha_word_frac"]:
            made[code]["alpha_word_frac"] = least
    for code, bounds in english_bounds(help_pages(folder / "gnome_help_a.jsonl.gz", 0)).items():
        made[code] |= bounds
    lines = ",\n".join(f"{json.dumps(code)}: {json.dumps(own, ensure_ascii=False)}" for code, own in made.items())
    Path(output).write_text(f"{{\n{lines}\n}}\n", "utf-8")
    print(f"{output}: {len(made)} languages")


if __name__ == "__main__":
    main(*sys.argv[1:])
