"""`curate skill-set`: a synthetic skill set as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, Problem
from curate.files import committed_folder, write_json
from curate.skill_sets.generate import KINDS, SkillSet, shares
from curate.skill_sets.sample import Generator, Sample

#: settings of the paper: training samples, held-out samples of each skill
SIZE, EVALUATION = 192_000, 100


def write_skill_set(
    kind: str, output: Path, *, size: int, evaluation: int, proportions: str, length: int | None, seed: int
) -> None:
    """Write `train.jsonl`, `eval.jsonl` and `skill_set.json` to a new folder. Raises ConfigError with all problems."""
    problems: list[Problem] = []
    if output.exists():
        problems.append(Problem("--output", f"`{output}` exists", "name a new folder, or remove it"))
    if kind not in KINDS:
        problems.append(Problem("KIND", f"one of {', '.join(KINDS)}, got {kind}"))
        raise ConfigError(problems)
    generator = _generator(kind, length, problems)
    weights = _weights(proportions, generator, problems)
    counts = shares(size, weights)
    if not problems and (most := max(counts) + evaluation * len(counts)) > generator.problems // 2:
        what = f"asks for {most:,} different problems of one skill, there are {generator.problems:,}"
        problems.append(Problem("--size", what, f"ask for at most {generator.problems // 2:,} of a skill"))
    if problems:
        raise ConfigError(problems)
    chosen = SkillSet(generator, counts, evaluation, seed)
    with committed_folder(output) as folder:
        _write(folder / "train.jsonl", f"{kind}-train", chosen.training_samples())
        _write(folder / "eval.jsonl", f"{kind}-eval", chosen.evaluation_samples())
        write_json(folder / "skill_set.json", _facts(kind, chosen))
    for skill, count in zip(generator.skills, counts, strict=True):
        print(f"{skill:20} {count:9,} to train on, {evaluation:,} held out")
    print(f"{output}/train.jsonl, eval.jsonl, skill_set.json")


def _generator(kind: str, length: int | None, problems: list[Problem]) -> Generator:
    least, most = (2, 26) if kind == "lego" else (1, 9)
    if length is not None and not least <= length <= most:
        problems.append(Problem("--length", f"from {least} to {most} for {kind}, got {length}"))
        length = None
    made: Generator = KINDS[kind]() if length is None else KINDS[kind](length)
    return made


def _weights(proportions: str, generator: Generator, problems: list[Problem]) -> tuple[float, ...]:
    """One weight for each skill, from `stratified`, `random` or numbers such as 1:1:1:3:5."""
    equal = (1.0,) * len(generator.skills)
    if proportions == "stratified":
        return equal
    if proportions == "random":
        if len(generator.RANDOM) == len(equal):
            return generator.RANDOM
        what = f"`random` is known for {len(generator.RANDOM)} skills, here are {len(equal)}"
        problems.append(Problem("--proportions", what, "write numbers such as 1:1:1:3:5"))
        return equal
    try:
        weights = tuple(float(part) for part in proportions.split(":"))
    except ValueError:
        weights = ()
    if len(weights) != len(equal) or not all(weight >= 0 for weight in weights) or not 0 < sum(weights) < float("inf"):
        what = f"{len(equal)} numbers such as {':'.join('1' for _ in equal)}, got `{proportions}`"
        problems.append(Problem("--proportions", what, "or `stratified`, or `random` as in the paper"))
        return equal
    return weights


def _write(path: Path, name: str, samples: Iterable[tuple[str, Sample]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, (skill, sample) in enumerate(samples):
            row = {
                "id": f"{name}-{number}", "skill": skill, "text": sample.text, "prompt": sample.prompt,
                "answer": sample.answer,
            }  # fmt: skip
            file.write(json.dumps(row) + "\n")


def _facts(kind: str, chosen: SkillSet) -> dict[str, Any]:
    skills, graph = chosen.generator.skills, chosen.generator.GRAPH
    return {
        "kind": kind,
        "seed": chosen.seed,
        "skills": list(skills),
        "train": dict(zip(skills, chosen.counts, strict=True)),
        "eval": {skill: chosen.evaluation for skill in skills},
        "source": "Skill-It (arXiv 2307.14430)",
        # row: trained skill; column: evaluated skill
        "graph": [list(row) for row in graph] if len(graph) == len(skills) else None,
    }
