"""Small tokenizers of every make that `curate tokenize` knows, trained here in a moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from corpora import WORDS

TEXTS = [
    f"{' '.join(WORDS)} I'll don't 12 345 6789 naïve café हिन्दी में 日本語\n\n    def f(x):\n\treturn x + {i} # <b>!</b>"
    for i in range(30)
]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def small_tokenizer(
    kind: str, *, size: int = 600, special: tuple[str, ...] = SPECIAL, added: tuple[str, ...] = ()
) -> Any:
    """A byte-level BPE with the pre-tokenizer of `gpt2`, `smollm` (single digits), `llama3` or `qwen2` (with NFC)."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer: Any = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=kind in ("gpt2", "smollm"))
    first: dict[str, Any] = {
        "gpt2": [],
        "smollm": [pre_tokenizers.Digits(individual_digits=True)],
        "llama3": [pre_tokenizers.Split(Regex(LLAMA3), "isolated")],
        "qwen2": [pre_tokenizers.Split(Regex(LLAMA3.replace("{1,3}", "")), "isolated")],
    }
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*first[kind], byte_level]) if first[kind] else byte_level
    if kind == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in added])
    return tokenizer


def saved_tokenizer(folder: Path, kind: str = "llama3", *, template: str | None = None, **more: Any) -> Path:
    """The folder of such a tokenizer, with `<|endoftext|>` as the end if it has that."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = small_tokenizer(kind, **more)
    tokenizer.save(str(folder / "tokenizer.json"))
    if "<|endoftext|>" in more.get("special", SPECIAL):
        (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|endoftext|>"}))
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder
