"""InstructMining's rules and indicators by known answers, and what a rule must be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import curate, pipeline, run_ok, write_jsonl
from pydantic import ValidationError

from curate.conversation import MESSAGES
from curate.errors import CurateError
from curate.select.budget import Budget
from curate.select.instruct_mining import RULES, InstructMining, message_indicators, neighbour_distances, predicted_loss
from curate.select.pool import scored

OWN = {"length_out": "x.length", "knn": "x.knn"}
GRADES = ("understandability", "naturalness", "coherence")


def talks(*conversations: tuple[str, ...] | None) -> pa.Array:
    made = [
        None if turns is None else [{"role": ("user", "assistant")[i % 2], "content": t} for i, t in enumerate(turns)]
        for turns in conversations
    ]
    return pa.array(made, MESSAGES)


def ranked(selector: InstructMining, columns: dict[str, Any], count: int = 2) -> dict[str, list[Any]]:
    texts, messages = pa.array(["t"] * count), talks(*[("a", "b")] * count)
    found: dict[str, list[Any]] = scored(
        selector, texts, {name: np.array(values) for name, values in columns.items()}, messages=messages
    ).to_pydict()
    return found


def test_the_published_rules_have_their_known_answers() -> None:
    # specs 2.1: log L of two examples by each rule; the first is the better one
    v1 = InstructMining(rule="v1", indicators={"reward": "x.reward", **OWN})
    found = ranked(v1, {"x.reward": [0.5, 2.0], "x.length": [300.0, 100], "x.knn": [0.4, 0.6]})
    assert found["score"] == pytest.approx([-0.645271, -0.217057], abs=1e-9) and found["rank"] == [2, 1]
    assert np.exp(-np.array(found["score"])) == pytest.approx([1.906504, 1.242415], abs=1e-6)
    v2 = InstructMining(rule="v2", indicators={"reward": "x.reward", **{name: f"x.{name}" for name in GRADES}})
    grades = {"x.understandability": [0.9, 0.9], "x.naturalness": [0.8, 0.6], "x.coherence": [0.9, 0.7]}
    found = ranked(v2, {"x.reward": [2.0, -1], **grades})
    assert found["score"] == pytest.approx([-0.015930, -0.133970], abs=1e-9) and found["rank"] == [1, 2]
    assert np.exp(
        predicted_loss(RULES["v2"], {"reward": 2, "understandability": 0.9, "naturalness": 0.8, "coherence": 0.9})
    ) == (pytest.approx(1.016058, abs=1e-6))


def test_offline_is_v1_less_its_reward_and_a_rule_of_ones_own_replaces_both() -> None:
    found = ranked(InstructMining(indicators=OWN), {"x.length": [100.0, 300], "x.knn": [0.6, 0.4]})
    assert found["score"] == pytest.approx([-(0.217057 + 0.1498 * 2), -(0.645271 + 0.1498 * 0.5)], abs=1e-9)
    own = InstructMining(coefficients={"intercept": 1, "perplexity": 2}, indicators={"perplexity": "x.p"})
    found = ranked(own, {"x.p": [3.0, np.nan]})
    assert found["score"] == [-7, None] and found["rank"] == [1, None] and found["knn"] == [None, None]


def test_indicators_of_messages() -> None:
    given = talks(("four", "One two three one one"), None, ("a" * 9, "a b a b", "cc", "…"), ("x", "!?"))
    made = message_indicators(given)
    assert made["length_in"].tolist()[::2] == [1, 3] and made["length_out"].tolist()[::2] == [6, 3]
    assert np.isnan([made[name][1] for name in made]).all() and made["mtld"].tolist()[::2] == [5, 4]
    assert np.isnan(made["mtld"][3])
    # a slice of a larger batch is read as such
    part = message_indicators(given.slice(2))
    assert all(np.array_equal(part[name], made[name][2:], equal_nan=True) for name in made)


def test_distances_from_the_ith_neighbour_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(200, 8)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    points[50:60] = points[50]  # more copies than neighbours
    apart = np.sort(np.linalg.norm(points[:, None].astype(float) - points[None], axis=2), axis=1)
    assert neighbour_distances(points, 6) == pytest.approx(apart[:, 6], abs=1e-6)
    assert neighbour_distances(points, 6)[50:60].tolist() == [0] * 10
    assert neighbour_distances(points[:3], 6) == pytest.approx(
        np.linalg.norm(points[:3, None] - points[None, :3], axis=2).max(axis=1), abs=1e-6
    )
    assert np.isnan(neighbour_distances(points[:1], 6)).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "v1"}, "needs reward.*rule: offline"),
        ({"rule": "v2", "indicators": {"reward": "x.y"}}, "needs understandability, naturalness, coherence"),
        ({"indicators": {"rewards": "x.y"}}, "rewards is no indicator"),
        ({"coefficients": {"length": 1}}, "length is no indicator"),
        ({"coefficients": {"mtld": 1}, "rule": "v1"}, "not both"),
    ],
)
def test_a_rule_without_its_indicators_is_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        InstructMining.model_validate(settings)


def test_texts_that_are_no_conversations_are_told() -> None:
    vectors = np.eye(2, 4, dtype=np.float32)
    with pytest.raises(CurateError, match="length_out"):
        scored(InstructMining(), pa.array(["a", "b"]), {"embed.vector": vectors})


def test_a_pipeline_chooses_rare_and_short_answers(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": f"c{i}", "instruction": f"say {i}", "output": "the same long answer " * 30} for i in range(8)]
    rows.append({"id": "rare", "instruction": "name a bird", "output": "Kingfisher."})
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    steps = "[embed, {instruct_mining: {budget: {documents: 1}}}]"
    file = pipeline(tmp_path, steps, inputs="[{name: a, path: in, chat: auto, id: id}]")
    run_ok(file, "--workers", 1)
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").unnest("instruct_mining")
    kept = ledger.filter(pl.col("fate") == "kept")
    assert kept["id"].to_list() == ["rare"] and kept["length_out"][0] == 3 and kept["mtld"][0] == 1
    wanted = 1.0694 + 8.257e-5 * ledger["length_out"] - 0.9350 * ledger["knn"]
    assert (-ledger["score"]).to_list() == pytest.approx(wanted.to_list())
    file.write_text(file.read_text().replace("{budget: {documents: 1}}", "{rule: v1}"))
    done = curate("check", file)
    assert done.returncode == 2 and "needs reward" in done.stderr


def test_budgets_are_prefixes_of_the_order() -> None:
    columns = {"x.length": [100.0, 300, 200], "x.knn": [0.6, 0.4, 0.5]}
    chosen = [ranked(InstructMining(indicators=OWN, budget=Budget(documents=k)), columns, 3)["chosen"] for k in (1, 2)]
    assert chosen == [[True, False, False], [True, False, True]]
