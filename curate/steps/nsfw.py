"""`nsfw`: words of sexual, pornographic, abusive and profane texts, counted by category; a classifier beside them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curate.classifiers.scorers import ModelSettings, asset_of, labels_of, scorer, uses_fasttext
from curate.documents import set_column
from curate.errors import MissingAsset, StepError
from curate.files import file_sha256
from curate.steps.step import Bound, Signal, Step
from curate.text import buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.automaton import Automaton, Matches

_COUNT, _SHARE = pa.int32(), pa.float64()
_LISTS = Path(str(files("curate") / "assets" / "nsfw"))
#: bounds by preset: category or other signal -> bound
PRESETS: Mapping[str, Mapping[str, Bound]] = {
    "none": {},
    "mild": {"word_share": Bound(max=0.02)},
    "strict": {"count": Bound(max=0)},
    "inverse": {"count": Bound(min=1)},
}


class Nsfw(ModelSettings, Step):
    """Count words that are not safe for work by category: abuse, pornography, profanity, sexual, slurs.

    The lists are LDNOOBW's English one, parted by subject; a folder of your own files CATEGORY.txt, a phrase a line, in any
    language takes their place. Words match as in `flagged_words`. Lists know no context: medicine, law and education are
    found as well, which the categories help to tell apart. No classifier comes with the package, for there is no free
    corpus to train one on: `model` takes any that `classifier` takes, and its probability of `label` is the signal `score`.
    """

    kind: ClassVar[str] = "nsfw"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "LDNOOBW as in C4 (Raffel et al. 2020), parted by us"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Bound]]] = PRESETS
    RULE_FIELDS: ClassVar[frozenset[str]] = frozenset({"preset", "rules", "keep"})
    PATH_FIELDS: ClassVar[frozenset[str]] = frozenset({"lists", "model"})

    preset: Literal["none", "mild", "strict", "inverse"] = Field(
        "none", description="none; mild: at most 2 % of the words listed; strict: none at all; inverse: only with some"
    )
    lists: str | None = Field(
        None, description="a folder of files CATEGORY.txt; absent: the five that come with the package"
    )
    mask: str | None = Field(None, description="replace what is found by this text; {category} is its category")
    model: str | None = Field(None, description="a classifier as in the step `classifier`, for the signal `score`")
    label: str = Field("nsfw", description="the label of `model` that means not safe for work")
    keep: dict[str, Bound] = Field({}, description="bounds on signals: {pornography: {max: 2}, score: {max: 0.5}}")

    @property
    def expensive(self) -> bool:  # type: ignore[override]
        """A model of transformers should see survivors only."""
        return self.model is not None and not uses_fasttext(self, self.model)

    def signals(self) -> Mapping[str, Signal]:
        """Counts, one a category, and the score of a model if there is one. Raises MissingAsset."""
        table = {
            "count": Signal(_COUNT, "listed words and phrases found, all categories together"),
            "word_share": Signal(_SHARE, "words in them / words"),
        }
        table |= {name: Signal(_COUNT, f"those of {name}") for name in category_files(self.name, self.lists)}
        table["spans"] = Signal(pa.string(), "what stood where in the text before: category start-stop, in bytes")
        return table | ({"score": Signal(pa.float32(), f"what the model says of `{self.label}`")} if self.model else {})

    def bounds(self) -> dict[str, Bound]:
        """Those of the preset, then those of `keep`."""
        table = dict(PRESETS[self.preset])
        for name, bound in self.keep.items():
            table[name] = table.get(name, Bound()).model_copy(update=bound.model_dump(exclude_unset=True))
        return table

    def assets(self) -> dict[str, str]:
        """What names the content of lists and model. Raises MissingAsset."""
        found = {path.name: file_sha256(path) for path in category_files(self.name, self.lists).values()}
        if unknown := [name for name in self.bounds() if name not in self.signals()]:
            hint = f"its signals are {', '.join(self.signals())}"
            raise MissingAsset(self.name, f"there is no signal {', '.join(unknown)} to bound", hint)
        if self.model and self.label not in (labels := labels_of(self.name, self, self.model)):
            raise MissingAsset(
                self.name, f"{self.model} has no label {self.label}", f"its labels are {', '.join(labels)}"
            )
        return found | (asset_of(self.name, self, self.model) if self.model else {})

    def process(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Adds the signals; masks what is found in `text`, if asked for. A null text is an empty one."""
        from curate.kernels.automaton import find

        text = batch.column("text")
        data, offsets = buffers(text)
        names, phrases, category = _compiled(self.name, self.lists)
        found = find(data, offsets, phrases)
        owner, kind = np.repeat(np.arange(len(text)), np.diff(found.first)), category[found.phrase]
        counts = np.bincount(owner * len(names) + kind, minlength=len(text) * len(names)).reshape(len(text), len(names))
        words = np.bincount(owner, weights=phrases.words[found.phrase], minlength=len(text))
        columns: dict[str, Any] = {name: counts[:, place] for place, name in enumerate(names)}
        if self.model:
            model = scorer(self.name, self, self.model)
            scores = model.scores(text)
            columns["score"] = scores[:, model.labels.index(self.label)]
        if self.mask is not None and len(kind):
            batch = set_column(
                batch, "text", _masked(text, found, kind, [self.mask.replace("{category}", n) for n in names])
            )
        return self.with_signals(
            batch,
            count=counts.sum(axis=1),
            word_share=words / np.maximum(found.words, 1),
            spans=_spans(found, offsets, [names[place] for place in kind]),
            **columns,
        )


