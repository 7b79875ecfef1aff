"""`paragraph_language`: foreign paragraphs are found, and cut if asked for."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pyarrow as pa
import pytest

from curate.documents import document_batch
from curate.steps.paragraph_language import ParagraphLanguage

ENGLISH = "Whereas recognition of the inherent dignity and of the equal rights of all members of the family is the foundation."
GERMAN = "Da die Anerkennung der angeborenen W\u00fcrde und der gleichen Rechte aller Mitglieder der Gemeinschaft die Grundlage ist."
SPANISH = (
    "Considerando que la libertad, la justicia y la paz en el mundo tienen por base el reconocimiento de la dignidad."
)


def process(step: ParagraphLanguage, rows: list[tuple[str | None, str | None]]) -> pa.RecordBatch:
    return step.process(document_batch([{"row": i, "text": text, "lang": lang} for i, (text, lang) in enumerate(rows)]))


CASES = [
    (f"{ENGLISH}\n{GERMAN}\n{ENGLISH}\nHome | About\n", "en", (3, 2 / 3, 1 / 3, "de", 1), f"{ENGLISH}\n{ENGLISH}\nHome | About\n"),
    (f"{ENGLISH}\n{ENGLISH}\n\n{GERMAN}", None, (3, 2 / 3, 1 / 3, "de", 1), f"{ENGLISH}\n{ENGLISH}\n\n"),
    (f"{GERMAN}\n\n{SPANISH} {SPANISH}", "en", (2, 0.0, 1.0, "es", 2), "\n"),
    (ENGLISH, "xx", (1, 1.0, 0.0, "", 0), ENGLISH),
    (f"{GERMAN}\n{ENGLISH}", "de-AT", (2, 0.5, 0.5, "en", 1), f"{GERMAN}\n"),
    ("Home\nAbout", "en", (0, 1.0, 0.0, "", 0), "Home\nAbout"),
    ("", None, (0, 1.0, 0.0, "", 0), ""),
    (None, "en", (0, 1.0, 0.0, "", 0), None),
]  # fmt: skip


@pytest.mark.parametrize("cut", [False, True])
def test_signals_and_texts(cut: bool) -> None:
    made = process(ParagraphLanguage(cut=cut), [case[:2] for case in CASES])
    for row, text, (given, _, wanted, edited) in zip(
        made["paragraph_language"].to_pylist(), made["text"].to_pylist(), CASES, strict=True
    ):
        keys = ("judged", "same_frac", "foreign_frac", "foreign", "removed")
        assert [row[key] for key in keys] == [*wanted[:4], wanted[4] * cut]
        assert text == (edited if cut else given)
    # the text of the row before and after does not matter
    alone = process(ParagraphLanguage(cut=cut), [CASES[2][:2]])
    assert alone["paragraph_language"].to_pylist() == made["paragraph_language"].slice(2, 1).to_pylist()


def test_settings_and_rules() -> None:
    assert ParagraphLanguage(preset="majority").rule_table() == {
        "foreign_letter_frac": "paragraph_language.foreign_letter_frac <= 0.5"
    }
    made = process(ParagraphLanguage(min_letters=500), [CASES[0][:2]])
    assert made["paragraph_language"].to_pylist()[0]["judged"] == 0


def test_planted_paragraphs_are_found(shared_data: Path) -> None:
    """Spanish and Hindi paragraphs planted in English, German, Russian and Chinese pages of the same encyclopedia."""
    with gzip.open(shared_data / "multilingual/xquad_contexts.jsonl.gz") as file:
        rows = [json.loads(line) for line in file]
    by_language = {
        code: [r["text"] for r in rows if r["lang"] == code] for code in ("en", "de", "ru", "zh", "es", "hi")
    }
    rng, planted, pure = random.Random(3), [], []
    for code in ("en", "de", "ru", "zh"):
        for place in range(0, 120, 6):
            own = [text.replace("\n", " ") for text in by_language[code][place : place + 6]]
            foreign = by_language[rng.choice(["es", "hi"])][place].replace("\n", " ")
            pure.append(("\n".join(own), code))
            planted.append(("\n".join([*own[:3], foreign, *own[3:]]), code))
    step = ParagraphLanguage(cut=True)
    assert process(step, planted)["text"].to_pylist() == [text for text, _ in pure]
    assert process(step, pure)["text"].to_pylist() == [text for text, _ in pure]
