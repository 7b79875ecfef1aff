"""A Llama of two layers with a tokenizer of bytes, saved as transformers saves one."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def saved_llama(folder: Path, start: bool = True) -> dict[str, int]:
    """Saves it, with or without a token that texts begin after; returns the id of each letter of its alphabet."""
    letters = {letter: i + 1 for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    backend = Tokenizer(models.BPE({"<s>": 0} | letters, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    special = {"bos_token": "<s>", "eos_token": "<s>"} if start else {"pad_token": "<s>"}
    PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=257, num_key_value_heads=2, max_position_embeddings=512, **shape))
    for parameter in model.parameters():
        parameter.data *= 8
    model.save_pretrained(folder)
    return letters
