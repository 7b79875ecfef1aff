"""Mistakes that only the model can tell are told as mistakes of the settings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tokenizers_small import saved_tokenizer

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from curate.errors import ConfigError  # noqa: E402
from curate.train.checks import setting_problems  # noqa: E402
from curate.train.losses import Objective, Reader  # noqa: E402
from curate.train.models import make_model, with_adapter  # noqa: E402
from curate.train.objectives.cross_entropy import CrossEntropy  # noqa: E402
from curate.train.optimizers import make_optimizers  # noqa: E402
from curate.train.parallel import Parallel  # noqa: E402
from curate.train.settings import AdapterSettings, ModelSettings, OptimizerSettings, TrainSettings  # noqa: E402

TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 16,
}


@pytest.mark.parametrize(
    ("config", "attention", "told"),
    [
        ({"hidden_size": "big"}, "sdpa", "model.config: .*hidden_size"),
        ({"num_attention_heads": 7}, "sdpa", "model.config: .*not a multiple of the number of attention heads"),
        ({"hidden_sizes": 3}, "sdpa", "model.config: a Llama model has no hidden_sizes"),
        ({"vocab_size": 100}, "sdpa", "vocab_size: 100 embeddings, and the data's tokenizer has 200 tokens"),
        ({"max_position_embeddings": 32}, "sdpa", "context: 64 tokens, and the model has 32 positions"),
        ({}, "flash_attention_2", "model.attention: `flash_attention_2` cannot be had"),
    ],
)
def test_a_configuration_that_cannot_be(config: dict[str, Any], attention: Any, told: str) -> None:
    if attention == "flash_attention_2" and torch.cuda.is_available():
        pytest.skip("it may be had here")
    settings = ModelSettings(preset="1m", config=TINY | config, attention=attention)
    with pytest.raises(ConfigError, match=told):
        make_model(settings, vocabulary=200, context=64, eos=0, seed=0)


def test_adapters_of_layers_that_are_not_there() -> None:
    pytest.importorskip("peft")
    model = make_model(ModelSettings(preset="1m", config=TINY), vocabulary=200, context=64, eos=0, seed=0)
    with pytest.raises(ConfigError, match=r"(?s)adapter.targets: .*nope.*k_proj"):
        with_adapter(model, AdapterSettings(targets=["nope"]), 0, lambda _: None)
    with pytest.raises(ConfigError, match=r"adapter: .*positive integer"):
        with_adapter(model, AdapterSettings.model_construct(rank=0), 0, lambda _: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    given = {"name": "t", "data": "d", "model": {"preset": "1m"}, "steps": 1, "output": "o", "device": "cuda"}
    with pytest.raises(ConfigError, match="device: there is no CUDA device"):
        Parallel(TrainSettings.model_validate(given))


def test_muon_alone_where_nothing_is_left_for_adamw() -> None:
    model = make_model(ModelSettings(preset="1m", config=TINY), vocabulary=200, context=64, eos=0, seed=0)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("down_proj" in name)
    (muon,) = make_optimizers(Objective(model, CrossEntropy()), OptimizerSettings(kind="muon"), fused=False)
    assert [p.shape for group in muon.param_groups for p in group["params"]] == [(16, 16)]


def test_what_adapters_are_compared_with_has_neither_them_nor_dropout() -> None:
    pytest.importorskip("peft")
    settings = ModelSettings(preset="1m", config=TINY | {"attention_dropout": 0.5})
    model = make_model(settings, vocabulary=200, context=64, eos=0, seed=0).eval()
    ids = torch.arange(20)[None]
    places = torch.arange(20)
    with torch.no_grad():
        wanted = Reader(model).states({"input_ids": ids}, places)
        tuned = with_adapter(model, AdapterSettings(rank=2), 0, lambda _: None)
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                parameter.fill_(1.0)
        tuned.train()
        assert torch.equal(Reader(tuned, adapter=False).states({"input_ids": ids}, places), wanted)
        assert tuned.training and not torch.allclose(Reader(tuned).states({"input_ids": ids}, places), wanted)


def test_a_start_that_corda_has_not() -> None:
    given = {
        "name": "t", "data": "d", "model": {"preset": "1m"}, "steps": 1, "output": "o", "adapter": {"kind": "corda"},
    }  # fmt: skip

    def told(loss: str) -> list[str]:
        chosen = TrainSettings.model_validate({**given, "loss": loss})
        return [p.where for p in setting_problems(chosen, lambda key: ".".join(map(str, key)), held_out=False)]

    assert told("asft") == told("anchored") == ["adapter.kind"] and told("dft") == []


def test_a_start_that_is_cut_off_is_no_model(tmp_path: Path) -> None:
    model = make_model(ModelSettings(preset="1m", config=TINY), vocabulary=200, context=64, eos=0, seed=0)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes((tmp_path / "model.safetensors").read_bytes()[:500])
    settings = ModelSettings.model_validate({"from": str(tmp_path)})
    with pytest.raises(ConfigError, match="model.from: `.*` is no model: .*header"):
        make_model(settings, vocabulary=200, context=64, eos=0, seed=0)


def test_what_cannot_be_evaluated_says_why(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    from curate.train.evaluation.subject import open_evaluated

    tokenizer = saved_tokenizer(tmp_path / "tok")
    model = make_model(ModelSettings(preset="1m", config=TINY), vocabulary=2000, context=64, eos=0, seed=0)
    random = tmp_path / "random"
    with_adapter(model, AdapterSettings(rank=2), 0, lambda _: None).save_pretrained(random)
    gone = shutil.copytree(random, tmp_path / "gone")
    config = peft.PeftConfig.from_pretrained(gone)
    config.base_model_name_or_path = str(tmp_path / "base")
    config.save_pretrained(gone)
    for folder in (random, gone):
        shutil.copyfile(tokenizer / "tokenizer.json", folder / "tokenizer.json")
    with pytest.raises(ConfigError, match="adapters for a model that began at random"):
        open_evaluated(str(random), device="cpu")
    with pytest.raises(ConfigError, match="adapters for the model `.*base`, which is not there"):
        open_evaluated(str(gone), device="cpu")
    with pytest.raises(ConfigError, match="--device: unknown device `tpu`"):
        open_evaluated(str(random), device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match="--device: there is no CUDA device"):
            open_evaluated(str(random), device="cuda")
