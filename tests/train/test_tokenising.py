"""`curate tokenize` and `curate tokenizer train`: every token leads back to its document; the same bytes however it was run."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from corpora import curate, documents, pipeline, run_ok, write_jsonl
from tokenizers_small import saved_tokenizer, small_tokenizer

from curate.errors import ConfigError, CurateError
from curate.train import token_units
from curate.train.chat import ChatSettings
from curate.train.loader import Loader
from curate.train.plan import PlanSettings
from curate.train.token_set import TokenSet
from curate.train.tokenising import TokenizeSettings, tokenize


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_tokenizer(tmp_path_factory.mktemp("t") / "tok")


def quiet(paths: list[Any], output: Path, settings: TokenizeSettings, workers: int = 1) -> TokenSet:
    return tokenize([str(path) for path in paths], output, settings, workers=workers, note=lambda _: None)


def contents(folder: Path) -> dict[str, str]:
    """Every file of a set but the store."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".units" not in path.parts]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def decoded(tokens: Any) -> str:
    text: str = small_tokenizer("llama3").decode(tokens.tolist(), skip_special_tokens=False)
    return text


def test_tokens_lead_back_to_documents_and_to_the_ledger(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = documents(3, 40)
    write_jsonl(tmp_path / "in" / "a.jsonl", rows[:25])
    write_jsonl(tmp_path / "in" / "b.jsonl", rows[25:])
    run_ok(pipeline(tmp_path, "[exact_dedup]"))
    done = curate("tokenize", tmp_path / "out", "--tokenizer", tokenizer, "--output", tmp_path / "tokens")
    assert done.returncode == 0 and "the loss is of" in done.stdout, done.stderr
    found = TokenSet.open(tmp_path / "tokens", verify=True)
    kept = {row["id"]: row["text"] for row in rows}
    seen = list(found.documents("web"))
    assert len(seen) == json.loads((tmp_path / "out" / "manifest.json").read_text())["documents"]["kept"]
    for document in seen:
        assert decoded(document.tokens) == kept[document.id] + "<|endoftext|>"
        query = f"SELECT fate, id FROM ledger WHERE path = '{document.path}' AND \"offset\" = {document.offset}"
        if document is seen[0]:
            answer = json.loads(curate("sql", tmp_path / "out", query, "--json").stdout)
            assert answer == {"fate": "kept", "id": document.id}
    assert (found.manifest["counts"]["in"], found.manifest["counts"]["kept"]) == (len(seen), len(seen))


def test_workers_kills_and_resumes_do_not_change_a_byte(
    tmp_path: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_units, "UNIT_BYTES", 4000)
    files = [write_jsonl(tmp_path / f"{i}.jsonl", documents(i, 8)) for i in range(6)]
    settings = TokenizeSettings(str(tokenizer))
    one = quiet(files, tmp_path / "one", settings)
    assert len(one.manifest["files"]) > 3
    quiet(files, tmp_path / "two", settings, workers=2)
    quiet(files[:3], tmp_path / "grown", settings)
    quiet(files, tmp_path / "grown", settings)
    wanted = contents(tmp_path / "one")
    assert contents(tmp_path / "two") == wanted == contents(tmp_path / "grown")
    # a unit that the disk lost part of is made again
    path = tmp_path / "one" / one.manifest["files"][0]["path"]
    path.write_bytes(path.read_bytes()[:-50])
    quiet(files, tmp_path / "one", settings)
    assert contents(tmp_path / "one") == wanted


def test_a_kill_leaves_nothing_half_done(tmp_path: Path, tokenizer: Path) -> None:
    files = [write_jsonl(tmp_path / f"{i}.jsonl", documents(i, 40)) for i in range(8)]
    code = (
        "import sys; from pathlib import Path; from curate.train import token_units; token_units.UNIT_BYTES = 20000; "
        "from curate.train.tokenising import TokenizeSettings, tokenize; "
        "tokenize(sys.argv[3:], Path(sys.argv[1]), TokenizeSettings(sys.argv[2]), note=lambda _: None)"
    )

    def start(folder: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, str(tmp_path / folder), str(tokenizer), *map(str, files)])

    assert start("whole").wait() == 0
    rng = random.Random(5)
    for _ in range(2):
        process = start("killed")
        units = tmp_path / "killed" / ".units"
        target = rng.randint(1, 3) + len(list(units.glob("*/receipt.json")))
        while process.poll() is None and len(list(units.glob("*/receipt.json"))) < target:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start("killed").wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("by", "names"),
    [("source", {"one", "two"}), ("metadata.task", {"add", "7", "unknown"}), ("task", {"add", "7", "unknown"})],
)
def test_sources_are_columns_or_keys(tmp_path: Path, tokenizer: Path, by: str, names: set[str]) -> None:
    rows: list[dict[str, Any]] = [{"text": "a b", "task": "add"}, {"text": "c", "task": 7}, {"text": "d"}, {"text": ""}]
    write_jsonl(tmp_path / "a.jsonl", rows)
    write_jsonl(tmp_path / "b.jsonl", rows)
    if by == "metadata.task":
        entries = f"[{{name: one, path: {tmp_path}/a.jsonl, metadata: [task]}}]"
        run_ok(pipeline(tmp_path, "[exact_dedup]", inputs=entries))
        paths = [str(tmp_path / "out")]
    else:
        paths = [f"one={tmp_path}/a.jsonl", f"two={tmp_path}/b.jsonl"]
    found = quiet(paths, tmp_path / "tokens", TokenizeSettings(str(tokenizer), by=by))
    assert set(found.sources) == names
    if by != "metadata.task":
        assert found.manifest["counts"]["empty"] == 2


