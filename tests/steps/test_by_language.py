"""Bounds and stop words by language: FineWeb-2's table, SQL over the step's own `lang`, overrides, explanations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from corpora import curate, pipeline, reused, run_ok, write_jsonl
from pydantic import ValidationError

from curate.documents import document_batch
from curate.errors import MissingAsset
from curate.steps import step_class
from curate.steps.bounds import Bound, brief, pruned, settled
from curate.steps.by_language import canonical, fineweb2
from curate.steps.quality import Quality

HINDI = "यह एक अच्छा दिन है और सूरज आसमान में चमक रहा है। लोग बाज़ार में जा रहे हैं और बच्चे खेल के मैदान में हैं।"
GERMAN = "Der Mann und die Frau gehen in das Haus. Es ist ein schöner Tag mit dem Hund."

# dup lines; dup 5- to 10-grams; top 2-, 3-, 4-grams; end-punct; newline; word length; alpha words
SPECIFIED = """
hi .206 .135 .125 .116 .108 .099 .090 .208 .198 .161 .091 .316 2 21 .837
bn .203 .118 .108 .099 .090 .082 .073 .177 .158 .147 .125 .171 3 24 .800
ta .276 .149 .140 .132 .123 .114 .104 .230 .212 .190 .125 .195 4 37 .779
te .256 .142 .133 .122 .114 .105 .096 .210 .180 .162 .080 .180 4 68 .739
mr .233 .145 .138 .131 .122 .114 .105 .156 .150 .137 .008 .351 2 35 .798
gu .299 .132 .122 .113 .102 .094 .084 .204 .178 .151 .200 .097 3 22 .812
ur .204 .125 .115 .107 .098 .089 .081 .139 .123 .107 .100 .222 2 31 .839
fr .264 .150 .141 .131 .121 .111 .100 .161 .149 .134 .100 .185 2 11 .812
ar .304 .165 .153 .142 .131 .120 .109 .197 .172 .146 .143 .189 2 9 .787
zh .287 .198 .182 .167 .154 .140 .127 .256 .201 .171 .106 .178 1 5 .735
"""


def rows(texts: list[str], langs: list[str | None], **settings: Any) -> list[dict[str, Any]]:
    step = Quality.model_validate(settings)
    batch = document_batch(
        [{"row": i, "text": t, "lang": c} for i, (t, c) in enumerate(zip(texts, langs, strict=True))]
    )
    found: list[dict[str, Any]] = step.process(batch).column(step.name).to_pylist()
    return found


@pytest.mark.parametrize("row", SPECIFIED.strip().split("\n"))
def test_bounds_of_fineweb2_are_those_specified(row: str) -> None:
    code, *values = row.split()
    quality = step_class("quality").model_validate({"preset": "fineweb2", "language": code}).bounds()
    repetition = step_class("repetition").model_validate({"preset": "fineweb2", "language": code}).bounds()
    grams = [f"dup_{n}gram_char_frac" for n in range(5, 11)] + [f"top_{n}gram_char_frac" for n in (2, 3, 4)]
    length = quality["mean_word_length"]
    found = [
        repetition["dup_line_frac"].max, *(repetition[name].max for name in grams), quality["line_punct_frac"].min,
        quality["newline_ratio"].max, length.min, length.max, quality["alpha_word_frac"].min,
    ]  # fmt: skip
    assert found == [float(value) for value in values]
    assert quality["char_dup_frac"].max == 0.1 and quality["stop_word_count"].min == 2
    assert "short_line_frac" not in quality and "dup_para_frac" not in repetition


def test_every_language_has_words_and_a_whole_set_of_bounds() -> None:
    table = fineweb2()
    assert len(table) == 186 and {len(own["repetition"]) for own in table.values()} == {10}
    assert {len(own["quality"]) for own in table.values()} == {4}
    assert min(len(own["stop_words"]) for own in table.values()) > 1
    # all 22 scheduled languages of India
    assert set("as bn brx doi gom gu hi kn ks mai ml mni mr ne or pa sa sat sd ta te ur".split()) <= set(table)


@pytest.mark.parametrize(
    ("code", "known"),
    [
        ("pt-BR", "pt"),
        ("hin_Deva", "hi"),
        ("cmn", "zh"),
        ("ZH-Hans", "zh"),
        ("nep", "ne"),
        ("als", "als"),
        ("xx", "xx"),
    ],
)
def test_codes_of_other_kinds_are_understood(code: str, known: str) -> None:
    assert canonical(code) == known


def test_stop_words_are_those_of_each_document_s_language() -> None:
    texts, langs = [HINDI, GERMAN, HINDI, GERMAN, GERMAN], ["hi", "deu_Latn", "de", None, "xx"]
    found = rows(texts, langs, preset="fineweb2")
    assert [row["lang"] for row in found] == ["hi", "de", "de", "", "xx"]
    assert [row["stop_word_count"] > 2 for row in found] == [True, True, False, False, False]
    assert [row["stop_word_count"] for row in rows([GERMAN, HINDI], ["hi", None], preset="fineweb2", language="de")] == [
        found[1]["stop_word_count"], 0,
    ]  # fmt: skip
    own = rows([GERMAN, HINDI], ["de", "hi"], stop_words={"de": ["hund", "der"], "hin": ["और"]})
    assert [row["stop_word_count"] for row in own] == [2, 1]
    # `es` is no stop word in German, though `de` is one in Spanish
    assert [row["stop_word_count"] for row in rows(["es"], ["de"], stop_words={"de": ["und"], "es": ["de"]})] == [0]
    iso = rows([GERMAN, HINDI], ["de", "hi"], stop_words="stopwordsiso")
    assert all(row["stop_word_count"] > 5 for row in iso)
    assert "lang" not in rows([GERMAN], ["de"])[0]


def test_stop_words_by_language_match_in_either_case_and_are_counted_once() -> None:
    texts, langs = ["ᎠᎴ ᎾᏍᎩ ᎠᎴ", "UND Und und der DER", "UND DER"], ["chr", "de", None]
    found = rows(texts, langs, stop_words={"chr": ["ꭰꮄ", "ꮎꮝꭹ"], "de": ["und", "der"]})
    assert [(row["stop_word_count"], row["stop_word_total"]) for row in found] == [(2, 3), (2, 5), (0, 0)]
    # a list for all languages, as Gopher's, matches words as they stand
    assert rows(["THE The the be"], ["en"], preset="gopher")[0]["stop_word_total"] == 2


def test_a_list_without_the_language_is_missing() -> None:
    with pytest.raises(MissingAsset, match="no stop words for sat"):
        Quality.model_validate({"stop_words": "stopwordsiso", "language": "sat"}).assets()


@pytest.mark.parametrize("kind", ["quality", "repetition"])
def test_a_language_without_bounds_is_refused_unless_they_are_given(kind: str) -> None:
    own = {"preset": ["gopher", "fineweb2"], "language": "xx"}
    with pytest.raises(ValidationError, match="no bounds for `xx`; `curate transfer-bounds`"):
        step_class(kind).model_validate(own)
    signal = {"quality": "newline_ratio", "repetition": "dup_line_frac"}[kind]
    given = step_class(kind).model_validate({**own, signal: {"by": {"xx": {"max": 0.5}}}})
    assert given.bounds()[signal].max == 0.5


def test_settings_decide_whether_signals_are_computed_anew() -> None:
    def print_of(**settings: Any) -> Any:
        return Quality.model_validate(settings).fingerprint()

    assert print_of(preset="fineweb2") == print_of(preset="fineweb2", newline_ratio={"by": {"hi": {"max": 1}}})
    assert print_of(preset="fineweb2") != print_of() and print_of(language="de") != print_of(newline_ratio={"max": 1})
    # bounds by language alone need the language of each document, and nothing else
    assert print_of(newline_ratio={"max": 1, "by": {"hi": {"max": 2}}})["by_language"]


def test_what_a_file_sets_holds_for_all_languages_it_does_not_name() -> None:
    preset = Bound(max=1, by={"hi": Bound(max=2), "ta": Bound(max=3)})
    assert preset.overridden(Bound(max=5)).sql("q.x") == "q.x <= 5"
    assert preset.overridden(Bound(min=0)).sql("q.x") == f"q.x >= 0 AND {preset.sql('q.x')}"
    assert preset.overridden(Bound(by={"hi": Bound(max=9)})).of("hi") == Bound(max=9)
    assert preset.of("ta") == Bound(max=3) and preset.of("de") == Bound(max=1)
    for wrong, message in (({"Hindi": {"max": 1}}, "no language code"), ({"hi": {"by": {"ta": {}}}}, "of its own")):
        with pytest.raises(ValidationError, match=message):
            Bound.model_validate({"by": wrong})


def test_rules_say_the_same_in_polars_and_duckdb_whole_and_pruned() -> None:
    rule = Bound(min=1, max=3, by={"hi": Bound(max=5), "ta": Bound(min=2), "te": Bound(), "kn": Bound(max=9)}).sql(
        "q.x"
    )
    documents = [
        {"q": {"lang": lang, "x": x}} for lang in ("hi", "ta", "te", "de", "", None) for x in (0.5, 1, 2, 3, 4, 6)
    ]
    frame = pl.DataFrame(documents)
    rows_ = frame.to_arrow()  # noqa: F841
    whole = frame.select(pl.sql_expr(rule).alias("kept"))["kept"].to_list()
    assert whole == [row[0] for row in duckdb.sql(f"SELECT {rule} FROM rows_").fetchall()]
    assert whole == frame.select(pl.sql_expr(pruned(rule, lambda _: {"hi", "ta", None})).alias("k"))["k"].to_list()
    low, high = {"ta": 2}, {"hi": 5}
    assert whole == [
        low.get(q["lang"] or "", 1) <= q["x"] <= high.get(q["lang"] or "", 3) for q in (each["q"] for each in documents)
    ]
    assert settled(rule, lambda _: "hi") == "q.x >= 1 AND q.x <= 5"
    assert (
        brief(Bound(max=1, by=dict.fromkeys(("aa", "bb", "cc", "dd"), Bound(max=2))).sql("q.x"))
        == "q.x <= (bound by q.lang, 4 languages)"
    )
    assert settled(Bound(by={"hi": Bound(max=1)}).sql("q.x"), lambda _: "de") == "q.x has no bound here"


def test_a_run_holds_each_document_to_the_bounds_of_its_language(tmp_path: Path) -> None:
    tamil = (" ".join(["தமிழ்மொழிக்கழகத்தலைவரவர்கள் அறிவித்துள்ளார்கள் " * 2 + "நிறுவனத்தலைவர்கள்."] * 4) + "\n") * 5
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", [
        {"id": "hi", "text": (HINDI + "\n") * 4, "lang": "hi"}, {"id": "ta", "text": tamil, "lang": "ta"},
        {"id": "xx", "text": tamil, "lang": "xx"}, {"id": "fr", "text": tamil, "lang": "fr"},
    ])  # fmt: skip
    settings = "preset: fineweb2, word_count: {min: 20}, stop_word_count: false, char_dup_frac: false"
    file = pipeline(tmp_path, f"[quality: {{{settings}}}]")
    run_ok(file)
    out = tmp_path / "out"
    kept = duckdb.sql(f"SELECT id FROM '{out}/ledger/*.parquet' WHERE fate = 'kept' ORDER BY id").fetchall()
    # words of 20 letters are too long in French
    assert kept == [("hi",), ("ta",), ("xx",)]
    lines = curate("explain", str(out), "fr").stdout
    assert "quality.mean_word_length >= 2 AND quality.mean_word_length <= 11" in lines and "CASE" not in lines
    assert "quality.line_punct_frac has no bound here" in curate("explain", str(out), "xx").stdout
    # a loosened bound is judged from what is stored
    run_ok(file, "--set", "steps.quality.mean_word_length={by: {fr: {max: 60}}}")
    assert reused(out) == {"read+quality": 1}
    kept = duckdb.sql(f"SELECT id FROM '{out}/ledger/*.parquet' WHERE fate = 'kept' ORDER BY id").fetchall()
    assert ("fr",) in kept
