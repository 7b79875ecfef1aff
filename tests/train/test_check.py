"""`curate train --check`: a sound training has nothing broken, and each flaw is found by the check that is for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from corpora import documents, write_jsonl  # noqa: E402
from token_sets import make_set  # noqa: E402
from tokenizers_small import saved_tokenizer  # noqa: E402
from training_runs import TINY  # noqa: E402

from curate.errors import ConfigError, CurateError  # noqa: E402
from curate.train.chat import ChatSettings  # noqa: E402
from curate.train.check import cost, lengths, masks, overlap, resume  # noqa: E402
from curate.train.check.apart import check_apart  # noqa: E402
from curate.train.check.command import check_file, checked, make_subject  # noqa: E402
from curate.train.check.finding import Subject  # noqa: E402
from curate.train.check.shrunk import shrunk  # noqa: E402
from curate.train.models import make_model, model_config, parameters  # noqa: E402
from curate.train.parallel import Parallel  # noqa: E402
from curate.train.settings import TrainSettings  # noqa: E402
from curate.train.tokenising import TokenizeSettings, tokenize  # noqa: E402


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens of texts, with some held out."""
    folder = tmp_path_factory.mktemp("check")
    saved_tokenizer(folder / "tok")
    rows = [row for row in documents(1, 80, words=60) if "changed" not in row["text"]]
    distinct = list({row["text"]: row for row in rows}.values())
    file = write_jsonl(folder / "a.jsonl", distinct)
    settings = TokenizeSettings(str(folder / "tok"), held_out=0.1)
    tokenize([str(file)], folder / "tokens", settings, note=lambda _: None)
    return folder / "tokens"


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chats")
    saved_tokenizer(folder / "tok")
    file = write_jsonl(folder / "a.jsonl", [{"instruction": f"say {i}", "output": f"{i} is said"} for i in range(40)])
    settings = TokenizeSettings(str(folder / "tok"), chat=ChatSettings("chatml"))
    tokenize([str(file)], folder / "tokens", settings, note=lambda _: None)
    return folder / "tokens"


def settings(data: Path, **more: Any) -> TrainSettings:
    given = {
        "name": "test", "seed": 3, "data": str(data), "model": {"preset": "1m", "config": TINY}, "context": 64, "rows": 8,
        "micro_rows": 4, "steps": 12, "output": str(data.parent / "out"), "device": "cpu",
    }  # fmt: skip
    return TrainSettings.model_validate({**given, **more}).with_held_out()


def subject(chosen: TrainSettings, folder: Path, **more: Any) -> Subject:
    return make_subject(chosen, folder, Parallel(chosen), **more)


