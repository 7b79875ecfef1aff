"""Objectives and parameter policies in a run: they resume to the bit, train what they say, and read what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402
from token_sets import make_set, random_lengths  # noqa: E402
from training_runs import TINY, VOCABULARY, losses_of, run, settings, stop_at  # noqa: E402

from curate.errors import ConfigError  # noqa: E402
from curate.train import beginning  # noqa: E402
from curate.train.batch import IGNORE  # noqa: E402
from curate.train.loader import Loader  # noqa: E402
from curate.train.objectives.kinds import make_loss  # noqa: E402
from curate.train.objectives.token_loss import View  # noqa: E402
from curate.train.plan import PlanSettings  # noqa: E402
from curate.train.targets import targets_of, weight_of  # noqa: E402
from curate.train.token_set import TokenSet  # noqa: E402

STATIC = {"kind": "static", "weights": {"books": 0.3, "web": 0.7}}


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """CorDA looks at fewer rows."""
    monkeypatch.setattr(beginning, "CORDA_ROWS", 16)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lengths = {"books": random_lengths(1, 10, mean=100), "web": random_lengths(2, 80, mean=40, least=8)}
    folder = tmp_path_factory.mktemp("recipes") / "set"
    return make_set(folder, lengths, vocabulary=VOCABULARY, answers=0.5, scored=True).folder


def weights(output: Path) -> dict[str, Any]:
    return dict(load_file(next((output / "model").resolve().glob("*.safetensors"))))


RECIPES: list[dict[str, Any]] = [
    {"loss": {"kind": "asft", "prompt": 0.1}, "train_only": {"kind": "hft"}},
    {"loss": {"kind": "awr", "beta": 0.5}, "train_only": {"kind": "layer_decay", "decay": 0.5}},
    {"loss": {"kind": "masked_thought", "warmup": 0}, "train_only": {"kind": "freeze", "below": 1}},
    {"loss": "asft", "adapter": {"rank": 2}},
    {"adapter": {"kind": "corda", "rank": 2, "alpha": 3}},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: "-".join(recipe))
def test_a_recipe_killed_is_the_recipe_that_was_not(data: Path, tmp_path: Path, recipe: dict[str, Any]) -> None:
    more = {"steps": 4, "checkpoint": {"every": 2}, "mixture": STATIC, **recipe}
    whole = run(settings(data, tmp_path / "whole", **more))
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(RuntimeError, match="killed"):
            run(settings(data, tmp_path / "cut", **more))
    assert run(settings(data, tmp_path / "cut", **more)) == whole
    assert len(losses_of(whole)) == 4


def test_frozen_parameters_keep_their_bits_and_others_move(data: Path, tmp_path: Path) -> None:
    run(settings(data, tmp_path / "a", steps=2, train_only={"kind": "hft", "seed": 2}, checkpoint={"every": 1}))
    before = load_file(next((tmp_path / "a/checkpoints/000001/model").glob("*.safetensors")))
    after = weights(tmp_path / "a")
    same = {name for name in before if torch.equal(before[name], after[name])}
    # two layers: four attention matrices, three of the feed-forward part, two norms
    assert len(same) == 4 + 3 + 2 and not any("embed" in name for name in same)


def test_a_lower_share_of_the_rate_moves_less(data: Path, tmp_path: Path) -> None:
    """Adam's first step is the rate in each place: the embeddings move by decay^2 of it."""
    more = {"steps": 1, "optimizer": {"weight_decay": 0, "clip": 0}, "schedule": {"kind": "constant", "warmup": 0}}
    ends = []
    for decay in (1.0, 0.5):
        run(settings(data, tmp_path / str(decay), train_only={"kind": "layer_decay", "decay": decay}, **more))
        ends.append(weights(tmp_path / str(decay)))
    from curate.train.loop import prepare
    from curate.train.parallel import Parallel

    chosen = settings(data, tmp_path / "start", **more)
    start = prepare(chosen, Parallel(chosen)).objective.model.state_dict()
    for name, share in (
        ("model.embed_tokens.weight", 0.25),
        ("model.layers.0.mlp.up_proj.weight", 0.5),
        ("model.norm.weight", 1),
    ):
        moved = [(end[name] - start[name]).abs().max() for end in ends]
        assert float(moved[1] / moved[0]) == pytest.approx(share, rel=1e-3)


