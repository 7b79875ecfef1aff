"""transformers' classifiers and regressors: a text scores the same in any company, and as transformers itself says."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpora import WORDS, manifest, pipeline, run_ok, write_jsonl
from tiny_bert import saved_bert

from curate.classifiers.transformers_model import TransformersScorer, labels_of, model_hash
from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.classifier import Classifier
from curate.steps.toxicity import Toxicity

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def _saved(folder: Path, **settings: Any) -> Path:
    return saved_bert(folder, WORDS, cls="BertForSequenceClassification", **settings)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = {0: "good", 1: "not-so-good", 2: "bad"}
    return _saved(tmp_path_factory.mktemp("three"), id2label=labels, label2id={v: k for k, v in labels.items()})


def _texts(seed: int, count: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.choice([1, 5, 40, 100, 300, 700]))) for _ in range(count)]


def _column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.string())


def _scorer(folder: Path, **settings: Any) -> TransformersScorer:
    return TransformersScorer(folder, **({"device": "cpu", "window": 512, "windows": 1} | settings))


def test_scores_are_those_of_transformers(three: Path) -> None:
    texts = _texts(1, 12)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(three).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(three)
    with torch.inference_mode():
        wanted = [
            model(**tokenizer(t, truncation=True, max_length=256, return_tensors="pt")).logits.softmax(-1)[0].numpy()
            for t in texts
        ]
    assert labels_of(three) == ("good", "not-so-good", "bad")
    found = _scorer(three).scores(_column(texts))
    assert np.abs(found - np.array(wanted)).max() < 2e-4 and np.ptp(found) > 0.3


@pytest.mark.parametrize("windows", [1, 3])
def test_a_text_scores_the_same_in_any_company(three: Path, windows: int) -> None:
    scorer, texts = _scorer(three, window=128, windows=windows), _texts(2, 60)
    together = scorer.scores(_column(texts))
    order = list(range(60))
    random.Random(4).shuffle(order)
    assert (scorer.scores(_column([texts[i] for i in order])) == together[order]).all()
    assert (np.concatenate([scorer.scores(_column([text])) for text in texts]) == together).all()


def test_windows_are_averaged(three: Path) -> None:
    words = _texts(5, 30)
    long = " ".join(words).split()[:378]
    parts = [" ".join(long[start : start + 126]) for start in (0, 126, 252)]
    wanted = _scorer(three, window=128).scores(_column(parts)).mean(axis=0)
    found = _scorer(three, window=128, windows=8).scores(_column([" ".join(long)]))[0]
    assert np.abs(found - wanted).max() < 2e-4
    first = _scorer(three, window=128).scores(_column([" ".join(long)]))[0]
    assert (first == _scorer(three, window=128).scores(_column(parts[:1]))[0]).all() and np.abs(
        first - found
    ).max() > 1e-3


def test_regressors_and_labels_that_do_not_exclude_each_other(tmp_path: Path) -> None:
    regressor = _saved(tmp_path / "one", num_labels=1)
    value = _scorer(regressor).scores(_column(["the river", "", " \n", "music"]))
    assert value.shape == (4, 1) and value[1] == value[2] == 0 and abs(value[0]) > 0.001
    step = Classifier(model=str(regressor))
    batch = document_batch([{"row": 0, "text": "the river"}, {"row": 1, "text": None}])
    assert step.process(batch)["classifier"].to_pylist() == [{"score": value[0, 0]}, {"score": 0.0}]
    many = _saved(tmp_path / "many", num_labels=3, problem_type="multi_label_classification")
    scores = _scorer(many).scores(_column(_texts(6, 5)))
    assert ((scores >= 0) & (scores <= 1)).all() and np.abs(scores.sum(axis=1) - 1).max() > 0.05


def test_the_step_runs_in_a_pipeline(three: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": str(i), "text": text} for i, text in enumerate(_texts(7, 20))])
    middle = float(np.median(_scorer(three).scores(_column(_texts(7, 20)))[:, 1]))
    steps = f"[{{classifier: {{model: '{three}', device: cpu, keep: {{not-so-good: {{min: {middle}}}}}}}}}]"
    run_ok(pipeline(tmp_path, steps))
    assert manifest(tmp_path / "out")["documents"] | {"kept": 0} == {
        "in": 20, "made": 0, "kept": 0, "dropped": 20 - manifest(tmp_path / "out")["documents"]["kept"], "quarantined": 0
    }  # fmt: skip
    assert 9 <= manifest(tmp_path / "out")["documents"]["kept"] <= 11


def test_the_content_of_the_model_is_in_the_fingerprint(three: Path, tmp_path: Path) -> None:
    other = _saved(tmp_path / "m", num_labels=3)
    before = Classifier(model=str(other)).assets()
    assert before == {str(other): model_hash(other)} and model_hash(three) != model_hash(other)
    config = other / "config.json"
    config.write_text(re.sub(r'"hidden_dropout_prob": [\d.]+', '"hidden_dropout_prob": 0.2', config.read_text()))
    assert Classifier(model=str(other)).assets() != before


def test_what_is_missing_is_told_with_a_mend(three: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match=r"no model nobody/nothing on this machine[\s\S]*hf download nobody/nothing"):
        Classifier(model="nobody/nothing").assets()
    with pytest.raises(MissingAsset, match="config.json"):
        Classifier(model=str(tmp_path)).assets()
    with pytest.raises(MissingAsset, match=r"no label best[\s\S]*good, not-so-good, bad"):
        Classifier(model=str(three), labels=["best"]).signals()


@pytest.mark.parametrize("labels", [("toxic", "obscene", "threat"), ("toxicity",)])
def test_the_step_toxicity_asks_models_like_those_of_detoxify(labels: tuple[str, ...], tmp_path: Path) -> None:
    names = dict(enumerate(labels))
    problem = {
        "problem_type": "multi_label_classification",
        "id2label": names,
        "label2id": {v: k for k, v in names.items()},
    }
    folder = _saved(tmp_path, **problem)
    sentences = [f"{text}." for text in _texts(7, 3)]
    step = Toxicity.model_validate({"model": str(folder), "device": "cpu"})
    assert step.expensive and step.assets()
    batch = document_batch([{"row": 0, "text": " ".join(sentences)}, {"row": 1, "text": None}])
    (found, nothing) = step.process(batch)["toxicity"].to_pylist()
    scores = _scorer(folder).scores(_column(sentences))[:, 0]
    wanted = scores if len(labels) > 1 else 1 / (1 + np.exp(-scores))
    assert found["sentences"] == 3 and found["max"] == pytest.approx(wanted.max(), abs=1e-4)
    assert found["mean"] == pytest.approx(wanted.mean(), abs=1e-4) and nothing["max"] == 0
