"""Static vectors against a slow twin; how the step stores them; the ledger without them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import curate, documents, pipeline, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import document_batch
from curate.kernels.embedding import SIGNS, UNSPACED
from curate.kernels.unicode import tables
from curate.select.embed import Embed
from curate.select.rarity import learn, weights
from curate.select.vectors import DAMPENED, static_vectors

MASK = (1 << 64) - 1
PIECES = st.sampled_from(
    ["the ", "River", " river,", "É", "e", "東京", "都", " กขค", "नमस्ते ", "\u0301", "😀", "a_1 ", "\n", "the-"]
)


def mix(x: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = ((x ^ x >> 33) * factor) & MASK
    return x ^ x >> 33


def word_hash(word: str) -> int:
    lower = tables().lower
    value = 0xCBF29CE484222325
    for char in word:
        value = ((value ^ int(lower[ord(char)])) * 0x9FB21C651E98DF25) & MASK
    return ((value ^ value >> 32) * 0x9FB21C651E98DF25) & MASK


def features(text: str) -> list[int]:
    pairs = [
        mix(ord(a) << 32 | ord(b))
        for a, b in zip(text, text[1:], strict=False)
        if min(ord(a), ord(b)) >= UNSPACED and re.match(r"\w\w", a + b)
    ]
    return [word_hash(word) for word in re.findall(r"\w+", text)] + pairs


def vector(text: str, dimensions: int) -> np.ndarray:
    out = np.zeros(dimensions)
    for feature, count in Counter(features(text)).items():
        value = weights()[feature >> 48] * DAMPENED[min(count, 255)]
        mixed = feature
        for _ in range(SIGNS):
            mixed = mix((mixed + 0x9E3779B97F4A7C15) & MASK)
            out[(mixed >> 32) * dimensions >> 32] += value if mixed & 1 else -value
    return out / (np.linalg.norm(out) or 1)


@settings(deadline=None)
@given(st.lists(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=20).map("".join)), min_size=1, max_size=5))
def test_vectors_are_those_of_the_twin(texts: list[str]) -> None:
    found = static_vectors(pa.array(texts, pa.string()), 64)
    assert np.allclose(found, [vector(text, 64) for text in texts], atol=1e-5)


def test_cosines_estimate_those_of_weighted_words() -> None:
    def exact(a: str, b: str) -> float:
        one, two = ({f: weights()[f >> 48] * DAMPENED[n] for f, n in Counter(features(t)).items()} for t in (a, b))
        dot = sum(value * two.get(feature, 0) for feature, value in one.items())
        return float(dot / np.sqrt(sum(v * v for v in one.values()) * sum(v * v for v in two.values())))

    rng = np.random.default_rng(1)
    for share in (0.0, 0.3, 0.9):
        a = [f"word{i}" for i in range(200)]
        b = [w if rng.random() < share else w + "x" for w in a]
        found = static_vectors(pa.array([" ".join(a), " ".join(b)]), 4096)
        assert float(found[0] @ found[1]) == pytest.approx(exact(" ".join(a), " ".join(b)), abs=0.06)


@pytest.mark.parametrize(("dtype", "scale", "error"), [("float32", 1, 1e-7), ("float16", 1, 1e-3), ("int8", 127, 5e-3)])
def test_the_step_stores_unit_vectors_and_null_for_no_words(dtype: str, scale: int, error: float) -> None:
    batch = document_batch([{"row": i, "text": text} for i, text in enumerate(["some words here", "", "--", None])])
    made = Embed(dtype=dtype, dimensions=32).process(batch)["embed"].field("vector")  # type: ignore[arg-type]
    assert made.type == pa.list_(pa.type_for_alias(dtype), 32) and made.is_valid().to_pylist() == [
        True,
        False,
        False,
        False,
    ]
    assert np.allclose(np.array(made[0].as_py(), float) / scale, vector("some words here", 32), atol=error)


def test_the_table_is_learned_by_counting_documents() -> None:
    table = learn([pa.array(["a b b", "a c"]), pa.array(["a 東京"])])
    rarity = {word: table[word_hash(word) >> 48] * 16 / 255 for word in "abc"}
    assert rarity["a"] == pytest.approx(0.06, abs=0.04) and rarity["b"] == pytest.approx(np.log(2), abs=0.04)
    assert table[mix(ord("東") << 32 | ord("京")) >> 48] == table[word_hash("b") >> 48]


def test_vectors_reach_the_shards_and_not_the_ledger(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [*documents(1, 20), {"id": "none", "text": "..."}])
    file = pipeline(tmp_path, "[{embed: {dimensions: 16}}, exact_dedup, {quality: {as: late, preset: []}}]")
    done = curate("run", file, "--workers", 1)
    assert done.returncode == 0, done.stderr
    shards = pa.concat_tables(pa.ipc.open_file(f).read_all() for f in sorted((tmp_path / "out" / "shards").iterdir()))
    vectors = shards["embed"].combine_chunks().field("vector")
    assert vectors.type.list_size == 16 and vectors.null_count == 1
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet")
    assert "embed" not in ledger.columns and "late" in ledger.columns and ledger.height == 21
    query = "SELECT array_inner_product(embed.vector, embed.vector) AS one FROM shards WHERE embed IS NOT NULL"
    asked = curate("sql", tmp_path / "out", query, "--json")
    assert asked.returncode == 0, asked.stderr
    squares = [json.loads(line)["one"] for line in asked.stdout.splitlines()]
    assert squares.count(None) == 1 and len(squares) == len(shards)
    assert [square for square in squares if square] == pytest.approx([1] * (len(shards) - 1), abs=1e-2)
