"""Exact dedup: ours (128-bit hash, white space squeezed) against datatrove's (64-bit xxhash of the text as it is).

    python -m benchmarks.exact_dedup [--quick] [--job verdicts|file]

From a Parquet file on one core, the same documents for both. `verdicts` (the default) ends with the list of duplicates:
both sides spend most of it on decoding the file, datatrove on making objects too. `file` ends with the documents that
stay, in each tool's own default format: Arrow with zstd, JSONL with gzip (which then takes most of datatrove's time).
The ratio is for our default, which does more than the peer's hash.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.common import parser, pin_to_one_core, report, run_peer
from benchmarks.dedup_corpus import head, megabytes, timed, warm_up
from curate.dedup.exact import ExactDedup


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--job", choices=["verdicts", "file"], default="verdicts")
    options = arguments.parse_args()
    pin_to_one_core()
    with tempfile.TemporaryDirectory() as folder:
        path = head(Path(folder), 4000 if options.quick else 14531)
        size = megabytes(path)
        default, plain = ExactDedup.model_validate({}), ExactDedup.model_validate({"normalize": "none"})
        compiling = warm_up(default)
        out = Path(folder) / "kept.arrow" if options.job == "file" else None
        ours, dropped = timed(default, path, 5, out)
        as_is, dropped_as_is = timed(plain, path, 5, out)
        peer = run_peer("datatrove_exact.py", [path, 3 if out is None else 1, options.job])
    rows = [
        ("text", size, "MB"),
        ("compiling or loading kernels (left out)", compiling, "s"),
        ("ours", size / ours, "MB/s"),
        ("ours, removed", dropped, "documents"),
        ("ours, text as it is", size / as_is, "MB/s"),
        ("ours, text as it is, removed", dropped_as_is, "documents"),
        ("datatrove, text as it is", size / peer["seconds"], "MB/s"),
        ("datatrove, removed", peer["removed"], "documents"),
    ]
    report(rows, peer["seconds"] / ours)


if __name__ == "__main__":
    main()
