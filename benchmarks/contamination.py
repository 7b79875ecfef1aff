"""Decontamination: speed against datatrove's n-gram filter, planted copies found, clean prose hit.

    python -m benchmarks.contamination [--quick] [--ngram 13]

All sets of `../shared/data/benchmarks` are looked for. Speed: Debian documents on one core, ours with coverage, places and
evidence, the peer (fewer documents, the same 13-grams of passages) with a yes or no. Copies: 500 passages planted in clean
prose by each edit; found is the example, by name. Clean: documents of each kind in which anything is found.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import string
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file
from curate.contamination.index import Index
from curate.contamination.search import Search, load

Rows = list[tuple[str, float, str]]
CLEAN = {
    "novels": "prose/standardebooks.jsonl.gz", "reviews": "prose/movie_reviews_a.jsonl.gz",
    "speeches": "prose/state_union.jsonl.gz", "WikiText": "prose/wikitext2_valid.jsonl.gz",
    "C4": "web_text/c4_demo_a.jsonl.gz", "Wikipedia": "web_text/wikipedia_demo.jsonl.gz",
}  # fmt: skip
_NO_MARKS = str.maketrans("", "", string.punctuation)
EDITS: dict[str, Callable[[str, random.Random], str]] = {
    "verbatim": lambda text, rng: text,
    "upper case": lambda text, rng: text.upper(),
    "white space": lambda text, rng: re.sub(" ", lambda _: rng.choice(["  ", "\n", "\t", "\u00a0"]), text),
    "marks changed": lambda text, rng: re.sub(r"[.,;:!?] ", lambda _: rng.choice([" - ", "; ", " "]), text),
    "marks deleted": lambda text, rng: text.translate(_NO_MARKS),
    "one word in ten another": lambda text, rng: re.sub(r"\w+", lambda m: "else" if rng.random() < 0.1 else m[0], text),
}  # fmt: skip


def texts_of(path: str) -> pa.Array:
    """The texts of a file of JSON Lines."""
    with gzip.open(shared_file(path), "rt") as file:
        return pa.array([json.loads(line).get("text") or "" for line in file], pa.string())


def documents(count: int) -> pa.Array:
    """The first Debian documents."""
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"].slice(0, count)
    return pa.concat_arrays(table.chunks)


def timed(index: Index, texts: pa.Array, threshold: float) -> tuple[float, int]:
    """(seconds, documents in which something is found)."""
    search = Search(index, threshold)
    start = time.perf_counter()
    hit = 0
    for at in range(0, len(texts), 1000):
        hit += int(np.count_nonzero(np.diff(search(texts.slice(at, 1000)).first)))
    return time.perf_counter() - start, hit


def speed(index: Index, ngram: int, count: int) -> tuple[Rows, float]:
    """MB/s at a quarter, half and all of the documents, and the peer's."""
    start = time.perf_counter()
    Search(index, 0.5)(pa.array(["warm up"]))
    rows: Rows = [("compiling or loading kernels (left out)", time.perf_counter() - start, "s")]
    texts = documents(count)
    for part in (4, 2, 1):
        seconds, hit = timed(index, texts.slice(0, len(texts) // part), 0.5)
        size = texts.slice(0, len(texts) // part).nbytes / 1e6
        rows += [(f"1/{part}: ours", size / seconds, "MB/s"), (f"1/{part}: time", seconds, "s")]
        rate = size / seconds
    rows.append(("ours, above half of a passage", hit, "documents"))
    few = texts.slice(0, 100)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("texts.parquet", "passages.parquet")]
        pq.write_table(pa.table({"text": few}), paths[0])
        passages = [passage.text for passage, known in zip(index.sets.passages, index.searched, strict=True) if known]
        pq.write_table(pa.table({"text": passages}), paths[1])
        peer = run_peer("datatrove_decont.py", [*paths, ngram])
    theirs = few.nbytes / 1e6 / peer["seconds"]
    rows += [("datatrove", theirs, "MB/s"), ("datatrove, n-grams", peer["hashes"], "")]
    return rows, rate / theirs


def copies(index: Index, count: int) -> Rows:
    """Planted passages of which the example is found, by edit."""
    prose = texts_of(CLEAN["novels"]).to_pylist()
    rows: Rows = []
    for name, edit in EDITS.items():
        rng = random.Random(7)
        chosen = rng.sample(np.flatnonzero(index.searched).tolist(), count)
        planted = []
        for passage in chosen:
            words, copy = rng.choice(prose).split(" "), edit(index.sets.passages[passage].text, rng)
            at = rng.randrange(len(words))
            planted.append(" ".join([*words[at : at + 200], "\n", copy, "\n", *words[:100]]))
        found = Search(index, 0.5)(pa.array(planted))
        hit = 0
        for i, passage in enumerate(chosen):
            of = index.example[found.passage[found.first[i] : found.first[i + 1]]]
            hit += any(index.sets.ids[e] == index.sets.ids[index.example[passage]] for e in of)
        rows.append((f"planted, {name}", hit, f"of {count} found"))
    return rows


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--ngram", type=int, default=13)
    options = arguments.parse_args()
    pin_to_one_core()
    folder = str(shared_file("benchmarks"))
    start = time.perf_counter()
    index = load([folder], ngram=options.ngram)
    rows: Rows = [
        ("reading the sets and indexing", time.perf_counter() - start, "s"),
        ("examples", len(index.sets.ids), ""),
        ("of them with a passage long enough", len(np.unique(index.example[index.searched])), ""),
    ]
    measured, ratio = speed(index, options.ngram, 2000 if options.quick else 14531)
    rows += measured
    for ngram in (8, 13):
        index = load([folder], ngram=ngram)
        rows += [(f"{ngram}-grams: {what}", figure, unit) for what, figure, unit in copies(index, 500)]
        for name, path in CLEAN.items():
            texts = texts_of(path)
            hits = [timed(index, texts, threshold)[1] for threshold in (0.5, 0.0)]
            rows.append((f"{ngram}-grams: {name}, above half / any n-gram {hits[1]}", hits[0], f"of {len(texts):,}"))
    report(rows, ratio)


if __name__ == "__main__":
    main()
