"""Merged models: the formulas' worked examples on real checkpoint folders, files that transformers loads, clear refusals."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402
from token_sets import make_set  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from tokenizers.models import WordLevel  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402

from curate.errors import ConfigError  # noqa: E402
from curate.train.held_out import HeldOut  # noqa: E402
from curate.train.merge import methods  # noqa: E402
from curate.train.merge.merging import MergeSettings, greedy, merge  # noqa: E402
from curate.train.merge.weights import Weights  # noqa: E402
from curate.train.models import reload_model  # noqa: E402
from curate.train.token_set import TokenSet  # noqa: E402

SHAPE: dict[str, Any] = {
    "vocab_size": 32, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 2,
    "intermediate_size": 12, "tie_word_embeddings": True,
}  # fmt: skip


def saved(folder: Path, seed: int, dtype: Any = torch.float32, **more: Any) -> Path:
    torch.manual_seed(seed)
    LlamaForCausalLM(LlamaConfig(**{**SHAPE, **more})).to(dtype).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    return [str(saved(folder / name, seed)) for seed, name in enumerate(("base", "a", "b"))]


def merged(output: Path, kind: str, *folders: str, **more: Any) -> dict[str, Any]:
    merge(MergeSettings(kind, folders, **more), output, note=lambda _: None)
    return load_file(output / "model.safetensors")


def tensors(folder: str) -> dict[str, Any]:
    return dict(load_file(Path(folder) / "model.safetensors"))


def test_each_kind_is_its_formula_in_every_tensor(models: list[str], tmp_path: Path) -> None:
    base, a, b = (tensors(folder) for folder in models)
    given = {"base": models[0]}
    made = {
        "soup": merged(tmp_path / "soup", "soup", *models),
        "arithmetic": merged(tmp_path / "arithmetic", "arithmetic", *models[1:], scale=(0.25, 0.5), **given),
        "residual": merged(tmp_path / "residual", "residual", *models[1:], **given),
        "lines": merged(tmp_path / "lines", "lines", models[1], alpha=0.2, **given),
    }
    for name, start in base.items():
        wanted = {
            "soup": (start + a[name] + b[name]) / 3,
            "arithmetic": start + 0.25 * (a[name] - start) + 0.5 * (b[name] - start),
            "residual": b[name] + (a[name] - start),
        }
        share = {"model.layers.0": 0.2, "model.layers.1": 0.6, "model.embed_to": 0.2}.get(name[:14], 1.0)
        wanted["lines"] = start + share * (a[name] - start)
        for kind, value in wanted.items():
            assert torch.allclose(made[kind][name], value, atol=1e-7), (kind, name)


def test_the_result_loads_and_says_what_it_is_of(models: list[str], tmp_path: Path) -> None:
    merged(tmp_path / "soup", "soup", *models)
    model = LlamaForCausalLM.from_pretrained(tmp_path / "soup")
    assert model(input_ids=torch.arange(5)[None]).logits.shape == (1, 5, 32)
    card = (tmp_path / "soup" / "README.md").read_text()
    assert all(folder in card for folder in models) and Weights(Path(models[1])).hash[:16] in card


def test_identities(models: list[str], tmp_path: Path) -> None:
    """A residual on the base itself is the instruct model to the bit; LiNeS with alpha 1 is the tuned one; so is a soup of one model twice."""
    base, a, _ = models
    # a training's output folder stands for its model
    for name, model in (("run", a), ("begun", base)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model").symlink_to(Path(model).absolute())
    for output, kind, folders, more in [
        ("r", "residual", (a, base), {"base": base}), ("l", "lines", (a,), {"base": str(tmp_path / "begun"), "alpha": 1.0}),
        ("s", "soup", (a, str(tmp_path / "run")), {}), ("t", "ties", (a, a), {"base": base, "density": 1.0}),
    ]:  # fmt: skip
        found = merged(tmp_path / output, kind, *folders, **more)
        assert all(torch.equal(found[name], value) for name, value in tensors(a).items()), kind
        assert ("| base |" in (tmp_path / output / "README.md").read_text()) == ("base" in more)


def test_layer_scales_of_lines() -> None:
    found = [methods.layer_scale(f"model.layers.{i}.mlp.up_proj.weight", 5, 0.2, 0.8) for i in range(5)]
    assert found == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert methods.layer_scale("lm_head.weight", 5, 0.2, 0.8) == 1.0
    assert methods.layer_scale("model.embed_tokens.weight", 5, 0.2, 0.8) == 0.2
    assert methods.layer_scale("model.layers.0.x", 1, 0.2, 0.8) == 1.0


def test_residual_and_ties_by_hand() -> None:
    base, instruct, tuned = (torch.tensor(v) for v in ([1.0, 2.0], [1.5, 1.8], [1.1, 2.4, 9.0]))
    assert methods.residual(base, instruct, tuned).tolist() == pytest.approx([1.6, 2.2, 9.0])
    # half of each task vector is kept: (3, 0, -2, 0) and (0, -4, -1, 0) -> signs +, -, -
    start = torch.zeros(4)
    found = methods.ties(
        start, [torch.tensor([3.0, 1, -2, 0.5]), torch.tensor([0.5, -4, -1, 0])], density=0.5, scale=1.0
    )
    assert found.tolist() == [3.0, -4.0, -1.5, 0.0]


def test_a_greedy_soup_takes_what_strictly_improves() -> None:
    points = {"first": np.array([1, 0]), "second": np.array([-1, 0.2]), "far": np.array([4, 4])}

    def loss_of(names: list[str]) -> float:
        return float((np.mean([points[name] for name in names], axis=0) ** 2).sum())

    chosen, tried, best = greedy(list(points), {name: loss_of([name]) for name in points}, loss_of)
    assert chosen == ["first", "second"] and best == pytest.approx(0.01)
    assert tried["first + second + far"] > best and loss_of(list(points)) == pytest.approx(3.7378, abs=1e-4)
    # a twin does not improve, and stays out
    assert greedy(["a", "b"], {"a": 1.0, "b": 1.0}, lambda _: 1.0)[0] == ["a"]


def test_a_greedy_soup_on_held_out_tokens_is_never_worse_than_its_best(models: list[str], tmp_path: Path) -> None:
    data = make_set(tmp_path / "data", {"web": [30, 20, 25]}, vocabulary=32).folder
    made = merge(MergeSettings("greedy", tuple(models), evaluate=str(data)), tmp_path / "soup", note=lambda _: None)
    written = HeldOut(TokenSet.open(data)).loss(reload_model(tmp_path / "soup", False))
    assert (
        written == pytest.approx(made.losses["soup"], abs=1e-5)
        and written <= min(made.losses[m] for m in models) + 1e-5
    )
    again = merge(
        MergeSettings("soup", tuple(made.chosen * 2), evaluate=str(data)), tmp_path / "s", note=lambda _: None
    )
    assert again.losses["soup"] == pytest.approx(made.losses["soup"], abs=1e-5)


def test_lines_choose_alpha_on_held_out_tokens(models: list[str], tmp_path: Path) -> None:
    data = make_set(tmp_path / "data", {"web": [30, 20]}, vocabulary=32).folder
    made = merge(
        MergeSettings("lines", (models[1],), base=models[0], evaluate=str(data)), tmp_path / "l", note=lambda _: None
    )
    assert len(made.losses) == 11 and made.losses[f"alpha {made.factors['alpha']:g}"] == min(made.losses.values())


def test_bfloat16_in_shards_merges_to_what_is_asked(tmp_path: Path) -> None:
    folders = [str(saved(tmp_path / str(seed), seed, torch.bfloat16)) for seed in (1, 2)]
    LlamaForCausalLM.from_pretrained(folders[0]).save_pretrained(tmp_path / "sharded", max_shard_size="3KB")
    assert len(Weights(tmp_path / "sharded").files) > 1
    plain = merged(tmp_path / "p", "soup", *folders)
    cut = merged(tmp_path / "q", "soup", str(tmp_path / "sharded"), folders[1])
    wide = merged(tmp_path / "r", "soup", *folders, dtype="float32")
    for name, value in plain.items():
        assert value.dtype == torch.bfloat16 and torch.equal(value, cut[name])
        assert wide[name].dtype == torch.float32 and torch.equal(wide[name].bfloat16(), value)


def test_what_cannot_be_merged_is_refused_at_once(models: list[str], tmp_path: Path) -> None:
    wide = str(saved(tmp_path / "wide", 3, hidden_size=16))
    half = str(saved(tmp_path / "half", 3, torch.bfloat16))
    apart = str(saved(tmp_path / "apart", 3, tie_word_embeddings=False))
    for folder, said in (
        (wide, "is 32 x 16, that of .* is 32 x 8"),
        (half, "in bfloat16, .* in float32"),
        (apart, "lm_head"),
    ):
        with pytest.raises(ConfigError, match=said):
            merge(MergeSettings("soup", (models[0], folder)), tmp_path / "out")
    shutil.copytree(models[0], tmp_path / "cut")
    (tmp_path / "cut" / "model.safetensors").write_bytes(b"123")
    with pytest.raises(ConfigError, match="cut off"):
        merge(MergeSettings("soup", (models[0], str(tmp_path / "cut"))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["soop", "A", "B"], "allowed: soup, greedy"),
        (["soup", "A"], "takes two"),
        (["arithmetic", "A"], "--base"),
        (["greedy", "A", "B"], "--evaluate"),
        (["soup", "A", "B", "--dtype", "int4"], "allowed: float32"),
        (["soup", "A", "nowhere", "nothing"], "nothing: is not there"),
        (["soup", "A", "nowhere", "nothing"], "nowhere: is not there"),
        (["soup", "A", "B", "--scale", "0.5"], "--scale: is for arithmetic, lines, ties, and not read by `soup`"),
        (["ties", "A", "B", "--base", "C", "--alpha", "1"], "--alpha: is for lines, and not read by `ties`"),
        (["lines", "A", "--base", "C", "--density", "0.2"], "--density: is for ties, and not read by `lines`"),
    ],
)
def test_mistakes_on_the_command_line(models: list[str], tmp_path: Path, arguments: list[str], said: str) -> None:
    from typer.testing import CliRunner

    from curate.cli import app

    given = [{"A": models[1], "B": models[2], "C": models[0]}.get(word, word) for word in arguments]
    done = CliRunner().invoke(app, ["merge", *given, "--output", str(tmp_path / "out")])
    assert isinstance(done.exception, ConfigError) and said in str(done.exception)


def test_nothing_but_the_tokenizer_and_the_configuration_is_copied(tmp_path: Path) -> None:
    folders = [saved(tmp_path / str(seed), seed) for seed in (1, 2)]
    LlamaForCausalLM.from_pretrained(folders[0]).save_pretrained(tmp_path / "sharded", max_shard_size="3KB")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (tmp_path / "sharded" / name).write_text("{}")
    for name in ("pytorch_model.bin", "model.gguf", "tf_model.h5", "training_args.bin", "optimizer.pt"):
        (tmp_path / "sharded" / name).write_bytes(b"other weights")
    merge(MergeSettings("soup", (str(tmp_path / "sharded"), str(folders[1]))), tmp_path / "out", note=lambda _: None)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "README.md", "chat_template.jinja", "config.json", "generation_config.json", "merge.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip


def test_a_residual_speaks_as_the_instruct_model_where_they_have_the_same_tokens(tmp_path: Path) -> None:
    base, instruct, tuned = (saved(tmp_path / name, seed) for seed, name in enumerate(("base", "instruct", "tuned")))

    def spoken(output: str, words: str, more: str) -> str:
        for folder, all_words in ((instruct, f"{words} {more}"), (tuned, words)):
            numbered = {word: number for number, word in enumerate(all_words.split())}
            Tokenizer(WordLevel(numbered, unk_token="a")).save(str(folder / "tokenizer.json"))
            (folder / "chat_template.jinja").write_text(folder.name)
        given = MergeSettings("residual", (str(instruct), str(tuned)), base=str(base))
        merge(given, tmp_path / output, note=lambda _: None)
        return (tmp_path / output / "chat_template.jinja").read_text()

    assert spoken("same", "a b c", "") == spoken("turns", "a b c", "<turn>") == "instruct"
    # more tokens than the weights have rows
    assert spoken("many", "a b c", " ".join(f"t{number}" for number in range(30))) == "tuned"
    (tmp_path / "instruct" / "tokenizer.json").unlink()
    merge(
        MergeSettings("residual", (str(instruct), str(tuned)), base=str(base)), tmp_path / "none", note=lambda _: None
    )
    assert (tmp_path / "none" / "chat_template.jinja").read_text() == "tuned"


def test_weights_that_the_judge_cannot_place_are_told(tmp_path: Path) -> None:
    """A file with the names of the model without its head: transformers loads it, under other names."""
    from transformers import GPT2Config, GPT2Model

    data = make_set(tmp_path / "data", {"web": [30, 20]}, vocabulary=32).folder
    folders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        GPT2Model(GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=32)).save_pretrained(tmp_path / str(seed))
        config = tmp_path / str(seed) / "config.json"
        config.write_text(config.read_text().replace("GPT2Model", "GPT2LMHeadModel"))
        folders.append(str(config.parent))
    with pytest.raises(ConfigError, match="there is no `transformer.wte.weight`"):
        merge(MergeSettings("soup", tuple(folders), evaluate=str(data)), tmp_path / "out", note=lambda _: None)
    assert not (tmp_path / "out").exists()
