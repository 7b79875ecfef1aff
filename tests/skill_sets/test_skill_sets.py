"""LEGO and addition: the shapes and graphs of Skill-It, distinct samples, nothing held out in training."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import ConfigError
from curate.skill_sets.addition import Addition, addition_sample
from curate.skill_sets.generate import SkillSet, shares
from curate.skill_sets.lego import Lego, lego_sample


def test_a_lego_sample_reads_as_in_the_paper() -> None:
    # r = val 1, y = not r, b = not y, m = val b, q = val m; b is the third of the chain
    sample = lego_sample("rybmq", [1, 1, 1, 0, 0], [2, 0, 3, 4, 1], 2)
    assert sample.text == "Input: b = not y, r = val 1, m = val b, q = val m, y = not r. Output: b = val 1, "
    assert sample.text == sample.prompt + sample.answer + ", "
    answers = [lego_sample("rybmq", [1, 1, 1, 0, 0], range(5), skill).answer for skill in range(5)]
    assert answers == ["1", "0", "1", "1", "1"]


def test_an_addition_sample_reads_as_in_the_paper() -> None:
    sample = addition_sample(106, 71, 3, 0)
    assert sample.prompt == "A = 1 0 6 + 0 7 1 , A 0 = " and sample.answer == "7"
    # 999 + 2 = 1001: the last carry is not asked
    assert [addition_sample(999, 2, 3, skill).answer for skill in range(3)] == ["1", "0", "0"]


def test_the_graphs_and_baselines_are_the_published_ones() -> None:
    assert [sum(row) for row in Lego.GRAPH] == [1, 2.5, 1, 1, 1] and Lego.RANDOM == (1, 1, 1, 3, 5)
    assert [sum(row) for row in Addition.GRAPH] == [1, 1.5, 1] and Addition.RANDOM == (13, 14, 18)
    assert (Lego().problems, Addition().problems) == (26 * 25 * 24 * 23 * 22 * 32, 500_500)


def solved(text: str) -> str:
    """The answer to a LEGO text, found by following its clauses."""
    clauses = {a: (word, b) for a, word, b in re.findall(r"(\w) = (val|not) (\w)(?=[,.])", text.split(" Output")[0])}
    asked = text.split("Output: ")[1][0]

    def value(name: str) -> int:
        if name in "01":
            return int(name)
        word, source = clauses[name]
        return value(source) ^ (word == "not")

    return str(value(asked))


def depth(text: str) -> int:
    clauses = {a: b for a, _, b in re.findall(r"(\w) = (val|not) (\w)(?=[,.])", text.split(" Output")[0])}
    name, steps = text.split("Output: ")[1][0], 0
    while name in clauses:
        name, steps = clauses[name], steps + 1
    return steps


def test_every_lego_answer_is_right_and_its_skill_is_the_depth_of_the_chain() -> None:
    made = list(SkillSet(Lego(), (40, 40, 40, 40, 40), 5, seed=3).training_samples())
    assert Counter(skill for skill, _ in made) == {f"lego_{i}": 40 for i in range(1, 6)}
    for skill, sample in made:
        assert solved(sample.text) == sample.answer and depth(sample.text) == int(skill[-1])
    answers = [sample.answer for _, sample in made]
    assert 60 < answers.count("1") < 140


@pytest.mark.parametrize("generator", [Lego(), Lego(3), Addition(), Addition(2)])
def test_training_never_sees_a_held_out_problem(generator: Any) -> None:
    chosen = SkillSet(generator, (150,) * len(generator.skills), 20)
    held = list(chosen.evaluation_samples())
    trained = list(chosen.training_samples())
    assert not {sample.problem for _, sample in held} & {sample.problem for _, sample in trained}
    assert len({sample.text for _, sample in trained}) == len(trained) == 150 * len(generator.skills)
    assert len(held) == 20 * len(generator.skills)


def test_a_larger_set_goes_on_and_another_seed_is_another_set() -> None:
    def texts(counts: tuple[int, ...], seed: int) -> list[str]:
        made = SkillSet(Addition(), counts, 10, seed).training_samples()
        return [sample.text for skill, sample in made if skill == "addition_tens"]

    assert texts((5, 200, 9), 1)[:50] == texts((5, 50, 5), 1)
    assert texts((5, 50, 5), 1) != texts((5, 50, 5), 2)


@pytest.mark.parametrize(
    ("total", "proportions", "want"),
    [(11, (1, 1, 1, 3, 5), (1, 1, 1, 3, 5)), (10, (1, 1, 1), (4, 3, 3)), (0, (1, 2), (0, 0)), (7, (0, 1), (0, 7))],
)
def test_shares_add_up(total: int, proportions: tuple[float, ...], want: tuple[int, ...]) -> None:
    assert shares(total, proportions) == want


def test_the_command_writes_a_set_with_a_skill_column(tmp_path: Path) -> None:
    out = tmp_path / "set"
    arguments = ["skill-set", "lego", "--output", str(out), "--size", "1100", "--proportions", "random", "--eval", "7"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.exception
    texts = [(out / name).read_text() for name in ("train.jsonl", "eval.jsonl")]
    train, held = ([json.loads(line) for line in text.splitlines()] for text in texts)
    counts = Counter(row["skill"] for row in train)
    assert counts == {"lego_1": 100, "lego_2": 100, "lego_3": 100, "lego_4": 300, "lego_5": 500}
    assert Counter(row["skill"] for row in held) == {f"lego_{i}": 7 for i in range(1, 6)}
    assert all(row["text"] == row["prompt"] + row["answer"] + ", " for row in train)
    facts = json.loads((out / "skill_set.json").read_text())
    assert np.array(facts["graph"]).shape == (5, 5) and facts["train"] == dict(counts)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chess"], "one of lego, addition"),
        (["lego", "--length", "27"], "from 2 to 26"),
        (["lego", "--proportions", "1:2"], "5 numbers such as"),
        (["lego", "--length", "3", "--proportions", "random"], "known for 5 skills"),
        (["addition", "--size", "2000000"], "different problems of one skill"),
        (["addition", "--length", "0"], "from 1 to 9"),
    ],
)
def test_mistakes_are_told_before_any_work(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, ["skill-set", *arguments, "--output", str(tmp_path / "out")])
    assert isinstance(done.exception, ConfigError) and words in str(done.exception)
    assert not (tmp_path / "out").exists()
