"""n-gram models: modified Kneser-Ney against its textbook form and KenLM, files, errors."""

from __future__ import annotations

import gzip
import itertools
import json
import math
import random
from pathlib import Path
from typing import Any

import kenlm
import numpy as np
import pyarrow as pa
import pytest
from corpora import curate
from ngrams_textbook import Textbook

from curate.errors import MissingAsset, StepError
from curate.ngrams import arpa
from curate.ngrams.model import ARPA, TABLE, load
from curate.ngrams.tokenizer import Tokenizer
from curate.ngrams.training import TrainSettings, train

BOOKS = Path(__file__).parents[3] / "shared" / "data" / "prose" / "standardebooks.jsonl.gz"


def drawn(seed: int, lines: int, kinds: int) -> list[list[str]]:
    """Lines of words of which some are frequent and many rare, each likely after few others."""
    rng = random.Random(seed)
    words = [f"w{i}" for i in range(kinds)]
    made = []
    for _ in range(lines):
        line, last = [], 0
        for _ in range(rng.randint(1, 9)):
            last = (last * 7 + int(rng.paretovariate(0.8))) % kinds
            line.append(words[last])
        made.append(line)
    return made


def trained(folder: Path, lines: list[list[str]], **settings: Any) -> Any:
    """The model of lines of words, with its ARPA file in `folder`."""
    folder.mkdir(exist_ok=True)
    text = ["\n".join(" ".join(line) for line in part) for part in (lines[::2], [], lines[1::2])]
    batches = [pa.array(text[:1]), pa.array([*text[1:], None])]
    train(batches, Tokenizer("spaces", normal=False), TrainSettings(**settings), folder)
    return load(folder / TABLE)


@pytest.mark.parametrize(
    ("seed", "lines", "kinds", "order", "prune"),
    [(1, 400, 40, 3, (0,)), (2, 300, 25, 5, (0,)), (3, 400, 40, 4, (0, 0, 1)), (4, 3, 4, 2, (0,)), (5, 200, 30, 1, (0,))],
)  # fmt: skip
def test_probabilities_are_those_of_the_textbook_and_of_kenlm(
    seed: int, lines: int, kinds: int, order: int, prune: tuple[int, ...], tmp_path: Path
) -> None:
    corpus = drawn(seed, lines, kinds)
    settings = TrainSettings(order, prune)
    model = trained(tmp_path / "m", corpus, order=order, prune=prune)
    textbook = Textbook(corpus, order, settings.pruning())
    assert model.facts["discounts"] == [pytest.approx(d, abs=1e-6) for d in textbook.discounts]
    asked = [*corpus[:60], *drawn(seed + 9, 60, kinds + 5), ["new"], ["w0", "<s>", "w1"], ["w1"] * 12]
    logs, tokens = model.score(pa.array([" ".join(line) for line in asked]))
    assert tokens.tolist() == [len(line) + 1 for line in asked]
    spelled = [["new" if word == "<s>" else word for word in line] for line in asked]
    assert logs == pytest.approx([textbook.log10(line) for line in spelled], abs=2e-5)
    if order > 1:  # KenLM reads no models of single words
        judge = kenlm.Model(str(tmp_path / "m" / ARPA))
        assert logs == pytest.approx([judge.score(" ".join(line)) for line in spelled], abs=2e-4)
    # the same from the ARPA file
    assert arpa.read(tmp_path / "m" / ARPA, model.tokenizer).score(pa.array(["w1 w2 w3"]))[0] == pytest.approx(
        model.score(pa.array(["w1 w2 w3"]))[0], abs=1e-6
    )


@pytest.mark.parametrize(("order", "prune"), [(2, (0,)), (3, (0,)), (4, (0, 1, 1, 2))])
def test_probabilities_after_any_context_sum_to_one(order: int, prune: tuple[int, ...], tmp_path: Path) -> None:
    trained(tmp_path / "m", drawn(7, 300, 20), order=order, prune=prune)
    judge = kenlm.Model(str(tmp_path / "m" / ARPA))
    words = [*(f"w{i}" for i in range(20)), "nothing like it", "</s>"]
    words = [word for word in words if word in judge or word.startswith("nothing")]
    for context in itertools.product(["w1", "w3", "zzz"], repeat=order):
        state, after = kenlm.State(), kenlm.State()
        judge.BeginSentenceWrite(state)
        for word in context:
            judge.BaseScore(state, word, after)
            state, after = after, state
        total = sum(10 ** judge.BaseScore(state, word, after) for word in words)
        assert total == pytest.approx(1, abs=1e-5)


