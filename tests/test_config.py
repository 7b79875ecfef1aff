"""Pipeline files: every mistake at once, with its place and a mend; overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.checks import check
from curate.config import Overrides, load, read, read_settings
from curate.errors import ConfigError
from curate.settings import parse_share, parse_size
from curate.train.settings import TrainSettings
from curate.yaml_source import parse, parse_value

GOOD = """\
name: demo
seed: 3
inputs:
  - {name: web, path: "*.jsonl"}
steps:
  - normalize
  - quality: {preset: gopher, word_count: {min: 20}}
  - minhash: {threshold: 0.7}
output: {path: out, shard_bytes: 1MB}
"""


def written(folder: Path, text: str = GOOD) -> str:
    (folder / "a.jsonl").write_text('{"text": "some words"}\n')
    (folder / "p.yaml").write_text(text)
    return str(folder / "p.yaml")


def problems(folder: Path, text: str, **overrides: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check(*read(written(folder, text), Overrides(**overrides)))  # type: ignore[arg-type]
    prefix = f"{folder}/p.yaml"
    return [str(problem).replace(prefix, "p.yaml") for problem in caught.value.problems]


def test_a_good_file_has_its_settings(tmp_path: Path) -> None:
    pipeline = load(written(tmp_path))
    assert [step.name for step in pipeline.steps] == ["normalize", "quality", "minhash"]
    assert pipeline.output.shard_bytes == 1_000_000
    assert pipeline.steps[1].rule_table()["word_count"] == "quality.word_count >= 20 AND quality.word_count <= 100000"
    assert len(check(pipeline)) == 1


def test_all_mistakes_are_told_at_once_with_place_and_mend(tmp_path: Path) -> None:
    text = GOOD.replace("word_count", "word_cuont").replace("minhash", "minhas").replace("*.jsonl", "*.json1")
    assert problems(tmp_path, text + "exceutor: {}\n") == [
        "p.yaml:10:1 exceutor: unknown key\n  hint: did you mean executor?",
        "p.yaml:7:31 steps[1].quality.word_cuont: unknown key\n  hint: did you mean word_count?",
        "p.yaml:8:5 steps[2].minhas: unknown step `minhas`\n  hint: did you mean minhash?",
        "p.yaml:4:23 inputs[0].path: `*.json1` matches no file\n  hint: did you mean a.jsonl?",
    ]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("[quality, quality]", "steps[1].quality: the name `quality` is taken by steps[0]"),
        ("[{quality: {as: lang}}]", "steps[0].quality.as: `lang` is a column or an SQL keyword already"),
        ("[{quality: {rules: ['quality.nope > 1']}}]", "no step up to here makes `quality.nope`"),
        (
            "[{quality: {rules: ['repetition.top_2gram > 1']}}, repetition]",
            "no step up to here makes `repetition.top_2gram`",
        ),
        ("[{quality: {rules: ['quality.word_count >']}}]", "is not an SQL expression"),
        ("[{minhash: {keep: quality.word_count}}]", "no step up to here makes `quality.word_count`"),
        ("[language, {choose: {by: language.lang}}]", "`language.lang` holds text, not numbers"),
        ("[embed, {choose: {by: embed.vector}}]", "`embed.vector` holds vectors, not numbers"),
        ("[language, {k_center: {vectors: language.score}}]", "`language.score` holds numbers, not vectors"),
        ("[normalize, extract]", "`extract` cannot follow `normalize`"),
        ("[extract, extract]", "`extract` cannot follow `extract`"),
        ("[{quality: 3}]", "expected settings `key: value`, got 3"),
        ("[{quality: {preset: goopher}}]", "goopher"),
        ("[]", "expected a list with at least one entry"),
    ],
)
def test_a_mistake_in_steps_is_found_before_any_work(tmp_path: Path, steps: str, expected: str) -> None:
    lines = GOOD.split("\n")
    text = "\n".join([*lines[:4], f"steps: {steps}", *lines[8:]])
    found = problems(tmp_path, text)
    assert any(expected in problem for problem in found), found
    assert all(problem.startswith("p.yaml:5:") for problem in found)


def test_a_mistake_within_a_setting_of_several_kinds_is_one_problem_at_its_place(tmp_path: Path) -> None:
    text = GOOD.replace("{min: 20}", "{bye: {hi: {min: 3}}}") + "executor: {workers: x}\n"
    text = text.replace("1MB}", "1MB, tokens: {tokenizer: /nowhere/t.json, chatt: true}}")
    assert problems(tmp_path, text) == [
        "p.yaml:7:44 steps[1].quality.word_count.bye: unknown key\n  hint: did you mean by?",
        "p.yaml:9:76 output.tokens.chatt: unknown key\n  hint: did you mean chat?",
        "p.yaml:10:21 executor.workers: input should be a valid integer, unable to parse string as an integer, got 'x'",
    ]


def test_missing_and_unknown_keys_of_one_part_are_all_told(tmp_path: Path) -> None:
    text = GOOD.replace('{name: web, path: "*.jsonl"}', "{nam: a}").replace("output: {path:", "output: {pathh:")
    assert problems(tmp_path, text) == [
        "p.yaml:4:5 inputs[0].name: the key `name` is missing",
        "p.yaml:4:5 inputs[0].path: the key `path` is missing",
        "p.yaml:4:6 inputs[0].nam: unknown key\n  hint: did you mean name?",
        "p.yaml:9:9 output.path: the key `path` is missing",
        "p.yaml:9:10 output.pathh: unknown key\n  hint: did you mean path?",
    ]
    (tmp_path / "t.yaml").write_text("name: a\nstepz: 3\nmodel: {preset: 1m}\noutput: o\newc: {dat: old}\n")
    with pytest.raises(ConfigError) as caught:
        read_settings(TrainSettings, str(tmp_path / "t.yaml"))
    assert [problem.what for problem in caught.value.problems] == [
        *(f"the key `{key}` is missing" for key in ("data", "steps", "data", "weight")), "unknown key", "unknown key",
    ]  # fmt: skip


def test_of_several_kinds_of_setting_the_one_that_was_meant_tells_all_its_mistakes(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("name: a\nsteps: 1\nmodel: {preset: 1m}\noutput: o\ndata: [a, 3, b, 4]\n")
    with pytest.raises(ConfigError) as caught:
        read_settings(TrainSettings, str(tmp_path / "t.yaml"))
    assert [(p.where.rpartition(" ")[2], p.what) for p in caught.value.problems] == [
        ("data[1]", "input should be a valid string, got 3"), ("data[3]", "input should be a valid string, got 4"),
    ]  # fmt: skip


def test_a_tokenizer_that_is_not_there_is_told_with_its_place(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD.replace("1MB}", "1MB, tokens: {tokenizer: /nowhere/t.json}}"))
    assert found == ["p.yaml:9:59 output.tokens.tokenizer: there is no file or folder `/nowhere/t.json`"]


def test_a_text_column_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "b.jsonl").write_text('{"body": "x", "key": 1}\n')
    found = problems(tmp_path, GOOD.replace("*.jsonl", "b.jsonl"))
    assert len(found) == 1 and "body" in found[0] and "key" in found[0]


def test_an_output_of_another_pipeline_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "out" / ".store").mkdir(parents=True)
    (tmp_path / "out" / ".store" / "pipeline.json").write_text('{"name": "other", "file": "x"}')
    assert "belongs to another pipeline, `other`" in problems(tmp_path, GOOD)[0]


def test_a_folder_with_foreign_files_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    assert "is not empty" in problems(tmp_path, GOOD)[0]


def test_yaml_mistakes_have_a_place(tmp_path: Path) -> None:
    assert problems(tmp_path, "name: x\n\tsteps: y\n")[0].startswith("p.yaml:2:1: not valid YAML")
    assert "the key stands twice" in problems(tmp_path, GOOD + "name: again\n")[0]
    assert "cannot be read" in str(pytest.raises(ConfigError, load, str(tmp_path / "none.yaml")).value)


def test_norway_is_a_language() -> None:
    assert parse("keep: [en, no, on]", "x").data == {"keep": ["en", "no", "on"]}
    assert parse_value("true") is True and parse_value("1:30") == "1:30" and parse_value("2024-01-01") == "2024-01-01"


def test_set_addresses_steps_by_name(tmp_path: Path) -> None:
    settings = ("steps.quality.word_count.min=30", "steps.normalize.as=clean", "output.shard_bytes=5MB", "seed=9")
    pipeline = load(written(tmp_path), Overrides(settings=settings))
    assert pipeline.steps[1].bounds()["word_count"].min == 30 and pipeline.steps[1].bounds()["word_count"].max == 100000
    assert (pipeline.steps[0].name, pipeline.output.shard_bytes, pipeline.seed) == ("clean", 5_000_000, 9)


def test_set_of_an_unknown_step_names_the_nearest(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD, settings=("steps.qualty.word_count.min=30", "nonsense"))
    assert (
        found[0]
        == "--set steps.qualty.word_count.min=30: there is no step called `qualty`\n  hint: did you mean quality?"
    )
    assert found[1].startswith("--set nonsense: expected KEY=VALUE")


def test_input_and_output_on_the_command_line_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "b.jsonl").write_text('{"text": "x"}\n')
    monkeypatch.chdir(tmp_path / "here")
    pipeline = load(file, Overrides(output="o", inputs=("b.jsonl", "more=b.jsonl")))
    assert pipeline.folder_out == tmp_path / "here" / "o"
    assert [(f.settings.source, f.path) for f in check(pipeline)] == [("web", "b.jsonl"), ("more", "b.jsonl")]


@pytest.mark.parametrize(("text", "size"), [("256MB", 256_000_000), ("1GiB", 1 << 30), ("12", 12), ("1.5k", 1500)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_document_is_bounded(tmp_path: Path) -> None:
    """Offsets of a batch are of 32 bits."""
    inputs = '[{name: a, path: "*.jsonl", max_document_bytes: 3GB}]'
    (tmp_path / "big.yaml").write_text(f"name: p\ninputs: {inputs}\nsteps: [normalize]\noutput: {{path: out}}\n")
    with pytest.raises(ConfigError, match=r"max_document_bytes: .*less than or equal to 1073741824, got 3000000000"):
        load(str(tmp_path / "big.yaml"))


def test_shares() -> None:
    assert parse_share("1%") == 0.01 and parse_share(0.5) == 0.5
    pytest.raises(ValueError, parse_share, "1")
    pytest.raises(ValueError, parse_size, "many")


def test_a_list_in_a_file_is_found_beside_the_pipeline_file(tmp_path: Path) -> None:
    (tmp_path / "domains.txt").write_text("bad.example\n")
    steps = "  - url_rules: {block_domains: domains.txt}\n"
    pipeline = load(written(tmp_path, GOOD.replace("  - normalize\n", steps)))
    assert pipeline.steps[0].assets()["block_domains"] and check(pipeline)
    missing = problems(tmp_path, GOOD.replace("  - normalize\n", steps.replace("domains.txt", "nowhere.txt")))
    assert "nowhere.txt" in missing[0]


def test_quotes_around_a_step_and_its_settings(tmp_path: Path) -> None:
    text = GOOD.replace("- quality: {preset: gopher, word_count: {min: 20}}", '- "quality: {preset: gopher}"')
    (problem,) = problems(tmp_path, text)
    assert "hint: without quotes: `- quality: {preset: gopher}`" in problem


def test_bounds_by_language_need_a_language_of_a_step_of_the_input_or_named(tmp_path: Path) -> None:
    text = GOOD.replace("{preset: gopher, word_count: {min: 20}}", "{preset: fineweb2}")
    assert problems(tmp_path, text) == [
        "p.yaml:7:14 steps[1].quality: goes by the language of each document, and neither the input nor a step before it tells one\n"
        "  hint: put `- language` before it, or name the language of all: `quality: {language: en}`"
    ]
    for good in (text.replace("- normalize", "- language"), text.replace("fineweb2}", "fineweb2, language: en}")):
        assert check(load(written(tmp_path, good)))
    (tmp_path / "b.jsonl").write_text('{"text": "some words", "lang": "en"}\n')
    assert check(load(written(tmp_path, text.replace("*.jsonl", "b.jsonl"))))
