"""What a model of transformers is given so that no document of a packed row attends to another.

The trap: transformers sees from `position_ids` where documents begin, but only if there is no `attention_mask` and no
cache. With the default `use_cache=True`, or a mask of ones, documents leak into each other and the loss still falls; so they do
with FlashAttention where a batch has more than one row. `model_inputs` gives what is right for the model; `leak` and
`influence` measure it.
"""

from __future__ import annotations

from typing import Any

from curate.errors import ConfigError, CurateError, Problem
from curate.train.batch import Batch

#: those that are told of documents by a mask; `flex_attention` sees them by positions; others are told where documents end
MASKED = ("eager", "sdpa")
# Tokens of a row on which a leak is looked for.
TRIED = 128


def implementation(model: Any) -> str:
    """How the model computes attention: `eager`, `sdpa`, ..."""
    config = getattr(model, "module", model).config
    return str(getattr(config, "_attn_implementation", None) or "eager")


def model_inputs(model: Any, batch: Batch | dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the model's `forward` for a batch (or what `Batch.torch` made of it), all but labels.

    eager and sdpa get the mask of documents itself, (rows, 1, context, context), which every architecture honours whose
    attention is causal; flex_attention positions alone; the rest (FlashAttention, varlen) also where documents end. Call it where the
    model is called: the kind of mask depends on autocast.
    """
    import torch

    from curate.train.varlen import document_ends

    tensors = batch.torch() if isinstance(batch, Batch) else batch
    given = {"input_ids": tensors["input_ids"], "position_ids": tensors["position_ids"], "use_cache": False}
    kind = implementation(model)
    if kind in MASKED:
        documents = tensors["doc_ids"]
        # on a CPU sdpa would make numbers of booleans in each layer anew, and keep them all
        plain = documents.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        given["attention_mask"] = document_mask(documents, additive=kind == "eager" or plain, dtype=model.dtype)
    elif kind != "flex_attention":
        given |= document_ends(tensors["position_ids"])
    return given


def document_mask(documents: Any, *, additive: bool, dtype: Any) -> Any:
    """(rows, context) numbers of documents -> (rows, 1, context, context): who may attend to whom, causally.

    Boolean, or `additive`: 0 where one may, the least number of `dtype` elsewhere. Padding (-1) sees padding before it.
    """
    import torch

    size = documents.shape[1]
    same = documents[:, None, :, None] == documents[:, None, None, :]
    allowed = same & torch.ones(size, size, dtype=torch.bool, device=documents.device).tril()
    if not additive:
        return allowed
    mask = torch.zeros(allowed.shape, dtype=dtype, device=documents.device)
    return mask.masked_fill(~allowed, torch.finfo(dtype).min)


def leak(model: Any, vocabulary: int, *, context: int = 48) -> float:
    """How much the logits of packed documents differ from those of the documents alone: the largest difference.

    Two documents of random tokens in each of two rows, on the model as it is; about 1e-6 in float32 on a CPU where nothing leaks.
    """
    ids, positions, documents, cut = _packed(vocabulary, context)
    packed = _logits(model, ids, positions, documents)[:, cut:]
    alone = [_logits(model, *(part[row : row + 1, cut:] for part in (ids, positions, documents * 0))) for row in (0, 1)]
    return max(float((packed[row] - alone[row][0]).abs().max()) for row in (0, 1))


def influence(model: Any, vocabulary: int, *, context: int = 48) -> float:
    """How much the logits of documents change when all that stands before them becomes other tokens: 0, or what leaks.

    The same shapes are computed twice, so that rounding is the same, whatever the numbers.
    """
    ids, positions, documents, cut = _packed(vocabulary, context)
    # the second row stays as it is: what comes before it is the first
    other = ids.clone()
    other[0, :cut] = (other[0, :cut] + 1) % vocabulary
    changed = (_logits(model, ids, positions, documents) - _logits(model, other, positions, documents)).abs()
    return max(float(changed[0, cut:].max()), float(changed[1].max()))


def _packed(vocabulary: int, context: int) -> tuple[Any, Any, Any, int]:
    """(tokens, positions, documents, where the second begins) of two rows of two documents."""
    import torch

    ids = torch.randint(0, vocabulary, (2, context), generator=torch.Generator().manual_seed(0))
    cut = context // 3
    documents = (torch.arange(context) >= cut).long()[None].expand(2, -1)
    return ids, (torch.arange(context)[None] - cut * documents).contiguous(), documents, cut


def _logits(model: Any, ids: Any, positions: Any, documents: Any) -> Any:
    """(rows, context, vocabulary) float32, without dropout."""
    import torch

    device = next(model.parameters()).device
    tensors = {"input_ids": ids.to(device), "position_ids": positions.to(device), "doc_ids": documents.to(device)}
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return model(**model_inputs(model, tensors)).logits.float()
    finally:
        model.train(training)


def check_leak(model: Any, vocabulary: int, dtype: Any = None, *, context: int = TRIED) -> float:
    """`influence` where the model computes in `dtype`, which must be next to nothing. Raises CurateError.

    Rows have `context` tokens, or if that is many fewer, with the same remainder: kernels work in blocks of 128.
    """
    import torch

    name, device = type(getattr(model, "module", model)).__name__, next(model.parameters()).device
    half = dtype is not None and dtype is not torch.float32
    width = context if context <= 2 * TRIED else TRIED + context % TRIED
    try:
        with torch.autocast(device.type, dtype, enabled=half):
            found = influence(model, vocabulary, context=width)
        if device.type == "cpu" and not half and str(model.dtype) == "torch.float32":
            # elsewhere other shapes round otherwise
            found = max(found, leak(model, vocabulary, context=min(width, 48)))
    except (RuntimeError, TypeError, ValueError) as error:
        what = (
            f"cannot be told which tokens are of one document: {str(error).splitlines()[0]} ({implementation(model)})"
        )
        raise CurateError(name, what, "train another architecture, or write `model: {attention: sdpa}`") from error
    if not found <= 1e-4:
        what = f"documents of one row attend to each other: logits differ by {found:.3g} ({implementation(model)})"
        raise CurateError(name, what, "use attn_implementation='sdpa' or 'eager', or pack one document a row")
    return found


def check_window(config: Any, context: int, kind: str) -> None:
    """A mask of documents undoes a window that attention slides over: no matter where rows are no longer. Raises ConfigError."""
    window = getattr(config, "sliding_window", None)
    if window and context > window and kind in MASKED:
        what = f"`{kind}`, and attention of this model sees {window:,} tokens back, of {context:,} in a row"
        hint = f"write `model: {{attention: varlen}}`, or `context: {window}`"
        raise ConfigError([Problem("model.attention", what, hint)])
