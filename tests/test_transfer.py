"""Quantile transfer: the same share of clean text dropped, YAML that a pipeline takes, mistakes told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from corpora import curate, write_jsonl

from curate.steps import step_class
from curate.steps.bounds import Bound
from curate.transfer import carry, frequent_words


def test_a_bound_drops_the_share_that_it_drops_in_the_reference() -> None:
    there = {"a": np.arange(100.0), "word_count": np.arange(100.0)}
    here = {"a": np.arange(200.0) * 3, "word_count": np.arange(200.0)}
    bounds = {"a": Bound(min=10, max=79), "word_count": Bound(min=50)}
    low, high = carry(bounds, there, here)
    # 10 of 100 are below 10, and 20 above 79: so many of 200 are below 60 and above 477
    assert (low.dropped, low.new, low.after) == (0.1, 60, 0.1)
    assert (high.dropped, high.new, high.after) == (0.2, 477, 0.2)
    assert high.before == np.mean(here["a"] > 79)


def test_without_a_quantile_the_looser_end_is_taken() -> None:
    there = {"a": np.array([0.1] * 196 + [0.9] * 4)}
    for here, expected in ((np.array([0.2] * 50), 0.5), (np.array([0.2] * 49 + [0.7004]), 0.701)):
        (side,) = carry({"a": Bound(max=0.5)}, there, {"a": here})
        assert side.new == expected and side.after == 0


def test_frequent_words_are_letters_in_lower_case() -> None:
    column = pa.array(["Και το 12 , και . το σπίτι", "και δέντρο"])
    assert frequent_words(iter([column]))[:2] == ["και", "το"]
    assert set(frequent_words(iter([column]))) == {"και", "το", "σπίτι", "δέντρο"}


def test_what_is_printed_is_a_pipeline_s_steps(shared_data: Path, tmp_path: Path) -> None:
    from curate.corpus import corpus_files, documents

    wanted: dict[str, list[Any]] = {"en": [], "el": []}
    for batch in documents(corpus_files([str(shared_data / "multilingual" / "xquad_contexts.jsonl.gz")])):
        for text, lang in zip(batch["text"].to_pylist(), batch["lang"].to_pylist(), strict=True):
            if lang in wanted:
                wanted[lang].append({"text": text})
    for lang, rows in wanted.items():
        write_jsonl(tmp_path / f"{lang}.jsonl", rows)
    done = curate("transfer-bounds", tmp_path / "el.jsonl", "--reference", tmp_path / "en.jsonl", "--language", "el")
    assert done.returncode == 0, done.stderr
    steps = yaml.safe_load(done.stdout)
    made = {kind: step_class(kind).model_validate(settings) for step in steps for kind, settings in step.items()}
    assert list(made) == ["repetition", "quality"]
    alpha = made["quality"].bounds()["alpha_word_frac"]
    # that of Greek is its own, those of other languages are those of the preset
    assert alpha.of("el") != step_class("quality")(preset="fineweb2").bounds()["alpha_word_frac"].of("el")
    assert alpha.of("hi").min == 0.837
    lists = made["quality"].stop_lists()
    assert lists["el"][0] == "και" and "के" in lists["hi"]


def test_mistakes_are_told_at_once() -> None:
    done = curate("transfer-bounds", "/none/a", "--reference", "/none/b", "--language", "Greek!", "--preset", "gofer")
    assert done.returncode == 2
    assert all(word in done.stderr for word in ("/none/a", "/none/b", "Greek!", "gofer"))


def test_few_documents_are_said_to_be_few(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": ""}])
    done = curate("transfer-bounds", tmp_path / "a.jsonl", "--reference", tmp_path / "a.jsonl", "--language", "el")
    assert done.returncode == 0 and "# fewer than 100 documents" in done.stdout
