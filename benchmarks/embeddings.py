"""Static vectors: speed beside scikit-learn's hashed words, and what they retrieve beside MiniLM.

Each retrieval check asks for the nearest of many texts: a near-duplicate, the passage that answers a question, the
same passage in another language. Given is the share of queries whose nearest neighbour is the right one.
"""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, shared_file

Vectors = npt.NDArray[np.float32]
# (name, queries, texts, for each query the numbers of right answers, whether a query is among the texts)
Check = tuple[str, list[str], list[str], list[set[int]], bool]


def near_duplicates(rows: int) -> Check:
    """Documents with a near-duplicate (true 5-gram Jaccard of 0.8) among others of the same packages."""
    table = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["id", "text"])
    components = json.loads(shared_file("corpus/oracle/true_neardup_components_s10.json").read_text())["components"]
    text = dict(zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True))
    known = [[name for name in component if name in text] for component in components]
    known = [component for component in known if len(component) > 1]
    members = [name for component in known for name in component]
    names = members + [name for name in text if name not in set(members)][: rows - len(members)]
    place = {name: i for i, name in enumerate(names)}
    right = [{place[other] for other in c if other != name} for c in known for name in c]
    return "near-duplicate", [text[name] for name in members], [text[name] for name in names], right, True


def _rows(path: str) -> Iterator[dict[str, Any]]:
    with gzip.open(shared_file(path), "rt") as file:
        yield from map(json.loads, file)


def questions(language: str, most: int) -> Check:
    """Questions of XQuAD: which of 240 passages answers it."""
    asked: list[tuple[str, str]] = []
    for row in _rows("instructions/xquad_skills.jsonl.gz"):
        if row["task"] == f"xquad_{language}_passage_{language}_qa":
            passage, _, question = row["input"].rpartition("\n\n")
            asked.append((question, passage))
    passages = sorted({passage for _, passage in asked})
    asked = asked[:: max(1, len(asked) // most)]
    right = [{passages.index(passage)} for _, passage in asked]
    return f"question to passage, {language}", [question for question, _ in asked], passages, right, False


def parallel(path: str, language: str, most: int) -> Check:
    """English texts: which of the texts in another language is the same."""
    by_language: dict[str, dict[str, str]] = {"en": {}, language: {}}
    for row in _rows(path):
        by_language.get(row["lang"], {})[row["parallel_id"]] = row["text"]
    both = sorted(by_language["en"].keys() & by_language[language].keys())[:most]
    name = f"translation, en to {language}, {path.partition('/')[2].partition('.')[0]}"
    texts = [by_language[language][key] for key in both]
    return name, [by_language["en"][key] for key in both], texts, [{i} for i in range(len(both))], False


def share_right(check: Check, encode: Callable[[list[str]], Vectors]) -> float:
    """The share of queries whose nearest text, itself apart, is a right one."""
    _, queries, texts, right, among = check
    near = encode(queries) @ encode(texts).T
    if among:
        near[np.arange(len(queries)), np.arange(len(queries))] = -2
    return float(np.mean([int(best) in wanted for best, wanted in zip(near.argmax(1), right, strict=True)]))


def hashed(dimensions: int) -> Callable[[list[str]], Vectors]:
    """scikit-learn's nearest equivalent: hashed words and a sparse random projection."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize
    from sklearn.random_projection import SparseRandomProjection

    words = HashingVectorizer(n_features=1 << 20, token_pattern=r"\w+")
    project = SparseRandomProjection(dimensions, random_state=0, dense_output=True)
    project.fit(words.transform(["a"]))
    return lambda texts: normalize(project.transform(words.transform(texts))).astype(np.float32)


def speed(encode: Callable[[list[str]], Vectors], texts: list[str]) -> float:
    """MB of text a second of the processor, the best of two."""
    size, spent = sum(len(text.encode()) for text in texts), []
    for _ in range(2):
        start = time.process_time()
        encode(texts)
        spent.append(time.process_time() - start)
    return size / min(spent) / 1e6


def main() -> None:
    """Speed, then the checks."""
    arguments = parser(__doc__).parse_args()
    pin_to_one_core()
    from curate.errors import MissingAsset
    from curate.select.embed import Embed
    from curate.select.encoder import find_encoder

    try:
        find_encoder("benchmarks.embeddings", "minilm")
    except MissingAsset as error:
        raise SystemExit(str(error)) from None
    quick = arguments.quick
    static, minilm = Embed(), Embed(engine="transformers", device="cpu")
    engines: dict[str, Callable[[list[str]], Vectors]] = {
        "static": lambda texts: static.vectors(pa.array(texts, pa.string())),
        "hashed words (scikit-learn)": hashed(static.dimensions),
        "minilm": lambda texts: minilm.vectors(pa.array(texts, pa.string())),
    }
    column = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"]
    texts = column.slice(0, 500 if quick else 3000).to_pylist()
    engines["static"](texts[:2])
    rows = [
        ("speed: static", speed(engines["static"], texts), "MB/s"),
        ("speed: hashed words (scikit-learn)", speed(engines["hashed words (scikit-learn)"], texts), "MB/s"),
        ("speed: minilm, 256 tokens a text", speed(engines["minilm"], texts[:: len(texts) // 40]), "MB/s"),
        ("text a document", pc.sum(pc.binary_length(column)).as_py() / len(column) / 1000, "kB"),
    ]
    checks = [near_duplicates(400 if quick else 1000), questions("en", 100 if quick else 400)]
    if not quick:
        checks += [questions("hi", 200), parallel("multilingual/gnome_help_a.jsonl.gz", "de", 200)]
        checks += [parallel("multilingual/xquad_contexts.jsonl.gz", language, 140) for language in ("es", "hi")]
    for check in checks:
        found = {name: 100 * share_right(check, encode) for name, encode in engines.items()}
        rows += [
            (f"{check[0]} ({len(check[1])} of {len(check[2])}): {name}", value, "%") for name, value in found.items()
        ]
    report(rows, rows[0][1] / rows[1][1])


if __name__ == "__main__":
    main()
