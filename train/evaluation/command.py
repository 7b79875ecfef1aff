"""`curate evaluate MODEL`: what is asked for is measured and printed; contaminated tests are an error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, ContaminationError, CurateError, MissingAsset, Problem
from curate.settings import parse_share
from curate.train.token_set import TokenSet

# Above this share of a benchmark's examples in the data the figures on it are worth little.
LIMIT = 0.01
HARNESS = "pip install 'curate[harness]'"


def evaluate_model(
    name: str, *, tasks: Sequence[str], data: str | None, examples: int, generate: int, harness: str | None, limit: str,
    device: str, as_json: bool,
) -> None:  # fmt: skip
    """Raises ConfigError before any work, ContaminationError after the figures were printed."""
    problems = []
    try:
        allowed = float(parse_share(limit))
    except ValueError as error:
        problems.append(Problem("--limit", str(error)))
    if not (tasks or data or harness):
        problems.append(Problem("--tasks", "nothing is asked for", "name test sets, --data TOKENS, or --harness TASKS"))
    if generate and not data:
        problems.append(Problem("--generate", "prompts are the beginnings of held-out documents", "name --data TOKENS"))
    if problems:
        raise ConfigError(problems)
    held = TokenSet.open(data) if data else None
    try:
        from curate.train.evaluation.subject import open_evaluated
    except ImportError as error:
        raise MissingAsset(name, f"evaluation needs the package {error.name}", "pip install 'curate[train]'") from error
    if harness is not None:
        harness_installed()
    subject = open_evaluated(name, device=device)
    found = figures(subject, tasks=tasks, held=held, examples=examples, generate=generate)
    if harness is not None:
        found["harness"] = run_harness(subject, harness.split(","))
    from curate.train.evaluation.report import lines

    print(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(lines(found)))
    if not as_json and "harness" in found:
        print(json.dumps(found["harness"], indent=1))
    guard(found, allowed, name)


def figures(
    subject: Any, *, tasks: Sequence[str], held: TokenSet | None, examples: int, generate: int
) -> dict[str, Any]:
    """All that is asked for, as plain data."""
    from curate.train.evaluation.generation import checks, prompts_of
    from curate.train.evaluation.report import contamination_figures, task_figures
    from curate.train.held_out import HeldOut

    found: dict[str, Any] = {"model": subject.name, "parameters": sum(p.numel() for p in subject.model.parameters())}
    if held is not None:
        if held.manifest["tokenizer"]["sha256"] != subject.tokenizer.sha256:
            what = f"the tokenizer {held.manifest['tokenizer']['name']} is not that of the model"
            raise ConfigError([Problem(str(held.folder), what, "tokenise the documents with the model's own")])
        place = {"device": next(subject.model.parameters()).device.type, "dtype": "float32"}
        measure = HeldOut(held, documents=examples, context=subject.window, **place)
        found["held_out"] = measure.figures(subject.model)
    if tasks:
        found |= task_figures(subject, tasks, examples)
        found["contamination"] = contamination_figures(subject, tasks)
    if generate and held is not None:
        found["generation"] = checks(subject.model, subject.tokenizer, prompts_of(held, generate))
    return found


def guard(found: dict[str, Any], allowed: float, name: str) -> None:
    """Raises ContaminationError where the data held more of a benchmark than is allowed."""
    shares = (found.get("contamination") or {}).get("benchmarks", {})
    over = [f"{task} {share:.2%}" for task, share in shares.items() if share > allowed]
    if over:
        what = f"the data that it was trained on hold test examples: {', '.join(over)}; these figures are worth little"
        raise ContaminationError(
            name, what, "train on data behind the step `decontaminate`, or allow a share: --limit 2%"
        )


def harness_installed() -> None:
    """Raises MissingAsset without lm-evaluation-harness."""
    import importlib.util

    if importlib.util.find_spec("lm_eval") is None:
        raise MissingAsset("--harness", "needs the package lm-eval, which loads its tests from the network", HARNESS)


def run_harness(subject: Any, names: Sequence[str]) -> dict[str, Any]:
    """Figures of lm-evaluation-harness for its tasks of these names, or files of YAML with a task each.

    Raises CurateError for names that it does not know, and for tests that cannot be loaded.
    """
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    from curate.train.evaluation.subject import find_model_folder

    folder = find_model_folder(Path(subject.name))[0] or subject.name
    try:
        found: Any = simple_evaluate(HFLM(pretrained=subject.model, tokenizer=str(folder)), tasks=list(names))
    except KeyError as error:
        hint = "list them: lm-eval ls tasks; or name a file of YAML with a task of your own"
        raise CurateError("--harness", f"lm-eval: {error.args[0]}", hint) from error
    except ConnectionError as error:
        hint = "its tests come from the network; a task of your own may read files (`dataset_path: json`)"
        raise CurateError("--harness", f"lm-eval: {error}", hint) from error
    results: dict[str, Any] = found["results"]
    return results
