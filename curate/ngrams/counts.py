"""The n-grams of a corpus: every distinct one with its count, its first n - 1 tokens and its last n - 1 tokens."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.kernels.ngrams import BEGIN, END, Ids, Numbers, Places

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grams:
    """The distinct n-grams of one order, in order of first sight; every array has one entry for each.

    `prefix` and `suffix` are numbers of n-grams of the order below (of order 1: unused), `token` is the last token.
    """

    prefix: Ids
    suffix: Ids
    token: Ids
    count: Counts
    begins: Flags  # whether the first token is the begin of a line

    def __len__(self) -> int:
        return len(self.token)

    def chosen(self, keep: Flags, prefixes: Ids, suffixes: Ids) -> Grams:
        """Those to keep, with their prefixes and suffixes under the new numbers of the order below."""
        return Grams(
            prefixes[self.prefix[keep]], suffixes[self.suffix[keep]], self.token[keep], self.count[keep],
            self.begins[keep],
        )  # fmt: skip


def stream(ids: Ids, first: Places) -> Ids:
    """Lines of token ids -> one array with the begin and the end of each line around it."""
    lines = len(first) - 1
    out = np.empty(len(ids) + 2 * lines, np.int32)
    shift = 2 * np.arange(lines)
    begins = first[:-1] + shift
    out[begins], out[first[1:] + shift + 1] = BEGIN, END
    inside = np.ones(len(out), np.bool_)
    inside[begins] = inside[first[1:] + shift + 1] = False
    out[inside] = ids
    return out


def count_grams(tokens: Ids, vocabulary: int, order: int) -> list[Grams]:
    """The n-grams of orders 1 to `order` in a stream of tokens; those of order 1 are numbered as the tokens are."""
    nothing = np.zeros(vocabulary, np.int32)
    unigrams = Grams(
        nothing, nothing, np.arange(vocabulary, dtype=np.int32), np.bincount(tokens, minlength=vocabulary),
        np.arange(vocabulary) == BEGIN,
    )  # fmt: skip
    levels = [unigrams]
    # where an n-gram starts, and its number
    places, grams = np.arange(len(tokens)), tokens
    for size in range(2, order + 1):
        places, grams = _longer(tokens, places, grams, size, levels)
    return levels


def _longer(tokens: Ids, places: Places, grams: Ids, size: int, levels: list[Grams]) -> tuple[Places, Ids]:
    """Add the n-grams of `size` tokens to `levels`: (where each starts, its number)."""
    # an n-gram goes on unless it ends its line; it then has a neighbour that starts one token later
    going = np.flatnonzero(tokens[places + size - 2] != END)
    places, before, after = places[going], grams[going], grams[going + 1] if len(going) else grams[:0]
    last = tokens[places + size - 1]
    numbers = Numbers()
    # all keys are above 0: the one of prefix 0 and token 0 as well
    made, fresh = numbers.number((before.astype(np.uint64) << np.uint64(32) | last.astype(np.uint64)) + np.uint64(1))
    below = levels[-1]
    prefix = before[fresh]
    count = np.bincount(made, minlength=numbers.count)
    levels.append(Grams(prefix, after[fresh], last[fresh], count, below.begins[prefix]))
    return places, made
