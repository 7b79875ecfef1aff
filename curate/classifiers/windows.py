"""Texts as windows of tokens, and windows in batches of fixed shapes: what classifiers and encoders of transformers share.

The same text must give the same in any company, and floating-point sums inside a model may change with the shape of the
batch. So every batch has one of a few shapes: windows are padded to one of a few lengths, and a batch has as many rows as go
into so many tokens at that length, copies of its first where texts are missing. On the CPU one thread computes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# Text beyond this many characters for each token of the windows is not tokenised.
CHARACTERS_PER_TOKEN = 24


class Windows:
    """How a model sees texts: `window` tokens at once, special ones included, the first `windows` of a text."""

    def __init__(self, tokenizer: Any, config: Any, *, window: int, windows: int) -> None:
        self.tokenizer = tokenizer
        self.size, self._windows = min(window, _positions(tokenizer, config)), windows
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token

    def cut(self, texts: Sequence[str | None]) -> tuple[npt.NDArray[np.int64], list[list[int]]]:
        """(which text each window is of, its token ids with special tokens); a text of blanks has none."""
        most = self.size * self._windows * CHARACTERS_PER_TOKEN
        places = [place for place, text in enumerate(texts) if text is not None and text.strip()]
        if not places:
            return np.zeros(0, np.int64), []
        # together: tokenizers use all cores for many texts, and one by one they would take four fifths of the time beside a GPU
        made = self.tokenizer(
            [texts[place][:most] for place in places],  # type: ignore[index]
            truncation=True, max_length=self.size, return_overflowing_tokens=self._windows > 1,
        )  # fmt: skip
        owners: list[int] = []
        windows: list[list[int]] = []
        taken = [0] * len(places)
        for ids, text in zip(
            made["input_ids"], made.get("overflow_to_sample_mapping", range(len(places))), strict=True
        ):
            if taken[text] < self._windows:
                taken[text] += 1
                windows.append(ids)
                owners.append(places[text])
        return np.array(owners, np.int64), windows

    def batches(
        self, windows: Sequence[Sequence[int]], lengths: Sequence[int], tokens: int
    ) -> Iterator[tuple[list[int], Any, Any]]:
        """(places of windows, ids (rows, length), mask (rows, length)) in order of length, each padded to one of `lengths`,
        ascending, or to its own where all are shorter; of about `tokens` tokens. Rows beyond the places are copies."""
        import torch

        by_length: dict[int, list[int]] = {}
        for place, ids in enumerate(windows):
            padded = next((length for length in lengths if length >= len(ids)), len(ids))
            by_length.setdefault(padded, []).append(place)
        for length, places in sorted(by_length.items()):
            rows = max(tokens // length, 1)
            for start in range(0, len(places), rows):
                chosen = places[start : start + rows]
                made = torch.full((rows, length), self.tokenizer.pad_token_id)
                mask = torch.zeros((rows, length), dtype=torch.long)
                for row in range(rows):
                    # a row without a token would be NaN in some models
                    window = windows[chosen[row] if row < len(chosen) else chosen[0]]
                    made[row, : len(window)] = torch.tensor(window)
                    mask[row, : len(window)] = 1
                yield chosen, made, mask


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """torch computes on one thread inside."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _positions(tokenizer: Any, config: Any) -> int:
    """The most tokens that the model has positions for."""
    positions = int(getattr(config, "max_position_embeddings", None) or 1 << 30)
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        # positions begin behind the padding's
        positions -= int(config.pad_token_id) + 1
    return min(int(tokenizer.model_max_length), positions)
