"""Seconds and memory of every selector at two sizes of the pool: `python -m benchmarks.selectors [--quick] [--sizes S L] [NAME ...]`

The pool is Debian documentation in pieces of 1,000 characters, 100,000 of them and the first 10,000 (384 dimensions, static
vectors), the target 10,000 pieces of novels. Each selector runs in a process of its own: processor seconds of `collect`,
`fit`, `score` and the order (vectors are there already, kernels are loaded), the greatest resident memory of the process, of
which texts, vectors and libraries are the most, and how the time grows with the documents (10: linear). `less`, `ifd` and
`judge`, which run a model, are measured where they are named, with `--sizes` that fit the model: 1 million weights at random,
or SmolLM2-135M. LESS has as its target 20 pieces of novels, two epochs of a warm-up of 5 %, adapters in the last 5 layers.
`perplexity_correlations` has losses of 90 models on 9,841 hosts, as the paper. The last line is a full solution of GOT-D's transport at 20,000 x
5,000 over ours (sample and sweeps), after the rank correlation of both.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import ROOT, parser, pin_to_one_core, shared_file, stop
from curate.conversation import MESSAGES, Message
from curate.dedup.memory import dedup_texts
from curate.documents import document_batch, set_column
from curate.select.by_signal import Choose, LongestK, RandomK
from curate.select.correlations import PerplexityCorrelations
from curate.select.deita import Deita
from curate.select.diverse import Dpp, FacilityLocation, KCenter
from curate.select.dsir import Dsir
from curate.select.got_d import GotD
from curate.select.ifd import Ifd
from curate.select.instruct_mining import InstructMining
from curate.select.judge import Judge
from curate.select.knn_target import KnnTarget
from curate.select.less import Less
from curate.select.look import Look
from curate.select.pool import scored
from curate.select.selector import Selector
from curate.select.semdedup import D4, SemDedup
from curate.select.vectors import static_vectors
from curate.steps.step import Step

PIECE, DIMENSIONS, TARGET = 1000, 384, 10_000
VECTORS, QUALITY, LABEL = "embed.vector", "x.quality", "x.label"
SELECTORS: dict[str, Callable[[Any, Any], Selector]] = {
    "random_k": lambda texts, points: RandomK(),
    "longest_k": lambda texts, points: LongestK(),
    "choose": lambda texts, points: Choose(by=QUALITY),
    "choose, gumbel": lambda texts, points: Choose(by=QUALITY, how="gumbel", standardise=True, temperature=2),
    "choose, greedy_diverse": lambda texts, points: Choose(by=QUALITY, how="greedy_diverse"),
    "got_d": lambda texts, points: GotD().aimed_at_points(points),
    "dsir": lambda texts, points: Dsir().aimed_at(texts),
    "knn_target": lambda texts, points: KnnTarget().aimed_at_points(points),
    "d4": lambda texts, points: D4(),
    "k_center, 1,000 picks": lambda texts, points: KCenter(),
    "facility_location, 1,000 picks": lambda texts, points: FacilityLocation(),
    "dpp, 1,000 picks": lambda texts, points: Dpp(),
    "look": lambda texts, points: Look(label=LABEL),
    "instruct_mining": lambda texts, points: InstructMining(),
    "deita": lambda texts, points: Deita(complexity=QUALITY, quality=QUALITY),
}
# Models of LESS: 1 million weights at random (preset `1m`, of bytes), and one that knows English.
INFLUENCE = {"less, 1m": "1m", "less, smollm2": None}
# Steps that ask a model for the mark or the losses of each pair.
ASKING: dict[str, tuple[type[Step], str]] = {
    f"{kind}, {model}": (step, model) for kind, step in (("ifd", Ifd), ("judge", Judge)) for model in ("1m", "smollm2")
}
MODELS, HOSTS = 90, 9841
# Tokens that the model of bytes reads at once.
CONTEXT = 2048
# Those that read conversations: each piece is the answer to its first line.
TALKING = ("instruct_mining", *INFLUENCE, *ASKING)

NAMES = (*SELECTORS, "semdedup", "perplexity_correlations", *INFLUENCE, *ASKING)


def texts_and_vectors(folder: Path, count: int) -> None:
    """Write the pool and the target, texts and vectors, to files."""
    documents = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"].to_pylist()
    chapters = str(shared_file("prose/standardebooks.jsonl.gz"))
    novels = duckdb.execute("SELECT text FROM read_json(?, format='newline_delimited') ORDER BY id", [chapters])
    for name, texts, most in (("pool", documents, count), ("target", [text for (text,) in novels.fetchall()], TARGET)):
        cut = [text[i : i + PIECE] for text in texts if text for i in range(0, len(text), PIECE)]
        cut = [piece for piece in cut if len(piece.strip()) > 100]
        order = np.random.default_rng(0).permutation(len(cut))[:most]
        chosen = pa.array([cut[i] for i in order], pa.string())
        pq.write_table(pa.table({"text": chosen}), folder / f"{name}.parquet")
        np.save(folder / f"{name}.npy", static_vectors(chosen, DIMENSIONS))


def measure(name: str, folder: Path, count: int) -> dict[str, float]:
    """Processor seconds and MB of one selector over the first `count` documents."""
    texts = pq.read_table(folder / "pool.parquet")["text"].combine_chunks().slice(0, count)
    target = pq.read_table(folder / "target.parquet")["text"].combine_chunks()
    points = np.load(folder / "pool.npy")[:count]
    rng = np.random.default_rng(1)
    signals = {VECTORS: points, QUALITY: rng.random(count), LABEL: rng.integers(0, 20, count).astype(float)}
    talks = _conversations(texts) if name in TALKING else None
    few = 8 if name in ASKING else 20 if name in INFLUENCE else 500
    # kernels and libraries are loaded
    _run(name, texts[:few], None if talks is None else talks[:few], target, folder, signals)
    start, wall = time.process_time(), time.perf_counter()
    _run(name, texts, talks, target, folder, signals)
    seconds, wall = time.process_time() - start, time.perf_counter() - wall
    return {
        "seconds": seconds,
        "wall": wall,
        "mb": peak_memory(),
    }


def peak_memory() -> float:
    """The greatest resident memory of this process so far, in MB (Linux); not its parent's, as getrusage has it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def _run(
    name: str, texts: pa.Array, talks: pa.Array | None, target: pa.Array, folder: Path, signals: dict[str, Any]
) -> None:
    held = {key: values[: len(texts)] for key, values in signals.items()}
    if name == "semdedup":
        dedup_texts(SemDedup(), [texts], signals={VECTORS: [held[VECTORS]]})
        return
    if name == "perplexity_correlations":
        losses, errors = _losses(folder)
        hosts = pa.array(
            [f"https://h{number}.org/" for number in np.random.default_rng(3).integers(0, HOSTS, len(texts))]
        )
        correlations = PerplexityCorrelations(losses=[str(losses)], errors=[str(errors)])
        scored(correlations, texts, columns={"url": hosts})
        return
    if name in ASKING:
        step, weights = ASKING[name]
        named = str(_model_of_bytes(folder)) if weights == "1m" else weights
        # a mark is of a whole pair, which takes a token a byte in the model of bytes
        window = {"window": CONTEXT} if step is Judge else {}
        made = step.model_validate({"model": named, "device": "cpu", **window})
        batch = document_batch([{"row": i, "id": str(i)} for i in range(len(texts))])
        batch = set_column(set_column(batch, "text", texts), "messages", talks)
        for start in range(0, len(texts), 256):
            found = made.process(batch.slice(start, 256))[made.name].field(0)
            if found.null_count > len(found) / 4:
                raise stop(
                    f"{found.null_count} of {len(found)} documents have no {made.kind}: what was measured is no work"
                )
        return
    if name in INFLUENCE:
        model = None if INFLUENCE[name] is None else str(_model_of_bytes(folder))
        settings: dict[str, Any] = {"model": model, "epochs": 2, "window": 256, "last_layers": 5, "device": "cpu"}
        selector: Selector = Less(**settings).aimed_at([_conversations(target[:20]).to_pylist()])
    else:
        selector = SELECTORS[name](target, np.load(folder / "target.npy"))
    scored(selector, texts, held, messages=talks)


