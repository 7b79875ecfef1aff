"""Our reader and kernel for fastText's classifiers say what fastText says, for every loss, n-gram and form of file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.classifiers.lines import line_of
from curate.kernels.text_classifier import load, probabilities
from curate.text import buffers

WORDS = [
    "science",
    "casino",
    "the",
    "of",
    "\u0915\u094d\u092f\u093e",
    "n\u00e4chste",
    "1,000",
    "\u4e2d\u6587",
    "\U0001f600",
    "x",
]
KINDS: dict[str, dict[str, Any]] = {
    "softmax and word pairs": {"wordNgrams": 2, "bucket": 5000, "dim": 8},
    "tree of labels": {"wordNgrams": 1, "bucket": 0, "dim": 5, "loss": "hs"},
    "one against all": {"wordNgrams": 3, "minn": 1, "maxn": 4, "bucket": 3000, "dim": 7, "loss": "ova"},
    "negative sampling": {"minn": 3, "maxn": 3, "bucket": 100, "dim": 6, "loss": "ns"},
    "quantised": {"wordNgrams": 2, "minn": 2, "maxn": 3, "bucket": 9000, "dim": 5},
}


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """(the model as fastText loads it, its file)."""
    folder = tmp_path_factory.mktemp("model")
    rng = np.random.default_rng(5)
    with (folder / "train.txt").open("w") as file:
        for row in range(300):
            chosen = rng.choice([*WORDS, *(f"w{i}" for i in range(100))], 12)
            file.write(f"__label__{'abc'[row % 3 if row % 7 else 0]} {' '.join(chosen)} {'abc'[row % 3]}{row % 3}\n")
    fasttext.FastText.eprint = lambda *_: None
    settings_ = {"thread": 1, "verbose": 0, "epoch": 10, "lr": 0.5, **KINDS[request.param]}
    made = fasttext.train_supervised(str(folder / "train.txt"), **settings_)
    if request.param == "quantised":
        made.quantize(input=str(folder / "train.txt"), cutoff=400, retrain=True, qnorm=True, thread=1, verbose=0)
    made.save_model(str(folder / "m.bin"))
    return fasttext.load_model(str(folder / "m.bin")), folder / "m.bin"


def theirs(model: Any, texts: list[str]) -> np.ndarray:
    found = np.zeros((len(texts), len(model.labels)))
    for row, text in enumerate(texts):
        line = line_of(text, "plain")
        if line.strip(" "):
            for value, label in model.f.predict(line + "\n", -1, 0.0, "strict"):
                found[row, model.labels.index(label)] = min(value, 1)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([*WORDS, "a0", "b1", "c2", "w7", "</s>", "__label__a", "\0"]), max_size=30).map(" ".join),
    st.lists(st.sampled_from(["</s>", "__label__", "__label", "_", "<", "/s>", "w1", " ", "\n"]), max_size=9).map("".join),
), max_size=5))  # fmt: skip
def test_probabilities_are_those_of_fasttext(model: tuple[Any, Path], texts: list[str]) -> None:
    loaded, labels = load(model[1])
    assert [f"__label__{label}" for label in labels] == model[0].labels
    data, offsets = buffers(pa.array(["before", *texts], pa.string()).slice(1))
    found = probabilities(data, offsets, loaded, len(labels))
    assert found.shape == (len(texts), 3) and np.abs(found - theirs(model[0], texts)).max(initial=0) < 1e-6


def test_many_rows_are_added_in_parts(model: tuple[Any, Path]) -> None:
    loaded, labels = load(model[1])
    text = " ".join(f"w{i % 97} science" for i in range(3000))
    found = probabilities(*buffers(pa.array([text, "", text])), loaded, len(labels))
    assert np.abs(found - theirs(model[0], [text, "", text])).max() < 1e-6 and (found[0] == found[2]).all()


def test_broken_files_are_refused(model: tuple[Any, Path], tmp_path: Path) -> None:
    raw = model[1].read_bytes()
    broken = tmp_path / "m.bin"
    for size in (0, 3, 40, 80, 200, len(raw) // 2, len(raw) - 1):
        broken.write_bytes(raw[:size])
        with pytest.raises(ValueError, match="middle of a model"):
            load(broken)
    for content, what in ((b"\0" * 100, "not a model"), (raw[:36] + b"\x01\0\0\0" + raw[40:], "word vectors")):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=what):
            load(broken)
