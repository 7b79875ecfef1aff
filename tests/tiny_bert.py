"""A tiny BERT with random weights and words as tokens."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def saved_bert(folder: Path, words: Iterable[str], *, cls: str = "BertModel", **settings: Any) -> Path:
    """The folder, with the model of a class of transformers and its tokenizer; `settings` of its configuration."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(set(words))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        model_max_length=256,
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(3)
    given: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "max_position_embeddings": 256, "initializer_range": 0.4,
    }  # fmt: skip
    config = transformers.BertConfig(vocab_size=len(vocabulary), **(given | settings))
    getattr(transformers, cls)(config).save_pretrained(folder)
    return folder
