"""Planted test examples are found, clean prose is left alone, and the guard and the command say so."""

from __future__ import annotations

import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.contamination.measure import Meter, contamination
from curate.contamination.search import Search, index_texts, load
from curate.errors import ConfigError, ContaminationError

SENTENCE = "Seven brave little tailors walked over the {} hill to buy {} buttons in town."


def repunctuated(text: str, rng: random.Random) -> str:
    """Marks beside a blank left out or another, commas added, curly apostrophes."""
    made = []
    for before, char, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if char in '!?:;"“”().' and " " in (before, after):
            made.append(rng.choice(["", "—", " ;"]))
        else:
            made.append("’" if char == "'" else rng.choice([" ", ", "]) if char == " " else char)
    return "".join(made)


EDITS = {
    "verbatim": lambda text, rng: text,
    "case": lambda text, rng: text.upper() if rng.random() < 0.5 else text.title(),
    "punctuation": repunctuated,
    "whitespace": lambda text, rng: re.sub(" ", lambda _: rng.choice([" ", "  ", "\n", "\t", "\u00a0"]), text),
}


def rows(path: Path, most: int) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for _, line in zip(range(most), file, strict=False)]


def test_thai_is_searched_by_words_not_by_letters(shared_data: Path) -> None:
    """Eight letters are two words: by letters, 78 of these 500 sentences were found in paragraphs about other things."""
    sets = [f"multilingual/{name}.jsonl.gz" for name in ("pud_news_sentences", "xquad_contexts")]
    news, paragraphs = (
        [row["text"] for row in rows(shared_data / name, 10_000) if row["lang"] == "th"] for name in sets
    )
    search = Search(index_texts("news", news, ngram=8, min_words=6), 0.5)
    assert not len(search(pa.array(["\n".join(paragraphs)])).passage)
    search = Search(index_texts("paragraphs", paragraphs, ngram=8, min_words=6), 0.5)
    copies = search(pa.array([re.sub(" +", "\n  ", text) for text in paragraphs]))
    assert copies.best.tolist() == list(range(140))
    # words at the joints are others
    assert (search(pa.array([re.sub(r"[\s,.()]", "", text) for text in paragraphs])).best >= 0).sum() >= 138