def _losses(folder: Path) -> tuple[Path, Path]:
    """Tables of losses and errors, made up."""
    losses, errors = folder / "losses.parquet", folder / "errors.parquet"
    if not losses.exists():
        rng = np.random.default_rng(2)
        models, hosts = [f"m{i}" for i in range(MODELS)], [f"h{i}.org" for i in range(HOSTS)]
        columns = {"model": np.repeat(models, HOSTS), "domain": np.tile(hosts, MODELS)}
        pq.write_table(pa.table({**columns, "bits_per_byte": rng.random(MODELS * HOSTS)}), losses)
        pq.write_table(pa.table({"model": models, "error": rng.random(MODELS)}), errors)
    return losses, errors


def _conversations(texts: pa.Array) -> pa.Array:
    """Each text as the answer to its first line."""
    talks = [[Message("user", text.strip().split("\n")[0]), Message("assistant", text)] for text in texts.to_pylist()]
    return pa.array([[turn._asdict() for turn in talk] for talk in talks], MESSAGES)


def _model_of_bytes(folder: Path) -> Path:
    """Where the preset `1m` is, from random weights, with a tokenizer of bytes."""
    made = folder / "model"
    if not made.exists():
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers
        from transformers import PreTrainedTokenizerFast

        from curate.train.models import make_model
        from curate.train.settings import ModelSettings

        letters = {letter: i + 1 for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
        backend = Tokenizer(models.BPE({"<s>": 0} | letters, []))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        tokenizer: Any = PreTrainedTokenizerFast
        tokenizer(tokenizer_object=backend, bos_token="<s>", eos_token="<s>").save_pretrained(made)
        settings = ModelSettings(preset="1m")
        make_model(settings, vocabulary=len(letters) + 1, context=CONTEXT, eos=0, seed=0).save_pretrained(made)
    return made


def agreement(folder: Path) -> tuple[float, float, float]:
    """(rank correlation of the scores, seconds of the full solution, of ours) at 20,000 x 5,000."""
    from scipy.stats import spearmanr

    pool, target = np.load(folder / "pool.npy")[:20_000], np.load(folder / "target.npy")[:5000]
    texts, scores, seconds = pa.array(["x"] * len(pool)), [], []
    for selector in (GotD(sample=len(pool)), GotD()):
        start = time.process_time()
        scores.append(scored(selector.aimed_at_points(target), texts, {VECTORS: pool})["score"].to_numpy())
        seconds.append(time.process_time() - start)
    return float(spearmanr(*scores).statistic), seconds[0], seconds[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each selector as it is measured."""
    options = parser(__doc__)
    options.add_argument("names", nargs="*", help="selectors to measure; all, and the agreement, if none is named")
    options.add_argument("--sizes", nargs=2, type=int, help="documents of the two pools; 10,000 and 100,000")
    options.add_argument("--one", nargs=3, metavar=("NAME", "FOLDER", "COUNT"), help="measure here, print JSON")
    chosen = options.parse_args(arguments)
    pin_to_one_core()
    if chosen.one:
        print(json.dumps(measure(chosen.one[0], Path(chosen.one[1]), int(chosen.one[2]))))
        return 0
    if strange := set(chosen.names) - set(NAMES):
        raise stop(f"no selector is called {', '.join(strange)}; there are {', '.join(NAMES)}")
    sizes = chosen.sizes or ((2000, 10_000) if chosen.quick else (10_000, 100_000))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        texts_and_vectors(folder, max(*sizes, 20_000))
        print(f"{'':<32}{sizes[0]:>10,}{'MB':>8}{sizes[1]:>12,}{'MB':>8}{'growth':>8}")
        for name in chosen.names or [name for name in NAMES if name not in (*INFLUENCE, *ASKING)]:
            small, large = (_apart(name, folder, count) for count in sizes)
            figures = f"{small['seconds']:>8.1f} s{small['mb']:>8.0f}{large['seconds']:>10.1f} s{large['mb']:>8.0f}"
            print(f"{name:<32}{figures}{large['seconds'] / small['seconds']:>8.1f}", flush=True)
        if chosen.names:
            return 0
        correlation, full, ours = agreement(folder)
    print(f"got_d at 20,000 x 5,000: full solution {full:.1f} s, ours {ours:.1f} s, rank correlation {correlation:.4f}")
    print(f"ratio: {full / ours:.2f}")
    return 0


def _apart(name: str, folder: Path, count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.selectors", "--one", name, str(folder), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise stop(f"{name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    raise SystemExit(main())
