"""Train the model by which `extract` finds the main text of a page: curate/assets/extraction/model.json.

    python -m pipelines.extraction_model ../shared/data curate/assets/extraction/model.json [--folds] [--weak FOLDER]

Pages with gold text give each block the share of its words that the gold text has, by alignment. Pages with none are
labelled by trafilatura (precision and default, the mean), at a lower weight; passages that people marked as wanted or
unwanted outweigh it. `--folds` first scores models that saw none of what they are scored on: pages by host, those
of one made-up host by page, the Handbook as one fold. Seeds are fixed: the same file on one machine. `--weak` keeps
trafilatura's texts in a folder, by the hash of the page.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from benchmarks.extraction import GOLD, PASSAGES, f1, has_passages
from curate.extraction.blocks import Blocks, read_blocks
from curate.extraction.boosting import Boosting, train
from curate.extraction.choice import chosen, evened
from curate.extraction.engine import BETAS, extract
from curate.extraction.labels import labels, mark_passages
from curate.extraction.model import Model, Trees, shipped, to_json
from curate.extraction.reasons import odds
from curate.kernels.html_features import FEATURES

HANDBOOK = "debian_handbook"
#: documentation without gold text; every so manieth page of it
DOCUMENTATION, EVERY = "corpus/debian_pages.warc.gz", 15
FOLDS = 5
GRID = (0.7, 0.8, 0.9, 0.95, 1.0, 1.1, 1.2)
HOW = Boosting(trees=120, depth=6, rate=0.12, ridge=3.0, least=1.0, features=0.3, rows=0.7)
#: one model each, of which the mean counts: it scores as the best of them, and does not hang on a seed
SEEDS = (17, 1, 2, 3, 4)
#: the weight of labels that another extractor gave, of passages that people marked, and the least of any block, in shares
#: of a page
WEAK, MARKED, LEAST_WEIGHT = {PASSAGES: 1.0, "documentation": 0.25}, 0.3, 0.0005


class Example(NamedTuple):
    """A page with labels; `group` is what must not be in two folds."""

    source: str
    group: str
    row: dict[str, Any]
    blocks: Blocks
    label: Any  # of each block, 0 to 1
    weight: Any


def gold_pages(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(Set, row) of every page that people labelled."""
    for name in (*GOLD, PASSAGES):
        with gzip.open(folder / "html" / f"{name}.jsonl.gz") as file:
            for line in file:
                yield name, json.loads(line)


def documentation(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pages of the documentation, less the Handbook."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    from curate.steps.charset import decode_page

    with (folder / DOCUMENTATION).open("rb") as file:
        records = ArchiveIterator(file, record_types=WarcRecordType.response, parse_http=True)
        for number, record in enumerate(records):
            url = record.headers.get("WARC-Target-URI") or ""
            page = record.reader.read()
            if number % EVERY == 0 and "handbook" not in url:
                yield "documentation", {"url": url, "html": decode_page(page, record.http_charset)[0]}


def others(html: str, kept: Path | None) -> list[str]:
    """What trafilatura takes for the main text, in precision and by default."""
    path = kept / f"{hashlib.sha256(html.encode('utf-8', 'replace')).hexdigest()[:24]}.json" if kept else None
    if path and path.exists():
        return list(json.loads(path.read_text()))
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = [
        trafilatura.extract(html, include_comments=False, favor_precision=precise) or "" for precise in (True, False)
    ]
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))
    return found


def example(source: str, row: dict[str, Any], kept: Path | None) -> Example | None:
    """A page with its labels; None if it is too long to align or nothing labels it."""
    blocks = read_blocks(row["html"].encode("utf-8", "replace"))
    gold = "gold_text" in row
    references = [row["gold_text"]] if gold else [text for text in others(row["html"], kept) if text]
    found = [labels(blocks.texts, reference) for reference in references]
    known = [label for label in found if label is not None]
    if not known or len(known) < len(found):
        return None
    label = np.mean([one.share for one in known], axis=0)
    weight = np.minimum(known[0].words / max(float(np.mean([one.wanted for one in known])), 50.0), 1.0)
    if not gold:
        weight *= WEAK[source]
        for passages, value in ((row.get("must_contain", ()), 1.0), (row.get("must_not_contain", ()), 0.0)):
            marked = mark_passages(blocks.texts, passages)
            label[marked], weight[marked] = value, np.maximum(weight[marked], MARKED)
    host = urlsplit(row["url"]).netloc.removeprefix("www.")
    group = row["id"] if source.startswith("readability") else HANDBOOK if source == HANDBOOK else host
    return Example(source, group, row, blocks, label, np.maximum(weight, LEAST_WEIGHT))


def fit(examples: Sequence[Example], how: Boosting = HOW) -> Model:
    """The model of these pages; blocks that are hidden have no say."""
    active = [one.blocks.active for one in examples]
    x = np.concatenate([one.blocks.features[keep] for one, keep in zip(examples, active, strict=True)])
    y = np.concatenate([one.label[keep] for one, keep in zip(examples, active, strict=True)])
    weight = np.concatenate([one.weight[keep] for one, keep in zip(examples, active, strict=True)])
    y, weight = y.astype(np.float32), weight.astype(np.float32)
    return Model(Trees.of_members([train(x, y, weight, replace(how, seed=seed)) for seed in SEEDS]), FEATURES, {})