def test_a_student_of_one_teacher_comes_near_it(data: Path, tmp_path: Path) -> None:
    more = {"steps": 6, "schedule": {"kind": "constant", "warmup": 0}, "optimizer": {"lr": 0.01}}
    run(settings(data, tmp_path / "teacher", **more))
    apart = {}
    for weight in (0.0, 1.0):
        loss = {"kind": "distill", "teachers": [str(tmp_path / "teacher/model")], "weight": weight}
        found = losses_of(run(settings(data, tmp_path / f"student-{weight}", loss=loss, **{**more, "steps": 8})))
        apart[weight] = [entry["loss"] for entry in found]
    # with all weight on the teacher the loss is the divergence, which falls towards nothing
    assert apart[1.0][-1] < 0.5 * apart[1.0][0] < apart[0.0][0]


def test_a_teacher_of_another_vocabulary_is_refused(data: Path, tmp_path: Path) -> None:
    run(
        settings(
            data,
            tmp_path / "teacher",
            steps=1,
            model={
                "preset": "1m",
                "config": {
                    "vocab_size": 320,
                    "hidden_size": 16,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 2,
                    "num_key_value_heads": 2,
                    "intermediate_size": 16,
                },
            },
        )
    )
    with pytest.raises(ConfigError, match="320 embeddings, the model 256"):
        run(settings(data, tmp_path / "x", loss={"kind": "distill", "teachers": [str(tmp_path / "teacher/model")]}))
    with pytest.raises(ConfigError, match="is no model"):
        run(settings(data, tmp_path / "y", loss={"kind": "distill", "teachers": [str(tmp_path / "nowhere")]}))


def test_prompts_count_what_they_are_given_and_scores_are_those_of_the_tokens(data: Path) -> None:
    loader = Loader([TokenSet.open(data)], PlanSettings(32, 8, 3))
    batch = next(loader)
    plain = targets_of(batch, make_loss({"kind": "rwr"}))
    assert plain.weights is None and len(plain.ids) == batch.trained == weight_of(batch, make_loss({"kind": "rwr"}))
    assert (plain.scores == plain.ids % 2).all()
    light = make_loss({"kind": "cross_entropy", "prompt": 0.25})
    found = targets_of(batch, light)
    assert found.weights.sum() == pytest.approx(weight_of(batch, light))
    assert (found.weights == 1).sum() == batch.trained and set(found.weights.tolist()) == {0.25, 1.0}
    # all but padding and the first token of each piece
    assert len(found.ids) == batch.tokens.size - batch.padded - len(batch.segments)


def test_masked_thought_touches_answers_alone_whatever_the_micro_batch(data: Path) -> None:
    loader = Loader([TokenSet.open(data)], PlanSettings(32, 8, 3))
    next(loader)
    batch, loss = next(loader), make_loss({"kind": "masked_thought", "max": 0.9, "warmup": 0})
    view = View(seed=5, step=1, steps=10, vocabulary=VOCABULARY)
    seen = loss.inputs(batch.tokens, batch, view)
    changed = seen != batch.tokens
    assert 0.7 < changed[batch.labels != IGNORE].mean() <= 0.95 and not changed[batch.labels == IGNORE].any()
    parts = [loss.inputs(part.tokens, part, view) for part in batch.micro_batches(3)]
    assert np.array_equal(np.concatenate(parts), seen)
    assert not np.array_equal(loss.inputs(batch.tokens, batch, view._replace(step=2)), seen)
    none = make_loss({"kind": "masked_thought", "max": 0})
    assert none.inputs(batch.tokens, batch, view) is batch.tokens


