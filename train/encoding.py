"""Texts -> token ids: by a kernel or by tiktoken where they are proved to give the same, else by Hugging Face's tokenizers.

A byte-level BPE is its pattern and its merges. For the patterns that most tokenizers use there is a kernel of our own,
for others tiktoken. Ids are compared with those of `tokenizers` on a sample before the first text, and documents that hold
an added token which is not special (of code tokenizers: `<tool_call>`, runs of blanks), or that a normaliser would
change, go the slow way: the ids never depend on the engine.

Special tokens in the text of a document are text: `<|endoftext|>` in a page ends nothing.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.bpe import MOST_BYTES, Merges, encode_texts
from curate.text import buffers
from curate.train.bpe import GPT2, GPT2_DIGITS, merges_of, rules_of, words_of
from curate.train.text_tokenizer import TextTokenizer

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


class Kernel:
    """The engine of our own, for a byte-level BPE with a known pattern; the ids are those of Hugging Face's."""

    name = "kernel"

    def __init__(self, tokenizer: TextTokenizer, spec: Any, pattern: str, merges: Merges) -> None:
        self._slow = HuggingFace(tokenizer)
        self._added = _added(spec)
        self._normal = bool(spec.get("normalizer"))
        rules = rules_of(pattern)
        assert rules is not None
        self._rules, self._merges = rules, merges
        self._words = words_of(spec["model"], byte_letters())
        self._scratch = np.empty(MOST_BYTES, np.uint32), np.empty(MOST_BYTES, np.int64)

    def encode(self, texts: Sequence[str] | pa.Array) -> Encoded:
        """The ids of each text, without any that the post-processor would add."""
        held = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
        data, offsets = buffers(held)
        ids = np.empty(int(offsets[-1]) - int(offsets[0]), np.uint32)
        ends = np.empty(len(held), np.int64)
        encode_texts(data, offsets, self._rules, self._merges, self._words, ids, ends, *self._scratch)
        slow = np.flatnonzero((ends < 0) | self._needs_library(held))
        stops = np.where(ends < 0, -1 - ends, ends)
        if not len(slow):
            return Encoded(ids[: stops[-1] if len(stops) else 0], np.concatenate([[0], stops]))
        found = self._slow.encode(held.take(pa.array(slow)).to_pylist())
        starts = np.concatenate([[0], stops])
        parts = [ids[starts[i] : starts[i + 1]] for i in range(len(held))]
        for k, i in enumerate(slow.tolist()):
            parts[i] = found.ids[found.offsets[k] : found.offsets[k + 1]]
        return Encoded(*joined(parts))

    def _needs_library(self, texts: pa.Array) -> npt.NDArray[np.bool_]:
        """Which texts hold an added token, or are not in the normal form already."""
        found = np.zeros(len(texts), bool)
        for token in self._added:
            found |= pc.match_substring(texts, token).fill_null(False).to_numpy(zero_copy_only=False)
        if self._normal:
            found |= np.array([not unicodedata.is_normalized("NFC", text) for text in texts.to_pylist()], bool)
        return found


Engine = HuggingFace | Tiktoken | Kernel


def fast_engine(tokenizer: TextTokenizer, sample: Sequence[str], *, only: str = "") -> tuple[Engine, str]:
    """The fastest engine that gives the right ids on the sample and on TRICKY; why it is not the kernel (or ""). `only`
    names the one to try beside `tokenizers`."""
    slow = HuggingFace(tokenizer)
    texts = [*TRICKY, *sample]
    wanted = slow.encode(texts)
    reasons: list[str] = []
    for name, make in (("kernel", _kernel), ("tiktoken", _tiktoken)):
        if only and name != only:
            continue
        engine, why = make(tokenizer)
        if engine is not None:
            found = engine.encode(texts)
            if np.array_equal(wanted.offsets, found.offsets) and np.array_equal(wanted.ids, found.ids):
                return engine, "; ".join(reasons)
            why = "its ids differ on a sample"
        reasons.append(f"{name}: {why}")
    return slow, "; ".join(reasons)


def _unfit(spec: Any, *, normalizers: Sequence[str] = ()) -> str:
    """Why no fast engine can do what the tokenizer does, or ""."""
    model, normalizer = spec["model"], spec.get("normalizer")
    if model.get("type") != "BPE" or any(
        model.get(key) for key in ("byte_fallback", "dropout", "end_of_word_suffix", "continuing_subword_prefix")
    ):
        return f"the model {model.get('type')} is no plain byte-level BPE"
    if normalizer and normalizer.get("type") not in normalizers:
        return f"the normaliser {normalizer.get('type')} changes the text first"
    if _pattern(spec.get("pre_tokenizer")) is None:
        return "the pre-tokenizer is none of those known"
    if len(_added(spec)) > MOST_ADDED:
        return f"there are more than {MOST_ADDED} added tokens that are not special"
    return ""


def _kernel(tokenizer: TextTokenizer) -> tuple[Kernel | None, str]:
    """The engine of our own, or why there is none."""
    spec = json.loads(tokenizer.json)
    if why := _unfit(spec, normalizers=("NFC",)):
        return None, why
    pattern = _pattern(spec.get("pre_tokenizer"))
    if pattern is None or rules_of(pattern) is None:
        return None, "it does not know the pattern of the pre-tokenizer"
    if (merges := merges_of(spec["model"], byte_letters())) is None:
        return None, "the vocabulary is not that of its merges"
    return Kernel(tokenizer, spec, pattern, merges), ""


def _tiktoken(tokenizer: TextTokenizer) -> tuple[Tiktoken | None, str]:
    """An engine that may give the same ids, or why there is none."""
    try:
        import tiktoken  # noqa: F401
    except ImportError:
        return None, "tiktoken is not installed"
    spec = json.loads(tokenizer.json)
    pattern = _pattern(spec.get("pre_tokenizer"))
    if (why := _unfit(spec)) or pattern is None:
        return None, why
    if (table := _ranks(spec["model"])) is None:
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
