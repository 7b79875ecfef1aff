"""The settings of InstructMining's refit: `curate instruct-mine fit FILE.yaml`. Paths are relative to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from curate.select.instruct_mining import MADE_HERE, NAMED
from curate.train.settings import AdapterSettings, Count, ModelSettings, OptimizerSettings, ScheduleSettings


def _one_is_a_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Paths = Annotated[list[str], BeforeValidator(_one_is_a_list), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class SetSettings(_Strict):
    """The mixed sets that the rule is fitted to, one short run each."""

    count: int = Field(78, ge=4, description="sets; the paper's rules were fitted to 78 and 129")
    size: Annotated[list[Count], BeforeValidator(_one_is_a_list), Field(min_length=1)] = Field(
        [1000], description="conversations of a set; of several sizes the sets take turns"
    )
    tilt: float = Field(1.0, ge=0, description="how far a set leans along an indicator, in deviations of the indicator")


class SizeSettings(_Strict):
    """The search for how many of the best conversations to train on."""

    search: Literal["grid", "blendsearch"] = Field("grid", description="powers, or FLAML's search (extra `mining`)")
    least: Count = Field(512, description="conversations")
    most: Count = Field(10_000, description="conversations")
    trials: int = Field(8, ge=1, description="runs")
    controls: int = Field(2, ge=0, description="runs on as many conversations by chance, as a control")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if self.least > self.most:
            raise ValueError(f"least is {self.least}, more than most, {self.most}")
        return self


class MiningSettings(_Strict):
    """A refit of the rule, from a pool of conversations to coefficients."""

    name: str = Field(pattern=r"^[\w.-]+$")
    seed: int = Field(0, ge=0)
    pool: Paths = Field(description="output folders of runs, files or globs of conversations; NAME=GLOB names a source")
    heldout: Paths = Field(
        description="conversations whose loss is explained; those that the pool has too are left out there"
    )
    model: ModelSettings
    adapter: AdapterSettings | None = Field(None, description="train adapters instead of the whole model")
    tokenizer: str | None = Field(None, description="tokenizer.json, a folder or a name; the model's own if it has one")
    template: str = Field("auto", description="how conversations become text: auto, tokenizer, chatml, plain")
    context: int = Field(512, ge=2, description="tokens of a row")
    rows: int = Field(16, ge=1, description="rows of a step")
    micro_rows: int = Field(8, ge=1, description="rows that are computed at once")
    epochs: float = Field(3.0, gt=0, description="how often a run sees its set: sets of longer texts take more steps")
    steps: int | None = Field(None, ge=1, description="so many steps in every run instead: length is then no advantage")
    optimizer: OptimizerSettings = Field(default_factory=lambda: OptimizerSettings(lr=2e-5))
    schedule: ScheduleSettings = Field(default_factory=lambda: ScheduleSettings(warmup=0.03))
    sets: SetSettings = Field(default_factory=SetSettings)
    indicators: dict[str, str] = Field(
        {}, description="more indicators: name -> `step.field` of the pool's signals, or a key of its records"
    )
    neighbour: int = Field(6, ge=1, description="i of knn")
    embed: dict[str, Any] = Field({}, description="settings of the step `embed`, whose vectors knn compares")
    most_p: float = Field(0.05, gt=0, le=1, description="terms with a greater p are dropped")
    size: SizeSettings | None = Field(None, description="with it, the best size is searched for")
    output: str = Field(description="the folder of runs, kept until all is done and after")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"

    @field_validator("indicators")
    @classmethod
    def _known(cls, value: dict[str, str]) -> dict[str, str]:
        known = (*MADE_HERE, *NAMED)
        if strange := sorted(set(value) - set(known)):
            raise ValueError(f"{', '.join(strange)} is no indicator; there are {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _enough(self) -> Self:
        least = len(set(MADE_HERE) | set(self.indicators)) + 3 + (len(set(self.sets.size)) > 1)
        if self.sets.count < least:
            raise ValueError(
                f"{self.sets.count} sets are too few to fit a rule of its indicators: {least} are the least"
            )
        if self.model.start is None and self.tokenizer is None:
            raise ValueError("a preset has no tokenizer of its own: name one with `tokenizer`")
        if self.rows % self.micro_rows and self.rows > self.micro_rows:
            raise ValueError(f"{self.rows} rows are not a multiple of micro_rows, {self.micro_rows}")
        return self

    def placed(self, folder: Path) -> Self:
        """With paths relative to `folder` made relative to the working directory."""

        def place(path: str) -> str:
            name, equals, pattern = path.partition("=")
            return f"{name}={folder / pattern}" if equals and "/" not in name else str(folder / path)

        def found(name: str | None) -> str | None:
            return str(folder / name) if name and (folder / name).exists() else name

        return self.model_copy(
            update={
                "pool": [place(path) for path in self.pool], "heldout": [place(path) for path in self.heldout],
                "output": str(folder / self.output), "tokenizer": found(self.tokenizer),
                "model": self.model.model_copy(update={"start": found(self.model.start)}),
            }
        )  # fmt: skip
