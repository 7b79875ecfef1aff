"""Orders, budgets, and selectors in a pipeline: known answers, prefixes, and a new budget that computes nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpora import documents, manifest, pipeline, reused, run_ok, write_jsonl
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.conversation import MESSAGES
from curate.errors import CurateError
from curate.select.budget import Budget
from curate.select.by_signal import Choose, LongestK, RandomK
from curate.select.order import gumbel, gumbel_noise, proportional, quantile_band, top_k
from curate.select.pool import scored

NAN = float("nan")
SCORES = st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(NAN), st.just(1.0)), max_size=40)


@given(SCORES)
def test_top_k_is_a_stable_sort_and_nan_is_never_chosen(values: list[float]) -> None:
    ranks = top_k(np.array(values, np.float64))
    wanted = sorted((i for i, v in enumerate(values) if v == v), key=lambda i: -values[i])
    assert [i for _, i in sorted((r, i) for i, r in enumerate(ranks) if r)] == wanted
    assert all((r == 0) == (v != v) for r, v in zip(ranks, values, strict=True))


def test_gumbel_samples_with_the_probabilities_of_qurating() -> None:
    # specs 3.5: scores [1, 0, -1] with variance 1 are +-1.224745, tau 2 and 1
    scores = np.array([1.0, 0.0, -1.0]) / np.std([1.0, 0.0, -1.0])
    for temperature, wanted in ((2.0, [0.544693, 0.295258, 0.160049]), (1.0, [0.724548, 0.212896, 0.062556])):
        firsts: Counter[int] = Counter()
        for seed in range(20_000):
            noise = gumbel_noise(np.arange(3, dtype=np.uint64), seed)
            firsts[int(np.argmin(gumbel(scores, temperature, noise)))] += 1
        assert np.allclose([firsts[i] / 20_000 for i in range(3)], wanted, atol=0.012)


def test_gumbel_at_temperature_zero_is_top_k() -> None:
    scores = np.array([0.1, NAN, 3.0, 2.0])
    assert gumbel(scores, 0, np.array([9.0, 9, 0, 0])).tolist() == top_k(scores).tolist() == [3, 0, 1, 2]


def test_a_band_takes_the_middle_first() -> None:
    ranks = quantile_band(np.array([5.0, 1, 2, 3, 4, NAN]), 0.2, 0.8)
    assert ranks.tolist() == [0, 0, 2, 1, 3, 0]  # quantiles .9 .1 .3 .5 .7


@settings(deadline=None)
@given(
    st.lists(st.text(max_size=30), min_size=1, max_size=30), st.integers(0, 200), st.sampled_from(["top_k", "gumbel"])
)
def test_budgets_are_prefixes(texts: list[str], tokens: int, how: Any) -> None:
    array = pa.array(texts, pa.string())
    found = scored(LongestK(how=how, seed=3, budget=Budget(tokens=tokens)), array).to_pydict()
    order = sorted(range(len(texts)), key=lambda i: found["rank"][i])
    sizes = [-(-len(text.encode()) // 4) for text in texts]
    assert [found["tokens"][i] for i in order] == np.cumsum([sizes[i] for i in order]).tolist()
    chosen = [i for i in order if found["chosen"][i]]
    assert chosen == order[: len(chosen)] and sum(sizes[i] for i in chosen) <= tokens
    if len(chosen) < len(texts):
        assert sum(sizes[i] for i in order[: len(chosen) + 1]) > tokens


def test_choosing_by_a_signal() -> None:
    texts = pa.array(["a", "b", "c", "d"])
    values = np.array([3.0, 1.0, NAN, 2.0])
    best = scored(Choose(by="x.y", budget=Budget(documents=2)), texts, {"x.y": values}).to_pydict()
    assert best["chosen"] == [True, False, False, True] and best["rank"] == [1, 3, None, 2]
    assert best["score"] == [3.0, 1.0, None, 2.0]
    low = scored(Choose(by="x.y", reverse=True, budget=Budget(share=0.5)), texts, {"x.y": values}).to_pydict()
    assert low["chosen"] == [False, True, False, False] and low["share"] == [1.0, 1 / 3, None, 2 / 3]
    even = scored(Choose(by="x.y", standardise=True), texts, {"x.y": values})["score"].to_pylist()
    assert even == pytest.approx([1.224745, -1.224745, None, 0.0], abs=1e-6)  # type: ignore[list-item]
    counted = scored(Choose(by="x.y", count="x.n"), texts, {"x.y": values, "x.n": np.array([5.0, 6, 7, 8])})
    assert counted["tokens"].to_pylist() == [5, 19, None, 13]
    for odd in (NAN, -1.0):
        with pytest.raises(CurateError, match=r"`x.n` counts no tokens of 1 documents"):
            scored(Choose(by="x.y", count="x.n"), texts, {"x.y": values, "x.n": np.array([5.0, odd, 7, 8])})


def test_the_longest_may_be_of_the_answers() -> None:
    said = [("a long question", "so"), ("why?", "because of ä"), None, ("hm", "")]
    talks = [None if talk is None else [{"role": "user", "content": talk[0]}, {"role": "assistant", "content": talk[1]}] for talk in said]  # fmt: skip
    texts, messages = pa.array(["x" * 40, "y", "z" * 50, "w"]), pa.array(talks, MESSAGES)
    found = scored(LongestK(of="answers"), texts, messages=messages)
    assert found["score"].to_pylist() == [2, 13, None, 0] and found["rank"].to_pylist() == [2, 1, None, 3]
    assert scored(LongestK(), texts, messages=messages)["rank"].to_pylist() == [2, 3, 1, 4]
    with pytest.raises(CurateError, match="none of 4 documents has a score(.|\n)*`chat: auto`"):
        scored(LongestK(of="answers"), texts)


def test_random_order_depends_on_ids_and_seed_alone() -> None:
    texts = pa.array(["same"] * 50)
    one, again, other = (scored(RandomK(seed=s), texts)["rank"].to_pylist() for s in (1, 1, 2))
    assert one == again != other and sorted(one) == list(range(1, 51))


@pytest.mark.parametrize("wrong", [{}, {"documents": 1, "share": 0.5}, {"share": 1.5}, {"tokens": -1}])
def test_a_budget_is_one_limit(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Budget(**wrong)
    with pytest.raises(ValidationError, match=r"write what it limits: {share: 10%}"):
        Choose.model_validate({"by": "x.y", "budget": "10%"})


def test_a_new_budget_computes_nothing_and_choices_are_nested(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(3):
        write_jsonl(tmp_path / "in" / f"{i}.jsonl", documents(i, 120, words=400))
    steps = "[quality, {choose: {by: quality.word_count, count: quality.word_count, budget: {tokens: 20K}}}, {quality: {as: late}}]"
    file = pipeline(tmp_path, steps)
    run_ok(file, "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").unnest("choose")
    words = ledger["quality"].struct.field("word_count")
    chosen = ledger.filter(pl.col("fate") == "kept")
    assert chosen["quality"].struct.field("word_count").sum() <= 20_000 < words.sum()
    assert (
        chosen["rank"].max() == chosen.height
        and ledger.filter(pl.col("rank") == chosen.height + 1)["tokens"][0] > 20_000
    )
    assert set(ledger.filter(pl.col("fate") != "kept")["rule"].to_list()[0]) == {"budget"}
    run_ok(file, "--workers", 1, "--set", "steps.choose.budget={documents: 10}")
    smaller = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").filter(pl.col("fate") == "kept")
    assert set(smaller["id"]) < set(chosen["id"]) and smaller.height == 10
    units = {stage["reused"] for stage in manifest(tmp_path / "out")["stages"]}
    assert len(units) == 1 and all(count > 0 for count in reused(tmp_path / "out").values())
    assert len(list((tmp_path / "out" / ".store" / "resolve").iterdir())) == 1
    shard, part = (next((tmp_path / "out" / name).iterdir()) for name in ("shards", "ledger"))
    for schema in (pa.ipc.open_file(shard).schema, pq.read_schema(part)):
        told = json.loads(schema.metadata[b"curate.steps"])
        assert told["choose"] == {"kind": "choose", "version": Choose.version} and told["late"]["kind"] == "quality"


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=40))
def test_every_prefix_has_the_proportions_of_the_groups(rows: list[tuple[int, bool]]) -> None:
    groups = np.array([group for group, _ in rows], np.int64)
    ranks = np.zeros(len(rows), np.int64)
    for group in range(4):
        own = [i for i, (g, ranked) in enumerate(rows) if g == group and ranked]
        ranks[own] = np.arange(1, len(own) + 1)
    joined = proportional(ranks, groups)
    ranked = np.flatnonzero(ranks)
    assert sorted(joined[ranked]) == list(range(1, len(ranked) + 1)) and not joined[ranks == 0].any()
    for cut in range(len(ranked) + 1):
        for group in range(4):
            size = (groups[ranked] == group).sum()
            chosen = ((groups == group) & (joined > 0) & (joined <= cut)).sum()
            assert abs(chosen - size * cut / max(1, len(ranked))) <= 3 / 2 + 1e-9  # 4 groups round against each other


def test_a_band_within_each_language(tmp_path: Path) -> None:
    # perplexities of two languages on scales of their own: the middle half of each is chosen, not of both together
    (tmp_path / "en").mkdir(), (tmp_path / "hi").mkdir()
    for name, base in (("en", 10), ("hi", 100)):
        rows = [{"id": f"{name}{i}", "text": " ".join(["word"] * (base + i))} for i in range(8)]
        write_jsonl(tmp_path / name / "a.jsonl", rows)
    inputs = '[{name: en, path: "en/*", id: id}, {name: hi, path: "hi/*", id: id}]'
    band = "{choose: {by: quality.word_count, how: quantile_band, band: [0.25, 0.75], within: [source], budget: {share: 1.0}}}"
    run_ok(pipeline(tmp_path, f"[{{quality: {{preset: []}}}}, {band}]", inputs=inputs), "--workers", 1)
    kept = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").filter(pl.col("fate") == "kept")
    assert sorted(kept["id"]) == [f"{name}{i}" for name in ("en", "hi") for i in range(2, 6)]


@pytest.mark.parametrize(("perplexities", "wanted"), [([5.0, 1, 4, 2, 3], [1, 3]), ([3.0, 3, 3, 9, 9], [0, 1])])
def test_points_takes_the_lowest_perplexities(perplexities: list[float], wanted: list[int]) -> None:
    lowest = Choose(by="p.p", reverse=True, budget=Budget(share=0.4))
    found = scored(lowest, pa.array(["x"] * 5), {"p.p": np.array(perplexities)})
    assert np.flatnonzero(found["chosen"]).tolist() == wanted


def test_greedy_diverse_leaves_out_what_is_like_a_better_one() -> None:
    vectors = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.1, 0.99], [NAN, 0], [-1, 0]], np.float32)
    scores = np.array([1.0, 5, 3, 4, 9, NAN])
    best = Choose(by="x.y", how="greedy_diverse", most_similar=0.9, budget=Budget(documents=9))
    found = scored(best, pa.array(["x"] * 6), {"x.y": scores, "embed.vector": vectors})
    assert found["rank"].to_pylist() == [None, 1, None, 2, None, None]
    everything = best.model_copy(update={"most_similar": 1.0})
    found = scored(everything, pa.array(["x"] * 6), {"x.y": scores, "embed.vector": vectors})
    assert found["rank"].to_pylist() == [4, 1, 3, 2, None, None]
