"""Step decontaminate: signals, rules of each action, cutting with a margin, fingerprints, conversations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.config import load
from curate.documents import document_batch
from curate.errors import ConfigError, MissingAsset
from curate.job import run_file
from curate.ledger import Ledger
from curate.steps.decontaminate import Decontaminate

QUESTION = "How many apples does Ann have after she gives seven of them to Bob?"


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    path = tmp_path / "maths.jsonl"
    path.write_text(
        json.dumps({"id": "m1", "question": QUESTION}) + "\n" + json.dumps({"id": "m2", "question": "Why?"})
    )
    return path


def processed(step: Decontaminate, texts: list[str | None]) -> tuple[list[dict[str, Any]], list[str | None]]:
    batch = document_batch([{"row": i, "id": str(i), "text": text} for i, text in enumerate(texts)])
    made = step.process(batch)
    return made["decontaminate"].to_pylist(), made["text"].to_pylist()


def test_signals_name_benchmark_example_and_passage(sets: Path) -> None:
    step = Decontaminate(against=str(sets))
    half = "They say: how many apples does Ann have after she left?"
    signals, texts = processed(step, [f"Well. {QUESTION.upper()} Five.", "Nothing.", half, None, ""])
    hit = signals[0]
    assert (hit["count"], hit["share"], hit["words"]) == (1, 1.0, 14)
    assert (hit["benchmark"], hit["example"]) == ("maths", "m1")
    assert hit["matched"] == QUESTION.upper()[:-1] and hit["document_frac"] == 14 / 16
    assert hit["found"] == [{"benchmark": "maths", "example": "m1", "share": 1.0}]
    assert signals[1]["count"] == 0 and signals[1]["benchmark"] is None and signals[1]["found"] == []
    assert signals[2]["share"] == 8 / 14 and signals[2]["count"] == 1
    assert signals[3]["share"] == signals[4]["share"] == 0
    assert texts == [f"Well. {QUESTION.upper()} Five.", "Nothing.", half, None, ""]


@pytest.mark.parametrize(
    ("margin", "left"),
    [(0, "Ünder  the tree.\n\nFive."), (2, "Ünder  the\n\n"), (7, "Ünder\n\n"), (500, "\n\n")],
)
def test_cutting_takes_the_passage_and_a_margin_in_whole_words(sets: Path, margin: int, left: str) -> None:
    step = Decontaminate(against=str(sets), action="cut", margin=margin)
    text = f"Ünder  the tree. {QUESTION} Five."
    signals, texts = processed(step, [text, "clean", None])
    assert texts == [left, "clean", None]
    kept = len(left.replace("\n\n", "").encode())
    assert signals[0]["cut_frac"] == pytest.approx(1 - kept / len(text.encode()), abs=0.02)
    assert signals[1]["cut_frac"] == 0


def test_every_copy_is_cut(sets: Path) -> None:
    step = Decontaminate(against=str(sets), action="cut")
    texts = processed(step, [f"One {QUESTION} two {QUESTION.lower()} three"])[1]
    assert texts == ["One\n\ntwo\n\nthree"]


def test_what_is_dropped_is_a_rule_and_no_part_of_the_fingerprint(sets: Path) -> None:
    drop, report, cut = (Decontaminate(against=str(sets), action=action) for action in ("drop", "report", "cut"))
    assert drop.rule_table() == {"count": "decontaminate.count <= 0"} and report.rule_table() == {}
    assert cut.rule_table() == {"cut_frac": "decontaminate.cut_frac <= 0.9"}
    assert drop.fingerprint() == report.fingerprint() != cut.fingerprint()


def test_the_fingerprint_is_of_the_content_of_the_sets(sets: Path, tmp_path: Path) -> None:
    first = Decontaminate(against=str(sets)).fingerprint()
    (tmp_path / "moved").mkdir()
    moved = tmp_path / "moved" / sets.name
    moved.write_bytes(sets.read_bytes())
    assert Decontaminate(against=[str(moved)]).fingerprint() == first
    moved.write_text(json.dumps({"id": "m1", "question": QUESTION + " Or Eve?"}))
    assert Decontaminate(against=[str(moved)]).fingerprint() != first


def test_missing_sets_and_bad_settings_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match="no test set at"):
        Decontaminate(against=str(tmp_path / "none.jsonl")).assets()
    (tmp_path / "x.txt").write_text("x")
    (tmp_path / "p.yaml").write_text(
        "name: p\ninputs: [{name: a, path: x.txt}]\nsteps: [{decontaminate: {against: x.txt, ngram: 4, min_words: 5}}]\n"
        "output: out\n"
    )
    with pytest.raises(ConfigError, match="min_words must be at most ngram, 4, got 5"):
        load(str(tmp_path / "p.yaml"))


def test_a_run_drops_and_cuts_and_keeps_paths_of_the_file(tmp_path: Path, sets: Path) -> None:
    (tmp_path / "pool.jsonl").write_text(
        "\n".join(
            json.dumps(row)
            for row in (
                {"id": "a", "messages": [{"role": "user", "content": f"Hi! {QUESTION} Please."}, {"role": "assistant", "content": "5"}]},
                {"id": "b", "messages": [{"role": "user", "content": "Hi!"}, {"role": "assistant", "content": "Hello."}]},
            )
        )
    )  # fmt: skip
    recipe = tmp_path / "p.yaml"
    for action, fates in (("drop", {"a": "dropped", "b": "kept"}), ("cut", {"a": "kept", "b": "kept"})):
        recipe.write_text(
            "name: p\ninputs: [{name: a, path: pool.jsonl, chat: auto}]\n"
            f'steps: [{{decontaminate: {{against: ["*.jsonl"], fields: [question], action: {action}}}}}]\noutput: out\n'
            .replace('"*.jsonl"', '"ma*.jsonl"')
        )  # fmt: skip
        run_file(str(recipe), _one_worker(), sample=None, force=False, as_json=True)
        ledger = Ledger(tmp_path / "out")
        found = dict(ledger.connect().sql("SELECT id, fate FROM ledger").fetchall())
        assert found == fates
    (messages,) = ledger.connect().sql("SELECT messages FROM shards WHERE id = 'a'").fetchall()[0]
    assert [message["content"] for message in messages] == ["Hi!\n\nPlease.", "5"]

    # and the command finds nothing in what was published, but all of it in what was read
    for texts, code in ((tmp_path / "out", 0), (tmp_path / "pool.jsonl", 6)):
        done = CliRunner().invoke(app, ["contamination", str(texts), "--against", str(sets), "--chat", "auto"])
        assert getattr(done.exception, "exit_code", done.exit_code) == code, done.exception


def _one_worker() -> Any:
    from curate.config import Overrides

    return Overrides(None, (), 1, None, ())
