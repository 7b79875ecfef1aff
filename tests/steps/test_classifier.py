"""The step `classifier`: a signal a label, rules on them, the model in the fingerprint, errors before any work."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl

from curate.classifiers.recipe import Recipe
from curate.classifiers.training import train_classifier
from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.classifier import Classifier, field_name


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows science from casinos."""
    folder = tmp_path_factory.mktemp("model")
    for name, word in (("good", "science"), ("bad", "casino")):
        write_jsonl(folder / f"{name}.jsonl", [{"text": f"The {word}\nnumber {i} {word}"} for i in range(100)])
    classes = {name: [{"path": f"{name}.jsonl"}] for name in ("good", "bad")}
    settings = {"output": "", "classes": classes, "form": "folded", "training": {"dim": 4, "epochs": 50}}
    train_classifier(Recipe.model_validate(settings), folder, folder / "m.bin")
    return folder / "m.bin"


def test_signals_do_not_depend_on_other_rows(model: Path) -> None:
    step = Classifier(model=str(model))
    texts = ["SCIENCE of things", "a casino\ncasino", "", None, " \n", "science __label__bad </s> casino casino"]
    batch = document_batch([{"row": i, "text": text} for i, text in enumerate(texts)])
    rows = step.process(batch)["classifier"].to_pylist()
    assert [row["label"] for row in rows[:5]] == ["good", "bad", "", "", ""]
    assert rows[0]["good"] > 0.9 and rows[1]["good"] < 0.1 and rows[2] == {"label": "", "good": 0.0, "bad": 0.0}
    assert rows[0]["good"] + rows[0]["bad"] == pytest.approx(1, abs=1e-4)
    # a label and an end of line in the text are words: what follows them counts
    assert rows[5]["label"] == "bad"
    alone = [step.process(batch.slice(i, 1))["classifier"].to_pylist()[0] for i in range(6)]
    assert alone == rows


def test_labels_bounds_and_fingerprint(model: Path) -> None:
    step = Classifier.model_validate({"model": str(model), "labels": ["good"], "keep": {"good": {"min": 0.5}}})
    assert list(step.signals()) == ["label", "good"]
    assert step.rule_table() == {"good": "classifier.good >= 0.5"}
    assert step.fingerprint() == Classifier(model=str(model), labels=["good"]).fingerprint()
    assert step.assets()["form"] == "folded" and len(step.assets()["m.bin"]) == 64


@pytest.mark.parametrize(("label", "name"), [("en", "en"), ("zh-cn", "zh_cn"), ("1", "is_1"), ("label", "is_label")])
def test_labels_are_names_of_signals(label: str, name: str) -> None:
    assert field_name(label) == name


def test_what_is_missing_is_told_with_a_mend(model: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match=r"no model x\.bin[\s\S]*train-classifier[\s\S]*x\.bin"):
        Classifier(model="x.bin").assets()
    with pytest.raises(MissingAsset, match=r"no label best[\s\S]*good"):
        Classifier(model=str(model), labels=["best"]).assets()
    with pytest.raises(MissingAsset, match="no label best"):
        Classifier.model_validate({"model": str(model), "keep": {"best": {"min": 1}}}).assets()
    (tmp_path / "y.bin").write_text("nothing")
    with pytest.raises(MissingAsset, match="no fastText classifier"):
        Classifier(model=str(tmp_path / "y.bin")).assets()


def test_a_pipeline_keeps_the_good(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": "all casino" if i % 4 == 0 else "some science"} for i in range(20)]
    write_jsonl(tmp_path / "in" / "a.jsonl", rows)
    (tmp_path / "m.bin").write_bytes(model.read_bytes())
    steps = "[{classifier: {model: m.bin, as: taste, keep: {good: {min: 0.5}}, rules: ['taste.bad < 0.9']}}]"
    file = pipeline(tmp_path, steps)
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"]["kept"] == 15
    assert "taste.good >= 0.5" in curate("explain", tmp_path / "out", "0").stdout
    file.write_text(file.read_text().replace("m.bin", "gone.bin"))
    done = curate("check", file)
    assert done.returncode == 2 and "train-classifier" in done.stderr and done.stderr.count("hint") == 1, done.stderr
