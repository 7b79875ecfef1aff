"""Samples of fine-tuning's skills from shared data: a grid of XQuAD's languages and tasks, and stance beside its neighbours.

What is held out is held out of everything: of the grid whole passages, in all languages and tasks; of the debates
perspectives, in every task that shows them.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import shared_file

#: held-out passages (of 140) and perspectives (of 11,112)
PASSAGES, PERSPECTIVES = 24, 400
#: samples of each skill beside the debates
MOST = 1500
NEIGHBOURS = ("Sentence Composition", "Question Generation", "Named Entity Recognition", "Question Answering")
CODES = {"English": "en", "Spanish": "es", "German": "de", "Hindi": "hi"}
SIDES = {"SUPPORT": "supports", "UNDERMINE": "undermines"}


class Sample(NamedTuple):
    """A prompt and what is learnt."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Experiment:
    """What is trained on by skill, the target's held-out samples, and texts that both experiments keep from the model."""

    target: str
    #: with the target: what the paper found to help it
    prerequisites: tuple[str, ...]
    trained: Mapping[str, Sequence[Sample]]
    held_out: Sequence[Sample]
    closed: frozenset[str]
    #: of the paper, percent: the target's loss against training on it alone
    paper: float
    #: for a graph of relative falls, ours, and for one of falls in nats, the paper's
    eta: tuple[float, float]


def rows(name: str) -> Iterator[Any]:
    """The records of a file of shared data."""
    with gzip.open(shared_file(name), "rt", encoding="utf-8") as file:
        yield from (json.loads(line) for line in file)