def test_conversations_of_every_shape_are_tokenised(tmp_path: Path, tokenizer: Path) -> None:
    shapes: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]},
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
        {"instruction": "hi", "input": "", "output": "hello"},
        {"question": "hi", "answer": "hello"},
    ]
    files = [write_jsonl(tmp_path / f"{i}.jsonl", [shape]) for i, shape in enumerate(shapes)]
    found = quiet(files, tmp_path / "tokens", TokenizeSettings(str(tokenizer), chat=ChatSettings()))
    assert found.masked and found.manifest["chat"]["mask"] == "generation blocks"
    held = list(found.documents("corpus"))
    assert len(held) == 4 and len({d.tokens.tobytes() for d in held}) == 1
    assert held[0].mask is not None
    assert decoded(held[0].tokens[held[0].mask == 1]) == "hello<|im_end|>"
    batch = next(Loader([found], PlanSettings(context=64, rows=2, packing="best_fit", long="crop")))
    assert batch.trained == sum(1 for s in batch.segments for _ in range(int(held[0].mask.sum())))


BAD: dict[str, tuple[list[str], dict[str, Any], str]] = {
    "no file": (["nothing*.jsonl"], {}, "matches no file"),
    "no column": (["a.jsonl"], {"text": "txt"}, "txt"),
    "pages": (["a.warc"], {}, "is a file of pages"),
}


@pytest.mark.parametrize("name", BAD)
def test_mistakes_are_told_before_any_work(tmp_path: Path, tokenizer: Path, name: str) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": "x"}])
    (tmp_path / "a.warc").write_text("")
    paths, more, message = BAD[name]
    with pytest.raises(ConfigError, match=message):
        quiet([tmp_path / path for path in paths], tmp_path / "out", TokenizeSettings(str(tokenizer), **more))
    assert not (tmp_path / "out").exists()


def test_mistakes_of_all_kinds_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    done = curate("tokenize", tmp_path / "no*.jsonl", "--tokenizer", tmp_path / "none.json", "--output", tmp_path)
    assert done.returncode == 2 and all(
        said in done.stderr for said in ("no*.jsonl` matches no file", "none.json", "holds other files")
    )
    done = curate(
        "tokenize", "a", "--tokenizer", tmp_path / "none.json", "--output", "o", "--held-out", "2", "--answers", "x"
    )
    assert done.returncode == 2 and all(said in done.stderr for said in ("none.json", "--held-out", "--answers"))


def test_nothing_to_train_on_and_foreign_folders_are_told(tmp_path: Path, tokenizer: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": ""}])
    with pytest.raises(CurateError, match="nothing is left to train on: empty 1"):
        quiet([tmp_path / "a.jsonl"], tmp_path / "out", TokenizeSettings(str(tokenizer)))
    with pytest.raises(ConfigError, match="holds other files"):
        quiet([tmp_path / "a.jsonl"], tmp_path, TokenizeSettings(str(tokenizer)))


def test_a_tokenizer_is_trained_twice_the_same(tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "c.jsonl", documents(1, 60))
    for name in ("a", "b"):
        done = curate("tokenizer", "train", corpus, "--vocabulary", 500, "--output", tmp_path / name)
        assert done.returncode == 0 and done.stdout.startswith("500 tokens from 60 documents"), done.stderr
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    found = quiet([corpus], tmp_path / "tokens", TokenizeSettings(str(tmp_path / "a")))
    assert found.width == 2 and found.manifest["tokenizer"]["vocabulary"] == 500
    done = curate("tokenizer", "train", corpus, "--vocabulary", 100, "--output", tmp_path / "a")
    assert done.returncode == 2 and "exists" in done.stderr and "at least 260" in done.stderr


def test_a_pipeline_writes_tokens_of_what_it_publishes(tmp_path: Path, tokenizer: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", documents(3, 12))
    (tmp_path / "tok").symlink_to(tokenizer)
    output = "{path: out, tokens: {tokenizer: tok}}"
    run_ok(pipeline(tmp_path, "[exact_dedup]", output=output))
    found = TokenSet.open(tmp_path / "out" / "tokens")
    assert (
        found.manifest["documents"] == json.loads((tmp_path / "out" / "manifest.json").read_text())["documents"]["kept"]
    )
    write_jsonl(tmp_path / "in" / "b.jsonl", documents(4, 12))
    run_ok(pipeline(tmp_path, "[exact_dedup]", output=output))
    grown = TokenSet.open(tmp_path / "out" / "tokens")
    assert grown.manifest["documents"] > found.manifest["documents"] and grown.hash != found.hash
    done = curate("run", pipeline(tmp_path, "[exact_dedup]", output="{path: out2, tokens: {tokenizer: ./nowhere}}"))
    assert done.returncode == 2 and "there is no file or folder `./nowhere`" in done.stderr
    assert not (tmp_path / "out2").exists()
