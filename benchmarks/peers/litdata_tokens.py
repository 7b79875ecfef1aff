"""litdata: shuffled blocks of tokens in batches. `litdata_tokens.py TOKENS.npy BLOCK BATCH ROUNDS` -> JSON: tokens a second."""

from __future__ import annotations

import json
import sys
import tempfile
import time

import numpy as np
import torch
from litdata import StreamingDataLoader, StreamingDataset, TokensLoader, optimize

PIECE = 1 << 20


def piece(task: tuple[str, int]) -> torch.Tensor:
    """A part of the tokens, as litdata stores them."""
    path, start = task
    return torch.from_numpy(np.load(path, mmap_mode="r")[start : start + PIECE].astype(np.int32))


def main() -> None:
    path, block, batch, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    count = len(np.load(path, mmap_mode="r"))
    with tempfile.TemporaryDirectory() as folder:
        loader = TokensLoader(block_size=block)
        optimize(
            piece, [(path, start) for start in range(0, count, PIECE)], output_dir=folder, chunk_size=block * 8192,
            item_loader=loader, num_workers=1,
        )  # fmt: skip
        best = {"dataset": 0.0, "loader": 0.0}
        for _ in range(rounds):
            data = StreamingDataset(folder, item_loader=TokensLoader(block_size=block), shuffle=True, drop_last=True)
            for kind in best:
                source = data if kind == "dataset" else StreamingDataLoader(data, batch_size=batch, num_workers=0)
                seen, begun = 0, time.process_time()
                for item in source:
                    seen += item.numel()
                best[kind] = max(best[kind], seen / (time.process_time() - begun))
    print(json.dumps(best))


if __name__ == "__main__":
    main()
