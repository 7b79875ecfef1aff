"""`judge`: the mark that a language model gives a conversation (AlpaGasus, the scorers of DEITA)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

from curate.conversation import Message, exchanges
from curate.documents import set_column
from curate.steps.step import Bound, Filter, Signal, bounded

QUESTION, ANSWER = "{question}", "{answer}"
PROMPT = (
    "Rate how accurate the answer to the instruction is, on a scale from 0 (wrong or useless) to 5 (accurate and complete)."
    "\n\nInstruction:\n{question}\n\nAnswer:\n{answer}\n\nRating (0 to 5): "
)


@bounded
class Judge(Filter):
    """The mark of a causal language model that you name: the expectation over the digits that it may answer with.

    The model reads `prompt` and is asked for one token; `score` is the sum of d x probability of d among the digits of
    `scale` alone. It is a mark only if the model was trained to give one: a scorer as DEITA's (`scale: [1, 6]`, the
    prompt that it was trained with, without {answer} for complexity), or a capable instruct model, asked with `chat: true` as
    such models are: in a user's turn of its own chat template. `preset: alpagasus` keeps
    marks of at least 4.5 of 5. Of several turns of the assistant the mark is the mean, each asked with all that came before
    it. A turn whose prompt is longer than the window makes the score null, which a rule drops. A document that is no
    conversation is quarantined: read the input with `chat: auto`.
    """

    kind: ClassVar[str] = "judge"
    version: ClassVar[int] = 2
    source: ClassVar[str] = "Chen et al. 2024 (arXiv 2307.08701), AlpaGasus; Liu et al. 2024 (arXiv 2312.15685), DEITA"
    expensive: ClassVar[bool] = True
    SIGNALS: ClassVar[Mapping[str, Signal]] = {
        "score": Signal(pa.float32(), "expected mark, mean over turns; null where a prompt does not fit in the window"),
        "turns": Signal(pa.int32(), "answers that were marked"),
        "marks": Signal(pa.list_(pa.float32()), "the mark of each turn; null where `score` is"),
    }
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = {"none": {}, "alpagasus": {"score": Bound(min=4.5)}}
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"model"})

    preset: str = Field("none", description="`none`: score only; `alpagasus`: keep 4.5 and more")
    model: str = Field(description="a folder or name of any causal model; `smollm2` tries the step, it is no judge")
    prompt: str = Field(
        PROMPT, description="what the model reads: {question}, {answer} or both, then the digit is asked"
    )
    chat: bool = Field(
        False, description="the prompt is a user's turn in the chat template of the model; else read as it stands"
    )
    scale: tuple[int, int] = Field((0, 5), description="the least and the greatest mark, digits")
    window: int = Field(1024, ge=16, description="the most tokens of a prompt")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where the model runs")
    dtype: Literal["auto", "float32", "bfloat16"] = Field("auto", description="bfloat16 on a GPU, float32 elsewhere")

    @field_validator("prompt")
    @classmethod
    def _has_a_slot(cls, value: str) -> str:
        if QUESTION not in value and ANSWER not in value:
            raise ValueError(f"a prompt has {QUESTION}, {ANSWER} or both, got {value!r}")
        return value

    @field_validator("scale")
    @classmethod
    def _digits(cls, value: tuple[int, int]) -> tuple[int, int]:
        if not 0 <= value[0] < value[1] <= 9:
            raise ValueError(f"a scale is two rising digits, got {list(value)}")
        return value

    def assets(self) -> dict[str, str]:
        """The hash of the model. Raises MissingAsset where it is not there, or has no chat template and is to have one."""
        from curate.steps.causal_model import content_hash, find_model, need_chat_template

        path = find_model(self.name, self.model)
        if self.chat:
            need_chat_template(self.name, path)
        return {"model": content_hash(path)}

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; quarantines what is no conversation."""
        from curate.select.deita import digit_expectation
        from curate.steps.causal_model import loaded
        from curate.steps.perplexity import rounded

        errors = batch["error"].to_pylist()
        prompts: list[str] = []
        owners: list[int] = []
        for row, talk in enumerate(batch["messages"].to_pylist()):
            if errors[row] is None and talk is None:
                errors[row] = f"{self.name}: is no conversation: read its input with `chat: auto`"
            elif errors[row] is None:
                found = exchanges([Message(**message) for message in talk])
                prompts += [self._filled(asked, answer) for asked, answer in found]
                owners += [row] * len(found)
        scorer = loaded(self.name, self.model, self.device, self.dtype, self.window, 1)
        low, high = self.scale
        logits = scorer.next_logits(
            scorer.as_chat(self.name, prompts) if self.chat else prompts, [str(digit) for digit in range(low, high + 1)]
        )
        marks, turns = digit_expectation(logits, low), np.bincount(owners, minlength=len(errors)).astype(np.int64)
        totals = np.bincount(owners, weights=marks, minlength=len(errors))
        means = totals / np.maximum(turns, 1)
        nothing = np.isnan(means) | (turns == 0)
        score = pa.array(rounded(np.where(nothing, 0, means)), pa.float32(), mask=nothing)
        # those of one document stand together
        offsets = pa.array(np.concatenate([[0], np.cumsum(turns)]), pa.int32())
        listed = pa.ListArray.from_arrays(offsets, pa.array(rounded(marks), pa.float32()), mask=pa.array(nothing))
        batch = set_column(batch, "error", pa.array(errors, pa.string()))
        return self.with_signals(batch, score=score, turns=pa.array(turns), marks=listed)

    def _filled(self, question: str, answer: str) -> str:
        """The prompt; a slot that the question itself spells out is not filled."""
        before, slot, behind = self.prompt.partition(QUESTION)
        parts = [part.replace(ANSWER, answer) for part in (before, behind)]
        return f"{parts[0]}{question if slot else ''}{parts[1]}"