def grid(context: int) -> Experiment:
    """Language of the passage, language of the question, answering or asking; the target is asking in Spanish.

    A passage is cut to what rows of `context` tokens have room for.
    """
    # on both sides of the answer, characters for each token beyond those of instruction, question and answer: 120 with 256
    around = max(40, (context - 160) * 5 // 4)
    found = list(rows("instructions/xquad_skills.jsonl.gz"))
    split = [_cell(row) for row in found]
    #: (language, question) -> the answer, a span of the passage in that language
    answers = {(cell[0], key): row["output"] for row, (cell, key) in zip(found, split, strict=True) if cell[2] == "qa"}
    passages = {(cell[0], key): row["input"] for row, (cell, key) in zip(found, split, strict=True) if cell[2] == "ask"}
    order = list(dict.fromkeys(text for (language, _), text in passages.items() if language == "en"))
    chosen = {order[i] for i in np.random.default_rng(0).permutation(len(order))[:PASSAGES]}
    apart = {key for (language, key), text in passages.items() if language == "en" and text in chosen}
    trained: dict[str, list[Sample]] = {}
    held_out: list[Sample] = []
    for row, (cell, key) in zip(found, split, strict=True):
        skill = "-".join(cell)
        passage = _around(passages[cell[0], key], answers[cell[0], key], around)
        question = row["input"].rpartition("\n\n")[2] + "\n" if cell[2] == "qa" else ""
        sample = Sample(f"{row['instruction']}\n{passage}\n{question}", row["output"])
        if key not in apart:
            trained.setdefault(skill, []).append(sample)
        elif skill == "es-es-ask":
            held_out.append(sample)
    closed = frozenset(text for (_, key), text in passages.items() if key in apart)
    return Experiment("es-es-ask", ("es-es-qa", "en-en-qa", "en-en-ask"), trained, held_out, closed, -5.3, (4.0, 0.8))


def _cell(row: Mapping[str, Any]) -> tuple[tuple[str, str, str], str]:
    """((passage's language, question's language, task), the question's name)."""
    task, key = row["id"].split("-", 1)
    words = task.split("_")
    return (words[1], words[3], "qa" if words[-1] == "qa" else "ask"), key


def _around(passage: str, answer: str, size: int) -> str:
    """The part of a passage that holds the answer, `size` characters to both sides of where it begins, in whole words."""
    place = max(passage.find(answer), 0)
    begin, end = max(0, place - size), min(len(passage), place + max(size, len(answer)))
    begin = passage.find(" ", begin) + 1 if begin else 0
    end = passage.rfind(" ", begin, end) if end < len(passage) and " " in passage[begin:end] else end
    return passage[begin:end].strip("\ufeff ")


def stance(context: int) -> Experiment:
    """Does a perspective support or undermine a claim? Beside it other tasks of the same debates, and other instructions."""
    folder = "instructions/perspectrum_verbatim"
    claims, pool = (
        json.loads(gzip.decompress(shared_file(f"{folder}/{name}_v1.0.json.gz").read_bytes()))
        for name in ("perspectrum_with_answers", "perspective_pool")
    )
    texts = {entry["pId"]: " ".join(entry["text"].split()) for entry in pool}
    rng = np.random.default_rng(0)
    closed = {texts[sorted(texts)[i]] for i in rng.permutation(len(texts))[:PERSPECTIVES]}
    open_texts = sorted(set(texts.values()) - closed)
    trained: dict[str, list[Sample]] = {name: [] for name in ("stance", "argue", "same", "about", "topic")}
    held_out: list[Sample] = []
    for claim in claims:
        said = f"Claim: {claim['text']}\n"
        if claim["topics"]:
            trained["topic"].append(Sample(f"{said}What is the topic?\n", " ".join(sorted(claim["topics"]))))
        clusters = [[texts[i] for i in entry["pids"]] for entry in claim["perspectives"]]
        for entry, cluster in zip(claim["perspectives"], clusters, strict=True):
            side = SIDES[entry["stance_label_3"]]
            shown = [text for text in cluster if text not in closed]
            for text in cluster:
                sample = Sample(f"{said}Perspective: {text}\nThe perspective\n", side)
                (held_out if text in closed else trained["stance"]).append(sample)
            for text in shown:
                trained["argue"].append(Sample(f"{said}A perspective that {side} it:\n", text))
                other = open_texts[rng.integers(len(open_texts))]
                about = rng.random() < 0.5
                perspective = text if about else other
                trained["about"].append(
                    Sample(f"{said}Perspective: {perspective}\nAbout this claim?\n", "yes" if about else "no")
                )
            others = [text for held in clusters if held is not cluster for text in held if text not in closed]
            for one, two in zip(shown, shown[1:], strict=False):
                trained["same"].append(Sample(f"One: {one}\nTwo: {two}\nThe same?\n", "yes"))
                if others:
                    two = others[rng.integers(len(others))]
                    trained["same"].append(Sample(f"One: {one}\nTwo: {two}\nThe same?\n", "no"))
    for row in rows("instructions/natural_instructions.jsonl.gz"):
        if row["category"] in NEIGHBOURS:
            sample = Sample(f"{row['instruction'].split('. ')[0]}.\n{row['input']}\n", row["output"])
            trained.setdefault(row["category"], []).append(sample)
    for name, samples in trained.items():
        kept = rng.permutation(len(samples))[:MOST] if name in NEIGHBOURS else range(len(samples))
        trained[name] = [samples[i] for i in kept]
    return Experiment("stance", ("same",), trained, held_out, frozenset(closed), -13.6, (16.0, 0.2))


def base_texts(closed: frozenset[str]) -> dict[str, list[str]]:
    """Texts by language for the model that all runs start from, without what is held out."""
    found: dict[str, list[str]] = {}
    for name in ("multilingual/xquad_contexts", "multilingual/gnome_help_a", "prose/wikitext2_valid"):
        for row in rows(f"{name}.jsonl.gz"):
            language = row.get("lang", "en")
            if language in CODES.values() and row["text"].strip("\ufeff ") not in {
                text.strip("\ufeff ") for text in closed
            }:
                found.setdefault(language, []).append(row["text"])
    for entry in json.loads(
        gzip.decompress(shared_file("instructions/perspectrum_verbatim/perspective_pool_v1.0.json.gz").read_bytes())
    ):
        text = " ".join(entry["text"].split())
        if text not in closed:
            found["en"].append(text)
    return found