def test_scores_of_segments_become_scores_of_tokens(tmp_path: Path) -> None:
    import pyarrow as pa
    from tokenizers_small import saved_tokenizer
    from transformers import AutoTokenizer

    from curate.steps.tag import Tag
    from curate.train.tokenising import TokenizeSettings, tokenize

    assert {"starts", "scores"} <= set(Tag.SIGNALS)
    texts = ["Fine weather. You are an idiot. Naïve café tables.", "Calm words, no end"]
    starts = [[0, len(b"Fine weather. "), texts[0].encode().index("Naïve".encode())], [0]]
    shard = [
        {"id": str(n), "source": "web", "path": "a", "offset": n, "text": text, "tag": {"starts": at, "scores": scores}}
        for n, (text, at, scores) in enumerate(zip(texts, starts, [[0.125, 0.5, 0.25], [0.75]], strict=True))
    ]
    table = pa.Table.from_pylist(shard)
    with pa.ipc.new_file(tmp_path / "0.arrow", table.schema) as file:
        file.write_table(table)
    chosen = TokenizeSettings(str(saved_tokenizer(tmp_path / "tok")), scores="tag")
    found = tokenize([str(tmp_path / "0.arrow")], tmp_path / "tokens", chosen, note=lambda _: None)
    assert found.scored
    first = found.batch(found.blocks["web"][0])
    known = AutoTokenizer.from_pretrained(tmp_path / "tokens/tokenizer")
    for document, block in ((d, b) for b in found.blocks["web"] for d in found.documents("web")):
        held = next(row for row in shard if row["id"] == document.id)
        place, wanted = 0, []
        for token in document.tokens.tolist():
            if token in known.all_special_ids:
                wanted.append(0.0)
                continue
            place += len(known.convert_ids_to_tokens(token))
            number = max([k for k, start in enumerate(held["tag"]["starts"]) if start < place], default=0)
            wanted.append(held["tag"]["scores"][number])
        batch = found.batch(block)
        row = batch["id"].to_pylist().index(document.id)
        assert batch["scores"][row].as_py() == wanted and len(set(wanted)) == len(held["tag"]["scores"]) + 1
    pieces = [known.decode([t]) for t in first["tokens"][0].as_py()]
    assert first["scores"][0].as_py()[next(i for i, piece in enumerate(pieces) if "Y" in piece)] == 0.5
    (tmp_path / "a.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(ConfigError, match="is no shard of a run"):
        tokenize([str(tmp_path / "a.jsonl")], tmp_path / "no", chosen, note=lambda _: None)


def test_an_objective_that_reads_scores_is_refused_without_them(tmp_path: Path) -> None:
    from curate.train.start import train_file

    make_set(tmp_path / "set", {"web": [50, 60]}, vocabulary=VOCABULARY)
    (tmp_path / "t.yaml").write_text(
        "name: x\ndata: set\nmodel: {preset: 1m}\ncontext: 32\nrows: 4\nmicro_rows: 4\nsteps: 1\noutput: out\n"
        "loss: rwr\ntrain_only: {kind: freeze, below: two}\n"
    )
    with pytest.raises(ConfigError, match=r"(?s)train_only\.below.*reads scores of tokens"):
        train_file(str(tmp_path / "t.yaml"), output=None, settings=[], force=False)


@pytest.mark.parametrize(
    ("place", "recipe"),
    [
        ("model.from", {"loss": "asft"}),
        ("loss.teachers", {"loss": {"kind": "distill", "teachers": ["FOLDER"]}}),
        (None, {"loss": "dft"}),
    ],
)
def test_files_that_changed_behind_a_path_are_no_resume(
    data: Path, tmp_path: Path, place: str | None, recipe: dict[str, Any]
) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    def written(seed: int) -> None:
        torch.manual_seed(seed)
        LlamaForCausalLM(LlamaConfig(vocab_size=256, **TINY)).save_pretrained(tmp_path / "model")

    given = recipe if place != "loss.teachers" else {"loss": {**recipe["loss"], "teachers": [str(tmp_path / "model")]}}
    chosen = settings(data, tmp_path / "run", steps=1, model={"from": str(tmp_path / "model")}, mixture=STATIC, **given)
    written(1)
    found = run(chosen)
    assert run(chosen) == found
    written(2)
    if place:
        with pytest.raises(ConfigError, match=f"{place}.* holds other files than when .*000001 was made"):
            run(chosen)
    else:  # it is read by the first step alone
        assert run(chosen) == found


def test_corda_begins_as_the_model_and_is_saved_as_adapters_of_it(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    from curate.train.loop import prepare
    from curate.train.parallel import Parallel

    start = tmp_path / "start"
    LlamaForCausalLM(LlamaConfig(vocab_size=256, **TINY)).save_pretrained(start)
    more: dict[str, Any] = {"model": {"from": str(start)}, "steps": 2, "optimizer": {"lr": 0.1}, "mixture": STATIC}
    chosen = settings(data, tmp_path / "run", adapter={"kind": "corda", "rank": 2}, **more)
    ids = torch.arange(30)[None]
    plain = LlamaForCausalLM.from_pretrained(start)
    begun = prepare(chosen, Parallel(chosen)).objective.model.eval()
    run(chosen)
    resumed = prepare(chosen, Parallel(chosen)).objective.model.eval()
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model").eval()
    with torch.no_grad():
        first, before, last, read = (model(input_ids=ids).logits for model in (plain, begun, resumed, loaded))
    assert torch.allclose(before, first, atol=1e-5) and torch.allclose(read, last, atol=1e-5)
    assert not torch.allclose(first, last, atol=1e-2)
