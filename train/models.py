"""The model of a run: a preset of the Llama shape that starts at random, or a checkpoint; with adapters if asked."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, MissingAsset, Problem
from curate.train.attention import check_window
from curate.train.corda import with_corda
from curate.train.settings import AdapterSettings, ModelSettings

INSTALL = "pip install 'curate[train]'"
# name -> (width, layers, heads, key-value heads, width of the feed-forward part, tied embeddings). Sizes without embeddings.
PRESETS: dict[str, tuple[int, int, int, int, int, bool]] = {
    "1m": (128, 5, 4, 4, 352, True),
    "5m": (256, 6, 4, 4, 704, True),
    "15m": (384, 8, 6, 6, 1024, True),
    "60m": (640, 12, 10, 10, 1728, True),
    "125m": (768, 12, 12, 12, 2048, True),
    "350m": (1024, 24, 16, 16, 2816, True),
    "760m": (1536, 24, 16, 16, 4096, False),
    "1.5b": (2048, 28, 16, 8, 5632, False),
}
# Embeddings come in such a multiple: matrices of the head are then of a shape that is fast everywhere.
ROUND_UP = 64


def make_model(settings: ModelSettings, *, vocabulary: int, context: int, eos: int | None, seed: int) -> Any:
    """A causal model in float32. Raises ConfigError or MissingAsset."""
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise MissingAsset("model", f"training needs the package {error.name}", INSTALL) from error
    torch.manual_seed(seed)
    if settings.start is not None:
        return _started(settings, vocabulary, context)
    config = model_config(settings, vocabulary=vocabulary, context=context, eos=eos)
    make: Any = AutoModelForCausalLM.from_config
    with _named_attention(settings):
        return make(config, attn_implementation=settings.attention, dtype=torch.float32)


@contextlib.contextmanager
def readable(where: str, model: str, hint: str = "is the folder whole?") -> Iterator[None]:
    """Weights or a configuration that transformers cannot read are a mistake in the settings."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, SafetensorError) as error:
        raise ConfigError(
            [Problem(where, f"`{model}` is no model: {str(error).splitlines()[0][:200]}", hint)]
        ) from error


@contextlib.contextmanager
def _named_attention(settings: ModelSettings) -> Iterator[None]:
    """An implementation of attention that the model or the machine does not have is a mistake in the settings."""
    from curate.train.varlen import use_varlen

    use_varlen()
    try:
        yield
    except (ImportError, ValueError) as error:
        if "attention" not in str(error).lower() and "attn" not in str(error):
            raise
        what = f"`{settings.attention}` cannot be had: {str(error).split('. ')[0][:200]}"
        raise ConfigError([Problem("model.attention", what, "write sdpa or eager")]) from error


def model_config(settings: ModelSettings, *, vocabulary: int, context: int, eos: int | None) -> Any:
    """The configuration of the model, without its weights. Raises ConfigError or MissingAsset."""
    if settings.start is None:
        return _preset(settings, vocabulary, context, eos)
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(checkpoint_folder(settings.start), local_files_only=True, **settings.config)


def checkpoint_folder(start: str) -> Path:
    """Where the files of a checkpoint are."""
    from curate.steps.causal_model import find_model, unpacked

    path = find_model("model.from", start)
    return path if path.is_dir() else unpacked(path)


def _check_context(config: Any, context: int) -> None:
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and positions < context:
        what = f"{context:,} tokens, and the model has {positions:,} positions"
        raise ConfigError(
            [Problem("context", what, f"lower it to {positions:,}, or set model.config.max_position_embeddings")]
        )


