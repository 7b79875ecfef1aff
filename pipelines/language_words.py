"""What FineWeb-2's settings lack for our word splitter: curate/assets/fineweb2/own.json, from a text in 400 languages.

    python pipelines/language_words.py ../shared/data curate/assets/fineweb2/own.json

FineWeb-2 chose stop words and the least share of words with a letter by its own tokenizers: Korean ones cut off particles,
Maltese ones keep hyphens. Its stop words come from each language's Wikipedia, of small ones mostly lists of places. From the
Universal Declaration of Human Rights (the preamble and articles of even number, so that the odd ones can check) this takes
for each language and each of its orthographies: the words that make at least 0.8 % of all, 8 to 40, as further stop words;
and nine tenths of the share of words with a letter, where that is less than FineWeb-2's bound.
"""

from __future__ import annotations

import gzip
import json
import sys
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow as pa

from curate.kernels.words import words_of
from curate.steps.by_language import canonical, released
from curate.steps.quality import Quality

# languages whose bounds the table of FineWeb-2's configurations in our documentation gives: they stay
SPECIFIED = ("hi", "bn", "ta", "te", "mr", "gu", "ur", "fr", "ar", "zh")
STOP_SHARE, LEAST, MOST = 0.008, 8, 40


def texts(path: Path) -> dict[str, dict[str, str]]:
    """Language -> orthography or variant -> the articles of even number, a line each."""
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            code = canonical(row.get("lang") or "")
            if code in released() and row["article"] % 2 == 0:
                parts[code][f"{row['lang']} {row['language']}"].append(unicodedata.normalize("NFC", row["text"]))
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


def alpha_share(text: str) -> float:
    """Words with a letter / words and punctuation marks, as `quality` has it."""
    batch = pa.RecordBatch.from_pydict({"text": [text], "lang": [""]})
    return float(Quality().process(batch)["quality"].field("alpha_word_frac")[0].as_py())


def main(data: str, output: str) -> None:
    """Write the file: language -> `stop_words`, and `alpha_word_frac` where it is looser."""
    made: dict[str, dict[str, object]] = {}
    for code, variants in texts(Path(data) / "multilingual" / "udhr_articles_0_20.jsonl.gz").items():
        known = set(released()[code]["stop_words"])
        stops = dict.fromkeys(word for text in variants.values() for word in frequent(text) if word not in known)
        made[code] = {"stop_words": list(stops)}
        least = round(0.9 * min(map(alpha_share, variants.values())), 3)
        if code not in SPECIFIED and code != "en" and least < released()[code]["quality"]["alpha_word_frac"]:
            made[code]["alpha_word_frac"] = least
    lines = ",\n".join(f"{json.dumps(code)}: {json.dumps(own, ensure_ascii=False)}" for code, own in made.items())
    Path(output).write_text(f"{{\n{lines}\n}}\n", "utf-8")
    print(f"{output}: {len(made)} languages")


if __name__ == "__main__":
    main(*sys.argv[1:])
