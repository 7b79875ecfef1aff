"""Devices and processes: one process, or as many as torchrun started; sums over them, wrapping, gathering."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch
from torch import distributed
from torch.distributed.checkpoint import state_dict as gathered

from curate.errors import ConfigError, Problem
from curate.train.losses import Objective
from curate.train.settings import TrainSettings

WHOLE = gathered.StateDictOptions(full_state_dict=True, cpu_offload=True)
WHOLE_FROM_FIRST = gathered.StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


class Parallel:
    """This process among all: `rank`, `world`, its `device`. Use as a context: it joins and leaves the group."""

    def __init__(self, settings: TrainSettings) -> None:
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        cuda = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
        if cuda and not torch.cuda.is_available():
            raise ConfigError([Problem("device", "there is no CUDA device that torch can use", "write auto or cpu")])
        self.device = torch.device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}" if cuda else "cpu")
        half = settings.dtype == "bfloat16" or (settings.dtype == "auto" and cuda)
        self.dtype = torch.bfloat16 if half else torch.float32
        #: whether it is one of a group that torchrun started, be it alone
        self.grouped = self.world > 1 or distributed.is_torchelastic_launched()
        #: whether each process holds a part of the weights
        self.sharded = self.grouped and (cuda if settings.shard is None else settings.shard)

    def __enter__(self) -> Parallel:
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
            torch.set_float32_matmul_precision("high")
        if self.grouped:
            distributed.init_process_group("nccl" if self.device.type == "cuda" else "gloo")
        return self

    def __exit__(self, *_: object) -> None:
        if self.grouped:
            distributed.destroy_process_group()

    @property
    def first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, on each."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            distributed.barrier()

    def wrap(self, objective: Objective, *, compiled: bool) -> Any:
        """The objective on this device, its gradients averaged over processes: FSDP2 where sharded, else DDP."""
        objective.to(self.device)
        if compiled:
            # layer by layer: they are alike, and compiled once
            for block in _blocks(objective):
                block.compile()
            objective.compile_losses()
        if not self.grouped:
            return objective
        if self.sharded:
            from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

            policy = MixedPrecisionPolicy(param_dtype=self.dtype, reduce_dtype=torch.float32)
            for block in _blocks(objective):
                fully_shard(block, mp_policy=policy)
            return fully_shard(objective, mp_policy=policy)
        ids = [self.device.index] if self.device.type == "cuda" else None
        return torch.nn.parallel.DistributedDataParallel(objective, device_ids=ids)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Where a model computes that is not wrapped: half precision where asked for."""
        if self.dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """Where what `wrap` gave computes: as `autocast`; FSDP2 has its own."""
        return contextlib.nullcontext() if self.sharded else self.autocast()

    @contextlib.contextmanager
    def accumulating(self, wrapped: Any, last: bool) -> Iterator[None]:
        """Gradients are exchanged with the last part of a step only."""
        if self.sharded:
            wrapped.set_requires_gradient_sync(last)
            yield
        elif self.grouped and not last:
            with wrapped.no_sync():
                yield
        else:
            yield

    def weights(self, objective: Objective) -> tuple[dict[str, Any], dict[str, Any]]:
        """(all weights of the model on the CPU, by the model's own names; those of its loss); of many processes, on the first."""
        found = gathered.get_model_state_dict(objective, options=WHOLE if self.sharded else None)
        model: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name, value in found.items():
            head, _, rest = name.partition(".")
            (model if head == "model" else own)[rest if head == "model" else f"{head}.{rest}"] = value
        return model, own

    def optimizer_state(self, objective: Objective, optimizers: list[Any]) -> dict[str, Any]:
        """The state of the optimizers on the CPU, by the names of parameters: any number of processes can load it."""
        options = WHOLE if self.sharded else None
        return dict(gathered.get_optimizer_state_dict(objective, optimizers, options=options))

    def load_optimizer(self, objective: Objective, optimizers: list[Any], state: dict[str, Any]) -> None:
        """Put back what `optimizer_state` gave."""
        options = WHOLE_FROM_FIRST if self.sharded else None
        gathered.set_optimizer_state_dict(objective, optimizers, state, options=options)


def _blocks(objective: Objective) -> list[Any]:
    """The layers of the model: the longest list of modules."""
    lists = [part for part in objective.modules() if isinstance(part, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=[]))
