"""`dsir`: data selection with importance resampling over hashed n-grams."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from curate.dedup.step import Contributions
from curate.errors import MissingAsset
from curate.select.compare import Targeted
from curate.select.order import Scores
from curate.select.selector import How, Selector
from curate.text import buffers

# What the reference adds to every probability.
LEAST = 1e-8

Counts = npt.NDArray[np.int64]
Words = Literal["re", "regex"]


class Dsir(Targeted):
    """Documents by the ratio of how probable a target and the pool make their n-grams.

    The score is log p(target) - log p(pool) of the document's 1- and 2-grams, each in one of `buckets` buckets, as in
    the authors' code: same tokens, same hash, so the same buckets; the statistics of the pool are those of all its
    documents. Scores grow with the length of a text: documents shorter than `min_tokens` have none, and long ones are
    better cut before. By default documents are sampled (`how: gumbel` with temperature 1); `how: top_k` takes the
    best. A small target leaves many buckets at 1e-8, which rules out much that is good: `smoothing` helps.
    """

    kind: ClassVar[str] = "dsir"
    version: ClassVar[int] = 1
    source: ClassVar[str] = "Xie et al. 2023 (arXiv 2302.03169), code p-lambda/dsir"
    RULE_FIELDS: ClassVar[frozenset[str]] = Targeted.RULE_FIELDS | {"min_tokens", "smoothing"}

    how: How = Field("gumbel", description=Selector.model_fields["how"].description)
    ngrams: int = Field(2, ge=1, le=5, description="the longest n-grams that are counted")
    buckets: int = Field(10_000, ge=2, le=1 << 16, description="buckets that n-grams are hashed to")
    words: Words = Field(
        "re",
        description=r"what \w is: of Python's `re`, as for the authors; or of the package `regex`, as in NLTK from 3.10 on, "
        "which leaves the vowel signs of Indic words in their words",
    )
    min_tokens: int = Field(100, ge=0, description="tokens that a document must have")
    smoothing: float = Field(0, ge=0, description="added to the target's count of each bucket (Laplace)")

    def assets(self) -> dict[str, str]:
        """The target by its content. Raises ConfigError where there is none, MissingAsset without `regex`."""
        from importlib.util import find_spec

        if self.words == "regex" and find_spec("regex") is None:
            raise MissingAsset(self.name, "`words: regex` needs the package regex", "pip install regex")
        return super().assets()

    def collect(self, batch: pa.RecordBatch) -> Sequence[tuple[str, pa.Array]]:
        """`key` and `size` of any selector, and `features`: a list of uint16, the buckets of all n-grams."""
        return [*super().collect(batch), ("features", features(batch["text"], self.ngrams, self.buckets, self.words))]

    def fit(self, pool: Contributions) -> Scores:
        """(buckets,) what an n-gram of each bucket adds to the score."""
        target, raw = np.zeros(self.buckets, np.int64), np.zeros(self.buckets, np.int64)
        texts = self.target_texts()
        for start in range(0, len(texts), 1024):
            count_features(features(texts.slice(start, 1024), self.ngrams, self.buckets, self.words), target)
        if not target.any():
            raise self.problem("no text of the target has a token", f"`target_text` is `{self.target_text}`")
        for table in pool.tables():
            for chunk in table["features"].chunks:
                count_features(chunk, raw)
        return log_ratio(target, raw, self.smoothing)

    def why_none(self) -> str:
        """See Selector."""
        return f"texts of fewer than {self.min_tokens} tokens have none: lower `min_tokens`"

    def score(self, state: Scores, pool: Contributions) -> Iterator[Scores]:
        """The sums of the document's n-grams; NaN for a text that is too short."""
        for table in pool.tables():
            parts = [weigh(chunk, state, self.ngrams, self.min_tokens) for chunk in table["features"].chunks]
            yield np.concatenate([*parts, np.zeros(0)])


def log_ratio(target: Counts, raw: Counts, smoothing: float = 0) -> Scores:
    """(b,) counts of target and pool -> (b,) log p(target) - log p(pool)."""
    wanted = target + smoothing
    ratio: Scores = np.log(wanted / wanted.sum() + LEAST) - np.log(raw / max(1, raw.sum()) + LEAST)
    return ratio


def features(texts: pa.Array, ngrams: int = 2, buckets: int = 10_000, words: Words = "re") -> pa.ListArray:
    """(n,) texts -> (n,) lists of uint16: the bucket of each 1- to `ngrams`-gram, in order of where it starts."""
    from curate.kernels.ngram_buckets import cache, ngram_buckets
    from curate.kernels.unicode import tables

    data, offsets = buffers(texts)
    out = np.empty(ngrams * int(offsets[-1] - offsets[0]), np.uint16)
    first, special = np.empty(len(offsets), np.int32), np.empty(len(texts), np.bool_)
    held = cache(buckets)
    ngram_buckets(data, offsets, ngrams, buckets, kinds(words), tables().lower, held, out, first, special)
    if special.any():
        lowered = [
            text.lower() if odd else text for text, odd in zip(texts.fill_null("").to_pylist(), special, strict=True)
        ]
        # a small i with a dot is two characters of lower case; what is lower stays what it is
        data, offsets = buffers(pa.array(lowered, pa.string()))
        out = np.empty(ngrams * int(offsets[-1]), np.uint16)
        ngram_buckets(data, offsets, ngrams, buckets, kinds(words), tables().lower, held, out, first, special)
    return pa.ListArray.from_arrays(pa.array(first), pa.array(out[: first[-1]]))


def count_features(found: pa.ListArray, counts: Counts) -> None:
    """Add what `features` gave to `counts` (b,)."""
    from curate.kernels.ngram_buckets import add_counts

    add_counts(np.asarray(found.flatten()), counts)


def weigh(found: pa.ListArray, ratio: Scores, ngrams: int = 2, min_tokens: int = 0) -> Scores:
    """What `features` gave for n texts -> (n,) log importance weights; NaN for fewer than `min_tokens` tokens.

    Tokens are (features + n (n - 1) / 2) // n, as in the authors' code.
    """
    from curate.kernels.ngram_buckets import sums

    first = np.asarray(found.offsets)
    out = np.empty(len(found))
    sums(np.asarray(found.values), first, ratio, out)
    out[(np.diff(first) + ngrams * (ngrams - 1) // 2) // ngrams < min_tokens] = np.nan
    return out


@functools.cache
def kinds(words: Words) -> npt.NDArray[np.uint8]:
    r"""The table of the tokenizer: which characters are `\w`, and which `\s`."""
    from curate.kernels.ngram_buckets import kinds_of
    from curate.kernels.unicode import CODE_POINTS, SPACE, tables

    if words == "re":
        return kinds_of(tables().word > 0, (tables().classes & SPACE) > 0)
    import regex  # type: ignore[import-untyped]

    word, space = np.zeros(CODE_POINTS, np.bool_), np.zeros(CODE_POINTS, np.bool_)
    text = "".join(chr(code) for code in range(CODE_POINTS) if not 0xD800 <= code < 0xE000)
    for table, pattern in ((word, r"\w"), (space, r"\s")):
        table[[ord(char) for char in regex.findall(pattern, text)]] = True
    return kinds_of(word, space)
