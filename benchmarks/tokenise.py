"""Documents to token ids on disk: ours end to end against Hugging Face's tokenizers, and datatrove's DocumentTokenizer.

    python -m benchmarks.tokenise [--quick] [--datatrove]

One core, the same documents and the same byte-level BPE of 16,000 tokens, trained here on other text. Ours reads Parquet
and writes a set with its manifest; `tokenizers` gets the texts as a list and writes nothing; datatrove reads the same file
and writes its own. Loading of libraries and of the tokenizer is left out on our side and for `tokenizers`. Processor time, for
a busy machine's sake; datatrove's is wall time.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, report, run_peer, shared_file

VOCABULARY = 16000


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--datatrove", action="store_true", help="also run datatrove, in the peers' environment")
    options = arguments.parse_args()
    pin_to_one_core()
    from curate.train.encoding import HuggingFace, fast_engine
    from curate.train.text_tokenizer import load_tokenizer
    from curate.train.tokenising import TokenizeSettings, tokenize
    from curate.train.tokenizer_training import train_tokenizer

    ours_rows, peer_rows = (2000, 300) if options.quick else (14531, 1500)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train_tokenizer(
            [str(shared_file("prose/standardebooks.jsonl.gz")), str(shared_file("web_text/c4_demo_a.jsonl.gz"))],
            folder / "tok", vocabulary=VOCABULARY, size=6_000_000,
        )  # fmt: skip
        corpus = pq.read_table(shared_file("corpus/debian_docs.parquet"))
        for count, file in ((ours_rows, "ours"), (peer_rows, "peer"), (50, "warm")):
            pq.write_table(corpus.slice(0, count), folder / f"{file}.parquet")
        settings = TokenizeSettings(str(folder / "tok"))
        quiet = {"note": lambda _: None}
        tokenize([str(folder / "warm.parquet")], folder / "warm", settings, **quiet)  # type: ignore[arg-type]
        best, made = 1e9, None
        for turn in range(2):
            begun = time.process_time()
            made = tokenize([str(folder / "ours.parquet")], folder / f"out{turn}", settings, **quiet)  # type: ignore[arg-type]
            best = min(best, time.process_time() - begun)
        assert made is not None
        tokens = int(made.manifest["tokens"])
        texts = corpus["text"].slice(0, peer_rows).to_pylist()
        tokenizer = load_tokenizer(str(folder / "tok"))
        slow = HuggingFace(tokenizer)
        slow.encode(texts[:20])
        begun = time.process_time()
        wanted = slow.encode(texts)
        peer = len(wanted.ids) / (time.process_time() - begun)
        engine, _ = fast_engine(tokenizer, texts[:50])
        begun = time.process_time()
        found = engine.encode(texts)
        alone = len(found.ids) / (time.process_time() - begun)
        rows = [
            ("documents", float(ours_rows), ""),
            ("tokens", tokens / 1e6, "M"),
            (f"ours, end to end ({engine.name})", tokens / best / 1e6, "M tokens/s"),
            (f"ours, {engine.name} alone", alone / 1e6, "M tokens/s"),
            ("tokenizers, encode_batch_fast alone", peer / 1e6, "M tokens/s"),
            ("ids that differ", float(np.not_equal(found.ids, wanted.ids).sum()), ""),
        ]
        if options.datatrove:
            eos = tokenizer.token(tokenizer.eos) or ""
            made_there = run_peer(
                "datatrove_tokenizer.py", [folder / "peer.parquet", folder / "tok/tokenizer.json", eos]
            )
            speed = made_there["tokens"] / made_there["seconds"]
            rows.append(("datatrove, DocumentTokenizer", speed / 1e6, "M tokens/s"))
    report(rows, tokens / best / peer)


if __name__ == "__main__":
    main()
