"""Toxicity: how well the default model tells toxic texts, and how fast it is beside alt-profanity-check.

    python -m benchmarks.toxicity [--quick]

Surge (1,000 comments) and HateCheck were never trained on; the tweets of Davidson et al. are scored by models that were
trained on the other four fifths of them and all else (`pipelines/toxicity_model.py`). HateCheck asks for hate, not for rude
words: the share of its cases judged right stands by functionality. Other languages go by word lists. The ratio is
documents a second over those of alt-profanity-check (a linear SVM, scikit-learn) on the same real documents, one core.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import SHARED, parser, pin_to_one_core, report, run_peer, shared_file
from curate.classifiers.evaluation import at_threshold, auc
from curate.documents import FINDINGS_COLUMN, document_batch
from curate.steps import step_class
from curate.steps.step import Step
from curate.steps.toxicity import Toxicity
from pipelines.toxicity_model import FOLDS, fit, fold_of, matrix, pieces, scores

Values = npt.NDArray[Any]


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a set of the shared data."""
    with gzip.open(shared_file(f"{name}.jsonl.gz"), "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def asked(found: list[dict[str, Any]], **settings: Any) -> tuple[Values, Values]:
    """(whether each row is toxic, the greatest score of its sentences)."""
    batch = document_batch([{"row": i, "text": row["text"], "lang": row["lang"]} for i, row in enumerate(found)])
    made = Toxicity.model_validate(settings).process(batch)
    return np.array([row["toxic"] for row in found]), np.asarray(made["toxicity"].field("max"))


def line(what: str, toxic: Values, score: Values, threshold: float = 0.5) -> None:
    """Print AUC, and precision, recall and F1 at a threshold."""
    at = at_threshold(toxic, score, threshold)
    area = f"{auc(toxic, score):.3f}"
    print(f"{what:<44} {len(score):6} {area:>7} {at['precision']:9.3f} {at['recall']:7.3f} {at['f1']:6.3f}")


def peer(texts: list[str]) -> tuple[Values, float]:
    """(probabilities of alt-profanity-check, seconds)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.jsonl")
        path.write_text("".join(json.dumps(text) + "\n" for text in texts), "utf-8")
        found = run_peer("alt_profanity.py", [path])
    return np.array(found["scores"]), float(found["seconds"])


def main() -> None:
    options = parser(__doc__).parse_args()
    pin_to_one_core()
    print(f"{'':<44} {'texts':>6} {'AUC':>7} {'precision':>9} {'recall':>7} {'F1':>6}")
    surge = rows("toxicity/surge_toxicity_en")
    toxic, score = asked(surge)
    line("Surge, threshold 0.5", toxic, score)
    line("Surge, threshold 0.2", toxic, score, 0.2)
    line("Surge, whole comments", *asked(surge, level="document"))
    line("Surge, words of the English list alone", *asked(surge, languages=[], lists="all"))
    line("Surge, alt-profanity-check", toxic, peer([row["text"] for row in surge])[0])
    _clean()
    _hatecheck(rows("toxicity/hatecheck_en"))
    _languages(rows("toxicity/hatecheck_multilingual_a"))
    if not options.quick:
        _davidson()
    _speed(1000 if options.quick else 4000)


def _clean() -> None:
    """False alarms on clean text, of which the model has seen a part."""
    for name in ("web_text/c4_demo_a", "prose/standardebooks", "web_text/wikipedia_demo", "prose/movie_reviews_a"):
        found = [row | {"lang": "en", "toxic": False} for row in rows(name)]
        score = asked(found)[1]
        shares = "  ".join(f"> {value}: {(score >= value).mean():6.1%}" for value in (0.5, 0.7, 0.95))
        print(f"{name:<44} {len(score):6} documents with a sentence {shares}")


def _hatecheck(found: list[dict[str, Any]]) -> None:
    toxic, score = asked(found)
    line("HateCheck", toxic, score)
    right, kind = (score >= 0.5) == toxic, np.array([row["functionality"] for row in found])
    for name in dict.fromkeys(kind):
        print(f"  {name:<24} {(kind == name).sum():5} cases, right {right[kind == name].mean():6.1%}")


def _languages(found: list[dict[str, Any]]) -> None:
    """Word lists by language, and the English model asked all the same."""
    lang = np.array([row["lang"] for row in found])
    toxic, listed = asked(found)
    forced = asked(found, languages=sorted(set(lang)), lists="none")[1]
    for code in sorted(set(lang)):
        part = lang == code
        line(f"HateCheck {code}, word list", toxic[part], listed[part])
        line(f"HateCheck {code}, English model", toxic[part], forced[part])


def _davidson() -> None:
    """Each tweet scored by a model that has not seen its fold."""
    found = pieces(SHARED)
    tweets = np.array([piece.source == "davidson" for piece in found])
    toxic, texts = np.array([piece.toxic for piece in found]), [piece.text for piece in found]
    fold, given, score = np.array([fold_of(text) for text in texts]), matrix(texts), np.zeros(len(texts))
    for chosen in range(FOLDS):
        unseen = tweets & (fold == chosen)
        model = fit(given[~unseen], toxic[~unseen], np.ones((~unseen).sum()))
        score[unseen] = scores(model, [texts[i] for i in np.flatnonzero(unseen)])
    line(f"Davidson, {FOLDS}-fold", toxic[tweets], score[tweets])
    line(f"Davidson, {FOLDS}-fold, the polite ones", ~toxic[tweets], 1 - score[tweets])


def _speed(count: int) -> None:
    texts = pq.read_table(shared_file("corpus/debian_docs.parquet"), columns=["text"])["text"].to_pylist()[:count]
    batch = document_batch([{"row": i, "id": str(i), "text": text} for i, text in enumerate(texts)])
    size = sum(len(text.encode()) for text in texts) / 1e6
    table, rate = [("text", size, "MB")], 0.0
    # what the global step `tag` finds before it works on the text
    row = {"limit": pa.array([0.05] * count), "bands": pa.array([[]] * count, pa.list_(pa.int8()))}
    batch = batch.append_column(FINDINGS_COLUMN, pa.StructArray.from_arrays([*row.values()], names=[*row]))
    settings: dict[str, dict[str, Any]] = {"toxicity": {}, "nsfw": {}, "tag": {"threshold": 0.05}}
    for kind, given in settings.items():
        step = step_class(kind).model_validate(given)
        started = time.process_time()
        step.process(batch.slice(0, 1))
        table.append((f"{kind}, compiling or loading kernels (left out)", time.process_time() - started, "s"))
        half, seconds = (min(_seconds(step, batch.slice(0, n)) for _ in range(3)) for n in (count // 2, count))
        part = sum(len(text.encode()) for text in texts[: count // 2]) / 1e6
        table += [
            (kind, size / seconds, "MB/s"),
            (kind, count / seconds, "documents/s"),
            (f"{kind}, seconds a MB of all over those of half", seconds / size * part / half, ""),
        ]
        rate = rate or count / seconds
    part = texts[: count // 4]
    peer_rate = len(part) / peer(part)[1]
    report([*table, ("alt-profanity-check", peer_rate, "documents/s")], rate / peer_rate)


def _seconds(step: Step, batch: pa.RecordBatch) -> float:
    started = time.process_time()
    step.process(batch)
    return time.process_time() - started


if __name__ == "__main__":
    main()
