"""Interpolated modified Kneser-Ney as Chen and Goodman (1998) write it: dictionaries and loops, for small corpora."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from functools import cache

Gram = tuple[str, ...]


class Textbook:
    """p(word | context) of lines of words; `prune[n - 1]`: n-grams of order n with at most that count are left out."""

    def __init__(self, lines: list[list[str]], order: int, prune: list[int] | None = None) -> None:
        self.order, self.prune = order, prune or [0] * order
        raw: list[Counter[Gram]] = [Counter() for _ in range(order)]
        for line in lines:
            words = ["<s>", *line, "</s>"]
            for n in range(1, order + 1):
                raw[n - 1].update(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        self.raw = raw
        self.words = sorted({gram[0] for gram in raw[0]} | {"<unk>"})
        self.counts = [self._adjusted(n) for n in range(order)]
        self.discounts = [self._discounts(counts) for counts in self.counts]
        self.following: list[dict[Gram, list[str]]] = [defaultdict(list) for _ in range(order)]
        for n, counts in enumerate(self.counts):
            for gram in counts:
                self.following[n][gram[:-1]].append(gram[-1])

    def _adjusted(self, n: int) -> Counter[Gram]:
        if n == self.order - 1:
            return Counter({g: c for g, c in self.raw[n].items() if g != ("<s>",)})
        left = Counter(gram[1:] for gram in self.raw[n + 1])
        begins = {g: c for g, c in self.raw[n].items() if g[0] == "<s>" and n > 0}
        return Counter({**left, **begins})

    def _discounts(self, counts: Counter[Gram]) -> tuple[float, float, float]:
        n = Counter(counts.values())
        if not (n[1] and n[2] and n[3]):
            return 0.5, 1.0, 1.5
        y = n[1] / (n[1] + 2 * n[2])
        found = (1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3])
        return found if all(0 <= d <= k for k, d in enumerate(found, 1)) else (0.5, 1.0, 1.5)

    def _discount(self, gram: Gram) -> tuple[float, float]:
        """(what stays of the adjusted count, what goes to the lower order)."""
        n = len(gram) - 1
        count = self.counts[n][gram]
        if count == 0 or (n > 0 and self.raw[n][gram] <= self.prune[n]):
            return 0.0, count
        taken = min(self.discounts[n][min(count, 3) - 1], count)
        return count - taken, taken

    @cache  # noqa: B019 - a small object that lives for one test
    def p(self, word: str, context: Gram) -> float:
        n = len(context)
        total = sum(self.counts[n][(*context, w)] for w in self.following[n].get(context, []))
        if n == 0:
            taken = sum(self._discount((w,))[1] for w in self.words)
            share = self._discount((word,))[0] / total + taken / total / (len(self.words) - 1)
            return share
        if total == 0:
            return self.p(word, context[1:])
        taken = sum(self._discount((*context, w))[1] for w in self.following[n][context])
        return self._discount((*context, word))[0] / total + taken / total * self.p(word, context[1:])

    def log10(self, line: list[str]) -> float:
        """Of a line from its begin to its end."""
        words = ["<s>", *(word if (word,) in self.raw[0] else "<unk>" for word in line), "</s>"]
        return sum(
            math.log10(self.p(words[i], tuple(words[max(0, i - self.order + 1) : i]))) for i in range(1, len(words))
        )
