"""The step `nsfw`: words by category, masks, lists of the user's, a classifier beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from corpora import curate, write_jsonl

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps.nsfw import Nsfw, category_files


def _run(texts: list[str | None], **settings: Any) -> tuple[list[Any], list[Any]]:
    made = Nsfw.model_validate(settings).process(document_batch([{"row": i, "text": t} for i, t in enumerate(texts)]))
    return made["nsfw"].to_pylist(), made["text"].to_pylist()


def test_words_are_counted_by_category_and_masked() -> None:
    text = "\u00e9 Free PORN and hentai; bloody hell, motherfucker. Sussex is fine."
    (found, null), (masked, none) = _run([text, None], mask="[{category}]")
    assert {name: count for name, count in found.items() if count and name not in ("spans", "word_share")} == {
        "count": 3, "pornography": 2, "profanity": 1,
    }  # fmt: skip
    assert found["word_share"] == pytest.approx(3 / 11)
    assert found["spans"] == "pornography 8-12, pornography 17-23, profanity 38-50"
    assert masked == "\u00e9 Free [pornography] and [pornography]; bloody hell, [profanity]. Sussex is fine."
    assert null["count"] == 0 and null["spans"] == "" and none is None


def test_the_lists_are_the_english_one_parted() -> None:
    lines = [line for path in category_files("nsfw", None).values() for line in path.read_text("utf-8").splitlines()]
    folder = next(iter(category_files("nsfw", None).values())).parents[1]
    whole = (folder / "flagged_words" / "en.txt").read_text("utf-8").splitlines()
    assert sorted(lines) == sorted(filter(None, whole)) and len(set(lines)) == len(lines)


def test_lists_of_the_user_make_the_categories(tmp_path: Path) -> None:
    (tmp_path / "casino.txt").write_text("gl\u00fccksspiel\nspin to win\n", "utf-8")
    (found,), _ = _run(["GL\u00dcCKSSPIEL: Spin  to win, spin\tto win"], lists=str(tmp_path))
    assert found["casino"] == found["count"] == 2 and "profanity" not in found
    step = Nsfw.model_validate({"lists": str(tmp_path), "keep": {"casino": {"max": 1}}})
    assert step.assets() and step.rule_table() == {"casino": "nsfw.casino <= 1"}
    with pytest.raises(MissingAsset, match=r"no signal slurs[\s\S]*casino"):
        Nsfw.model_validate({"lists": str(tmp_path), "keep": {"slurs": {"max": 1}}}).assets()
    (tmp_path / "casino.txt").unlink()
    with pytest.raises(MissingAsset, match="no files CATEGORY"):
        Nsfw.model_validate({"lists": str(tmp_path)}).assets()


def test_a_classifier_gives_a_score(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": f"naked {word} here"} for word in range(1000, 1090)])
    write_jsonl(tmp_path / "b.jsonl", [{"text": f"fresh {word} milk"} for word in range(1000, 1090)])
    model = str(tmp_path / "m.bin")
    made = curate(
        "train-classifier", "--positive", tmp_path / "a.jsonl", "--negative", tmp_path / "b.jsonl", "--output", model
    )
    assert made.returncode == 0, made.stderr
    found, _ = _run(["naked x here", "fresh y milk"], model=model, label="positive")
    assert found[0]["score"] > 0.9 > 0.1 > found[1]["score"]
    with pytest.raises(MissingAsset, match="its labels are"):
        Nsfw.model_validate({"model": model}).assets()