def probabilities(model: Model, blocks: Blocks) -> Any:
    """The probability of each block that it is main text."""
    return 1 / (1 + np.exp(-odds(model.trees, blocks.features)))


def fold(one: Example) -> int:
    """Which fold a page is in, by its group; the Handbook's is one of its own, pages without gold text are in none."""
    if one.source == HANDBOOK:
        return FOLDS
    if one.source not in (*GOLD, PASSAGES):
        return -1
    return int(hashlib.md5(one.group.encode()).hexdigest(), 16) % FOLDS


def held_out(examples: Sequence[Example], how: Boosting = HOW) -> dict[int, Any]:
    """Place of each gold page -> probabilities of its blocks by a model that saw no page of its fold."""
    found = {}
    for number in range(FOLDS + 1):
        model = fit([one for one in examples if fold(one) != number], how)
        for place, one in enumerate(examples):
            if fold(one) == number:
                found[place] = probabilities(model, one.blocks)
    return found


def scores(examples: Sequence[Example], found: dict[int, Any], beta: float) -> dict[str, list[float]]:
    """Set -> F1 of each page; `found` and `junk` -> 1 for each passage that the text has."""
    values: dict[str, list[float]] = {}
    for place, p in found.items():
        one = examples[place]
        keep = chosen(evened(p, one.blocks), one.blocks, beta)
        # as the engine gives it
        text = normalize("NFC", "\n".join(compress(one.blocks.texts, keep)))
        if "gold_text" in one.row:
            values.setdefault(one.source, []).append(f1(one.row["gold_text"], text))
        else:
            for what, key in (("found", "must_contain"), ("junk", "must_not_contain")):
                values.setdefault(what, []).extend(has_passages(text, one.row.get(key, ())))
    return values


def languages(examples: Sequence[Example]) -> list[str]:
    """The language of each page, as its set or it itself declares; `?` where neither does."""
    pages = pa.array([one.row["html"].encode("utf-8", "replace") for one in examples], pa.binary()).cast(pa.string())
    declared = extract(pages, shipped(), whole=True).fields["lang"].to_pylist()
    named = (one.row.get("lang") or page for one, page in zip(examples, declared, strict=True))
    return [re.split(r"[-_ ,]", name.strip().lower())[0] or "?" for name in named]


def by_language(examples: Sequence[Example], found: dict[int, Any], beta: float) -> Iterator[str]:
    """A table in Markdown: what each language scores in each set, with the number of pages (passages for found and junk)."""
    columns = [*GOLD, "found", "junk"]
    yield f"| language | {' | '.join(columns)} |"
    yield "| --- |" + " --- |" * len(columns)
    spoken = languages(examples)
    for language in sorted({spoken[place] for place in found}):
        own = scores(examples, {place: p for place, p in found.items() if spoken[place] == language}, beta)
        cells = (f"{np.mean(own[name]):.3f} ({len(own[name])})" if own.get(name) else "" for name in columns)
        yield f"| {language} | {' | '.join(cells)} |"


def nested(examples: Sequence[Example], found: dict[int, Any]) -> dict[str, list[float]]:
    """As `scores`, each fold with the beta that is best on the pages of all others."""
    values: dict[str, list[float]] = {}
    for number in range(FOLDS + 1):
        parts = [
            {at: p for at, p in found.items() if (fold(examples[at]) == number) == inside} for inside in (False, True)
        ]
        best = max(GRID, key=lambda beta: worth(scores(examples, parts[0], beta)))
        for name, one in scores(examples, parts[1], best).items():
            values.setdefault(name, []).extend(one)
    return values


def worth(values: dict[str, list[float]]) -> float:
    """What a beta is chosen by: the means of the news and the varied pages, passages found less those that are junk."""
    mean = {name: float(np.mean(one)) for name, one in values.items()}
    return mean[GOLD[0]] + mean[GOLD[1]] + (mean["found"] - mean["junk"]) / 2


def summary(values: dict[str, list[float]]) -> dict[str, list[float]]:
    """Set -> [mean, standard error]."""
    return {
        name: [round(float(np.mean(v)), 4), round(float(np.std(v) / len(v) ** 0.5), 4)] for name, v in values.items()
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    arguments.add_argument("data", type=Path)
    arguments.add_argument("model", type=Path)
    arguments.add_argument("--folds", action="store_true")
    arguments.add_argument("--weak", type=Path)
    options = arguments.parse_args()
    pages = [*gold_pages(options.data), *documentation(options.data)]
    made = (example(source, row, options.weak) for source, row in pages)
    examples = [one for one in made if one is not None]
    about: dict[str, Any] = {"pages": len(examples), "recipe": "pipelines/extraction_model.py"}
    if options.folds:
        found = held_out(examples)
        rows = {favor: summary(scores(examples, found, beta)) for favor, beta in BETAS.items()}
        rows["beta chosen on the other folds"] = summary(nested(examples, found))
        for favor, values in rows.items():
            print(favor, *(f"{name} {mean:.4f} ± {error:.4f}" for name, (mean, error) in values.items()), sep=" | ")
        print("", *by_language(examples, found, BETAS["balanced"]), sep="\n")
    model = fit(examples)
    options.model.parent.mkdir(parents=True, exist_ok=True)
    options.model.write_text(to_json(model._replace(about=about)))


if __name__ == "__main__":
    main()
