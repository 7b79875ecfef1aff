"""The model: trees, their file, training, labels, the choice of blocks, and what it finds on real pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.extraction import f1, has_passages
from curate.extraction.blocks import read_blocks
from curate.extraction.boosting import Boosting, train
from curate.extraction.choice import chosen, evened
from curate.extraction.engine import BETAS, extract
from curate.extraction.labels import labels, mark_passages
from curate.extraction.model import MODEL, Model, Trees, describe, from_json, shipped, to_json
from curate.extraction.reasons import contributions, odds, reasoned
from curate.kernels.alignment import RUN, aligned
from curate.kernels.html_features import FEATURES
from curate.kernels.trees import SURE


def answer(trees: Trees, row: Any) -> float:
    """The slow twin of `add_trees`."""
    total = trees.base
    for feature, threshold, leaves in zip(trees.feature, trees.threshold, trees.leaves, strict=True):
        total += leaves[sum(1 << d for d in range(len(feature)) if row[feature[d]] > threshold[d])]
    return total


def random_trees(seed: int, features: int = 5) -> tuple[Trees, Any]:
    rng = np.random.default_rng(seed)
    trees = Trees(
        0.5, rng.integers(0, features, (7, 3)).astype(np.int32), rng.normal(size=(7, 3)).astype(np.float32),
        rng.normal(size=(7, 8)).astype(np.float32), np.zeros(features),
    )  # fmt: skip
    return trees, rng.normal(size=(40, features)).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_trees_answer_as_their_slow_twin(seed: int) -> None:
    trees, rows = random_trees(seed)
    assert np.allclose(odds(trees, rows), [answer(trees, row) for row in rows], atol=1e-5)
    for row in rows[:5]:
        want = answer(trees, row) - trees.base - float(trees.leaves.mean(axis=1).sum())
        assert np.isclose(contributions(trees, row).sum(), want, atol=1e-4)


def test_members_are_asked_where_the_first_is_unsure() -> None:
    parts = [random_trees(seed)[0] for seed in (1, 2, 3)]
    rows = random_trees(4)[1] / 2
    answers = np.array([[answer(part, row) for part in parts] for row in rows])
    first, mean = answers[:, 0], answers.mean(axis=1)
    unsure = np.abs(first) < SURE
    assert 5 < unsure.sum() < 35
    assert np.allclose(odds(Trees.of_members(parts), rows), np.where(unsure, mean, first), atol=1e-5)


def test_a_model_is_its_file() -> None:
    trees, rows = random_trees(1)
    names = tuple("abcde")
    text = to_json(Model(trees, names, {"pages": 3}))
    held = from_json(text, ["z", *names])
    moved = np.concatenate([np.zeros((40, 1), np.float32), rows], axis=1)
    assert np.allclose(odds(held.trees, moved), odds(trees, rows), atol=4e-3) and held.about == {"pages": 3}
    with pytest.raises(ValueError, match="asks for features that there are not: a, b"):
        from_json(text, "cde")
    deep = {
        "features": ["a"],
        "gain": {},
        "base": 0,
        "about": {},
        "trees": [{"above": [["a", 1.0]] * 7, "leaves": [0.0] * 128}],
    }
    with pytest.raises(ValueError, match="asks 7 questions, more than 6"):
        from_json(json.dumps(deep), "a")


def test_the_shipped_model_is_small_and_knows_its_features() -> None:
    assert MODEL.stat().st_size < 300_000
    assert tuple(json.loads(MODEL.read_text())["features"]) == FEATURES
    assert to_json(shipped()) == MODEL.read_text()


def test_the_documents_describe_the_shipped_model() -> None:
    page = Path(__file__).parent.parent.parent / "docs" / "EXTRACTION.md"
    assert describe(shipped()) in page.read_text()


def test_training_finds_a_rule_and_is_the_same_twice() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 6)).astype(np.float32)
    y = ((x[:, 1] > 0.3) & (x[:, 4] < 0.5)).astype(np.float32)
    how = Boosting(trees=20, depth=2, rate=0.5, features=1.0)
    trees = train(x, y, np.ones(3000, np.float32), how)
    assert ((odds(trees, x) > 0) == (y > 0)).mean() > 0.97
    assert set(np.argsort(trees.gain)[-2:]) == {1, 4}
    again = train(x, y, np.ones(3000, np.float32), how)
    assert to_json(Model(again, tuple("abcdef"), {})) == to_json(Model(trees, tuple("abcdef"), {}))


def best_alignment(page: list[int], gold: list[int]) -> int:
    """The score of the best alignment, by the recursion itself."""
    table: dict[tuple[int, int, bool], int] = {}

    def score(i: int, j: int, run: bool) -> int:
        if i == len(page) or j == len(gold):
            return 0
        if (i, j, run) not in table:
            options = [score(i + 1, j, False), score(i, j + 1, False)]
            if page[i] == gold[j]:
                options.append((RUN if run else 1) + score(i + 1, j + 1, True))
            table[i, j, run] = max(options)
        return table[i, j, run]

    return score(0, 0, False)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=9), st.lists(st.integers(0, 3), max_size=9))
def test_the_alignment_is_a_common_subsequence_of_the_best_score(page: list[int], gold: list[int]) -> None:
    hits = list(aligned(np.array(page, np.int32), np.array(gold, np.int32)))
    words, at = [word for word, hit in zip(page, hits, strict=True) if hit], 0
    for word in words:
        at = gold.index(word, at) + 1
    # at least the words, at most runs of them
    assert best_alignment(page, gold) <= RUN * len(words) and len(words) <= max(best_alignment(page, gold), 0)


def test_labels_prefer_runs_of_words() -> None:
    found = labels(["Home News", "News of the day", "It rained.", "More news"], "News of the day\nIt rained.")
    assert found is not None and list(found.share) == [0, 1, 1, 0] and found.wanted == 6
    assert list(mark_passages(["one two", "a longer  passage of text", "x"], ["a longer passage", "two"])) == [
        True,
        True,
        False,
    ]


def gold(shared_data: Path, name: str, count: int) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "html" / f"{name}.jsonl.gz") as file:
        return [json.loads(line) for _, line in zip(range(count), file, strict=False)]


def texts(pages: list[dict[str, Any]], **options: Any) -> list[str]:
    contents = [page["html"].encode("utf-8", "replace") for page in pages]
    found: list[str] = extract(pa.array(contents, pa.string()), shipped(), **options).text.to_pylist()
    return found


def test_the_kernel_chooses_as_its_slow_twin(shared_data: Path) -> None:
    pages = [page["html"].encode() for page in gold(shared_data, "trafilatura_eval_a", 8)]
    blocks = [read_blocks(page) for page in pages]
    probabilities = [1 / (1 + np.exp(-odds(shipped().trees, held.features))) for held in blocks]
    for favor, beta in BETAS.items():
        kept = extract(pa.array(pages, pa.string()), shipped(), favor=favor).kept
        for held, p, count in zip(blocks, probabilities, kept, strict=True):
            assert chosen(evened(p, held), held, beta).sum() == count
        reasons = list(reasoned(pages[0], shipped(), beta))
        assert sum(reason.kept for reason in reasons) == kept[0] and all(reason.why for reason in reasons)


def test_tables_are_taken_whole_and_headings_with_what_they_head() -> None:
    page = "<h1>t</h1><h2>a</h2><p>text</p><h2>b</h2><table><tr><td>1<td>2<td>3<td>4 5</table>"
    blocks = read_blocks(page.encode())
    p = evened([0.4, 0.4, 0.9, 0.4, 0.9, 0.1, 0.1, 0.1], blocks)
    assert p[4:] == pytest.approx([0.26] * 4)
    assert list(chosen(p, blocks, 0.1)) == [False, True, True] + [False] * 5


def test_reasons_name_the_rule_of_tables() -> None:
    page = b"<p>A sentence of running text, and one more of it.</p><table><tr><td>1<td>2<td>3<td>4</table>"
    reasons = list(reasoned(page, shipped(), 1.0))
    assert [reason.why.startswith("in a table of data") for reason in reasons] == [False] + [True] * 4
    assert len({reason.probability for reason in reasons[1:]}) == 1


@pytest.mark.parametrize(
    ("name", "least"),
    [("article_extraction_benchmark_a", 0.95), ("readability_pages_a", 0.94), ("debian_handbook", 0.94)],
)
def test_main_text_of_real_pages(shared_data: Path, name: str, least: float) -> None:
    pages = gold(shared_data, name, 90)
    scores = [f1(page["gold_text"], text) for page, text in zip(pages, texts(pages), strict=True)]
    assert np.mean(scores) >= least


def test_favor_moves_between_wanted_and_unwanted_passages(shared_data: Path) -> None:
    pages, shares = gold(shared_data, "trafilatura_eval_a", 150), {}
    for favor in BETAS:
        found = texts(pages, favor=favor)
        shares[favor] = [
            np.mean(
                [hit for page, text in zip(pages, found, strict=True) for hit in has_passages(text, page.get(key, ()))]
            )
            for key in ("must_contain", "must_not_contain")
        ]
    for one, more in (("precision", "balanced"), ("balanced", "recall")):
        assert shares[one][0] < shares[more][0] and shares[one][1] < shares[more][1]
    assert shares["balanced"][0] >= 0.94 and shares["balanced"][1] <= 0.08
