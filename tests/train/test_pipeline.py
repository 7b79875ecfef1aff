"""From a pipeline file to a checkpoint: held-out documents, a tokenizer of its own, `train:`, provenance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from corpora import documents, write_jsonl
from tokenizers_small import saved_tokenizer

from curate.config import Overrides, read
from curate.errors import ConfigError
from curate.files import read_json
from curate.job import run_file
from curate.train.token_set import HELD_OUT, TokenSet
from curate.train.tokenising import TokenizeSettings, tokenize

FILE = """\
name: small
seed: 5
inputs: [{name: web, path: "in/*", id: id}]
steps:
  - quality: {preset: [], word_count: {min: 70}}
  - exact_dedup
output: {path: out, tokens: {tokenizer: {train: {vocabulary: 300}}, held_out: 20%}}
train:
  model: {preset: 1m, config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2, intermediate_size: 16}}
  context: 32
  rows: 4
  steps: 3
  evaluate: {every: 3, documents: 2}
  device: cpu
"""


def test_a_share_of_the_documents_is_held_out_by_their_text(tmp_path: Path) -> None:
    tokenizer = saved_tokenizer(tmp_path / "tok")
    first = write_jsonl(tmp_path / "a.jsonl", documents(1, 200, words=20))

    def sides(*files: Path) -> list[set[str]]:
        tokenize([str(file) for file in files], tmp_path / "set", settings, note=lambda _: None)
        sets = [TokenSet.open(folder) for folder in (tmp_path / "set", tmp_path / "set" / HELD_OUT)]
        return [{d.tokens.tobytes() for name in s.sources for d in s.documents(name)} for s in sets]

    settings = TokenizeSettings(str(tokenizer), held_out=0.2)
    trained, held = sides(first)
    assert not trained & held and 0.1 < len(held) / (len(held) + len(trained)) < 0.3
    more = write_jsonl(tmp_path / "b.jsonl", documents(2, 100, words=20))
    trained_then, held_then = sides(more, first)
    assert trained < trained_then and held < held_then and not trained_then & held_then
    # without a share nothing is left apart
    settings = TokenizeSettings(str(tokenizer))
    tokenize([str(first)], tmp_path / "set", settings, note=lambda _: None)
    assert not (tmp_path / "set" / HELD_OUT).exists()


def test_a_pipeline_goes_on_to_its_training_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    from curate.train.trace import traced

    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", documents(3, 60))
    (tmp_path / "p.yaml").write_text(FILE)

    def ran() -> Any:
        run_file(str(tmp_path / "p.yaml"), Overrides(workers=1), sample=None, force=False, as_json=True)
        return json.loads(capsys.readouterr().out)["train"]

    found = ran()
    state = read_json(tmp_path / "out" / "train" / "checkpoints" / "000003" / "state.json")
    manifest = read_json(tmp_path / "out" / "manifest.json")
    tokens = TokenSet.open(tmp_path / "out" / "tokens")
    assert found["step"] == state["step"] == 3 and found["held_out"]["web"]["loss"] > 0
    (entry,) = state["data"]
    assert entry["hash"] == tokens.hash and entry["runs"] == tokens.runs
    assert (
        entry["runs"][0]["fingerprint"] == manifest["fingerprint"]
        and entry["runs"][0]["content"] == manifest["content"]
    )
    card = (tmp_path / "out" / "train" / "model" / "README.md").read_text()
    assert manifest["fingerprint"] in card and tokens.hash in card
    # from a step back to the ledger: signals of the documents that it was made of
    traced_rows = list(traced(tmp_path / "out" / "train", 1))
    assert traced_rows == list(traced(tmp_path / "out" / "train" / "checkpoints" / "000003", 1))
    assert traced_rows and all(row["quality"]["word_count"] >= 70 and row["row"] < 4 for row in traced_rows)
    # all is done: neither tokenizer, tokens nor checkpoints are made again
    kept = [*(tmp_path / "out" / "tokenizer").iterdir(), *(tmp_path / "out" / "train" / "checkpoints").glob("*/*")]
    times = [path.stat().st_mtime_ns for path in kept]
    assert ran() == found and [path.stat().st_mtime_ns for path in kept] == times
    # other tokens are another run: told, not mixed
    write_jsonl(tmp_path / "in" / "b.jsonl", documents(4, 20))
    with pytest.raises(ConfigError, match=r"(?s)data.*: is not what .*begin anew with `curate train \S+/out --force`"):
        ran()


def test_mistakes_of_a_training_in_a_pipeline_have_a_place(tmp_path: Path) -> None:
    from curate.checks import check

    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", documents(3, 5))
    path = tmp_path / "p.yaml"

    def told(*changes: tuple[str, str]) -> list[str]:
        text = FILE
        for old, new in changes:
            text = text.replace(old, new)
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            check(*read(str(path), Overrides()))
        return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]

    assert told(("  rows: 4", "  rows: 12\n  mixture: {kind: skillit}"), ("preset: 1m", "preset: 2m")) == [
        "p.yaml:9:19 train.model.preset: unknown preset `2m`\n  hint: allowed: 1m, 5m, 15m, 60m, 125m, 350m, 760m, 1.5b",
        "p.yaml:9:3 train.micro_rows: 12 rows are not a multiple of micro_rows, 8\n  hint: choose a divisor of rows",
        "p.yaml:12:19 train.mixture.kind: unknown kind `skillit`\n  hint: did you mean skill_it?",
    ]
    assert told(
        ("steps: 3", "steps: 3\n  stepps: 4\n  data: x"), ("context: 32", "context: 1"), ("preset: 1m", "preset: 2m")
    ) == [
        "p.yaml:14:3 train.data: `data` of a training within a pipeline is the run's own\n"
        "  hint: leave it out, or write a training file",
        "p.yaml:10:12 train.context: input should be greater than or equal to 2, got 1",
        "p.yaml:13:3 train.stepps: unknown key\n  hint: did you mean steps?",
        "p.yaml:9:19 train.model.preset: unknown preset `2m`\n  hint: allowed: 1m, 5m, 15m, 60m, 125m, 350m, 760m, 1.5b",
    ]
    (problem,) = told((", held_out: 20%", ""))
    assert problem.startswith("p.yaml:13:13 train.evaluate: there is nothing to evaluate on\n  hint: ")
    (problem,) = told(
        (", tokens: {tokenizer: {train: {vocabulary: 300}}, held_out: 20%}", ""),
        ("  evaluate: {every: 3, documents: 2}\n", ""),
    )
    assert problem.startswith("p.yaml:8:1 train: there are no tokens to train on")
    assert told(("held_out: 20%", "held_out: 100%"))[0].endswith(
        "output.tokens.held_out: input should be less than 1, got 1.0"
    )
    assert told(("vocabulary: 300", "vocabulary: 30"))[0].startswith(
        "p.yaml:7:62 output.tokens.tokenizer.train.vocabulary: input"
    )


CLUSTERS = """\
name: small
inputs: [{name: web, path: "in/*", id: id}]
steps: [embed, {clusters: {number: 2}}]
output: {path: out, tokens: {tokenizer: tok, by: clusters.skill, held_out: 30%}}
train:
  model: {preset: 1m, config: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2, intermediate_size: 16}}
  context: 16
  rows: 2
  steps: 2
  mixture: {kind: skill_it, graph: {steps: 1}, eta: 0.5, update_every: 1}
  evaluate: {every: 2, documents: 1}
  device: cpu
