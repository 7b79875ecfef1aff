"""`curate transfer-bounds`: bounds for a language without any, carried over from another by quantiles.

Where a bound drops a share of clean text in the reference language, the new bound drops the same share of clean text in
the new one (quantile transfer, one of the rules that FineWeb-2, arXiv 2506.20920, compares). Where it drops fewer than
five documents there, no quantile is known: the looser of the reference's bound and the corpus's extreme value is taken. Counts (words of a
document, stop words) are not carried over. Stop words are the corpus's most frequent words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import corpus_files, texts
from curate.documents import document_batch
from curate.errors import ConfigError, Problem
from curate.inputs import InputFile
from curate.steps import step_class
from curate.steps.bounds import Bound
from curate.steps.by_language import canonical

STEPS = ("repetition", "quality")
# fewer documents say little of a quantile near the end; of fewer dropped there is none
_FEW, _FEWEST = 100, 5
# a stop word makes so much of all words; how many there are at least and at most
_STOP_SHARE, _LEAST_STOPS, _MOST_STOPS = 0.008, 8, 40
# texts whose words are counted
_COUNTED_BYTES = 20_000_000

Values = Mapping[str, npt.NDArray[np.float64]]


class Carried(NamedTuple):
    """One side of a bound: in the reference language, what it drops there and in the corpus, and carried over."""

    signal: str
    side: str  # min or max
    bound: float
    dropped: float  # share of the reference
    before: float  # share of the corpus that the reference's bound would drop
    new: float
    after: float  # share of the corpus that the new bound drops


def transfer_bounds(
    corpus: Sequence[str], reference: Sequence[str], *, language: str, origin: str, preset: str, text: str
) -> Iterator[str]:
    """The lines of the steps in YAML. Raises ConfigError with all that is wrong, before any work."""
    ours, theirs = _files(corpus, reference, language, preset, text)
    stops = frequent_words(texts(ours))
    for name in STEPS:
        cls = step_class(name)
        chosen = preset if preset in cls.PRESETS else "gopher"
        step = cls.model_validate({"preset": chosen, "language": origin})
        there, here = _values(step, theirs), _values(step, ours)
        count, size = len(next(iter(there.values()))), len(next(iter(here.values())))
        if not (count and size):
            raise ConfigError([Problem(name, "no text in the corpus or in the reference", "name other files")])
        carried = list(carry(step.bounds(), there, here))
        if name == STEPS[0]:
            yield f"# bounds for {language} by quantile transfer from {origin}: {count:,} documents there, {size:,} here"
            if min(count, size) < _FEW:
                yield f"# fewer than {_FEW} documents on one side: take the ends of these bounds as rough"
        yield f"- {name}:"
        yield f"    preset: {chosen}"
        for signal in dict.fromkeys(each.signal for each in carried):
            sides = [each for each in carried if each.signal == signal]
            new = ", ".join(f"{each.side}: {each.new:g}" for each in sides)
            drops = "; ".join(
                f"{each.side} {each.bound:g} drops {each.dropped:.1%} there, {each.before:.1%} here: now {each.after:.1%}"
                for each in sides
            )
            yield f"    {signal}: {{by: {{{language}: {{{new}}}}}}}  # {drops}"
        if name == "quality":
            listed = ", ".join(f'"{word}"' for word in stops)
            yield f"    stop_words: {{{language}: [{listed}]}}"
            yield f"    stop_word_count: {{by: {{{language}: {{min: 2}}}}}}"


def _files(
    corpus: Sequence[str], reference: Sequence[str], language: str, preset: str, text: str
) -> tuple[list[InputFile], list[InputFile]]:
    problems: list[Problem] = []
    if canonical(language) != language or not language.isalpha():
        problems.append(Problem("--language", f"`{language}` is no code as `language` gives them", "write hi or pt"))
    if preset not in step_class("quality").PRESETS:
        known = ", ".join(step_class("quality").PRESETS)
        problems.append(Problem("--preset", f"unknown preset `{preset}`", f"there are {known}"))
    found = []
    for paths in (corpus, reference):
        try:
            found.append(corpus_files(paths, text=text))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return found[0], found[1]


def _values(step: Any, files: Sequence[InputFile]) -> Values:
    """Signal -> its values, of all texts."""
    parts: dict[str, list[npt.NDArray[np.float64]]] = {signal: [np.zeros(0)] for signal in step.SIGNALS}
    for column in texts(files):
        batch = document_batch([{"row": row} for row in range(len(column))])
        batch = batch.set_column(batch.schema.get_field_index("text"), "text", column)
        made = step.process(batch)[step.name]
        for signal in parts:
            parts[signal].append(made.field(signal).to_numpy(zero_copy_only=False).astype(np.float64))
    return {signal: np.concatenate(values) for signal, values in parts.items()}


def carry(bounds: Mapping[str, Bound], there: Values, here: Values) -> Iterator[Carried]:
    """The bounds on signals that are no counts, carried from values of the reference to values of the corpus."""
    counts = {
        "word_count",
        "char_count",
        "sentence_count",
        "stop_word_count",
        "stop_word_total",
        "lorem_ipsum",
        "curly_bracket",
    }
    for signal, bound in bounds.items():
        if signal in counts:
            continue
        for side, sign in (("min", -1.0), ("max", 1.0)):
            value = getattr(bound, side)
            if value is None:
                continue
            # of the smallest the largest is taken, with signs turned
            theirs, ours = sign * there[signal], sign * here[signal]
            dropped = float(np.mean(theirs > sign * value))
            known = dropped * len(theirs) >= _FEWEST
            new = sign * _carried(ours, dropped if known else 0.0, sign * value) + 0.0
            yield Carried(
                signal,
                side,
                value,
                dropped,
                float(np.mean(ours > sign * value)),
                new,
                float(np.mean(ours > sign * new)),
            )


def _carried(values: npt.NDArray[np.float64], dropped: float, bound: float) -> float:
    """The least bound, to three digits, above which no more than this share of the values is."""
    ordered = np.sort(values)
    above = floor(dropped * len(ordered))
    found = float(ordered[len(ordered) - 1 - min(above, len(ordered) - 1)])
    # nothing dropped says no more than that the bound lies beyond
    return ceil(max(found, bound) * 1000 - 1e-9) / 1000 if dropped == 0 else ceil(found * 1000 - 1e-9) / 1000


def frequent_words(columns: Iterator[pa.Array]) -> list[str]:
    """The words in lower case that are at least 0.8 % of all words of letters: 8 to 40, the most frequent first."""
    from curate.kernels.words import words_of
    from curate.text import buffers

    counted: Counter[str] = Counter()
    size = 0
    for column in columns:
        lowered = pc.utf8_lower(column)
        data, _ = buffers(lowered)
        found = words_of(lowered)
        raw = data.tobytes()
        counted.update(raw[i:j].decode() for i, j in zip(found.start.tolist(), found.stop.tolist(), strict=True))
        size += len(raw)
        if size > _COUNTED_BYTES:
            break
    words = {word: n for word, n in counted.items() if any(char.isalpha() for char in word) and '"' not in word}
    total = sum(words.values())
    ordered = sorted(words, key=lambda word: (-words[word], word))
    frequent = [word for word in ordered if words[word] >= _STOP_SHARE * total]
    return ordered[: max(_LEAST_STOPS, min(len(frequent), _MOST_STOPS))]
