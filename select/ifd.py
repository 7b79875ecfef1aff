"""`ifd`: how much an instruction helps a language model to its answer (Cherry LLM, Superfiltering)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import AfterValidator, Field

from curate.conversation import Message, exchanges
from curate.documents import set_column
from curate.steps.step import Bound, Filter, Signal, bounded

Values = npt.NDArray[np.float64]

# The prompt of Alpaca, without its field for an input: the question has it.
ALPACA = (
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{question}\n\n### Response:"
)
SLOT = "{question}"


def one_slot(value: str) -> str:
    """A prompt with one place for the question. Raises ValueError."""
    if value.count(SLOT) != 1:
        raise ValueError(f"a prompt has {SLOT} once, got {value!r}")
    return value


Prompt = Annotated[str, AfterValidator(one_slot)]


@bounded
class Ifd(Filter):
    """Instruction-following difficulty: the loss of the answer behind its instruction over its loss by itself.

    Near 0: the instruction all but says the answer; high: it helps little, which makes the pair hard; above 1: it
    misleads, so the pair is likely misaligned and is dropped (`preset: none` keeps it). Then choose the hardest:
    `choose: {by: ifd.loss_ratio, budget: {share: 5%}}`. Cherry LLM divides mean losses (`loss_ratio`), the code of
    Superfiltering perplexities (`ppl_ratio`): the two are above 1 together, but may order pairs differently. With a small
    model, as the default, this is Superfiltering. Cherry LLM's own first fine-tuning on a few pairs is not done: bring
    a `model` that had it.

    The means are over the same tokens of the answer, cut from the prompt's, and of all turns of the assistant together;
    each is asked with all that came before it. An answer that does not fit behind its prompt in the window is read as far
    as it does (`whole` is false); one of which nothing fits has no ratio, and the rule over null drops
    it. Ratios of a few tokens say little: add `rules: ["ifd.tokens >= 8"]`. A document that is no conversation is
    quarantined: read the input with `chat: auto`.
    """

    kind: ClassVar[str] = "ifd"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Li et al. 2024 (arXiv 2308.12032), Cherry LLM; Li et al. 2024 (arXiv 2402.00530)"
    expensive: ClassVar[bool] = True
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "loss_ratio": Signal(pa.float32(), "loss_given over loss_alone; null where no token of an answer was scored"),
        "ppl_ratio": Signal(pa.float32(), "the perplexities' ratio: exp(loss_given - loss_alone)"),
        "loss_given": Signal(pa.float32(), "nats for each token of the answer behind the prompt"),
        "loss_alone": Signal(pa.float32(), "nats for each token of the answer by itself: log of its perplexity"),
        "tokens": Signal(pa.int32(), "tokens of answers that were scored"),
        "prompt_tokens": Signal(pa.int32(), "tokens of the prompts"),
        "whole": Signal(pa.bool_(), "whether all answers were read to their ends"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {
        "aligned": {"loss_ratio": Bound(max=1)}, "none": {}
    }  # fmt: skip
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})

    preset: str = Field("aligned", description="`aligned`: drop ratios above 1; `none`: score only")
    model: str | None = Field(None, description="a folder or name of any causal model; SmolLM2-135M if absent")
    prompt: Prompt = Field(ALPACA, description="what stands before the answer, {question} in the place of the question")
    window: int = Field(512, ge=16, description="the most tokens of prompt and answer together")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="bfloat16 on a GPU, float32 elsewhere")

    def assets(self) -> dict[str, str]:
        """The hash of the model."""
        from curate.steps.causal_model import content_hash, find_model

        return {"model": content_hash(find_model(self.name, self.model))}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; quarantines what is no conversation."""
        from curate.steps.causal_model import loaded
        from curate.steps.perplexity import rounded

        talks, errors = batch["messages"].to_pylist(), batch["error"].to_pylist()
        pairs: list[tuple[str, str]] = []
        owners: list[int] = []
        for row, (talk, error) in enumerate(zip(talks, errors, strict=True)):
            if error is None and talk is None:
                errors[row] = f"{self.name}: is no conversation: read its input with `chat: auto`"
            elif error is None:
                found = exchanges([Message(**message) for message in talk])
                pairs += [(self.prompt.replace(SLOT, asked), answer) for asked, answer in found]
                owners += [row] * len(found)
        scorer = loaded(self.name, self.model, self.device, self.dtype, self.window, 1)
        nats, tokens, whole = scorer.score_answers(pairs)
        totals, counts, read = np.zeros((len(talks), 2)), np.zeros((len(talks), 2), np.int64), np.ones(len(talks), bool)
        np.add.at(totals, owners, nats)
        np.add.at(counts, owners, tokens)
        np.logical_and.at(read, owners, whole)
        scored = counts[:, 0]
        loss_given, loss_alone = totals.T / np.maximum(scored, 1)
        columns: dict[str, Any] = {"loss_given": loss_given, "loss_alone": loss_alone}
        columns["loss_ratio"], columns["ppl_ratio"] = ratios(loss_given, loss_alone)
        made = {name: pa.array(rounded(values), pa.float32(), mask=scored == 0) for name, values in columns.items()}
        made |= {"tokens": pa.array(scored), "prompt_tokens": pa.array(counts[:, 1]), "whole": pa.array(read)}
        return self.with_signals(set_column(batch, "error", pa.array(errors, pa.string())), **made)


def ratios(given: Values, alone: Values) -> tuple[Values, Values]:
    """(n,) mean losses of answers behind their instructions and by themselves, in nats -> (loss_ratio, ppl_ratio).

    At most what float32 holds; a loss of 0 by itself gives that, or 1 where both are 0.
    """
    most = float(np.finfo(np.float32).max)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        losses = np.where((alone == 0) & (given == 0), 1.0, given / alone)
        return np.minimum(losses, most), np.minimum(np.exp(given - alone), most)
