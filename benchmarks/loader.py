"""Reading a shuffled mixture of packed sequences of 1,024 tokens: ours against litdata, on one core and the same tokens.

    python -m benchmarks.loader [--quick]

Documents with the lengths of the real corpus (characters / 4), random ids, uint16 for ours; litdata gets their concatenation,
cut into blocks beforehand, which it shuffles. Ours draws documents from three weighted sources and packs them as it goes,
with tokens alone and with labels, positions and documents as tensors of torch. No threads on either side; processor
time, for a busy machine's sake; the best of several rounds.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file

CONTEXT, ROWS = 1024, 64
WEIGHTS = {"0": 0.5, "1": 0.3, "2": 0.2}


def lengths(count: int) -> Any:
    """Tokens of each document."""
    text = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"].slice(0, count)
    return np.maximum(1, pc.utf8_length(text).to_numpy() // 4)


def make_set(folder: Path, sizes: Any) -> Any:
    """A set of three sources, and all tokens one after the other as a file for the peer."""
    from curate.train.token_files import TokenFile, write_manifest
    from curate.train.token_set import TOKENS, TokenSet

    rng = np.random.default_rng(0)
    (folder / TOKENS).mkdir(parents=True)
    file = TokenFile(2, masked=False)
    parts = []
    for number, size in enumerate(sizes):
        tokens = rng.integers(0, 50000, size).astype(np.uint16)
        file.add(str(number % 3), str(number), "corpus", number, tokens)
        parts.append(tokens)
    np.save(folder / "tokens.npy", np.concatenate(parts))
    path = folder / TOKENS / "0.arrow"
    facts = {"path": f"{TOKENS}/0.arrow", **file.write(path)}
    tokenizer = {"name": "random", "sha256": "0", "vocabulary": 50000}
    write_manifest(folder, [facts], tokenizer=tokenizer, width=2, masked=False)
    return TokenSet.open(folder)


def ours(data: Any, packing: str, steps: int, rounds: int, *, tensors: bool) -> tuple[float, dict[str, int]]:
    """Tokens a second, and what the loader counted."""
    from curate.train.loader import Loader
    from curate.train.plan import PlanSettings

    best = 0.0
    for _ in range(rounds):
        settings = PlanSettings(CONTEXT, ROWS, seed=1, packing=packing)  # type: ignore[arg-type]
        loader = Loader([data], settings, weights=WEIGHTS, threads=0)
        next(loader).torch() if tensors else next(loader)
        begun = time.process_time()
        for _ in range(steps):
            batch = next(loader)
            if tensors:
                batch.torch()
        best = max(best, steps * ROWS * CONTEXT / (time.process_time() - begun))
    counts: dict[str, int] = loader.report()["total"]
    return best, counts


def main() -> None:
    options = parser(__doc__).parse_args()
    pin_to_one_core()
    rounds = 3 if options.quick else 5
    with tempfile.TemporaryDirectory() as folder:
        sizes = lengths(3000 if options.quick else 14531)
        data = make_set(Path(folder), sizes)
        steps = int(sizes.sum()) // (ROWS * CONTEXT)
        rows = [("tokens", sizes.sum() / 1e6, "M"), ("documents", float(len(sizes)), "")]
        figures = {}
        for packing in ("concatenate", "best_fit"):
            for tensors in (False, True):
                speed, counts = ours(data, packing, steps, rounds, tensors=tensors)
                figures[packing, tensors] = speed
                rows.append((f"ours, {packing}" + (", all tensors" if tensors else ""), speed / 1e6, "M tokens/s"))
            rows.append((f"ours, {packing}, padded", 100 * counts["padded"] / counts["slots"], "%"))
        peer = run_peer("litdata_tokens.py", [Path(folder) / "tokens.npy", CONTEXT, ROWS, rounds])
        rows += [(f"litdata, {kind}", peer[kind] / 1e6, "M tokens/s") for kind in ("dataset", "loader")]
    report(rows, figures["concatenate", False] / max(peer.values()))


if __name__ == "__main__":
    main()