def test_a_sound_training_has_nothing_broken(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.yaml").write_text(json.dumps(settings(texts, evaluate={}).model_dump(mode="json", by_alias=True)))
    check_file(str(tmp_path / "t.yaml"), settings=[], against=[], as_json=True)
    found = {entry["check"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {entry["state"] for entry in found.values()} == {"ok"}, found
    assert list(found) == [
        "documents apart", "trained tokens", "masked rows", "ends", "lengths", "contamination", "resume", "memory", "time",
    ]  # fmt: skip
    assert "to the bit" in found["resume"]["what"] and "100% of the data searched" in found["contamination"]["what"]
    assert not (texts.parent / "out").exists()
    check_file(str(tmp_path / "t.yaml"), settings=[], against=[], as_json=False)
    assert "┃" in capsys.readouterr().out


def test_what_a_checkpoint_lacks_breaks_the_resume(
    texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = subject(settings(texts), tmp_path)
    monkeypatch.setattr(Parallel, "load_optimizer", lambda *_: None)
    found = resume.check_resume(made)
    assert found.state == "broken" and "losses differ" in found.what and found.mend


def test_an_architecture_without_a_mask_lets_documents_see_each_other(texts: Path, tmp_path: Path) -> None:
    shape = {
        "vocab_size": 640,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "state_size": 4,
        "num_heads": 2,
        "head_dim": 16,
    }
    torch.manual_seed(0)
    model = transformers.Mamba2ForCausalLM(transformers.Mamba2Config(**shape, n_groups=1, use_cache=False))
    made = replace(subject(settings(texts), tmp_path), model=model)
    found = check_apart(made)
    assert found.state == "broken" and "logits of others by" in found.what
    states = {finding.check: finding.state for finding in checked(made)}
    assert states["documents apart"] == "broken" and states["resume"] == "note"


def test_rows_that_teach_nothing_are_broken(tmp_path: Path) -> None:
    """Prompts that fill whole rows: what `long: split` makes of them."""
    held = make_set(tmp_path / "set", {"a": [400] * 20, "b": [30] * 40}, answers=0.1)
    split, whole = (subject(settings(held.folder, context=size), tmp_path / str(size)) for size in (64, 400))
    found = masks.check_rows(split.batches)
    assert found.state == "broken" and "of the first 32 rows have no token that the loss is of" in found.what
    assert masks.check_rows(whole.batches).state == "ok"
    # what is shown is a row with prompts and answers, not the first, which is a piece of a long prompt
    assert not (split.batches[0].labels[0] >= 0).any()
    shown = split.batches[0].labels[masks.telling_row(split.batches[0])]
    assert 0 < (shown >= 0).sum() < len(shown)


def test_answers_must_end_in_a_token_that_ends_them(chats: Path, tmp_path: Path) -> None:
    made = subject(settings(chats), tmp_path)
    assert masks.check_ends(made).state == "ok" and masks.check_ends(made).what.startswith("each of 40 answers")
    assert 0.2 < float(masks.check_shares(made).what.split("(")[1].rstrip("%)")) / 100 < 0.8
    row = masks.telling_row(made.batches[0])
    text = masks.decoded(made.batches[0], made.sets[0], row=row)
    assert text is not None and "is said<|im_end|> ┃ ⟦" in text.plain and "⟦<|im_start|>user" in text.plain
    # a set whose masks end before the end token
    held = make_set(tmp_path / "set", {"a": [40] * 10}, answers=0.5, vocabulary=made.vocabulary)
    (held.folder / "tokenizer").symlink_to(chats / "tokenizer")
    found = masks.check_ends(replace(made, sets=[held]))
    assert (
        found.state == "broken"
        and "10 of 10 answers do not end in a special token" in found.what
        and "a-0 (a.jsonl" in found.what
    )


@pytest.mark.parametrize(
    ("more", "state", "told"),
    [
        ({"context": 16, "long": "crop"}, "broken", "cut off 87"),
        ({"context": 512, "long": "drop", "packing": "concatenate", "steps": 1}, "ok", "dropped 0.0%"),
        ({"steps": 400}, "note", "more than 4 times"),
    ],
)
def test_tokens_that_are_lost_or_seen_often_are_told(
    texts: Path, tmp_path: Path, more: dict[str, Any], state: str, told: str
) -> None:
    found = lengths.check_lengths(subject(settings(texts, **more), tmp_path))
    assert found.state == state and told in found.what and bool(found.mend) == (state != "ok")


def test_what_is_evaluated_on_must_not_be_in_the_data(texts: Path, tmp_path: Path) -> None:
    same = settings(texts, evaluate={"data": str(texts)})
    found = overlap.check_overlap(subject(same, tmp_path))
    assert found.state == "broken" and "held-out documents" in found.what
    # the held-out documents are the first, as in the evaluation
    few = subject(settings(texts, evaluate={"data": str(texts), "documents": 2}), tmp_path)
    (index,) = overlap.held_out_index(few)
    decode, (name, *_) = overlap.decoder(few.sets[0]), few.sets[0].sources
    assert decode and decode([few.sets[0].document(name, i) for i in (0, 1)]) == [
        p.text for p in index.sets.passages[:2]
    ]
    taken = write_jsonl(tmp_path / "mine.jsonl", [{"text": documents(1, 1, words=60)[0]["text"]}])
    found = overlap.check_overlap(subject(settings(texts), tmp_path, against=[str(taken)]))
    assert found.state == "broken" and "mine" in found.what and any("a.jsonl at" in line for line in found.lines)
    other = write_jsonl(tmp_path / "other.jsonl", [{"text": documents(99, 1, words=60)[0]["text"]}])
    assert overlap.check_overlap(subject(settings(texts), tmp_path, against=[str(other)])).state == "ok"


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
def test_memory_of_activations_is_what_a_forward_pass_keeps(texts: Path, kind: str) -> None:
    chosen = settings(texts, model={"preset": "1m", "attention": kind}, context=96)
    config = model_config(chosen.model, vocabulary=640, context=96, eos=0)
    model = make_model(chosen.model, vocabulary=640, context=96, eos=0, seed=0).train()
    assert cost.count_parameters(config, chosen) == parameters(model)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    from curate.train.attention import model_inputs

    zeros = torch.zeros(3, 96, dtype=torch.int64)
    inputs = {"input_ids": zeros, "doc_ids": zeros, "position_ids": torch.arange(96)[None].expand(3, 96).contiguous()}
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = model.model(**model_inputs(model, inputs)).last_hidden_state
    real = sum(tensor.untyped_storage().nbytes() for address, tensor in kept.items() if address not in own)
    assert states.shape[0] == 3 and cost.activations(config, chosen, rows=3, numbers=True) == pytest.approx(
        real, rel=0.02
    )


def test_a_model_that_does_not_fit_is_told(texts: Path, tmp_path: Path) -> None:
    made = subject(settings(texts), tmp_path)
    large = settings(texts, model={"preset": "1.5b"}, context=2048, rows=4096, micro_rows=4096)
    config = model_config(large.model, vocabulary=made.vocabulary, context=2048, eos=0)
    found = cost.check_memory(replace(made, settings=large, config=config))
    assert found.state == "broken" and "micro_rows" in found.mend and "1,323," in found.what


@pytest.mark.parametrize("name", ["LlamaConfig", "Qwen3Config", "GPT2Config"])
def test_a_large_model_is_tried_as_a_small_one_of_its_kind(name: str, tmp_path: Path) -> None:
    from curate.train.settings import ModelSettings

    config = getattr(transformers, name)(vocab_size=1000)
    made = shrunk(config, ModelSettings(preset="1m"), tmp_path)
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    assert model.config.model_type == config.model_type and model.config.num_hidden_layers == 2
    assert parameters(model)[1] < 2_000_000 and made.start == str(tmp_path)


def test_a_broken_training_exits_with_an_error(texts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = settings(texts, context=16, long="crop", evaluate={"data": str(texts)})
    (tmp_path / "t.yaml").write_text(json.dumps(chosen.model_dump(mode="json", by_alias=True)))
    with pytest.raises(CurateError, match="2 broken: lengths, contamination") as caught:
        check_file(str(tmp_path / "t.yaml"), settings=[], against=[], as_json=False)
    assert caught.value.exit_code == 5
    assert "mend: long: split, or a larger context" in capsys.readouterr().out


def test_the_plan_is_that_of_the_mixture(tmp_path: Path) -> None:
    held = make_set(tmp_path / "set", {"a": [30] * 60, "b": [30] * 60}, vocabulary=600)
    chosen = settings(held.folder, mixture={"kind": "static", "weights": {"a": 3, "b": 1}}, steps=4)
    epochs = [float(line.split()[1]) for line in lengths.check_lengths(subject(chosen, tmp_path)).lines]
    assert epochs[0] == pytest.approx(3 * epochs[1], rel=0.1) and epochs[0] > 0.5


@pytest.mark.parametrize(
    ("mixture", "told"),
    [
        ({"kind": "proportional"}, ""),
        ({"kind": "static", "weights": {"a": 1, "b": 1}}, ""),
        ({"kind": "doremi", "update_every": 8}, ""),
        ({"kind": "doremi", "update_every": 2}, "the mixture changes from step 2 on"),
        ({"kind": "skill_it", "graph": {"steps": 1}}, "the mixture learns its graph first"),
    ],
)
def test_weights_that_will_change_are_told(tmp_path: Path, mixture: dict[str, Any], told: str) -> None:
    held = make_set(tmp_path / "set", {"a": [30] * 60, "b": [30] * 60}, vocabulary=600)
    chosen = settings(held.folder, mixture=mixture, steps=4, evaluate={"data": str(held.folder)})
    what = lengths.check_lengths(subject(chosen, tmp_path)).what
    assert told in what and ("the mixture" in what) == bool(told)


def test_layers_that_a_small_stand_in_lacks_break_nothing(texts: Path, tmp_path: Path) -> None:
    chosen = settings(texts, model={"preset": "15m"}, train_only={"kind": "freeze", "below": 6}, steps=2)
    found = resume.check_resume(subject(chosen, tmp_path))
    assert found.state == "ok" and "two small layers, all of them trained: the same" in found.what


def test_what_stands_beside_the_model_counts(texts: Path, tmp_path: Path) -> None:
    plain = subject(settings(texts), tmp_path)
    plain.model.save_pretrained(tmp_path / "teacher")
    size = parameters(plain.model)[0]
    ewc = {"data": str(texts), "rows": 1, "weight": 1.0}
    teachers = {"kind": "distill", "teachers": [str(tmp_path / "teacher")] * 3}
    for more, models in (({"loss": "asft"}, 1), ({"ewc": ewc}, 2), ({"loss": teachers}, 3)):
        chosen = settings(texts, **more)
        assert cost._bytes_beside(chosen, size, size) == 4 * models * size
        made = replace(plain, settings=chosen, small=chosen)
        assert "models beside it 0.00" in cost.check_memory(made).what and cost.measured_speed(made) > 0
    for more in ({"adapter": {"rank": 2}, "loss": "anchored"}, {"train_only": {"kind": "freeze", "below": 1}}):
        chosen = settings(texts, **more)
        made = subject(chosen, tmp_path)
        assert not cost._bytes_beside(chosen, size, 1) and cost.measured_speed(made) > 0
        assert sum(p.requires_grad for p in made.model.parameters()) < len(list(made.model.parameters()))


@pytest.mark.parametrize("option", [["--force"], ["--output", "o"]])
def test_options_of_a_training_are_not_for_its_check(option: list[str], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from curate.cli import app

    done = CliRunner().invoke(app, ["train", str(tmp_path / "t.yaml"), "--check", *option])
    assert isinstance(done.exception, ConfigError) and option[0] in str(done.exception)
