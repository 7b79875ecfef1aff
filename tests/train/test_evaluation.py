"""Tests by likelihood, generation checks, and the guard: against a plain loop, by hand, and on models whose answers are known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from corpora import documents, write_jsonl  # noqa: E402
from tiny_llama import saved_llama  # noqa: E402
from token_sets import make_set  # noqa: E402

from curate.errors import ConfigError, ContaminationError, MissingAsset  # noqa: E402
from curate.train.encoding import HuggingFace  # noqa: E402
from curate.train.evaluate import open_evaluation  # noqa: E402
from curate.train.evaluation.accuracy import choices, run_task  # noqa: E402
from curate.train.evaluation.command import evaluate_model  # noqa: E402
from curate.train.evaluation.generation import checks, repetition, toxicity  # noqa: E402
from curate.train.evaluation.likelihood import Likelihoods, Scorer  # noqa: E402
from curate.train.evaluation.tasks import Item, Task, example, joined, read_tasks  # noqa: E402
from curate.train.text_tokenizer import TextTokenizer, load_tokenizer  # noqa: E402
from curate.train.tokenising import TokenizeSettings, tokenize  # noqa: E402

PAIRS = [
    ("Question: why?\nAnswer:", " because it is"), ("a", " b"), ("The cat sat on the", " mat, which was red and long"),
    ("x" * 90, " tail"), ("naïve café", " 日本"), ("Where? " * 3, " no"),
]  # fmt: skip


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    saved_llama(folder)
    return folder


def model_of(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def test_likelihoods_are_those_of_one_example_after_the_other(llama: Path) -> None:
    from transformers import AutoTokenizer

    window = 64
    model, tokenizer = model_of(llama).eval(), AutoTokenizer.from_pretrained(llama)
    found = Scorer(model, load_tokenizer(str(llama)), window=window).score(PAIRS)
    for i, (context, continuation) in enumerate(PAIRS):
        ids = tokenizer(context + continuation, add_special_tokens=False)["input_ids"]
        count = len(ids) - len(tokenizer(context, add_special_tokens=False)["input_ids"])
        ids = ids[-window:]
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0]
        places = range(len(ids) - count - 1, len(ids) - 1)
        nats = -sum(float(torch.log_softmax(logits[p], -1)[ids[p + 1]]) for p in places)
        assert found.tokens[i] == count and found.nats[i] == pytest.approx(nats, abs=2e-4)
        assert found.greedy[i] == all(int(logits[p].argmax()) == ids[p + 1] for p in places)


def test_a_text_without_context_is_scored_from_its_own_beginning(llama: Path, tmp_path: Path) -> None:
    """Behind the end of a text, where a tokenizer has no token that texts begin with; whatever else is in the batch."""
    model, tokenizer = model_of(llama).eval(), load_tokenizer(str(llama))
    assert tokenizer.bos is None and tokenizer.eos == 0
    ids = [0, *HuggingFace(tokenizer).encode([" once upon"]).ids.tolist()]
    with torch.no_grad():
        logs = torch.log_softmax(model(torch.tensor([ids])).logits[0], -1)
    wanted = -sum(float(logs[place, token]) for place, token in enumerate(ids[1:]))
    for pairs in ([("", " once upon")], [("the cat sat on the", " mat and slept"), ("", " once upon")]):
        found = Scorer(model, tokenizer, window=64).score(pairs)
        assert found.nats[-1] == pytest.approx(wanted, abs=2e-4) and found.tokens[-1] == len(ids) - 1
    saved_llama(tmp_path, start=False)
    with pytest.raises(ConfigError, match="empty context"):
        Scorer(model, load_tokenizer(str(tmp_path)), window=64).score([("", " once")])


def test_held_out_figures_are_of_the_device_that_was_asked_for(
    llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_jsonl(tmp_path / "in.jsonl", documents(7, 2, words=20))
    held = tokenize([str(file)], tmp_path / "tokens", TokenizeSettings(str(llama)), note=lambda _: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    evaluate_model(
        str(llama), tasks=[], data=str(held.folder), examples=2, generate=0, harness=None, limit="1%", device="cpu",
        as_json=True,
    )  # fmt: skip
    assert json.loads(capsys.readouterr().out)["held_out"]["corpus"]["loss"] > 0


def bigrams(folder: Path, after: dict[str, str], *, otherwise: str) -> tuple[Any, TextTokenizer]:
    """A model without layers: behind each letter it all but knows the next one."""
    from transformers import LlamaConfig, LlamaForCausalLM

    letters = saved_llama(folder)
    shape = {"hidden_size": 258, "intermediate_size": 1, "num_hidden_layers": 0, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=257, num_key_value_heads=1, tie_word_embeddings=False, **shape))
    table = torch.zeros(257, 258)
    table[letters.get(otherwise, 0)] = 1
    for letter, follower in after.items():
        table[:, letters[letter]] = 0
        table[letters.get(follower, 0), letters[letter]] = 1
    model.model.embed_tokens.weight.data = torch.eye(257, 258)
    model.lm_head.weight.data = table  # the norm makes 16 of the one
    return model, load_tokenizer(str(folder))


def test_accuracies_of_a_model_whose_answers_are_known(tmp_path: Path) -> None:
    # behind any letter a blank (Ġ of the byte-level alphabet), behind a blank `g`
    model, tokenizer = bigrams(tmp_path, {"Ġ": "g"}, otherwise="Ġ")
    scorer = Scorer(model, tokenizer, window=64)
    items = [Item(str(i), (joined("of", "h"), joined("of", "g")), gold) for i, gold in enumerate([1, 1, 1, 0])]
    found = run_task(scorer, Task("t", "choice", tuple(items)))
    assert found["accuracy"] == found["accuracy_normalised"] == 0.75 and found["chance"] == 0.5
    assert found["accuracy_error"] == pytest.approx(np.std([1, 1, 1, 0], ddof=1) / 2, abs=1e-4)
    cloze = [Item("0", (joined("of", "g"),), 0), Item("1", (joined("of", "gg"),), 0)]
    found = run_task(scorer, Task("t", "cloze", tuple(cloze)))
    # what is written behind `of` is ` g g g`: `g` is right, `gg` is not
    assert found["accuracy"] == 0.5
    sure = float(torch.log_softmax(torch.tensor([258**0.5] + [0.0] * 256), 0)[0])
    assert found["loss"] == pytest.approx((-4 * sure + 258**0.5) / 5, abs=1e-3)


def test_the_normalised_choice_is_by_bytes() -> None:
    items = (Item("0", (("q", " ab"), ("q", " abcdefgh")), 1), Item("1", (("q", " é"), ("q", " ab")), 0))
    nats = np.array([3.0, 8.0, 2.0, 2.5])
    found = choices(Task("t", "choice", items), Likelihoods(nats, np.ones(4, np.int64), np.ones(4, np.bool_)))
    # raw: 3 < 8 is wrong, 2 < 2.5 right; by bytes 1.5 > 1 is right, 1 < 1.25 right (é is two bytes)
    assert (found["accuracy"], found["accuracy_normalised"]) == (0.5, 1.0)


@pytest.mark.parametrize(
    ("record", "kind", "candidates"),
    [
        ({"query": "Question: q?\n", "choices": ["a", "b"], "gold": 1}, "choice", [("Question: q?\nAnswer:", " a"), ("Question: q?\nAnswer:", " b")]),
        ({"query": "It is", "choices": ["a"], "gold": 0}, "choice", [("It is", " a")]),
        ({"query": "Q: x\nAnswer:", "answer": "y", "aliases": ["z"]}, "cloze", [("Q: x\nAnswer:", " y")]),
        ({"context_options": ["A so A", "A so B"], "continuation": "won.", "gold": 0}, "choice", [("A so A", " won."), ("A so B", " won.")]),
        ({"query": "once upon a", "continuation": "time"}, "cloze", [("once upon a", " time")]),
        ({"query": "2+2?", "answer": "4", "chain_of_thought": "..."}, None, []),
        ({"query": "def f():", "canonical_solution": "return 1"}, None, []),
    ],
)  # fmt: skip
def test_records_become_candidates(record: dict[str, Any], kind: str | None, candidates: list[Any]) -> None:
    assert example(record)[:2] == (kind, tuple(candidates))


def test_files_of_tests_are_read_and_flaws_are_told(tmp_path: Path, shared_data: Path) -> None:
    tasks, left = read_tasks([str(shared_data / "benchmarks")], 20)
    assert {task.name: len(task.items) for task in tasks} == dict.fromkeys(
        ["arc_challenge", "arc_easy", "bbh", "boolq", "commonsense_qa", "copa", "lambada_openai", "openbook_qa", "piqa",
         "siqa", "triviaqa_sm_sub", "winogrande"], 20,
    )  # fmt: skip
    assert left == {"gsm8k": 1319, "human_eval": 164, "svamp": 300}
    write_jsonl(tmp_path / "a.jsonl", [{"query": "q", "choices": ["a", "b"], "gold": 2}])
    with pytest.raises(ConfigError, match="record 1: gold is 2, there are 2 candidates"):
        read_tasks([str(tmp_path / "a.jsonl")], 5)
    write_jsonl(tmp_path / "b.jsonl", [{"text": "q"}])
    with pytest.raises(ConfigError, match="no example has `choices` and `gold`"):
        read_tasks([str(tmp_path / "b.jsonl")], 5)


def prompts(tokenizer: Any) -> list[list[int]]:
    return [HuggingFace(tokenizer).encode([text]).ids.tolist() for text in ("of", "it is")]


def test_generation_checks_see_what_is_wrong(tmp_path: Path) -> None:
    endless, tokenizer = bigrams(tmp_path / "a", {"Ġ": "g"}, otherwise="Ġ")
    found = checks(endless, tokenizer, prompts(tokenizer))
    assert found["ended"] == 0 and found["tokens"] == 64 and found["repetition"] > 0.9
    ending, tokenizer = bigrams(tmp_path / "b", {"Ġ": "g", "g": "<s>"}, otherwise="Ġ")
    found = checks(ending, tokenizer, prompts(tokenizer))
    assert found["ended"] == 1 and found["tokens"] == 3 and found["repetition"] == 0
    assert [sample["text"] for sample in found["samples"]] == [" g", " g"]
    assert repetition([1, 2, 3, 4, 1, 2, 3, 4]) == pytest.approx(1 / 5) and repetition([1, 2]) == 0
    assert toxicity(["you are a stupid bitch", "the river is long"])[0] > 0.9 > 0.1 > toxicity(["the river is long"])[0]


def test_figures_on_tests_that_were_trained_on_are_an_error(
    llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = documents(7, 6, words=40)[:6]
    write_jsonl(tmp_path / "in.jsonl", texts)
    held = tokenize(
        [str(tmp_path / "in.jsonl")], tmp_path / "tokens", TokenizeSettings(str(llama)), note=lambda _: None
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model").symlink_to(llama)
    # a checkpoint's state stands beside its model
    (llama.parent / "state.json").write_text(json.dumps({"data": [{"folder": str(held.folder), "hash": held.hash}]}))
    seen = {"benchmark": "seen", "query": texts[0]["text"].split("\n")[0], "choices": ["a", "b"], "gold": 0}
    fresh = {"benchmark": "fresh", "query": documents(8, 1)[0]["text"][:200], "choices": ["a", "b"], "gold": 0}
    write_jsonl(tmp_path / "tests.jsonl", [seen, fresh])
    asked = {"tasks": [str(tmp_path / "tests.jsonl")], "examples": 5, "generate": 2, "harness": None, "device": "cpu"}
    with pytest.raises(ContaminationError, match=r"seen 100\.00%"):
        evaluate_model(str(tmp_path / "out"), data=str(held.folder), limit="1%", as_json=True, **asked)  # type: ignore[arg-type]
    found = json.loads(capsys.readouterr().out)
    assert (
        found["contamination"]["benchmarks"] == {"seen": 1.0, "fresh": 0.0} and found["contamination"]["searched"] == 1
    )
    assert found["tasks"]["fresh"]["examples"] == 1 and found["held_out"]["corpus"]["bits_per_byte"] > 0
    assert found["generation"]["prompts"] == 2
    evaluate_model(str(tmp_path / "out"), data=None, limit="100%", as_json=False, **asked | {"generate": 0})  # type: ignore[arg-type]
    assert "in the data" in capsys.readouterr().out
    # without their tokenizer the texts of the data are not known, nor what they hold
    shutil.rmtree(held.folder / "tokenizer")
    evaluate_model(str(tmp_path / "out"), data=None, limit="1%", as_json=True, **asked | {"generate": 0})  # type: ignore[arg-type]
    assert json.loads(capsys.readouterr().out)["contamination"] is None


def test_a_loss_of_no_tokens_is_no_figure(tmp_path: Path) -> None:
    held = make_set(tmp_path / "set", {"long": [400] * 4, "short": [20] * 4}, answers=0.1)
    assert open_evaluation(str(held.folder), documents=2, context=400, rows=2)
    with pytest.raises(ConfigError, match="no token of long is learnt within 64 tokens"):
        open_evaluation(str(held.folder), documents=2, context=64, rows=2)


def test_what_is_asked_for_must_be_there(llama: Path, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"examples": 5, "limit": "1%", "device": "cpu", "as_json": False}
    with pytest.raises(ConfigError, match="nothing is asked for"):
        evaluate_model(str(llama), tasks=[], data=None, generate=0, harness=None, **asked)
    with pytest.raises(ConfigError, match="is no output folder of a training"):
        evaluate_model(str(tmp_path), tasks=["x"], data=None, generate=0, harness=None, **asked)
    import importlib.util

    if importlib.util.find_spec("lm_eval") is None:
        with pytest.raises(MissingAsset, match="lm-eval"):
            evaluate_model(str(llama), tasks=[], data=None, generate=0, harness="arc_easy", **asked)
