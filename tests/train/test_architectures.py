"""Documents of a packed row are apart in the architectures of transformers that people train, by each way of attention on a CPU."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from curate.errors import CurateError  # noqa: E402
from curate.train.attention import check_leak, leak  # noqa: E402

VOCABULARY = 97
_SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 16}
_GPT = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_LATENT = {
    "num_key_value_heads": 4, "n_routed_experts": 4, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1, "q_lora_rank": 8,
    "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 4, "v_head_dim": 8,
}  # fmt: skip
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "gemma": ("GemmaConfig", {**_SHAPE, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**_SHAPE, "head_dim": 8}),
    "gemma3": ("Gemma3TextConfig", {**_SHAPE, "head_dim": 8}),
    "phi": ("PhiConfig", _SHAPE),
    "phi3": ("Phi3Config", _SHAPE),
    "olmo": ("OlmoConfig", _SHAPE),
    "olmo3": ("Olmo3Config", _SHAPE),
    "mixtral": ("MixtralConfig", {**_SHAPE, "num_local_experts": 4}),
    "qwen3_moe": ("Qwen3MoeConfig", {**_SHAPE, **_EXPERTS, "head_dim": 8, "num_experts": 4}),
    "deepseek_v3": ("DeepseekV3Config", {**_SHAPE, **_EXPERTS, **_LATENT}),
    "gpt_oss": ("GptOssConfig", {**_SHAPE, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "granite": ("GraniteConfig", _SHAPE),
    "starcoder2": ("Starcoder2Config", _SHAPE),
    "stablelm": ("StableLmConfig", _SHAPE),
    "glm4": ("Glm4Config", {**_SHAPE, "head_dim": 8}),
    "nemotron": ("NemotronConfig", _SHAPE),
    "exaone4": ("Exaone4Config", _SHAPE),
    "falcon": ("FalconConfig", {key: _SHAPE[key] for key in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")}),
    "gptj": ("GPTJConfig", {**_GPT, "rotary_dim": 4}),
    "gpt_bigcode": ("GPTBigCodeConfig", _GPT),
    "gpt_neo": ("GPTNeoConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_layers": 2, "num_heads": 4,
                                 "attention_types": [[["global", "local"], 1]], "max_position_embeddings": 64}),
    "opt": ("OPTConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "ffn_dim": 48, "num_hidden_layers": 2,
                          "num_attention_heads": 4, "max_position_embeddings": 256, "word_embed_proj_dim": 32}),
    "mpt": ("MptConfig", {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64}),
}  # fmt: skip
#: transformers has no sdpa for these
EAGER = ("gemma2", "gpt_oss", "gpt_neo", "mpt")


def model(cls: str, arguments: dict[str, Any], kind: str) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, cls)(**arguments, bos_token_id=1, eos_token_id=2)
    # larger weights than at the start of a training: so that a leak shows
    config.initializer_range = 0.3
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=kind)


@pytest.mark.parametrize("name", CONFIGS)
def test_documents_are_apart_by_a_mask(name: str) -> None:
    for kind in ("eager",) if name in EAGER else ("eager", "sdpa"):
        assert leak(model(*CONFIGS[name], kind), VOCABULARY) < 2e-5


# transformers asks for it in an older way
pytestmark = pytest.mark.filterwarnings(
    "ignore:_compile flag:DeprecationWarning", "ignore:flex_attention called without:UserWarning"
)


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flex attention of torch as it stands: compiled for a CPU it takes minutes a shape."""
    import transformers.integrations.flex_attention as flex

    monkeypatch.setattr(flex.WrappedFlexAttention, "_instance", None)
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)


@pytest.mark.parametrize(
    ("cls", "more"),
    [
        ("LlamaConfig", {}), ("GPTNeoXConfig", {}), ("Phi3Config", {}), ("MistralConfig", {"sliding_window": 8}),
        ("Gemma3TextConfig", {"sliding_window": 8, "head_dim": 8}),
    ],
)  # fmt: skip
def test_documents_are_apart_by_positions(cls: str, more: dict[str, Any], uncompiled: None) -> None:
    made = model(cls, {**_SHAPE, **more}, "flex_attention")
    assert leak(made, VOCABULARY) < 2e-5
    # a window is what it is in transformers
    ids = torch.randint(0, VOCABULARY, (1, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = made.eval()(input_ids=ids, use_cache=False).logits
        made.set_attn_implementation("eager")
        assert torch.allclose(found, made(input_ids=ids, use_cache=False).logits, atol=1e-4)


def test_what_lets_documents_see_each_other_is_refused(uncompiled: None) -> None:
    # positions of its own making; a state that runs on; nothing that a mask of pairs could tell
    refused = [
        (*CONFIGS["opt"], "flex_attention"),
        ("RwkvConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}, "eager"),
        ("MambaConfig", {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}, "eager"),
    ]
    for cls, arguments, kind in refused:
        with pytest.raises(CurateError, match="attend to each other|cannot be told which tokens are of one document"):
            check_leak(model(cls, arguments, kind), VOCABULARY)