def _started(settings: ModelSettings, vocabulary: int, context: int) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    assert settings.start is not None
    folder = checkpoint_folder(settings.start)
    load: Any = AutoModelForCausalLM.from_pretrained
    with readable("model.from", settings.start), _named_attention(settings):
        model = load(
            folder,
            dtype=torch.float32,
            attn_implementation=settings.attention,
            local_files_only=True,
            **settings.config,
        )
    _check_context(model.config, context)
    check_window(model.config, context, settings.attention)
    rows = model.get_input_embeddings().weight.shape[0]
    if rows < vocabulary:
        what = f"the data's tokenizer has {vocabulary:,} tokens, the model {rows:,} embeddings"
        hint = f"tokenise with the model's own tokenizer: curate tokenize SHARDS --tokenizer {settings.start}"
        raise ConfigError([Problem("model.from", what, hint)])
    model.config.use_cache = False
    return model


def _preset(settings: ModelSettings, vocabulary: int, context: int, eos: int | None) -> Any:
    from transformers import LlamaConfig

    if settings.preset not in PRESETS:
        allowed = ", ".join(PRESETS)
        raise ConfigError([Problem("model.preset", f"unknown preset `{settings.preset}`", f"allowed: {allowed}")])
    width, layers, heads, kv_heads, hidden, tied = PRESETS[settings.preset]
    values: dict[str, Any] = {
        "vocab_size": -(-vocabulary // ROUND_UP) * ROUND_UP, "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": hidden,
        "max_position_embeddings": max(context, 2048), "tie_word_embeddings": tied, "use_cache": False,
        "bos_token_id": None, "eos_token_id": eos, "rms_norm_eps": 1e-5,
    }  # fmt: skip
    unknown = sorted(set(settings.config) - set(LlamaConfig().to_dict()))
    if unknown:
        raise ConfigError([Problem("model.config", f"a Llama model has no {', '.join(unknown)}")])
    try:
        config = LlamaConfig(**(values | settings.config))
    except Exception as error:  # transformers raises kinds of huggingface_hub's own
        raise ConfigError([Problem("model.config", " ".join(str(error).split())[:200])]) from error
    if config.vocab_size < vocabulary:
        what = f"{config.vocab_size:,} embeddings, and the data's tokenizer has {vocabulary:,} tokens"
        raise ConfigError([Problem("model.config.vocab_size", what, "leave it out")])
    _check_context(config, context)
    return config


def with_adapter(model: Any, settings: AdapterSettings, seed: int, run: Callable[[Any], None]) -> Any:
    """The model with adapters, all but them frozen. `run(model)` shows CorDA some of the data, row by row. Raises ConfigError."""
    try:
        import peft
    except ImportError as error:
        raise MissingAsset("adapter", f"adapters need the package {error.name}", INSTALL) from error
    import torch

    torch.manual_seed(seed)
    given: dict[str, Any] = {
        "r": settings.rank, "lora_alpha": settings.alpha, "lora_dropout": settings.dropout, "task_type": "CAUSAL_LM",
    }  # fmt: skip
    try:
        # peft asks for a name that transformers is about to drop
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        if settings.kind == "corda":
            return with_corda(model, settings.targets, run, **given)
        config = peft.LoraConfig(target_modules=settings.targets, use_dora=settings.kind == "dora", **given)
        return peft.get_peft_model(model, config)
    except ValueError as error:
        if "target module" not in str(error).lower():
            raise ConfigError([Problem("adapter", " ".join(str(error).split())[:200])]) from error
        names = sorted(
            {name.rpartition(".")[2] for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)}
        )
        hint = f"all-linear, or some of {', '.join(names)}"
        raise ConfigError([Problem("adapter.targets", str(error).split(". ")[0], hint)]) from error


def reload_model(folder: Path, adapter: bool, base: Any = None, attention: str = "sdpa") -> Any:
    """The model of a checkpoint's folder in float32; with adapters, on top of `base`."""
    import torch

    if adapter:
        import peft

        return peft.PeftModel.from_pretrained(base, folder, is_trainable=True)
    from transformers import AutoModelForCausalLM

    from curate.train.varlen import use_varlen

    use_varlen()
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
    )


def parameters(model: Any) -> tuple[int, int]:
    """(parameters that are trained, all parameters)."""
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
