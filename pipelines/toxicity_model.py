"""Train the model of the step `toxicity`: curate/assets/toxicity/model.npz.

    python -m pipelines.toxicity_model ../shared/data curate/assets/toxicity/model.npz
    python -m pipelines.toxicity_model ../shared/data --folds        # what the settings were chosen by

Toxic: tweets that most annotators found offensive or hateful (Davidson et al. 2017), sentences of comments with a span
that readers marked as toxic (SemEval-2021 task 5), posts of HateXplain. Not toxic: the other tweets, sentences of the same
comments without a marked span and those with the span cut out, so that topics and tone are the same on both sides; clean
prose; sentences that name groups of people and say nothing bad of them (below, and StereoSet's reversed ones).
Never read: the Surge set and HateCheck. Logistic regression whose features are scaled by their log-count ratio (Wang
and Manning 2012, NB-SVM), rounded to eight bits. The same file on one machine; scikit-learn is in the extra `dev`.
"""

from __future__ import annotations

import gzip
import html
import json
import random
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression

from curate.classifiers.evaluation import auc
from curate.classifiers.fasttext_model import FastTextScorer, TrainingSettings, train
from curate.classifiers.lines import line_of
from curate.kernels.linear_text import Linear, features, probabilities, save
from curate.sentences import sentence_spans
from curate.text import buffers

BITS, LEAST, MOST = 18, 2, 5
STRENGTH, SMOOTHING, SEED = 1.0, 1.0, 7
FOLDS = 5
#: sentences that are taken of each source of clean text
CLEAN = {
    "prose/wikitext2_valid": 2500, "prose/standardebooks": 6000, "prose/state_union": 1500,
    "prose/movie_reviews_a": 6000, "web_text/c4_demo_a": 2500, "web_text/wikipedia_demo": 2000,
    "multilingual/pud_news_sentences": 1000,
}  # fmt: skip
PEOPLE = (
    "gay people", "lesbians", "trans people", "trans women", "queer people", "bisexuals", "women", "men", "girls", "Muslims", "Jews",
    "Christians", "Hindus", "Buddhists", "Sikhs", "atheists", "Black people", "white people", "African Americans", "Asians",
    "Latinos", "Mexicans", "Indians", "Chinese people", "Arabs", "Africans", "Roma", "immigrants", "migrants", "refugees",
    "foreigners", "disabled people", "blind people", "deaf people", "autistic people", "old people", "poor people",
)  # fmt: skip
SAID = (
    "Many {} live in this town.", "My neighbours are {} and we often have dinner together.", "The film tells the story of {} in the 1960s.",
    "{} make up a third of the population of the city.", "The survey asked {} about their health.", "We met {} from all over the country.",
    "{} have the right to vote.", "A new centre for {} opened on Monday.", "Some of my best teachers were {}.",
    "The law protects {} from discrimination.", "Most of the volunteers are {}.", "Books written by {} are on the second floor.",
    "She wrote a history of {} in Europe.", "{} were among the first to settle here.", "The museum honours {} who served in the war.",
)  # fmt: skip


class Piece(NamedTuple):
    """A text to learn from, where it is from, and whether it is toxic."""

    source: str
    toxic: bool
    text: str


def rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a set of the shared data."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def pieces(folder: Path) -> list[Piece]:
    """Everything to learn from, in a fixed order."""
    rng = random.Random(SEED)
    found = [
        Piece("davidson", row["score"] >= 0.5, html.unescape(row["text"]))
        for row in rows(folder, "toxicity/davidson_tweets")
    ]
    for row in rows(folder, "toxicity/toxic_spans_train"):
        found += comment(row["text"], set(row.get("toxic_char_offsets") or []))
    for name, count in CLEAN.items():
        texts = [row["text"] for row in rows(folder, name) if row.get("lang", "en") == "en"]
        found += sentences(name, texts, count, rng)
    docs = pq.read_table(folder / "corpus" / "debian_docs.parquet", columns=["text"])["text"].to_pylist()
    found += sentences("docs", docs[::40], 4000, rng)
    dolly = list(rows(folder, "instructions/dolly_hhrlhf_a"))
    found += sentences("dolly", [row[key] for key in ("instruction", "output") for row in dolly], 2000, rng)
    found += instructions(folder, rng)
    named = [said.format(people) for people in PEOPLE for said in SAID]
    return found + [Piece("people", False, text[0].upper() + text[1:]) for text in named]


def comment(text: str, marked: set[int]) -> Iterator[Piece]:
    """The sentences of a comment of which the characters `marked` are toxic; none where no reader marked any."""
    for start, stop in sentence_spans(text) if marked else []:
        inside = sum(i in marked for i in range(start, stop))
        if inside == 0:
            yield Piece("spans_clean", False, text[start:stop])
        elif inside > 1:
            yield Piece("spans_toxic", True, text[start:stop])
            rest = "".join(text[i] for i in range(start, stop) if i not in marked)
            if len(rest.split()) >= 2:
                yield Piece("spans_cut", False, rest)


def sentences(source: str, texts: Sequence[str], count: int, rng: random.Random) -> list[Piece]:
    """So many clean sentences, drawn from texts."""
    found = sorted({text[a:b] for text in texts for a, b in sentence_spans(text) if b - a > 15})
    rng.shuffle(found)
    return [Piece(source, False, text) for text in found[:count]]


