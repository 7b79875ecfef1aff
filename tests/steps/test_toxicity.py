"""The step `toxicity`: scores by sentence, evidence, masks, inverse filters, other languages, other models."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl

from curate.classifiers.evaluation import auc
from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.toxicity import Toxicity

CALM = "The committee met on Tuesday to discuss the new library."
RUDE = "You are a fucking idiot and everybody knows it."


def _run(
    texts: list[str | None], lang: str | None = None, **settings: Any
) -> tuple[list[dict[str, Any]], list[str | None]]:
    rows = [{"row": i, "text": text, "lang": lang} for i, text in enumerate(texts)]
    made = Toxicity.model_validate(settings).process(document_batch(rows))
    return made["toxicity"].to_pylist(), made["text"].to_pylist()


def test_a_document_has_the_scores_of_its_sentences() -> None:
    (both, calm, null, empty), _ = _run([f"{CALM} {RUDE}", CALM, None, " \n"])
    (alone,), _ = _run([RUDE])
    assert alone["max"] > 0.9 and calm["max"] < 0.1
    assert both["max"] == alone["max"] and both["mean"] == pytest.approx((alone["max"] + calm["max"]) / 2, abs=1e-6)
    assert (both["share"], both["toxic"], both["sentences"]) == (0.5, 1, 2)
    assert both["spans"] == f"{len(CALM) + 1}-{len(CALM) + 1 + len(RUDE)} {alone['max']:.3f}" and calm["spans"] == ""
    assert null == empty == {
        "max": 0, "mean": 0, "share": 0, "toxic": 0, "sentences": 0, "listed": 0, "spans": "",
    }  # fmt: skip


def test_toxic_sentences_are_masked_and_the_rest_stays_to_the_byte() -> None:
    text = f"\u00e9t\u00e9 \u2014  {CALM}\n{RUDE}  Fin."
    signals, (masked, null) = _run([text, None], mask="[TOXIC]")
    assert masked == text.replace(RUDE, "[TOXIC]") and null is None
    start, stop = map(int, signals[0]["spans"].split()[0].split("-"))
    assert text.encode()[start:stop].decode() == RUDE
    assert _run([text], mask="[TOXIC]", threshold=1.0)[1] == [text]
    assert _run([text], mask="[TOXIC]", level="document")[1] == ["[TOXIC]"]


@pytest.mark.parametrize(
    "disguised", ["You are an 1d10t", "what a load of sh*t", "FUUUUUCK you", "f u c k you", "you b!tch", "you $hithead"]
)
def test_disguised_words_are_found(disguised: str) -> None:
    assert _run([disguised])[0][0]["max"] > 0.5


def test_other_languages_are_searched_for_their_own_words() -> None:
    german = "Der Ausschuss tagte am Dienstag. So eine Scheisse, du Arschloch!"
    (found,), _ = _run([german], lang="de")
    assert (found["max"], found["toxic"], found["listed"], found["sentences"]) == (1, 1, 1, 2)
    assert _run([german], lang="de", lists="none")[0][0]["max"] == 0
    assert _run([german], lang="xx")[0][0]["max"] == 0
    assert _run(["Ein dick Buch"], lang="de-AT", languages=["en", "de"], lists="all")[0][0]["listed"] == 0
    first, second = (_run([text], lang="de")[0][0] for text in (CALM, f"{CALM} Arschloch"))
    assert (first["max"], second["listed"]) == (0, 1)


def test_no_other_row_changes_a_row() -> None:
    texts = [f"{CALM} {RUDE}", RUDE, CALM]
    assert _run(texts)[0] == [_run([text])[0][0] for text in texts]


def test_another_model_is_asked_by_its_label(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "bad.jsonl", [{"text": f"rotten {word} egg"} for word in range(1000, 1090)])
    write_jsonl(tmp_path / "good.jsonl", [{"text": f"fresh {word} milk"} for word in range(1000, 1090)])
    made = curate(
        "train-classifier", "--positive", str(tmp_path / "bad.jsonl"), "--negative", str(tmp_path / "good.jsonl"),
        "--output", str(tmp_path / "model.bin"),
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    model = str(tmp_path / "model.bin")
    (found,), _ = _run(["fresh x milk\nrotten y egg"], model=model)
    assert found["toxic"] == 1 and found["max"] > 0.9
    step = Toxicity.model_validate({"model": model, "label": "negative"})
    assert step.assets() and not step.expensive
    with pytest.raises(MissingAsset, match="has no label insult"):
        Toxicity.model_validate({"model": model, "label": "insult"}).assets()


def test_a_model_that_is_not_here_is_named_with_the_way_to_get_it() -> None:
    step = Toxicity.model_validate({"model": "detoxify"})
    assert step.expensive
    with pytest.raises(MissingAsset) as caught:
        step.assets()
    assert "unitary/toxic-bert" in str(caught.value)


def test_inverse_filters_keep_the_toxic_and_drop_the_least_toxic(tmp_path: Path) -> None:
    things = ("river", "bridge", "train", "garden", "window", "letter")
    texts = [f"We talked about the {thing} for an hour." for thing in things] + [f"{RUDE} {i}" for i in range(2)]
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(texts)])
    run_ok(pipeline(tmp_path, "[{toxicity: {preset: inverse}}]"))
    assert manifest(tmp_path / "out")["documents"]["kept"] == 2
    explained = curate("explain", tmp_path / "out", "0").stdout
    assert "FAIL toxic" in explained
    run_ok(pipeline(tmp_path, "[toxicity, {quantiles: {by: toxicity.max, share: {min: 0.25}}}]"))
    assert manifest(tmp_path / "out")["documents"]["kept"] == 6


def test_it_tells_people_who_are_rude_from_people_who_are_not(shared_data: Path) -> None:
    # the Surge set was never trained on
    with gzip.open(shared_data / "toxicity" / "surge_toxicity_en.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    found, _ = _run([row["text"] for row in rows])
    toxic = np.array([row["toxic"] for row in rows])
    assert auc(toxic, np.array([row["max"] for row in found])) > 0.85
