"""On real text: languages are found, and the bounds of a language keep clean prose in it, where those for English do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.languages import ENGLISH, OWN, PROSE, UDHR, Text, accuracy, by_language, foreign, joined, read, total


@pytest.fixture(scope="module")
def prose() -> list[Text]:
    texts = [text for name in PROSE for text in (read(name) if name == UDHR else joined(read(name)))]
    chosen = [
        text for text in texts if text.lang in ("ar", "de", "el", "hi", "ja", "ko", "mr", "ru", "ta", "th", "tr", "zh")
    ]
    return [text for text, other in zip(chosen, foreign(chosen), strict=True) if not other]


def test_languages_of_paragraphs_are_found(shared_data: Path) -> None:
    found = accuracy(read("xquad_contexts"))
    assert len(found) == 12 and all(right >= 0.99 * n for n, right in found.values())


def test_no_language_loses_more_than_a_tenth_of_clean_prose(shared_data: Path, prose: list[Text]) -> None:
    kept = by_language(prose, OWN)
    assert min(each.documents for each in kept.values()) > 20
    assert {lang: each.rules for lang, each in kept.items() if each.dropped > 0.1 * each.documents} == {}
    documents, dropped, length = total(kept)
    assert (dropped + length) / documents < 0.06
    _, by_english, _ = total(by_language(prose, ENGLISH))
    assert by_english > 0.9 * documents


def test_small_languages_with_other_marks_between_words_lose_none(shared_data: Path) -> None:
    texts = [text for text in read(UDHR) if text.lang in ("am", "bo", "chr", "km", "lo", "ml", "my")]
    assert len(texts) == 9 and not any(foreign(texts))
    assert {lang: kept.rules for lang, kept in by_language(texts, OWN).items() if kept.dropped or kept.length} == {}


def test_setu_keeps_clean_prose_in_indic_languages(shared_data: Path, prose: list[Text]) -> None:
    kept = by_language([text for text in prose if text.lang in ("hi", "mr", "ta")], {"setu": "setu"})
    assert len(kept) == 3 and all(each.dropped + each.length <= 0.1 * each.documents for each in kept.values())
