"""Near-dedup, 14 x 8 hashes, word 5-grams: ours with verification against rensa's deduplicator, or datatrove.

    python -m benchmarks.near_dedup [--quick] [--peer rensa|datatrove]

From a Parquet file to verdicts, on one core, the same documents for both. rensa gets the 5-grams of lower-cased `\\w+`
words as tokens, made in Python as its users must; it compares signatures, not texts. datatrove runs its signature,
bucket and cluster steps, without the filter that would read the input again; its words come from spaCy. Loading of
kernels and of models is left out on both sides.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.common import parser, pin_to_one_core, report, run_peer
from benchmarks.dedup_corpus import head, megabytes, timed, warm_up
from curate.dedup.minhash import MinhashDedup

# peer -> documents in a full run, in a quick one, rounds
SIZES = {"rensa": (14531, 4000, 3), "datatrove": (1500, 400, 1)}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--peer", choices=list(SIZES), default="rensa")
    options = arguments.parse_args()
    pin_to_one_core()
    full, quick, rounds = SIZES[options.peer]
    step = MinhashDedup.model_validate({})
    with tempfile.TemporaryDirectory() as folder:
        path = head(Path(folder), quick if options.quick else full)
        size = megabytes(path)
        compiling = warm_up(step)
        ours, dropped = timed(step, path, max(3, rounds))
        peer = run_peer(f"{options.peer}_minhash.py", [path, rounds])
    rows = [
        ("text", size, "MB"),
        ("compiling or loading kernels (left out)", compiling, "s"),
        ("ours, verified", size / ours, "MB/s"),
        ("ours, removed", dropped, "documents"),
        (options.peer, size / peer["seconds"], "MB/s"),
        (f"{options.peer}, removed", peer["removed"], "documents"),
    ]
    report(rows, peer["seconds"] / ours)


if __name__ == "__main__":
    main()
