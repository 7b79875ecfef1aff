"""FlashAttention over the documents of packed rows, by torch's own kernels: there is no mask, and nothing is computed between documents.

    use_varlen()                                                     # transformers knows it as the attention `varlen`
    model(input_ids=..., position_ids=..., **document_ends(position_ids))

On a GPU these are the kernels of `torch.nn.attention.varlen` (Dao 2023), which have half precision alone. Elsewhere, and in float32,
documents are computed one by one, which is the same function.
"""

from __future__ import annotations

import functools
import inspect
from itertools import pairwise
from typing import Any

import torch
from torch.nn import functional

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # torch before 2.10
    varlen_attn = None  # type: ignore[assignment]

VARLEN = "varlen"
# Newer ones want to be told that keys have fewer heads than queries; one from before 2.11 knows no windows.
KNOWN = frozenset[str]() if varlen_attn is None else frozenset(inspect.signature(varlen_attn).parameters)
TOLD: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in KNOWN else {}
# Of what a layer may ask and the kernels cannot do.
LACKING = ("softcap", "s_aux", "position_bias")


@functools.cache
def use_varlen() -> str:
    """Make it known to transformers: the name to ask for."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(VARLEN, attend)
    AttentionMaskInterface.register(VARLEN, lambda *_, **__: None)
    return VARLEN


def document_ends(positions: torch.Tensor) -> dict[str, Any]:
    """(rows, context) positions from 0 in each document -> the arguments of `forward` that say where documents end.

    `cu_seq_lens_q` and `cu_seq_lens_k` are int32: 0 and the ends of the documents of all rows, one after another; the last is repeated up
    to a power of two, so that what is compiled for one number of documents serves many. Beside them the most that a document can have.
    """
    starts = (positions.flatten() == 0).nonzero().flatten()
    count = 1 << int(starts.numel()).bit_length()
    ends = torch.full((count + 1,), positions.numel(), dtype=torch.int32, device=positions.device)
    ends[: starts.numel()] = starts
    width = positions.shape[1]
    return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": width, "max_length_k": width}


def attend(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, *,
    cu_seq_lens_q: torch.Tensor | None = None, max_length_q: int = 0, scaling: float | None = None, dropout: float = 0.0,
    sliding_window: int | None = None, **more: Any,
) -> tuple[torch.Tensor, Any]:  # fmt: skip
    """(rows, heads, context, d) queries, and keys and values of as many heads or fewer -> (rows, context, heads, d), causally.

    Not told where documents end it is sdpa. Raises ValueError for what a layer asks and this does not do.
    """
    if cu_seq_lens_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        plain: Any = sdpa_attention_forward
        found: tuple[torch.Tensor, Any] = plain(
            module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **more
        )
        return found
    asked = [name for name in LACKING if more.get(name) is not None] + ["dropout"] * bool(dropout)
    if asked or attention_mask is not None:
        raise ValueError(f"the attention `{VARLEN}` has no {', '.join(asked) or 'masks'}")
    rows, heads, width, size = query.shape
    # rotations may have made float32 of what autocast computes in half precision
    q, k, v = (part.transpose(1, 2).flatten(0, 1).to(value.dtype) for part in (query, key, value))
    half = value.dtype in (torch.bfloat16, torch.float16)
    compute = _kernel if query.device.type == "cuda" and half else _one_by_one
    out = compute(q, k, v, cu_seq_lens_q, max_length_q, scaling, sliding_window)
    return out.view(rows, width, heads, size), None


def _kernel(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, longest: int,
    scale: float | None, window: int | None,
) -> torch.Tensor:  # fmt: skip
    if "window_size" not in KNOWN:
        raise ValueError(f"the attention `{VARLEN}` needs torch 2.11 on a GPU, this is {torch.__version__}")
    left = -1 if window is None else window - 1
    found: Any = varlen_attn(
        query, key, value, ends, ends, longest, longest, scale=scale, window_size=(left, 0), **TOLD
    )  # fmt: skip
    out: torch.Tensor = found
    return out


# how many documents there are is known when it runs, not when it would be compiled
@torch.compiler.disable
def _one_by_one(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, longest: int,
    scale: float | None, window: int | None,
) -> torch.Tensor:  # fmt: skip
    found = []
    for start, end in pairwise(ends.tolist()):
        if start == end:
            continue
        q, k, v = (part[start:end].transpose(0, 1)[None] for part in (query, key, value))
        mask = None
        if window is not None and window < end - start:
            ones = torch.ones(end - start, end - start, dtype=torch.bool, device=query.device)
            mask = ones.tril() & ones.triu(1 - window)
        out = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
        )
        found.append(out[0].transpose(0, 1))
    return torch.cat(found)