"""


def test_clusters_are_the_skills_of_a_mixture(tmp_path: Path) -> None:
    """No column names a skill: the subjects are found by vectors, and Skill-It learns their graph."""
    pytest.importorskip("faiss")
    pytest.importorskip("torch")
    subjects = {"sea": "ship wave wind deck sail", "farm": "plough wheat barn hay field"}
    saved_tokenizer(tmp_path / "tok")
    (tmp_path / "in").mkdir()
    rows = [{"id": f"{name}-{i}", "text": f"{words} {i}"} for name, words in subjects.items() for i in range(12)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    (tmp_path / "p.yaml").write_text(CLUSTERS)
    run_file(str(tmp_path / "p.yaml"), Overrides(workers=1), sample=None, force=False, as_json=True)
    tokens = TokenSet.open(tmp_path / "out" / "tokens")
    ids = [{document.id.partition("-")[0] for document in tokens.documents(name)} for name in ("c0", "c1")]
    assert sorted(tokens.sources) == ["c0", "c1"] and sorted(ids, key=sorted) == [{"farm"}, {"sea"}]
    (graph,) = (tmp_path / "out" / "train" / "graph").glob("*.json")
    assert read_json(graph)["trained"] == read_json(graph)["evaluated"] == ["c0", "c1"]
    state = read_json(tmp_path / "out" / "train" / "checkpoints" / "000002" / "state.json")
    assert set(state["held_out"]) == {"c0", "c1", "all"}
