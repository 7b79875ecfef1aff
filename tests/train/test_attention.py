"""No document of a packed row attends to another: logits of a packed document are those of the document alone."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from curate.errors import ConfigError, CurateError  # noqa: E402
from curate.train import attention  # noqa: E402
from curate.train.varlen import attend, document_ends, use_varlen  # noqa: E402

VOCABULARY = 97
_ROPE = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _ROPE),
    "smollm3": ("SmolLM3Config", {**_ROPE, "pad_token_id": 0}),
    "qwen2": ("Qwen2Config", _ROPE),
    "qwen3": ("Qwen3Config", {**_ROPE, "head_dim": 8}),
    "mistral": ("MistralConfig", {**_ROPE, "sliding_window": None}),
    "gpt2": ("GPT2Config", {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "gpt_neox": ("GPTNeoXConfig", {k: v for k, v in _ROPE.items() if k != "num_key_value_heads"}),
    "olmo2": ("Olmo2Config", {**_ROPE, "pad_token_id": 0}),
}


def model(name: str, kind: str) -> Any:
    torch.manual_seed(0)
    cls, arguments = CONFIGS[name]
    config = getattr(transformers, cls)(**arguments, bos_token_id=1, eos_token_id=2)
    # larger weights than at the start of a training: so that a leak shows
    config.initializer_range = 0.3
    use_varlen()
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=kind)


@pytest.mark.parametrize("kind", ["eager", "sdpa", "varlen"])
@pytest.mark.parametrize("name", CONFIGS)
def test_packed_documents_are_alone(name: str, kind: str) -> None:
    made = model(name, kind).eval()
    assert attention.implementation(made) == kind
    assert attention.leak(made, VOCABULARY) < 2e-5
    assert attention.influence(made, VOCABULARY) == 0
    assert attention.leak(made.train(), VOCABULARY) < 2e-5


@pytest.mark.parametrize("kind", ["eager", "sdpa", "varlen"])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_first_document_changes_nothing_of_the_second(name: str, kind: str) -> None:
    made = model(name, kind).eval()
    documents = torch.tensor([[0] * 10 + [1] * 14 + [-1] * 4])
    positions = torch.tensor([[*range(10), *range(14), *range(4)]])
    ids = torch.randint(0, VOCABULARY, (2, 28), generator=torch.Generator().manual_seed(1))
    ids[1, 10:24] = ids[0, 10:24]
    with torch.no_grad():
        logits = [
            made(
                **attention.model_inputs(made, {"input_ids": row, "position_ids": positions, "doc_ids": documents})
            ).logits[0, 10:24]
            for row in ids[:, None]
        ]
    assert float((logits[0] - logits[1]).abs().max()) < 1e-6
    assert all(bool(torch.isfinite(part).all()) for part in logits)


@pytest.mark.parametrize("kind", ["eager", "sdpa"])
def test_the_test_sees_a_leak(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an own loop would do by default: positions, and the cache of the config."""
    monkeypatch.setattr(
        attention,
        "model_inputs",
        lambda _, tensors: {"input_ids": tensors["input_ids"], "position_ids": tensors["position_ids"]},
    )
    made = model("llama", kind)
    assert attention.leak(made, VOCABULARY) > 1e-2 and attention.influence(made, VOCABULARY) > 1e-2
    with pytest.raises(CurateError, match="documents of one row attend to each other"):
        attention.check_leak(made, VOCABULARY)


def test_a_model_is_tried_on_no_more_positions_than_it_has() -> None:
    config = transformers.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=1, n_head=2, n_positions=32)
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    assert attention.check_leak(made, VOCABULARY, context=32) < 2e-5


def test_gradients_of_a_packed_row_are_those_of_its_documents() -> None:
    made = model("llama", "sdpa").train()
    ids = torch.randint(0, VOCABULARY, (1, 24), generator=torch.Generator().manual_seed(2))
    documents = torch.tensor([[0] * 9 + [1] * 15])
    positions = torch.tensor([[*range(9), *range(15)]])

    def gradients(parts: list[slice]) -> list[Any]:
        made.zero_grad()
        for part in parts:
            tensors = {"input_ids": ids[:, part], "position_ids": positions[:, part], "doc_ids": documents[:, part]}
            logits = made(**attention.model_inputs(made, tensors)).logits
            labels = torch.where(positions[:, part] == 0, -100, ids[:, part])
            torch.nn.functional.cross_entropy(logits[0, :-1], labels[0, 1:], reduction="sum").backward()
        return [parameter.grad.clone() for parameter in made.parameters()]

    packed, alone = gradients([slice(0, 24)]), gradients([slice(0, 9), slice(9, 24)])
    assert max(float((a - b).abs().max()) for a, b in zip(packed, alone, strict=True)) < 1e-4


def test_where_documents_end() -> None:
    positions = torch.tensor([[0, 1, 2, 0, 1, 0], [0, 1, 0, 0, 0, 1]])
    ends = document_ends(positions)
    # seven documents; the end stands in all places up to a power of two
    assert ends["cu_seq_lens_q"].tolist() == [0, 3, 5, 6, 8, 9, 10, 12, 12] and ends["max_length_q"] == 6
    assert ends["cu_seq_lens_k"] is ends["cu_seq_lens_q"] and ends["cu_seq_lens_q"].dtype == torch.int32


@pytest.mark.parametrize("window", [None, 3])
def test_varlen_is_attention_with_the_mask_of_documents(window: int | None) -> None:
    rng = torch.Generator().manual_seed(1)
    query = torch.randn(2, 4, 9, 8, generator=rng, dtype=torch.float64)
    key, value = (torch.randn(2, 2, 9, 8, generator=rng, dtype=torch.float64) for _ in range(2))
    documents = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1, 1, -1]])
    positions = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4], [0, 0, 1, 2, 3, 4, 5, 6, 0]])
    mask = attention.document_mask(documents, additive=False, dtype=torch.float64)
    if window:
        mask &= torch.ones(9, 9, dtype=torch.bool).triu(1 - window)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    ends = document_ends(positions)
    del ends["max_length_k"], ends["cu_seq_lens_k"]
    found, _ = attend(None, query, key, value, None, scaling=0.3, sliding_window=window, **ends)
    assert torch.allclose(found.transpose(1, 2), wanted, atol=1e-12)


def test_what_varlen_cannot_do_is_told() -> None:
    made = model("llama", "varlen")
    made.config.attention_dropout = 0.1
    for layer in made.model.layers:
        layer.self_attn.attention_dropout = 0.1
    inputs = attention.model_inputs(
        made, {"input_ids": torch.zeros(1, 4, dtype=torch.int64), "position_ids": torch.arange(4)[None]}
    )
    with pytest.raises(ValueError, match="the attention `varlen` has no dropout"):
        made.train()(**inputs)


def test_a_window_that_a_mask_would_undo() -> None:
    config = transformers.MistralConfig(**_ROPE, sliding_window=16)
    for kind, context in (("varlen", 32), ("sdpa", 16)):
        attention.check_window(config, context, kind)
    with pytest.raises(ConfigError, match="sees 16 tokens back, of 32 in a row"):
        attention.check_window(config, 32, "sdpa")
    config.initializer_range = 0.3
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=use_varlen()).eval()
    ids = torch.randint(0, VOCABULARY, (1, 40), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        own = made(input_ids=ids, **document_ends(torch.arange(40)[None])).logits
        made.set_attn_implementation("eager")
        assert torch.allclose(own, made(input_ids=ids, use_cache=False).logits, atol=1e-4)
