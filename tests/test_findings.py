"""A global step that applies: findings reach the documents, text changes, rules judge, and the store knows it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from corpora import manifest, pipeline, published_bytes, text, write_jsonl

from curate.config import Overrides
from curate.errors import ConfigError
from curate.executors.here import Here
from curate.files import write_json
from curate.inputs import open_files
from curate.job import prepare
from curate.plan import GlobalStage, MapStage, cut, make_plan
from curate.progress import Progress
from curate.publish import publish
from curate.run import run
from curate.steps import STEPS

STEPS_HERE = (
    "[{quality: {word_count: {min: 60}}}, {first_lines: {most: 3, rules: ['first_lines.documents IS NULL OR "
    "first_lines.documents < 10']}}, {quality: {as: late, word_count: {min: 70}}}, exact_dedup, {quality: {as: last}}]"
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STEPS, "first_lines", ("first_lines", "FirstLines"))


def bodies(seed: int) -> list[dict[str, str]]:
    """Of 20 documents 5 begin with banner A, 2 with B, 4 with C; the longer, the later."""
    import random

    rng = random.Random(seed)
    banner = {**dict.fromkeys(range(5), "Banner A\n"), 5: "Banner B\n", 6: "Banner B\n"}
    banner |= dict.fromkeys(range(7, 11), "Banner C\n")
    return [{"id": f"{seed}-{i}", "text": banner.get(i % 20, "") + text(rng, 40 + 5 * i)} for i in range(20)]


def corpus(folder: Path) -> Path:
    (folder / "in").mkdir(parents=True)
    for seed in range(3):
        write_jsonl(folder / "in" / f"{seed}.jsonl", bodies(seed))
    # a source of its own each, so that each is a unit
    inputs = ", ".join(f"{{name: web{seed}, path: in/{seed}.jsonl, id: id}}" for seed in range(3))
    return pipeline(folder, STEPS_HERE, inputs=f"[{inputs}]")


def ran(file: Path, *settings: str, output: str | None = None) -> dict[str, Any]:
    checked, files = prepare(str(file), Overrides(settings=settings, output=output))
    (store := checked.folder_out / ".store").mkdir(parents=True, exist_ok=True)
    write_json(store / "pipeline.json", {"name": checked.name, "file": str(file)})
    plan = make_plan(checked, open_files(files, store), None)
    result = run(plan, Here(), Progress())
    publish(plan, result, Here())
    return {phase.phase.name: phase for phase in result.phases}


def test_the_step_heads_the_stage_that_follows() -> None:
    from first_lines import FirstLines

    from curate.steps.quality import Quality

    phases = cut([Quality(), FirstLines(), Quality(**{"as": "late"})])
    assert [type(phase) for phase in phases] == [MapStage, GlobalStage, MapStage]
    assert [step.name for step in phases[2].steps] == ["first_lines", "late"]  # type: ignore[union-attr]


def test_findings_edit_text_make_signals_and_are_judged(tmp_path: Path) -> None:
    ran(corpus(tmp_path))
    ledger = pl.read_parquet(tmp_path / "out" / "ledger" / "*.parquet").sort("path", "offset")
    shards = pl.concat([pl.read_ipc(f) for f in sorted((tmp_path / "out/shards").glob("*.arrow"))])
    found = ledger.unnest("first_lines")
    entered = found.filter(pl.col("quality").struct.field("word_count") >= 60)
    counts = dict(entered["documents"].value_counts().iter_rows())
    # documents that the first stage drops are not counted: the first four of each file have fewer than 60 words
    given = [row | {"words": len(row["text"].split())} for seed in range(3) for row in bodies(seed)]
    alive = [row for row in given if row["words"] >= 60]
    want = {b: sum(row["text"].startswith(f"Banner {b}") for row in alive) for b in "ABC"}
    assert want["C"] >= 10 > want["B"] > 3
    assert counts.get(want["B"], 0) == want["B"] and counts[want["C"]] == want["C"]
    dropped = ledger.filter(pl.col("step") == "first_lines")
    assert dropped.height == want["C"]
    assert dropped["rule"].to_list()[0] == ["first_lines.documents IS NULL OR first_lines.documents < 10"]
    assert not shards["text"].str.contains("Banner B").any()
    texts = {row["id"]: row["text"] for row in given}
    for row in shards.iter_rows(named=True):
        cut_off = row["first_lines"]["documents"] is not None
        assert row["text"] == (texts[row["id"]].partition("\n")[2] if cut_off else texts[row["id"]])
        assert row["late"]["word_count"] == len(row["text"].split())
    for documents, score in found.filter(pl.col("documents").is_not_null()).select("documents", "score").iter_rows():
        assert score >= 60 * documents
    steps = manifest(tmp_path / "out")["steps"]
    assert [step["name"] for step in steps] == ["read", "quality", "first_lines", "late", "exact_dedup", "last"]
    assert [stage["kind"] for stage in manifest(tmp_path / "out")["stages"]] == [
        "map",
        "global",
        "map",
        "global",
        "map",
    ]


def test_other_findings_are_other_entries_and_bytes_are_as_of_a_fresh_run(tmp_path: Path) -> None:
    file = corpus(tmp_path)
    ran(file)
    again = ran(file, "steps.first_lines.most=100")
    assert again["read + quality"].reused == 3 and again["first_lines"].reused == 3
    assert again["first_lines + late"].reused == 0 and again["last"].reused == 0
    ran(file, "steps.first_lines.most=100", output=str(tmp_path / "fresh"))
    assert published_bytes(tmp_path / "out") == published_bytes(tmp_path / "fresh")
    back = ran(file)
    assert [phase.reused for phase in back.values()] == [3, 3, 3, 3, 3]


def test_a_rule_alone_computes_nothing_again(tmp_path: Path) -> None:
    file = corpus(tmp_path)
    ran(file)
    file.write_text(file.read_text().replace("documents < 10", "documents < 1000"))
    again = ran(file)
    assert again["first_lines + late"].reused == 3


def test_a_signal_that_nobody_makes_is_told(tmp_path: Path) -> None:
    file = corpus(tmp_path)
    with pytest.raises(ConfigError) as caught:
        prepare(str(file), Overrides(settings=("steps.first_lines.of=quality.word_cuont",)))
    assert "word_cuont" in str(caught.value) and "p.yaml" in str(caught.value)
