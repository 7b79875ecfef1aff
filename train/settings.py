"""The typed settings of a training file: `curate train FILE`. Paths are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from curate.settings import Share, parse_size
from curate.train.token_set import HELD_OUT


def _count(value: Any) -> Any:
    """`20K`, `2M`, `5000` -> a number. Raises ValueError."""
    try:
        return parse_size(value)
    except ValueError:
        raise ValueError(f"`{value}` is not a number; write 5000, 20K or 2M") from None


Count = Annotated[int, BeforeValidator(_count), Field(ge=1)]


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


#: a bare name takes its defaults
Named = Annotated[dict[str, Any], BeforeValidator(_named)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ModelSettings(_Strict):
    """The model: a preset that starts at random, or a checkpoint that is trained on."""

    preset: str | None = Field(None, description="a size of the Llama shape: 1m, 5m, 15m, 60m, 125m, 350m, 760m, 1.5b")
    start: str | None = Field(
        None,
        alias="from",
        description="a folder, a name of the hub's cache, a GGUF file, or `smollm2`; instead of `preset`",
    )
    attention: Literal["sdpa", "eager", "varlen", "flex_attention", "flash_attention_2"] = Field(
        "sdpa",
        description="how attention is computed; `varlen`: FlashAttention over documents by torch's own kernels, on a GPU in bfloat16",
    )
    config: dict[str, Any] = Field(
        {}, description="values of the model's configuration to set, such as `num_hidden_layers`"
    )

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        if (self.preset is None) == (self.start is None):
            raise ValueError("write one of `preset` (start at random) and `from` (a checkpoint)")
        return self


class AdapterSettings(_Strict):
    """Low-rank adapters of peft: the model is frozen and small matrices beside its own are trained."""

    kind: Literal["lora", "dora", "corda"] = Field(
        "lora", description="Hu et al. 2021; Liu et al. 2024; Yang et al. 2024"
    )
    rank: int = Field(16, ge=1, description="of the two matrices")
    alpha: int = Field(32, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="of the adapter's input")
    targets: list[str] | Literal["all-linear"] = Field("all-linear", description="names of layers; all but the head")


class OptimizerSettings(_Strict):
    """How gradients become steps. Norms, biases and other vectors have no weight decay."""

    kind: Literal["adamw", "muon"] = Field("adamw", description="`muon`: matrices of layers by Muon, the rest by AdamW")
    lr: float = Field(1e-3, gt=0, description="the highest learning rate")
    muon_lr: float = Field(2e-2, gt=0, description="of Muon's matrices")
    betas: tuple[float, float] = Field((0.9, 0.95), description="of AdamW")
    eps: float = Field(1e-8, gt=0, description="of AdamW")
    weight_decay: float = Field(0.1, ge=0, description="decoupled")
    clip: float = Field(1.0, ge=0, description="the most of the gradient's norm; 0: as it is")


class ScheduleSettings(_Strict):
    """The learning rate over the run: up in `warmup`, then by `kind`."""

    kind: Literal["cosine", "wsd", "linear", "constant"] = Field(
        "cosine", description="`wsd`: warm up, stay, and fall over the last `decay` of the run"
    )
    warmup: Share = Field(0.02, description="share of the steps")
    decay: Share = Field(0.2, description="of `wsd`: share of the steps")
    floor: Share = Field(0.1, description="the rate at the end, as a share of the highest")


class EvaluateSettings(_Strict):
    """Held-out loss and bits per byte, by source."""

    data: str | None = Field(
        None,
        description="a folder of `curate tokenize` with documents that are not trained on; `held_out` of the first of `data`",
    )
    tasks: list[str] = Field(
        [], description="test examples (files, folders, globs) that are scored by likelihood after the last step"
    )
    examples: Count = Field(500, description="of `tasks`: the first so many of each")
    before: bool = Field(False, description="also before the first step; ends in a table of before and after")
    every: Count = Field(100, description="steps")
    documents: Count = Field(256, description="the first so many of each source")


class EwcSettings(_Strict):
    """Elastic weight consolidation: parameters that mattered for old data are held near the start."""

    data: str = Field(description="a folder of `curate tokenize` with the old data")
    rows: Count = Field(256, description="rows of old data that tell what matters")
    weight: float = Field(gt=0, description="lambda; its scale is the data's: try 1e2 to 1e5")


class CheckpointSettings(_Strict):
    """When the state is kept, each time whole."""

    every: Count = Field(200, description="steps; also at the end and when the run is stopped")
    keep: int = Field(2, ge=1, description="the newest so many; the best by held-out loss is kept beside them")


class GuardSettings(_Strict):
    """What stands for a broken batch."""

    spike: float = Field(
        6.0, gt=0, description="a loss so many standard deviations above the running mean is told, with its documents"
    )
    skip: bool = Field(False, description="leave out the optimizer's step of a spike")


class TrainSettings(_Strict):
    """A training run."""

    name: str = Field(pattern=r"^[\w.-]+$")
    seed: int = Field(0, ge=0)
    data: str | list[str] = Field(description="folders of `curate tokenize`")
    model: ModelSettings
    adapter: AdapterSettings | None = Field(None, description="train adapters instead of the whole model")
    context: int = Field(512, ge=2, description="tokens of a row")
    rows: int = Field(32, ge=1, description="rows of a step, on all devices together")
    micro_rows: int = Field(8, ge=1, description="rows that a device computes at once")
    steps: Count = Field(description="optimizer steps")
    packing: Literal["concatenate", "best_fit"] = Field("best_fit", description="how documents share rows")
    long: Literal["split", "crop", "drop"] = Field("split", description="documents longer than a row")
    loss: Named = Field(
        {"kind": "cross_entropy"}, description="`kind` of curate.train.objectives, and its settings; or the kind alone"
    )
    train_only: Named = Field(
        {"kind": "all"}, description="which parameters: `kind` of curate.train.policies, and its settings"
    )
    ewc: EwcSettings | None = Field(None, description="against forgetting; replay is a source of the mixture")
    mixture: dict[str, Any] = Field(
        {"kind": "proportional"},
        description="what share of the tokens each source gives: `kind` of curate.select.weights, and its settings",
    )
    optimizer: OptimizerSettings = Field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    evaluate: EvaluateSettings | None = None
    checkpoint: CheckpointSettings = Field(default_factory=CheckpointSettings)
    guard: GuardSettings = Field(default_factory=GuardSettings)
    output: str = Field(description="the folder of checkpoints, metrics and the model")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="of the computation; weights are float32")
    compile: bool = Field(False, description="torch.compile")
    shard: bool | None = Field(
        None,
        description="of several processes each holds a part of the weights (FSDP2), else all (DDP); unset: on GPUs",
    )
    log_every: Count = Field(10, description="steps")
    trackers: list[Literal["tensorboard", "wandb", "trackio"]] = Field(
        [], description="beside metrics.jsonl; extra `trackers`"
    )

    #: what may differ when a run goes on: it changes how the work is done and watched, not what is learnt
    FREE: ClassVar[frozenset[str]] = frozenset(
        {"checkpoint", "evaluate", "guard", "output", "device", "micro_rows", "shard", "log_every", "trackers"}
    )

    @property
    def data_folders(self) -> list[str]:
        """`data` as a list."""
        return [self.data] if isinstance(self.data, str) else self.data

    @property
    def held_out(self) -> str | None:
        """The folder of held-out documents, if there is one."""
        return self.evaluate.data if self.evaluate else None

    def with_held_out(self) -> Self:
        """With `evaluate.data` as it is by default: what was held out of the first set."""
        if self.evaluate is None or self.evaluate.data is not None or not self.data_folders:
            return self
        folder = Path(self.data_folders[0]) / HELD_OUT
        update = {"data": str(folder) if folder.exists() else None}
        return self.model_copy(update={"evaluate": self.evaluate.model_copy(update=update)})

    def bound(self) -> dict[str, Any]:
        """What a checkpoint holds the run to: the settings less those of `FREE`, as JSON has them."""
        return {key: value for key, value in self.model_dump(mode="json").items() if key not in self.FREE}

    def placed(self, folder: Path) -> Self:
        """With paths relative to `folder` made relative to the working directory."""

        def place(path: str) -> str:
            return str(folder / path)

        evaluate = self.evaluate
        if evaluate and evaluate.data:
            evaluate = evaluate.model_copy(update={"data": place(evaluate.data)})
        if evaluate and evaluate.tasks:
            evaluate = evaluate.model_copy(update={"tasks": [place(path) for path in evaluate.tasks]})
        start = self.model.start
        found = place(start) if start and (folder / start).exists() else start
        model = self.model.model_copy(update={"start": found})
        graph = self.mixture.get("graph")
        mixture = {**self.mixture, "graph": place(graph)} if isinstance(graph, str) else self.mixture
        teachers = self.loss.get("teachers")
        loss = self.loss | ({"teachers": [place(path) for path in teachers]} if isinstance(teachers, list) else {})
        ewc = self.ewc and self.ewc.model_copy(update={"data": place(self.ewc.data)})
        data, output = [place(path) for path in self.data_folders], place(self.output)
        update: dict[str, Any] = {"data": data, "output": output, "mixture": mixture, "loss": loss, "ewc": ewc}
        return self.model_copy(update={**update, "evaluate": evaluate, "model": model})
