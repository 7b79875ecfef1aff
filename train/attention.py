"""What a model of transformers is given so that no document of a packed row attends to another.

The trap: transformers sees from `position_ids` where documents begin, but only if there is no `attention_mask` and no
cache. With the default `use_cache=True`, or a mask of ones, documents leak into each other and the loss still falls.
`model_inputs` gives what is right for the model; `leak` measures it.
"""

from __future__ import annotations

from typing import Any

from curate.errors import CurateError
from curate.train.batch import Batch

#: attention implementations that are told of documents by positions, or by a mask
IMPLEMENTATIONS = ("eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3")


def implementation(model: Any) -> str:
    """How the model computes attention: `eager`, `sdpa`, ..."""
    config = getattr(model, "module", model).config
    return str(getattr(config, "_attn_implementation", None) or "eager")


def model_inputs(model: Any, batch: Batch | dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments of the model's `forward` for a batch (or what `Batch.torch` made of it), all but labels.

    eager and sdpa get the mask of documents itself, (rows, 1, context, context), which every architecture honours whose
    attention is causal; others get positions alone. Call it where the model is called: the kind of mask depends on autocast.
    """
    import torch

    tensors = batch.torch() if isinstance(batch, Batch) else batch
    given = {"input_ids": tensors["input_ids"], "position_ids": tensors["position_ids"], "use_cache": False}
    kind = implementation(model)
    if kind in ("eager", "sdpa"):
        documents = tensors["doc_ids"]
        # on a CPU sdpa would make numbers of booleans in each layer anew, and keep them all
        plain = documents.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
        given["attention_mask"] = document_mask(documents, additive=kind == "eager" or plain, dtype=model.dtype)
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
    """How much the logits of a packed document differ from those of the document alone: the largest difference.

    Two documents of random tokens in one row, on the model as it is; about 1e-6 in float32 where nothing leaks.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(0, vocabulary, (1, context), generator=generator)
    cut = context // 3
    documents = (torch.arange(context) >= cut).long()[None]
    positions = torch.arange(context)[None] - cut * documents
    device = next(model.parameters()).device
    packed = {"input_ids": ids, "position_ids": positions, "doc_ids": documents}
    alone = {
        "input_ids": ids[:, cut:], "position_ids": positions[:, cut:], "doc_ids": documents[:, cut:] * 0,
    }  # fmt: skip
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            logits = [
                model(**model_inputs(model, {name: part.to(device) for name, part in tensors.items()})).logits
                for tensors in (packed, alone)
            ]
    finally:
        model.train(training)
    return float((logits[0][:, cut:] - logits[1]).abs().max())


def check_leak(model: Any, vocabulary: int) -> float:
    """`leak`, which must be small. Raises CurateError."""
    name = type(getattr(model, "module", model)).__name__
    try:
        found = leak(model, vocabulary)
    except (RuntimeError, TypeError) as error:
        what = (
            f"cannot be told which tokens are of one document: {str(error).splitlines()[0]} ({implementation(model)})"
        )
        raise CurateError(name, what, "train another architecture, or write `model: {attention: sdpa}`") from error
    scale = 1e-4 if str(model.dtype) == "torch.float32" else 0.1
    if not found <= scale:
        what = f"documents of one row attend to each other: logits differ by {found:.3g} ({implementation(model)})"
        raise CurateError(name, what, "use attn_implementation='sdpa' or 'eager', or pack one document a row")
    return found
