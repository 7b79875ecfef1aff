"""No document of a packed row attends to another: logits of a packed document are those of the document alone."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from curate.errors import CurateError  # noqa: E402
from curate.train import attention  # noqa: E402

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
    return transformers.AutoModelForCausalLM.from_config(config, attn_implementation=kind)


@pytest.mark.parametrize("kind", ["eager", "sdpa"])
@pytest.mark.parametrize("name", CONFIGS)
def test_packed_documents_are_alone(name: str, kind: str) -> None:
    made = model(name, kind).eval()
    assert attention.implementation(made) == kind
    assert attention.leak(made, VOCABULARY) < 2e-5
    assert attention.leak(made.train(), VOCABULARY) < 2e-5


@pytest.mark.parametrize("kind", ["eager", "sdpa"])
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
    assert attention.leak(made, VOCABULARY) > 1e-2
    with pytest.raises(CurateError, match="documents of one row attend to each other"):
        attention.check_leak(made, VOCABULARY)


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