def instructions(folder: Path, rng: random.Random) -> Iterator[Piece]:
    """Of Natural Instructions: HateXplain's posts, tweets about news, StereoSet's reversed sentences, other inputs."""
    plain, tweets, reversed_ = [], set(), set()
    for row in rows(folder, "instructions/natural_instructions"):
        if "hatexplain" in row["task"]:
            yield Piece("hatexplain", True, row["input"])
        elif "stereoset" in row["task"]:
            reversed_.add(row["input"].removeprefix("Context: ").replace("_", row["output"]))
        elif "btc_corpus" in row["task"]:
            tweets.add(row["input"])
        else:
            plain.append(row["input"])
    yield from (Piece("tweets", False, text) for text in sorted(tweets))
    yield from (Piece("stereoset", False, text) for text in sorted(reversed_))
    yield from sentences("instructions", plain, 5000, rng)


def matrix(texts: Sequence[str]) -> sp.csr_matrix:
    """(texts, 2**BITS) how often each text has each feature, as the model weighs it."""
    data, offsets = buffers(pa.array(texts, pa.string()))
    found, first = features(data, offsets[:-1], offsets[1:], bits=BITS, least=LEAST, most=MOST)
    counts = np.ones(len(found), np.float32)
    made = sp.csr_matrix((counts, found.astype(np.int32), first), shape=(len(texts), 1 << BITS))
    made.sum_duplicates()
    return sp.csr_matrix(sp.diags(np.maximum(np.diff(first), 1) ** -0.25) @ made)


def fit(given: sp.csr_matrix, toxic: np.ndarray, weight: np.ndarray) -> Linear:
    """The model that parts the rows `toxic` from the others, in eight bits."""
    seen = sp.csr_matrix((np.ones_like(given.data), given.indices, given.indptr), shape=given.shape)
    bad, good = (SMOOTHING + seen.T @ (weight * side) for side in (toxic, ~toxic))
    ratio = np.log(bad / bad.sum()) - np.log(good / good.sum())
    made = LogisticRegression(C=STRENGTH, max_iter=300, tol=1e-4)
    made.fit(given @ sp.diags(ratio), toxic, sample_weight=weight)
    weights = made.coef_[0] * ratio
    # the few greatest are cut, so that the many small ones are more than rounding
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9999)) / 127
    return Linear(
        np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale, float(made.intercept_[0]), LEAST, MOST
    )


def scores(model: Linear, texts: Sequence[str]) -> np.ndarray:
    """The probability of each text as one piece."""
    data, offsets = buffers(pa.array(texts, pa.string()))
    return probabilities(data, offsets[:-1], offsets[1:], model)[0]


def fold_of(text: str) -> int:
    """In which of FOLDS parts a text is."""
    return zlib.crc32(text.encode()) % FOLDS


def main() -> None:
    folder = Path(sys.argv[1])
    found = pieces(folder)
    source, toxic = np.array([piece.source for piece in found]), np.array([piece.toxic for piece in found])
    given = matrix([piece.text for piece in found])
    weight = np.ones(len(found))
    if sys.argv[2] == "--folds":
        report([piece.text for piece in found], source, toxic, given, weight)
        return
    for name in dict.fromkeys(source):
        print(f"{name:<36} {int(toxic[source == name].sum()):6} toxic {int((~toxic)[source == name].sum()):6} not")
    save(fit(given, toxic, weight), Path(sys.argv[2]))


def report(
    texts: Sequence[str], source: np.ndarray, toxic: np.ndarray, given: sp.csr_matrix, weight: np.ndarray
) -> None:
    """AUC on folds and on whole sources that the model has not seen, false alarms on clean prose that it has not."""
    fold = np.array([fold_of(text) for text in texts])
    prose = np.isin(source, [*CLEAN, "dolly"])
    tweets, spans = source == "davidson", np.isin(source, ["spans_toxic", "spans_clean"])
    first = fold == 0
    for what, unseen in {"a fold": first | prose, "tweets": tweets | prose, "comments": spans | prose}.items():
        hidden = unseen | (np.char.startswith(source, "spans") if what == "comments" else False)
        model = fit(given[~hidden], toxic[~hidden], weight[~hidden])
        score = scores(model, texts)
        for name, part in {"tweets": tweets, "comments": spans}.items():
            if what in ("a fold", name):
                judged = part & (first if what == "a fold" else True)
                print(f"{what} unseen: AUC on {name} {auc(toxic[judged], score[judged]):.3f}")
        if what == "a fold":
            peer = fasttext_scores(texts, toxic, ~hidden)
            for name, part in {"tweets": tweets & first, "comments": spans & first}.items():
                print(f"  fastText instead: AUC on {name} {auc(toxic[part], peer[part]):.3f}")
            for name in dict.fromkeys(source[prose]):
                print(f"  false alarms {name:<36} {(score[source == name] >= 0.5).mean():.4f}")


def fasttext_scores(texts: Sequence[str], toxic: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The probabilities of a fastText model with word pairs and n-grams of letters, trained on the texts `seen`."""
    settings = TrainingSettings(word_ngrams=2, char_ngrams=(3, 5), dim=16, epochs=5, rate=0.3, buckets=200_000)
    lines = [(str(int(toxic[i])), line_of(texts[i], "folded")) for i in np.flatnonzero(seen).tolist()]
    random.Random(SEED).shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        made = FastTextScorer(train(lines, settings, SEED, Path(folder)), "folded")
    return made.scores(pa.array(texts, pa.string()))[:, made.labels.index("1")]


if __name__ == "__main__":
    main()