def _masked(text: pa.Array, found: Matches, kind: npt.NDArray[np.int64], texts: list[str]) -> pa.Array:
    from curate.kernels.masking import replace_each

    edited = from_buffers(*replace_each(*buffers(text), found.start, found.stop, found.first, texts, kind))
    return pc.if_else(text.is_null(), None, edited) if text.null_count else edited


def _spans(found: Matches, offsets: npt.NDArray[np.int32], names: list[str]) -> list[str]:
    lines = [""] * (len(offsets) - 1)
    for text in np.flatnonzero(np.diff(found.first)):
        begin, places = offsets[text], range(found.first[text], found.first[text + 1])
        lines[text] = ", ".join(f"{names[k]} {found.start[k] - begin}-{found.stop[k] - begin}" for k in places)
    return lines


def category_files(where: str, lists: str | None) -> dict[str, Path]:
    """Category -> the file of its phrases. Raises MissingAsset."""
    folder = Path(lists) if lists else _LISTS
    found = {path.stem: path for path in sorted(folder.glob("*.txt"))}
    taken = [name for name in found if name in ("count", "word_share", "spans", "score") or not name.isidentifier()]
    if not found or taken:
        what = f"`{folder}` has no files CATEGORY.txt" if not found else f"{taken[0]}.txt: no name for a category"
        raise MissingAsset(where, what, "name a folder with files such as pornography.txt, a phrase a line")
    return found


@functools.lru_cache(16)
def _compiled(where: str, lists: str | None) -> tuple[list[str], Automaton, npt.NDArray[np.int64]]:
    """(the categories, the phrases of all, the category of each phrase; of one in two files the first)."""
    from curate.kernels.automaton import automaton, folded

    known = category_files(where, lists)
    phrases: dict[str, tuple[str, int]] = {}
    for place, path in enumerate(known.values()):
        for line in path.read_text("utf-8").splitlines():
            if line.strip():
                phrases.setdefault(folded(line.strip()), (line.strip(), place))
    try:
        made = automaton([phrase for phrase, _ in phrases.values()])
    except ValueError as error:
        raise StepError(where, str(error), "use shorter lists") from error
    return list(known), made, np.array([place for _, place in phrases.values()], np.int64)
