"""What curation is worth to a model: `python -m benchmarks.curation_value [--quick] [--seeds 3] [--preset tiny] [--tokens 200K]`.

One small model, equal tokens, four pools of the same crawl (2,500 pages of Debian's documentation in some fifteen languages):

    raw       every page as text
    random_k  as much of it as `curated` has, chosen at random: anew for each seed
    language  English pages alone
    curated   the steps of pipelines/pretrain_small.yaml: English, Gopher's and FineWeb's rules, exact and near-dedup

Every model sees the same tokens in number, with one tokenizer (trained on `raw`), seed by seed; a pool that is smaller is seen more
often. Held out are texts of other origins, in English, none of them trained on. The last line is random_k's bits a byte over
curated's, means over seeds. What it says is true of this crawl and these held-out texts, at this size.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import SHARED, parser
from curate.config import Overrides, load
from curate.job import run_file
from curate.settings import parse_size
from curate.train.settings import TrainSettings
from curate.train.start import train_run
from curate.train.tokenising import TokenizeSettings, tokenize
from curate.train.tokenizer_training import train_tokenizer

RECIPE = Path(__file__).parent.parent / "pipelines" / "pretrain_small.yaml"
CRAWL = "corpus/debian_pages.warc.gz"
# held-out source -> (file, every so many records, at most so many)
HELD_OUT = {
    "web": ("web_text/c4_demo_a.jsonl.gz", 1, 100),
    "wikipedia": ("web_text/wikipedia_demo.jsonl.gz", 1, 30),
    "books": ("prose/standardebooks.jsonl.gz", 20, 30),
}
READ: list[Any] = [{"extract": {}}, {"normalize": {}}]
CONTEXT, ROWS, VOCABULARY = 256, 4, 2048
# Of 0.3 M parameters: a run takes seconds.
TINY = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 176,
}  # fmt: skip


def steps_of(pool: str, tokens: int, seed: int) -> list[Any]:
    """The steps that make a pool of the crawl."""
    recipe = load(str(RECIPE), Overrides(inputs=(str(SHARED / CRAWL),))).settings()["steps"]
    if pool == "curated":
        return list(recipe)
    if pool == "language":
        return [step for step in recipe if set(step) & {"extract", "normalize", "language"}]
    return READ + ([{"random_k": {"budget": {"tokens": tokens}, "seed": seed}}] if pool == "random_k" else [])


def curated_pool(folder: Path, pool: str, *, tokens: int = 0, seed: int = 0) -> Path:
    """The output folder of a run that makes the pool."""
    name = f"{pool}_{seed}"
    file = folder / f"{name}.yaml"
    written = {
        "name": name, "seed": seed, "inputs": [{"name": "crawl", "path": str(SHARED / CRAWL)}],
        "steps": steps_of(pool, tokens, seed), "output": {"path": name},
    }  # fmt: skip
    file.write_text(json.dumps(written))
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        run_file(str(file), Overrides(workers=1), sample=None, force=False, as_json=True)
    return folder / name


def bytes_of(run: Path) -> int:
    """Bytes of text that a run kept."""
    from curate.ledger import Ledger

    answer: Any = Ledger(run).connect().execute("SELECT sum(text_bytes) FROM ledger WHERE fate = 'kept'").fetchone()
    return int(answer[0])


def held_out(folder: Path, tokenizer: Path) -> Path:
    """The held-out texts, tokenised, a source each."""
    paths = []
    for name, (file, every, most) in HELD_OUT.items():
        with gzip.open(SHARED / file, "rt") as stream:
            rows = [json.loads(line)["text"] for line in stream][::every][:most]
        path = folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
        paths.append(f"{name}={path}")
    tokenize(paths, folder / "held_out", TokenizeSettings(str(tokenizer)), note=lambda _: None)
    return folder / "held_out"


def trained(data: Path, held: Path, output: Path, *, preset: str, steps: int, seed: int) -> dict[str, float]:
    """Bits a byte by held-out source, and `all`, after training on a pool."""
    model = {"preset": "1m", "config": TINY} if preset == "tiny" else {"preset": preset}
    settings = TrainSettings.model_validate(
        {"name": "value", "seed": seed, "data": str(data), "model": model, "context": CONTEXT, "rows": ROWS,
         "micro_rows": 4, "steps": steps, "output": str(output), "optimizer": {"lr": 3e-3}, "log_every": steps,
         "evaluate": {"data": str(held), "every": steps, "documents": 30}, "checkpoint": {"every": steps, "keep": 1}}
    )  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        last = train_run(settings, lambda key: ".".join(map(str, key)))
    found = json.loads((last / "state.json").read_text())["held_out"]
    return {name: entry["bits_per_byte"] for name, entry in found.items()}


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def main() -> int:
    """Make the pools, train on each with each seed, and print the table."""
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=0, help="how many; 3, with --quick 2")
    options.add_argument("--preset", default="tiny", help="tiny, or one of curate train")
    options.add_argument("--tokens", default="")
    chosen = options.parse_args()
    seeds = chosen.seeds or (2 if chosen.quick else 3)
    tokens = int(parse_size(chosen.tokens or ("20K" if chosen.quick else "200K")))
    steps = math.ceil(tokens / (ROWS * CONTEXT))
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {pool: curated_pool(folder, pool) for pool in ("raw", "language", "curated")}
        budget = bytes_of(runs["curated"]) // 4
        train_tokenizer([str(runs["raw"])], folder / "tokenizer", vocabulary=VOCABULARY)
        held = held_out(folder, folder / "tokenizer")
        for seed in range(seeds):
            for pool in ("raw", "random_k", "language", "curated"):
                run = runs.get(pool) or curated_pool(folder, pool, tokens=budget, seed=seed)
                data = folder / f"tokens_{pool}_{seed if pool == 'random_k' else 0}"
                made = tokenize([str(run)], data, TokenizeSettings(str(folder / "tokenizer")), note=lambda _: None)
                bits = trained(data, held, folder / f"out_{pool}_{seed}", preset=chosen.preset, steps=steps, seed=seed)
                found.setdefault(pool, []).append(bits)
                epochs = steps * ROWS * CONTEXT / int(made.manifest["tokens"])
                print(f"seed {seed}  {pool:9}  {made.manifest['documents']:,} documents  {made.manifest['tokens']:,} tokens  "
                      f"{epochs:.2f} epochs  {bits['all']:.4f} bits a byte", flush=True)  # fmt: skip
    print(
        f"\nbits a byte after {steps * ROWS * CONTEXT:,} tokens, {chosen.preset}, mean and standard deviation of {seeds} seeds"
    )
    sources = list(next(iter(found.values()))[0])
    print(f"{'':9}  " + "  ".join(f"{source:>16}" for source in sources))
    for pool, rows in found.items():
        shown = [
            f"{statistics.mean(row[s] for row in rows):8.4f} ±{_spread([row[s] for row in rows]):.4f}" for s in sources
        ]
        print(f"{pool:9}  " + "  ".join(f"{text:>16}" for text in shown))
    mean = {pool: statistics.mean(row["all"] for row in rows) for pool, rows in found.items()}
    print(f"ratio: {mean['random_k'] / mean['curated']:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
