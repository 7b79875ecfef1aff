"""What a model writes when it is let go: does it end, does it repeat itself, is it toxic?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from curate.train.text_tokenizer import TextTokenizer
from curate.train.token_set import TokenSet

PROMPT, TOKENS, AT_ONCE = 24, 64, 16
TEMPERATURE = 0.8
# Repetition is of n-grams of so many tokens (seq-rep-4 of Welleck et al. 2020, arXiv 1908.04319).
NGRAM = 4


def prompts_of(found: TokenSet, count: int) -> list[list[int]]:
    """The beginnings of the first documents of all sources in turn: of a conversation all before its first answer."""
    sources = [list(_first(found, name, count)) for name in found.sources]
    turns = [held[i] for i in range(count) for held in sources if i < len(held)]
    return turns[:count]


def _first(found: TokenSet, source: str, count: int) -> list[list[int]]:
    prompts = []
    for number, document in enumerate(found.documents(source)):
        if number == count:
            break
        stop = PROMPT if document.mask is None else int(np.argmax(document.mask))
        prompts.append([int(token) for token in document.tokens[:stop]])
    return [prompt for prompt in prompts if prompt]


def generate(
    model: Any, tokenizer: TextTokenizer, prompts: Sequence[Sequence[int]], *, seed: int, tokens: int = TOKENS,
    temperature: float = TEMPERATURE,
) -> list[list[int]]:  # fmt: skip
    """What the model writes behind each prompt: at most so many ids, the end token with them. A function of the seed."""
    device = next(model.parameters()).device
    written: list[list[int]] = []
    ends = _ends(tokenizer)
    model.eval()
    for start in range(0, len(prompts), AT_ONCE):
        group = prompts[start : start + AT_ONCE]
        width = max(map(len, group))
        ids = torch.tensor([[0] * (width - len(prompt)) + list(prompt) for prompt in group], device=device)
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in group], device=device)
        torch.manual_seed(seed + start)
        sampled = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
        with torch.no_grad():
            found = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=tokens, top_k=0, eos_token_id=ends or None,
                pad_token_id=(ends or [0])[0], use_cache=True, **sampled,
            )  # fmt: skip
        written += [_until(row, ends) for row in found[:, width:].tolist()]
    return written


def _ends(tokenizer: TextTokenizer) -> list[int]:
    """The tokens that end a text or a turn."""
    named = [number for token, number in tokenizer.special.items() if token in ("<|im_end|>", "<|eot_id|>")]
    return sorted({*named, *([] if tokenizer.eos is None else [tokenizer.eos])})


def _until(ids: list[int], ends: Sequence[int]) -> list[int]:
    """Up to the first end token, with it."""
    stops = [place for place, token in enumerate(ids) if token in ends]
    return ids[: stops[0] + 1] if stops else ids


def repetition(ids: Sequence[int]) -> float:
    """The share of n-grams that stood before: 0 for fewer than one."""
    grams = [tuple(ids[i : i + NGRAM]) for i in range(len(ids) - NGRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def toxicity(texts: Sequence[str]) -> list[float]:
    """The score of each text's most toxic sentence, by the step `toxicity` with its own model."""
    from curate.steps import step_class

    step: Any = step_class("toxicity")()
    batch = pa.RecordBatch.from_pydict(
        {"text": pa.array(texts, pa.string()), "lang": pa.array(["en"] * len(texts), pa.string())}
    )
    scores: list[float] = step.process(batch).column("toxicity").field("max").to_pylist()
    return scores


def checks(model: Any, tokenizer: TextTokenizer, prompts: Sequence[Sequence[int]], *, seed: int = 0) -> dict[str, Any]:
    """`ended` (share with an end token), `repetition` (mean), `tokens` (mean), `toxicity` (mean of the greatest), `toxic` (share
    from 0.5), and some samples."""
    from tokenizers import Tokenizer

    ends = set(_ends(tokenizer))
    written = generate(model, tokenizer, prompts, seed=seed)
    decoder = Tokenizer.from_str(tokenizer.json)
    texts = decoder.decode_batch([list(ids) for ids in written], skip_special_tokens=True)
    begun = decoder.decode_batch([list(prompt) for prompt in prompts], skip_special_tokens=True)
    scores = toxicity(texts)
    return {
        "prompts": len(prompts), "temperature": TEMPERATURE,
        "ended": round(float(np.mean([bool(ends & set(ids[-1:])) for ids in written])), 4),
        "repetition": round(float(np.mean([repetition(ids) for ids in written])), 4),
        "tokens": round(float(np.mean([len(ids) for ids in written])), 1),
        "toxicity": round(float(np.mean(scores)), 4), "toxic": round(float(np.mean([s >= 0.5 for s in scores])), 4),
        "samples": [{"prompt": a, "text": b} for a, b in zip(begun[:4], texts[:4], strict=True)],
    }  # fmt: skip