def test_every_planted_copy_is_found_and_clean_prose_is_not(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "benchmarks").glob("*.jsonl.gz"))
    for file in files:
        few = rows(file, 60)
        (tmp_path / file.name.replace(".gz", "")).write_text("\n".join(map(json.dumps, few)))
    index = load([str(tmp_path)])
    rng = random.Random(7)
    prose = [row["text"] for row in rows(shared_data / "prose/standardebooks.jsonl.gz", 50)]
    candidates = [p for p in range(len(index.searched)) if index.searched[p]]
    chosen = rng.sample(candidates, 500)
    planted, names = [], []
    for number, passage in enumerate(chosen):
        name, edit = list(EDITS.items())[number % len(EDITS)]
        words = rng.choice(prose).split(" ")
        at = rng.randrange(len(words) // 2)
        copy = edit(index.sets.passages[passage].text, rng)
        planted.append(" ".join(words[at : at + 150]) + f"\n\n{copy}\n\n" + " ".join(words[at + 150 : at + 300]))
        names.append(name)
    search = Search(index, 0.5)
    found = search(pa.array(planted))
    missed = []
    for number, passage in enumerate(chosen):
        examples = {
            index.sets.ids[index.example[p]] for p in found.passage[found.first[number] : found.first[number + 1]]
        }
        same = index.sets.ids[index.example[passage]] in examples
        missed += [] if same else [(names[number], index.sets.passages[passage].text)]
    assert missed == []
    # and not in the prose without them: 50 chapters, 1 MB
    assert len(Search(index, 0.5)(pa.array(prose)).passage) == 0


def test_the_report_counts_examples_documents_and_words() -> None:
    index = index_texts(
        "tailors", [SENTENCE.format(i, "red") + f" And so did number {i}." for i in range(4)] + ["Short."]
    )
    texts = ["clean text " * 20, "Before. " + SENTENCE.format(1, "red").upper() + " And so did number 1. After.", "x"]
    meter = Meter(index)
    meter.add(pa.array(texts[:2]), ["first", "second"])
    meter.add(pa.array(texts[1:]), ["third", "fourth"])
    found = meter.result()
    assert (found.documents, found.contaminated) == (4, 2)
    (row,) = found.benchmarks
    assert (row.name, row.examples, row.searched) == ("tailors", 5, 4)
    by_id = {example.id: example for example in found.examples}
    assert (by_id["1"].share, by_id["1"].document, by_id["1"].documents) == (1.0, "second", 2)
    assert by_id["1"].matched.startswith("SEVEN BRAVE") and by_id["1"].matched.endswith("number 1")
    # the others differ in two words: of their n-grams those of the 11 words between remain
    assert {id: example.share for id, example in by_id.items()} == {"0": 0.55, "1": 1.0, "2": 0.55, "3": 0.55}
    assert row.contaminated == len(by_id) and row.words_found < row.words


def test_parts_of_an_example_in_two_texts_add_up_anywhere() -> None:
    words = [f"word{i}" for i in range(40)]
    index = index_texts("set", [" ".join(words)])
    found = contamination([pa.array([" ".join(words[:18])]), pa.array([" ".join(words[20:])])], index)
    assert found.examples == () and found.partly == (("set", "0", 0.5, 0.95),)
    found.guard()


def test_the_guard_stops_above_its_limit() -> None:
    index = index_texts(
        "tailors", [SENTENCE.format("green", i) + f" It was {i} days in all, they said." for i in range(50)]
    )
    found = contamination(
        [pa.array([SENTENCE.format("green", 3) + " It was 3 days in all, they said."])], index, threshold=0.99
    )
    found.guard(0.02)
    with pytest.raises(ContaminationError, match="tailors 1 of 50") as caught:
        found.guard(0.019)
    assert caught.value.exit_code == 6


def test_no_text_and_no_match_are_no_error() -> None:
    index = index_texts("tailors", [SENTENCE.format(1, 2)])
    assert contamination([], index).documents == 0
    assert contamination([pa.array([None, ""], pa.string())], index).examples == ()


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    sets, pool = tmp_path / "sets.jsonl", tmp_path / "pool.jsonl"
    sets.write_text("\n".join(json.dumps({"id": i, "q": SENTENCE.format(i, "red")}) for i in range(3)))
    pool.write_text(
        "\n".join(
            [json.dumps({"id": "a", "text": "clean"}), "{", json.dumps({"id": "b", "text": SENTENCE.format(2, "red")})]
        )
    )
    return sets, pool


@pytest.mark.parametrize(("limit", "code"), [("0%", 6), ("100%", 0)])
def test_the_command_prints_a_table_and_the_evidence(texts: tuple[Path, Path], limit: str, code: int) -> None:
    sets, pool = texts
    arguments = ["contamination", str(pool), "--against", str(sets), "--limit", limit, "--threshold", "0.99"]
    done = CliRunner().invoke(app, arguments)
    assert (done.exception.exit_code if isinstance(done.exception, ContaminationError) else done.exit_code) == code
    assert "2 documents, 1 of them hold test examples" in done.stdout and "1 records could not be read" in done.stdout
    assert "sets 2: b" in done.stdout and "100% of its q" in done.stdout and "Seven brave little" in done.stdout


def test_the_command_prints_everything_as_json(texts: tuple[Path, Path]) -> None:
    sets, pool = texts
    arguments = ["contamination", str(pool), "--against", str(sets), "--limit", "100%", "--json"]
    found = json.loads(CliRunner().invoke(app, arguments).stdout)
    assert found["documents"] == 2 and found["unread_records"] == 1
    assert found["benchmarks"][0]["contaminated"] == len(found["examples"]) >= 1
    assert {match["id"] for match in found["matches"]} >= {"2"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pool.jsonl", "--against", "nothing/"], "no test set at"),
        (["nothing.jsonl", "--against", "sets.jsonl"], "matches no file"),
        (["pool.jsonl", "--against", "sets.jsonl", "--limit", "some"], "--limit"),
        (["pool.jsonl", "--against", "sets.jsonl", "--threshold", "1"], "--threshold"),
        (["pool.jsonl", "--against", "sets.jsonl", "--ngram", "4"], "--min-words"),
        (["pool.jsonl", "--against", "sets.jsonl", "--text", "body"], "no column `body`"),
        (["pool.jsonl", "--against", "sets.jsonl", "--field", "answer"], "no text under answer"),
    ],
)
def test_mistakes_are_told_before_any_work(
    texts: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(texts[0].parent)
    done = CliRunner().invoke(app, ["contamination", *arguments])
    assert isinstance(done.exception, ConfigError) and words in str(done.exception) and done.exception.exit_code == 2
