"""What the training needs: parameters, memory, disk, time. Shapes are counted on a device that holds nothing; speed is measured."""

from __future__ import annotations

import math
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from curate.train.attention import MASKED, document_mask, model_inputs
from curate.train.beginning import Beginning
from curate.train.check.finding import Finding, Subject
from curate.train.losses import Objective, chunk_logits
from curate.train.merge.weights import Weights
from curate.train.models import parameters, with_adapter
from curate.train.objectives.kinds import make_loss
from curate.train.policies.kinds import apply_policy, make_policy
from curate.train.settings import TrainSettings
from curate.train.targets import targets_of

# Tokens of a probe step on a CPU, and how many steps are timed after one to warm up.
PROBE_TOKENS, PROBES = 2048, 2
GB = 1e9


def check_memory(subject: Subject) -> Finding:
    """Weights, gradients, the optimizer's state and what the backward pass keeps, on each device; and the disk."""
    settings, parallel = subject.settings, subject.parallel
    trained, size = count_parameters(subject.config, settings)
    share = parallel.world if parallel.sharded else 1
    numbers = parallel.device.type == "cpu" and parallel.dtype is torch.float32
    half = 2 if parallel.dtype is torch.bfloat16 else 1
    state = {
        "weights": 4 * size,
        "gradients": 4 * trained,
        "optimizer": _optimizer_bytes(settings, subject.config, trained),
    }
    rows = min(settings.micro_rows, max(1, settings.rows // parallel.world))
    kept = activations(subject.config, settings, rows=rows, numbers=numbers) // half
    logits = 3 * 4 * min(chunk_logits(parallel.device), rows * settings.context * int(subject.config.vocab_size))
    beside = _bytes_beside(settings, size, trained)
    need = sum(state.values()) // share + kept + logits + beside
    free = _free(parallel.device)
    parts = [*((name, value // share) for name, value in state.items()), ("activations", kept), ("logits", logits)]
    parts += [("models beside it", beside)] if beside else []
    what = (
        f"{size:,} parameters, {trained:,} trained; about {need / GB:.2f} GB: "
        + ", ".join(f"{name} {value / GB:.2f}" for name, value in parts)
        + f"; {free / GB:.1f} GB are free"
    )
    disk = (state["weights"] + state["optimizer"]) * (settings.checkpoint.keep + 2)
    room = shutil.disk_usage(_there(Path(settings.output))).free
    what += f"; checkpoints {disk / GB:.2f} GB of {room / GB:.1f} GB of disk"
    if need > free:
        return Finding("memory", "broken", what, "lower micro_rows, or context; train an adapter, or on more devices")
    if disk > room:
        return Finding("memory", "broken", what, "free some disk, or lower checkpoint.keep")
    return Finding("memory", "ok", what)


def _there(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def _free(device: torch.device) -> int:
    """Bytes that can be had on the device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    for line in Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else ():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 1 << 62


def hollow(config: Any, settings: TrainSettings) -> Any:
    """The model without its numbers: shapes alone, on the device `meta`; with adapters if there are to be some."""
    from transformers import AutoModelForCausalLM

    make: Any = AutoModelForCausalLM.from_config
    kind = "eager" if settings.model.attention == "eager" else _fused()
    with torch.device("meta"):
        model = make(config, attn_implementation=kind, dtype=torch.float32)
        if settings.adapter:
            # whatever its kind begins with, its matrices are of these shapes
            plain = settings.adapter.model_copy(update={"kind": "lora"})
            model = with_adapter(model, plain, 0, lambda _: None)
        else:
            apply_policy(make_policy(settings.train_only), model)
    return model


class _Fused(torch.autograd.Function):
    """Attention as fused kernels do it: no weights of attention are kept, but a mask is, in the numbers of the queries."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Any) -> torch.Tensor:
        out = torch.empty_like(query)
        # a mask of booleans is made into numbers by each layer
        held = [] if mask is None else [mask if mask.is_floating_point() else torch.empty_like(mask, dtype=query.dtype)]
        ctx.save_for_backward(query, key, value, out, *held)
        return out

    @staticmethod
    def backward(ctx: Any, *_: torch.Tensor) -> Any:
        raise NotImplementedError("shapes alone")


def _fused() -> str:
    """The name under which transformers finds attention that keeps as little as fused kernels do."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def attend(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **_: Any) -> tuple[Any, None]:
        out: torch.Tensor = _Fused.apply(query, key, value, attention_mask)  # type: ignore[no-untyped-call]
        return out.transpose(1, 2).contiguous(), None

    AttentionInterface.register("hollow", attend)
    AttentionMaskInterface.register("hollow", sdpa_mask)
    return "hollow"


def count_parameters(config: Any, settings: TrainSettings) -> tuple[int, int]:
    """(parameters that are trained, all)."""
    return parameters(hollow(config, settings))


def _optimizer_bytes(settings: TrainSettings, config: Any, trained: int) -> int:
    """AdamW keeps two numbers a parameter, Muon one."""
    if settings.optimizer.kind != "muon":
        return 8 * trained
    model = hollow(config, settings)
    ends = {id(p) for part in (model.get_input_embeddings(), model.get_output_embeddings()) for p in part.parameters()}
    muon = sum(p.numel() for p in model.parameters() if p.requires_grad and p.ndim == 2 and id(p) not in ends)
    return 8 * trained - 4 * int(muon)


def _bytes_beside(settings: TrainSettings, size: int, trained: int) -> int:
    """Of what stands beside the model, whole on each device: the start, teachers; of EWC the start and the Fisher diagonal.
    Raises ConfigError."""
    loss = make_loss(settings.loss)
    start = size if loss.reads_start and not settings.adapter else 0
    shapes = [Weights(Path(folder)).shapes.values() for folder in loss.frozen_models()]
    teachers = sum(math.prod(shape) for held in shapes for shape in held)
    return 4 * (start + teachers + (2 * trained if settings.ewc else 0))


def activations(config: Any, settings: TrainSettings, *, rows: int, numbers: bool) -> int:
    """Bytes of float32 that a forward pass over so many rows keeps for the backward pass, without those of the logits; the mask
    is of `numbers` (see `model_inputs`) or of booleans."""
    model = hollow(config, settings).train()
    shape = rows, settings.context
    inputs = {
        name: torch.zeros(shape, dtype=torch.int64, device="meta") for name in ("input_ids", "position_ids", "doc_ids")
    }
    own = {p.untyped_storage()._cdata for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # views share a storage; holding it keeps its address from being given to another
        kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    given: dict[str, Any] = {
        "input_ids": inputs["input_ids"],
        "position_ids": inputs["position_ids"],
        "use_cache": False,
    }
    if settings.model.attention in MASKED:
        given["attention_mask"] = document_mask(inputs["doc_ids"], additive=numbers, dtype=torch.float32)
    else:
        # one that is there already: transformers would look into positions for documents, and they hold nothing
        given["attention_mask"] = torch.ones(1, 1, 1, 1, dtype=torch.bool, device="meta")
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        states = getattr(base, base.base_model_prefix)(**given).last_hidden_state
    sizes = [t.untyped_storage().nbytes() for address, t in kept.items() if address not in own]
    del states
    return int(sum(sizes))


def check_time(subject: Subject) -> Finding:
    """From some measured steps of forward, backward and optimizer."""
    settings, parallel = subject.settings, subject.parallel
    speed = measured_speed(subject)
    how = "measured"
    if subject.shrunk:
        ratio = _flops(subject.model.config, settings, parameters(subject.model)[1])
        ratio /= _flops(subject.config, settings, count_parameters(subject.config, settings)[1])
        speed, how = speed * ratio, "from the operations of a shrunk model, whose speed was measured: rough"
    tokens = settings.steps * settings.rows * settings.context
    seconds = tokens / (speed * parallel.world)
    what = f"{speed:,.0f} tokens/s a device ({how}); {tokens:,} tokens: about {_duration(seconds)}"
    return Finding("time", "ok", what + ", evaluation and checkpoints not counted")


def _flops(config: Any, settings: TrainSettings, size: int) -> float:
    """Operations a token, forward and backward (Kaplan et al. 2020; attention as in PaLM, appendix B)."""
    return 6.0 * size + 12.0 * float(config.num_hidden_layers * config.hidden_size * settings.context)


def measured_speed(subject: Subject) -> float:
    """Tokens/s of a step of the model that is tried, on its device: with what is trained, and the loss, as they are to be."""
    settings, parallel = subject.settings, subject.parallel
    rows = settings.micro_rows
    if parallel.device.type == "cpu":
        rows = max(1, min(rows, PROBE_TOKENS // settings.context))
    part = next(subject.batches[0].micro_batches(rows))
    objective = _objective(subject)
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=0.0)
    targets = targets_of(part, objective.loss).torch(parallel.device)
    times: list[float] = []
    for _ in range(PROBES + 1):
        begun = time.perf_counter()
        with parallel.autocast():
            loss, _ = objective(model_inputs(objective.model, part.torch(parallel.device)), *targets)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if parallel.device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return float(part.tokens.size / min(times[1:]))


def _objective(subject: Subject) -> Objective:
    """The loss around the model that is tried. Raises ConfigError."""
    settings, device = subject.small, subject.parallel.device
    model = subject.model
    if settings.adapter:
        model = with_adapter(model, settings.adapter.model_copy(update={"kind": "lora"}), 0, lambda _: None)
    objective, _ = Beginning(settings, subject.sets, subject.vocabulary, device).objective(model, None)
    return objective.to(device).train()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
