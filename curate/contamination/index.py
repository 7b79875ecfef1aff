"""From test sets to the n-grams that a search looks for.

A passage of at least `ngram` words is covered by n-grams; one of fewer must stand in a text as a whole. One of fewer than
`min_words` different words, numbers not counted, is not looked for: other texts have it by chance. Nor are n-grams that many
examples of a benchmark share: they are its template ("Which of the following ..."), and passages consist of the other words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.contamination.sets import BenchmarkSets
from curate.kernels.contamination import Grams, gram_keys, open_table
from curate.kernels.folded_words import FoldedWords, folded_words
from curate.kernels.groups import Hashes
from curate.text import buffers

Integers = npt.NDArray[np.int64]

# An n-gram in more examples of a benchmark than both of these is template.
TEMPLATE_EXAMPLES, TEMPLATE_SHARE = 20, 0.01


@dataclass(frozen=True)
class Index:
    """Test sets and their n-grams, ready for searches."""

    sets: BenchmarkSets
    grams: Grams
    first: Integers  # passage p has the words `first[p]` to `first[p + 1]`
    benchmark: Integers  # of each example
    example: Integers  # of each passage

    @property
    def searched(self) -> npt.NDArray[np.bool_]:
        """Of each passage whether it is looked for."""
        return self.grams.passage > 0


def build_index(sets: BenchmarkSets, *, ngram: int, min_words: int) -> Index:
    """The n-grams of all passages; `min_words` is at most `ngram`."""
    texts = pa.array([passage.text for passage in sets.passages], pa.string())
    data, offsets = buffers(texts)
    words = folded_words(data, offsets)
    sizes = np.diff(words.first)
    example = np.array([passage.example for passage in sets.passages], np.int64)
    benchmark = np.array(sets.of, np.int64)
    owner = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    telling = _telling(data, words, owner, len(sizes)) >= min_words
    head_words = min(min_words, ngram)
    at, keys = _long_grams(words.hashes, words.first, owner, ngram)
    at, keys = at[telling[owner[at]]], keys[telling[owner[at]]]
    kept = _not_template(keys, example[owner[at]], benchmark)
    long_keys, long_first, long_at = _grouped(keys[kept], at[kept])
    short = np.flatnonzero(telling & (sizes < ngram))
    whole = _keys_at(words.hashes, words.first[short], sizes[short])
    kept = _not_template(whole, example[short], benchmark)
    shorts = _short_grams(words.hashes, words.first[short[kept]], sizes[short[kept]], whole[kept], head_words)
    head_keys, head_first, short_keys, short_sizes, short_first, short_at = shorts
    size = np.concatenate([np.full(len(long_keys), ngram), short_sizes]).astype(np.int32)
    first = np.concatenate([long_first, len(long_at) + short_first[1:]])
    place = np.concatenate([long_at, short_at])
    grams = Grams(
        ngram, head_words, len(long_keys), *open_table(long_keys), *open_table(head_keys), head_first,
        np.concatenate([long_keys, short_keys]), size, first, place, owner,
        _coverable(np.repeat(size, np.diff(first)), place, owner, len(sizes)),
    )  # fmt: skip
    return Index(sets, grams, words.first, benchmark, example)


def _telling(data: Any, words: FoldedWords, owner: Any, passages: int) -> Integers:
    """Of each passage how many different words it has that are more than digits."""
    letter = ((data | 32) >= ord("a")) & ((data | 32) <= ord("z")) | (data >= 0x80)
    letters = np.concatenate([[0], np.cumsum(letter)])
    wordy = letters[words.stop] > letters[words.start]
    order = np.lexsort((words.hashes[wordy], owner[wordy]))
    hashes, owners = words.hashes[wordy][order], owner[wordy][order]
    new = np.ones(len(hashes), np.bool_)
    new[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    return np.bincount(owners[new], minlength=passages)


def _keys_at(hashes: Hashes, at: Integers, sizes: Any) -> Hashes:
    """The keys of grams of several sizes, each at its place."""
    pairs = zip(at, np.broadcast_to(sizes, at.shape), strict=True)
    return np.array([gram_keys(hashes[a : a + size], size)[0] for a, size in pairs], np.uint64)


def _long_grams(hashes: Hashes, first: Integers, owner: Any, ngram: int) -> tuple[Integers, Hashes]:
    """(where each n-gram of each passage begins, its key)."""
    keys = gram_keys(hashes, ngram)
    at = np.arange(len(keys))
    inside = at + ngram <= first[1:][owner[: len(keys)]]
    return at[inside], keys[inside]


def _not_template(keys: Hashes, example: Integers, benchmark: Integers) -> npt.NDArray[np.bool_]:
    """Of each n-gram of an example whether few examples of its benchmark have it."""
    if not len(keys):
        return np.zeros(0, np.bool_)
    # rows (benchmark, key, example), sorted; of each benchmark's key, how many different examples
    of = benchmark[example]
    order = np.lexsort((example, keys, of))
    keys, example, of = keys[order], example[order], of[order]
    new_key = np.ones(len(keys), np.bool_)
    new_key[1:] = (keys[1:] != keys[:-1]) | (of[1:] != of[:-1])
    new_example = new_key.copy()
    new_example[1:] |= example[1:] != example[:-1]
    group = np.cumsum(new_key) - 1
    examples = np.bincount(group[new_example])
    most = np.maximum(TEMPLATE_EXAMPLES, TEMPLATE_SHARE * np.bincount(benchmark))
    few = np.empty(len(keys), np.bool_)
    few[order] = examples[group] <= most[of]
    return few


def _grouped(keys: Hashes, at: Integers) -> tuple[Hashes, Integers, Integers]:
    """(different keys, where the places of each begin, the places by key)."""
    order = np.argsort(keys, kind="stable")
    different, begin = np.unique(keys[order], return_index=True)
    return different, np.append(begin, len(keys)), at[order]


def _short_grams(hashes: Hashes, at: Integers, sizes: Integers, whole: Hashes, head_words: int) -> tuple[Any, ...]:
    """(head keys, the first short gram of each; keys, sizes, first places, places of short grams), by head.

    Two passages with the same words are one gram. The keys of passages of different sizes may be equal by accident only.
    """
    heads = _keys_at(hashes, at, head_words)
    order = np.lexsort((whole, heads))
    heads, whole, at, sizes = heads[order], whole[order], at[order], sizes[order]
    new = np.ones(len(at), np.bool_)
    new[1:] = (heads[1:] != heads[:-1]) | (whole[1:] != whole[:-1])
    begin = np.flatnonzero(new)
    head_keys, head_begin = np.unique(heads[begin], return_index=True)
    head_first = np.append(head_begin, len(begin)).astype(np.int64)
    return head_keys, head_first, whole[begin], sizes[begin], np.append(begin, len(at)), at


def _coverable(size: Any, place: Integers, owner: Any, passages: int) -> npt.NDArray[np.int32]:
    """Of each passage how many of its words n-grams can cover."""
    # +1 where an n-gram begins, -1 behind its end
    depth = np.zeros(len(owner) + 1, np.int64)
    np.add.at(depth, place, 1)
    np.add.at(depth, place + size, -1)
    return np.bincount(owner, weights=np.cumsum(depth)[:-1] > 0, minlength=passages).astype(np.int32)