def test_worked_example() -> None:
    """Two lines, `a b` and `a c`, order 2; no counts of counts, so discounts 0.5, 1, 1.5."""
    # continuation counts: a 1 (after <s>), b 1, c 1, </s> 2; total 5. Discounts leave .5 .5 .5 1; 2.5 of 5 go to the
    # 5 tokens a b c </s> <unk>: 0.1 each
    b = Textbook([["a", "b"], ["a", "c"]], 2)
    assert b.p("<unk>", ()) == pytest.approx(0.1)
    assert b.p("b", ()) == pytest.approx(0.2) and b.p("</s>", ()) == pytest.approx(0.3)
    # after a: b and c once each; (1 - .5) / 2 + .5 * p(b)
    assert b.p("b", ("a",)) == pytest.approx(0.25 + 0.5 * 0.2)
    # after <s>: a twice; (2 - 1) / 2 + .5 * p(a)
    assert b.p("a", ("<s>",)) == pytest.approx(0.5 + 0.5 * 0.2)


def test_our_model_of_the_worked_example(tmp_path: Path) -> None:
    model = trained(tmp_path / "m", [["a", "b"], ["a", "c"]], order=2)
    # p(a|<s>) p(b|a) p(</s>|b), the last (1 - .5) / 1 + .5 * .3
    assert 10 ** model.score(pa.array(["a b"]))[0][0] == pytest.approx(0.6 * 0.35 * 0.65)
    # two lines are scored each by itself; blank ones do not count
    logs, tokens = model.score(pa.array(["a b\n\n a c ", "", None]))
    assert logs[0] == pytest.approx(2 * math.log10(0.6 * 0.35 * 0.65)) and tokens.tolist() == [6, 0, 0]


def test_rare_tokens_become_unknown(tmp_path: Path) -> None:
    lines = [["a", "b"], ["a", "c"], ["a", "d", "a"], ["a", "<unk>"]]
    seen = trained(tmp_path / "m", lines, order=2, min_count=2)
    assert seen.vocabulary.words == ["<unk>", "<s>", "</s>", "a"]
    assert seen.facts["tokens"] == 9
    logs, _ = seen.score(pa.array(["a b", "a zzz", "a <unk>", "a a"]))
    assert logs[0] == logs[1] == logs[2] != logs[3]


def test_the_same_corpus_gives_the_same_bytes(tmp_path: Path) -> None:
    corpus = drawn(3, 200, 30)
    for name in ("a", "b"):
        trained(tmp_path / name, corpus, order=3)
    for file in (TABLE, ARPA):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="no text"):
        train([pa.array(["", " \n "])], Tokenizer(), TrainSettings(3), tmp_path)


def test_other_files_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\\data\\\nngram 1=1\n\n\\1-grams:\n-1\n")
    for read in (lambda p: arpa.read(p, Tokenizer()), load):
        with pytest.raises(MissingAsset):
            read(tmp_path / "x")


def test_the_command_trains_on_files_and_says_what_is_wrong(tmp_path: Path) -> None:
    lines = [
        {"text": "A great many dogs.\nBarked at 25 cats!"},
        {"text": "dogs sleep. " * 3},
        {"text": "Ünïcode — cats"},
    ]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = curate("train-ngram", tmp_path / "a.jsonl", "--order", 3, "--output", tmp_path / "m")
    assert done.returncode == 0, done.stderr
    words = load(tmp_path / "m" / TABLE).vocabulary.words
    assert {"dogs", "00", "!", "-", "unicode"} <= set(words)
    facts = json.loads((tmp_path / "m" / "model.json").read_text())
    assert facts["tokens"] == 5 + 5 + 9 + 3 and facts["counts"][0] == len(words)
    wrong = curate(
        "train-ngram", tmp_path / "none.jsonl", "--order", 12, "--output", tmp_path / "m", "--tokens", "bytes",
        "--prune", "2,1",
    )  # fmt: skip
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr
    for part in ("exists", "from 1 to 8", "one of words, spaces, pieces", "do not fall", "matches no file"):
        assert part in wrong.stderr


@pytest.mark.skipif(not BOOKS.exists(), reason="the shared data is not beside the checkout")
def test_pieces_and_real_prose_agree_with_kenlm(tmp_path: Path) -> None:
    with gzip.open(BOOKS, "rt") as file:
        texts = [json.loads(line)["text"] for line in itertools.islice(file, 24)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts[:16]))
    done = curate(
        "train-ngram", tmp_path / "a.jsonl", "--order", 4, "--output", tmp_path / "m", "--tokens", "pieces",
        "--pieces", 800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    model = load(tmp_path / "m" / TABLE)
    asked = pa.array([text[:3000] for text in texts[16:]])
    logs, tokens = model.score(asked)
    lines = list(model.tokenizer.lines(asked))
    judge = kenlm.Model(str(tmp_path / "m" / ARPA))
    assert tokens.tolist() == [sum(len(line.split()) + 1 for line in doc) for doc in lines]
    assert logs == pytest.approx([sum(judge.score(line) for line in doc) for doc in lines], rel=1e-5)
    assert np.all(logs / tokens > -3)
