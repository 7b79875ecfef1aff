"""Do selectors find a target's domain in a mixed pool? `python -m benchmarks.domain_choice [--quick] [--minilm]`

The pool is cut from the shared data in pieces of at most 1,000 characters: Hindi pages, maths problems, Shakespeare, and far
more of documentation, novels, web pages, reviews, instructions and the same pages in other languages. For each
target (Hindi news sentences; GSM8K's test questions; other scenes) a selector may choose as many documents as the pool has
of that domain: its precision is the share that are. Beside it the share of the pool's domain documents among
the first half of that budget. The last line is GOT-D's mean precision over that of a random choice.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import parser, pin_to_one_core, shared_file
from curate.select.budget import Budget
from curate.select.by_signal import LongestK, RandomK
from curate.select.dsir import Dsir
from curate.select.embed import Embed
from curate.select.got_d import GotD
from curate.select.knn_target import KnnTarget
from curate.select.points import Points
from curate.select.pool import scored
from curate.select.selector import Selector
from curate.select.vectors import static_vectors

PIECE = 1000
# file below ../shared/data, its column, a condition, at most so many pieces, the domain
SOURCES = (
    ("multilingual/xquad_contexts", "text", "lang = 'hi'", 1000, "hindi"),
    ("multilingual/libreoffice_help_hi_a", "text", "true", 400, "hindi"),
    ("multilingual/gnome_help_a", "text", "lang = 'hi'", 400, "hindi"),
    ("instructions/gsm8k_train_a", "instruction", "true", 1000, "maths"),
    ("multilingual/xquad_contexts", "text", "lang <> 'hi'", 2000, ""),
    ("multilingual/gnome_help_a", "text", "lang <> 'hi'", 4000, ""),
    ("multilingual/udhr_articles_0_20", "text", "lang <> 'hin' AND lang <> 'hi'", 4000, ""),
    ("prose/standardebooks", "text", "true", 6000, ""),
    ("prose/movie_reviews_a", "text", "true", 2000, ""),
    ("web_text/c4_demo_a", "text", "true", 600, ""),
    ("web_text/wikipedia_demo", "text", "true", 800, ""),
    ("instructions/natural_instructions", "input", "true", 4000, ""),
    ("instructions/dolly_hhrlhf_a", "output", "true", 600, ""),
)


def column(path: str, name: str, condition: str) -> list[str]:
    """The texts of a JSON Lines file, in the order of their ids."""
    query = (
        f"SELECT {name} FROM read_json(?, format='newline_delimited', ignore_errors=true) WHERE {condition} ORDER BY id"
    )
    rows = duckdb.execute(query, [str(shared_file(f"{path}.jsonl.gz"))]).fetchall()
    return [text for (text,) in rows if text and text.strip()]


def pieces(texts: Sequence[str], most: int) -> Iterator[str]:
    """At most `most` pieces of texts, evenly over all of them."""
    cut = [text[i : i + PIECE] for text in texts for i in range(0, len(text), PIECE)]
    cut = [piece for piece in cut if len(piece.strip()) >= 80]
    step = max(1.0, len(cut) / most)
    yield from (cut[int(i * step)] for i in range(min(most, len(cut))))


def scenes() -> tuple[list[str], list[str]]:
    """Shakespeare: (pieces for the pool, pieces of other scenes for the target)."""
    text = gzip.decompress(shared_file("prose/tinyshakespeare.txt.gz").read_bytes()).decode()
    cut = list(pieces([text], 10_000))
    return cut[: len(cut) // 2], cut[len(cut) // 2 :]


def pool_and_targets(share: float) -> tuple[list[str], npt.NDArray[Any], dict[str, list[str]]]:
    """(the pool's texts, their domains, target texts by domain)."""
    texts, domains = [], []
    for path, name, condition, most, domain in SOURCES:
        found = list(pieces(column(path, name, condition), max(1, int(most * share))))
        texts += found
        domains += [domain] * len(found)
    mine, target = scenes()
    documents = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"].to_pylist()
    manuals = list(pieces([text for text in documents if text], int(8000 * share)))
    mine = mine[: int(len(mine) * share)]
    texts, domains = [*texts, *mine, *manuals], [*domains, *["shakespeare"] * len(mine), *[""] * len(manuals)]
    targets = {
        "hindi": column("multilingual/pud_news_sentences", "text", "lang = 'hi'"),
        "maths": column("benchmarks/gsm8k", "query", "true"),
        "shakespeare": target,
    }
    return texts, np.array(domains), targets


def selectors(target: list[str], points: Points, budget: Budget) -> dict[str, Selector]:
    """The selectors by name, each aimed at the target."""
    texts = pa.array(target)
    return {
        "got_d": GotD(budget=budget).aimed_at_points(points),
        "dsir": Dsir(budget=budget, how="top_k", min_tokens=0).aimed_at(texts),
        "dsir, smoothed": Dsir(budget=budget, how="top_k", min_tokens=0, smoothing=1).aimed_at(texts),
        "knn_target": KnnTarget(budget=budget).aimed_at_points(points),
        "longest_k": LongestK(budget=budget),
        "random_k": RandomK(budget=budget),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table of precisions, a line a selector."""
    options = parser(__doc__)
    options.add_argument("--minilm", action="store_true", help="compare by MiniLM's vectors, not by static ones")
    chosen = options.parse_args(arguments)
    pin_to_one_core()
    vectors_of = Embed(engine="transformers").vectors if chosen.minilm else static_vectors
    texts, domains, targets = pool_and_targets(0.2 if chosen.quick else 1.0)
    array, vectors = pa.array(texts), vectors_of(pa.array(texts))
    sizes = {domain: int((domains == domain).sum()) for domain in targets}
    print(f"{len(texts):,} documents; of the domains {sizes}; targets { {k: len(v) for k, v in targets.items()} }")
    table: dict[str, dict[str, tuple[float, float]]] = {}
    for domain, target in targets.items():
        wanted = domains == domain
        points = vectors_of(pa.array(target))
        for name, selector in selectors(target, points, Budget(documents=sizes[domain])).items():
            ranks = scored(selector, array, {"embed.vector": vectors})["rank"].fill_null(1 << 40).to_numpy()
            precision = [float(wanted[ranks <= size].mean()) for size in (sizes[domain] // 2, sizes[domain])]
            table.setdefault(name, {})[domain] = (precision[0], precision[1])
    print(f"{'precision at half the budget, at the budget':<16}" + "".join(f"{domain:>22}" for domain in targets))
    for name, row in table.items():
        print(f"{name:<16}" + "".join(f"{row[domain][0]:>12.3f}{row[domain][1]:>10.3f}" for domain in targets))
    mean = {name: np.mean([row[domain][1] for domain in targets]) for name, row in table.items()}
    print(json.dumps({name: round(float(value), 4) for name, value in mean.items()}))
    print(f"ratio: {mean['got_d'] / mean['random_k']:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
