"""Texts -> token ids: by tiktoken where it is proved to give the same, else by Hugging Face's tokenizers.

A byte-level BPE without a normaliser is its pattern and its merges, and tiktoken runs both several times as fast. The ids
of the two are compared on a sample before the first text, and documents that hold an added token which is not special
(of code tokenizers: `<tool_call>`, runs of blanks) go the slow way, so that the ids never depend on the engine.

Special tokens in the text of a document are text: `<|endoftext|>` in a page ends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.train.text_tokenizer import TextTokenizer

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# The same behind a pre-tokenizer that takes each digit by itself (SmolLM): what stands before a digit is at an end, too.
GPT2_DIGITS = r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?=\p{N})|\s+(?!\S)|\s+"
# Beyond so many added tokens, looking for them in every text costs more than it saves.
MOST_ADDED = 16
# Texts that any engine must agree on, beside the user's own: what pre-tokenizers differ in.
TRICKY = (
    "", " ", "  ", "\n\n \t x", "I'll don't WE'RE it's'", "a1b22 333  4444", " x  1 ", "naïve café — “quoted”…", "日本語 テスト",
    "हिन्दी में", "𝔘𝔫𝔦 👩‍👩‍👧 🇮🇳", "tabs\tand\r\nlines\r\n", "x\u00a0y\u3000z\u200b", "<|endoftext|> </s> <|im_start|>", "Ⅷ ½ ² ١٢",
    "e\u0301\u0327", "snake_case CamelCase a.b.c http://x.y/z?q=1&r=%20", "\ufffd\ufeff", "    def f(x):\n        return x",
)  # fmt: skip


class Encoded(NamedTuple):
    """Token ids of n texts: those of text i are `ids[offsets[i]:offsets[i + 1]]`."""

    ids: npt.NDArray[np.uint32]
    offsets: npt.NDArray[np.int64]


class HuggingFace:
    """The engine `tokenizers`, with special tokens in text taken as text."""

    name = "tokenizers"

    def __init__(self, tokenizer: TextTokenizer, *, special: bool = False) -> None:
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_str(tokenizer.json)
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._tokenizer.encode_special_tokens = not special

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The ids of each text, without any that the post-processor would add."""
        found = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        parts = [np.array(encoding.ids, np.uint32) for encoding in found]
        return Encoded(*joined(parts))


def joined(parts: Sequence[npt.NDArray[np.uint32]]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Ids of texts -> (all of them, n + 1 offsets)."""
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return (np.concatenate(parts) if parts else np.zeros(0, np.uint32)), offsets


class Tiktoken:
    """The engine `tiktoken`, for a byte-level BPE; the ids are those of Hugging Face's."""

    name = "tiktoken"

    def __init__(
        self, tokenizer: TextTokenizer, ranks: dict[bytes, int], ids: npt.NDArray[np.uint32], pattern: str
    ) -> None:
        import tiktoken

        self._slow = HuggingFace(tokenizer)
        self._ids = ids
        self._added = _added(json.loads(tokenizer.json))
        self._encoding = tiktoken.Encoding("curate", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})

    def encode(self, texts: Sequence[str]) -> Encoded:
        """The ids of each text, without any that the post-processor would add."""
        parts = []
        for text in texts:
            if any(token in text for token in self._added):
                parts.append(self._slow.encode([text]).ids)
            else:
                parts.append(self._ids[self._encoding.encode_to_numpy(text, disallowed_special=())])
        return Encoded(*joined(parts))


Engine = HuggingFace | Tiktoken


def fast_engine(tokenizer: TextTokenizer, sample: Sequence[str]) -> tuple[Engine, str]:
    """The fastest engine that gives the right ids on the sample and on TRICKY, and why it is not tiktoken (or "")."""
    slow = HuggingFace(tokenizer)
    fast, why = _tiktoken(tokenizer)
    if fast is None:
        return slow, why
    texts = [*TRICKY, *sample]
    wanted, found = slow.encode(texts), fast.encode(texts)
    if np.array_equal(wanted.offsets, found.offsets) and np.array_equal(wanted.ids, found.ids):
        return fast, ""
    return slow, "the ids of tiktoken differ on a sample"


def _tiktoken(tokenizer: TextTokenizer) -> tuple[Tiktoken | None, str]:
    """An engine that may give the same ids, or why there is none."""
    try:
        import tiktoken  # noqa: F401
    except ImportError:
        return None, "tiktoken is not installed"
    spec = json.loads(tokenizer.json)
    model = spec["model"]
    if (
        model.get("type") != "BPE"
        or model.get("byte_fallback")
        or model.get("dropout")
        or model.get("end_of_word_suffix")
    ):
        return None, f"the model {model.get('type')} is no plain byte-level BPE"
    if spec.get("normalizer"):
        return None, f"the normaliser {spec['normalizer'].get('type')} changes the text first"
    if (pattern := _pattern(spec.get("pre_tokenizer"))) is None:
        return None, "the pre-tokenizer is none that tiktoken can follow"
    if len(_added(spec)) > MOST_ADDED:
        return None, f"there are more than {MOST_ADDED} added tokens that are not special"
    if (table := _ranks(model)) is None:
        return None, "the vocabulary is not that of its merges"
    return Tiktoken(tokenizer, *table, pattern), ""


def _added(spec: Any) -> list[str]:
    return [token["content"] for token in spec.get("added_tokens", []) if not token["special"]]


def _pattern(pre: Any) -> str | None:
    """The regular expression that cuts texts into words as the pre-tokenizer does."""
    parts = pre["pretokenizers"] if pre and pre["type"] == "Sequence" else [pre]
    if not parts or parts[-1] is None or parts[-1]["type"] != "ByteLevel" or parts[-1].get("add_prefix_space"):
        return None
    by_regex = parts[-1].get("use_regex", True)
    if len(parts) == 1:
        return GPT2 if by_regex else None
    if len(parts) != 2:
        return None
    first = parts[0]
    if first["type"] == "Digits" and first.get("individual_digits") and by_regex:
        return GPT2_DIGITS
    isolated = first["type"] == "Split" and first.get("behavior") == "Isolated" and not first.get("invert")
    if isolated and not by_regex and "Regex" in first["pattern"]:
        return str(first["pattern"]["Regex"])
    return None


def byte_letters() -> dict[str, int]:
    """The letter that stands for each byte in a byte-level vocabulary -> the byte (GPT-2's table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(rest)}


def _ranks(model: Any) -> tuple[dict[bytes, int], npt.NDArray[np.uint32]] | None:
    """(bytes of a token -> its rank: single bytes first, then the merges in their order; rank -> id)."""
    letters, vocabulary = byte_letters(), model["vocab"]
    ranks: dict[bytes, int] = {}
    ids: list[int] = []
    merged = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    for token in [*letters, *("".join(pair) for pair in merged)]:
        if token not in vocabulary or not all(letter in letters for letter in token):
            return None
        raw = bytes(letters[letter] for letter in token)
        if raw in ranks:
            # two merges with one result: tiktoken would know the first alone
            return None
        ranks[raw] = len(ids)
        ids.append(vocabulary[token])
    return ranks, np.array(ids, np.uint32)
