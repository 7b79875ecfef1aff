"""`curate tokenize`: documents -> a folder of token ids that training maps into memory.

With `held_out`, that share of the documents is a set of its own, in the folder `held_out` of the other: a text falls on one
side by its hash, wherever it stands and whatever else there is. A unit of input makes one file, kept under a name of its
content and of the settings: what is there is not done again, after a kill as after new input. The files do not depend on the
number of workers or on the engine. The manifest comes last.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.errors import ConfigError, CurateError, Problem, gathering
from curate.executors.here import Here
from curate.executors.local import LocalExecutor
from curate.files import committed_folder, digest, read_json, sweep, write_json
from curate.train.chat import Chat, ChatSettings
from curate.train.encoding import Engine, HuggingFace, Kernel, fast_engine
from curate.train.segment_scores import byte_sizes, token_scores
from curate.train.text_tokenizer import TextTokenizer, end_of, load_tokenizer
from curate.train.token_files import TokenFile, write_manifest
from curate.train.token_set import HELD_OUT, MANIFEST, TOKENIZER, TOKENS, TokenSet
from curate.train.token_units import TokenUnit, find_units, read_documents, runs_of

VERSION = 1
UNITS = ".units"
# Texts that the engines must agree on before the first unit.
SAMPLE = 64


@dataclass(frozen=True)
class TokenizeSettings:
    """What decides the ids beside the documents.

    Attributes:
        tokenizer: a tokenizer.json, a folder, or a name of the hub's cache.
        eos: the token behind each document; that of the tokenizer if None.
        by: the column, struct field or `metadata.key` whose values are the sources of the mixture.
        text: the column of the text.
        chat: how conversations become tokens, or None for texts.
        held_out: the share of the documents that is not for training.
        evaluation: whether these are the documents held out, or the others.
        scores: the signals of a step `tag`, whose scores of segments the tokens take; of shards alone.
    """

    tokenizer: str
    eos: str | None = None
    by: str = "source"
    text: str = "text"
    chat: ChatSettings | None = None
    held_out: float = 0.0
    evaluation: bool = False
    scores: str | None = None


@dataclass(frozen=True)
class _Job:
    """One unit to do, with all that a worker needs to know."""

    unit: TokenUnit
    key: str
    settings: TokenizeSettings
    tokenizer: TextTokenizer
    fast: bool
    store: str


def tokenize(
    paths: Sequence[str], output: Path, settings: TokenizeSettings, *, workers: int = 1, note: Any = print
) -> TokenSet:
    """Tokenise and write, also what is held out; what was done before is kept.

    Raises ConfigError before any work, CurateError if nothing is left.
    """
    made = _tokenize(paths, output, settings, workers, note)
    if settings.held_out:
        _tokenize(
            paths,
            output / HELD_OUT,
            replace(settings, evaluation=True),
            workers,
            lambda line: note(f"held out: {line}"),
        )
    else:
        shutil.rmtree(output / HELD_OUT, ignore_errors=True)
    return made


def _tokenize(paths: Sequence[str], output: Path, settings: TokenizeSettings, workers: int, note: Any) -> TokenSet:
    begun = time.perf_counter()
    problems: list[Problem] = []
    with gathering(problems):
        tokenizer, chat = _checked(settings)
    if output.exists() and any(output.iterdir()) and not (output / UNITS).is_dir():
        problems.append(Problem("--output", f"`{output}` holds other files", "name a new folder"))
    store = output / UNITS
    with gathering(problems):
        units = find_units(
            paths,
            by=settings.by,
            text=settings.text,
            chat=settings.chat is not None,
            scores=settings.scores,
            store=store,
        )
    if problems:
        raise ConfigError(problems)
    store.mkdir(parents=True, exist_ok=True)
    sweep(output, depth=2)
    part = [settings.held_out, settings.evaluation] if settings.held_out else []
    scores = [settings.scores] if settings.scores else []
    identity = digest(
        [VERSION, tokenizer.sha256, settings.by, settings.text, chat.fingerprint if chat else None, *part, *scores]
    )
    keys = [digest([unit.key, identity])[:24] for unit in units]
    engine, why = fast_engine(tokenizer, _sample(units, settings) if chat is None else [])
    note(f"{len(units)} {'unit' if len(units) == 1 else 'units'}, engine {engine.name}" + (f" ({why})" if why else ""))
    jobs = [
        _Job(unit, key, settings, tokenizer, engine.name != "tokenizers", str(store))
        for unit, key in zip(units, keys, strict=True)
        if not _whole(store / key)
    ]
    _do(jobs, workers)
    found = _published(output, keys, tokenizer, settings, chat, runs_of(paths, output))
    note(
        f"{found.manifest['documents']:,} documents, {found.manifest['tokens']:,} tokens in {time.perf_counter() - begun:.1f} s"
    )
    return found


def _whole(folder: Path) -> bool:
    """Whether a unit is done; what a disk lost part of is removed."""
    receipt, path = read_json(folder / "receipt.json"), folder / "tokens.arrow"
    if receipt and path.exists() and path.stat().st_size == receipt["bytes"]:
        return True
    shutil.rmtree(folder, ignore_errors=True)
    return False


def _checked(settings: TokenizeSettings) -> tuple[TextTokenizer, Chat | None]:
    tokenizer = load_tokenizer(settings.tokenizer, eos=settings.eos)
    if settings.chat is not None and settings.scores:
        raise ConfigError([Problem("--scores", "is for texts: conversations have no scored segments")])
    if settings.chat is not None:
        return tokenizer, Chat(tokenizer, settings.chat)
    end_of(tokenizer, settings.tokenizer)
    if settings.scores and byte_sizes(tokenizer) is None:
        what = "tokens are no pieces of bytes, so that segments cannot be found in them"
        raise ConfigError([Problem("--scores", what, "choose a byte-level BPE: curate tokenizer train")])
    return tokenizer, None


def _sample(units: Sequence[TokenUnit], settings: TokenizeSettings) -> list[str]:
    """Texts from the beginning of the first, the middle and the last unit."""
    found: list[str] = []
    for unit in {unit.key: unit for unit in (units[0], units[len(units) // 2], units[-1])}.values() if units else ():
        batch = next(read_documents(unit, by=settings.by, text=settings.text, chat=False), None)
        if batch is not None:
            found += [text for text in batch["text"].slice(0, SAMPLE).to_pylist() if text]
    return found


def _do(jobs: Sequence[_Job], workers: int) -> None:
    if workers <= 1 or len(jobs) <= 1:
        outcomes = list(Here().map(do_unit, jobs))
    else:
        with LocalExecutor(min(workers, len(jobs))) as executor:
            outcomes = list(executor.map(do_unit, jobs))
    for index, outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome is not None:
            unit = jobs[index].unit
            raise CurateError(unit.parts[0].path, f"the worker died: {outcome.why}", "run again: what was done is kept")


def do_unit(job: _Job) -> None:
    """Tokenise one unit into the store."""
    chat = Chat(job.tokenizer, job.settings.chat) if job.settings.chat is not None else None
    made = TokenFile(job.tokenizer.width, masked=chat is not None, scored=job.settings.scores is not None)
    counts: Counter[str] = Counter()
    start = time.perf_counter()
    sizes = byte_sizes(job.tokenizer) if job.settings.scores else None
    documents = read_documents(
        job.unit, by=job.settings.by, text=job.settings.text, chat=chat is not None, scores=job.settings.scores
    )
    for batch in documents:
        batch = _of_part(batch, job.settings)
        counts["in"] += batch.num_rows
        for row, ids, mask in _chats(batch, chat, counts) if chat else _texts(batch, job, counts):
            group, name, path, offset = (batch[key][row].as_py() for key in ("group", "id", "path", "offset"))
            scores = token_scores(ids, sizes, batch, row, job.tokenizer) if sizes is not None else None
            if sizes is not None and scores is None:
                counts["unaligned"] += 1
                continue
            made.add(group, name, path, offset, ids, mask, scores)
            counts["kept"] += 1
    with committed_folder(Path(job.store) / job.key) as folder:
        facts = made.write(folder / "tokens.arrow")
        receipt = {**facts, "counts": dict(sorted(counts.items())), "seconds": round(time.perf_counter() - start, 3)}
        write_json(folder / "receipt.json", receipt)


def _of_part(batch: pa.RecordBatch, settings: TokenizeSettings) -> pa.RecordBatch:
    """The documents of the batch that are held out, or the others."""
    if not settings.held_out:
        return batch
    texts = batch["messages"] if settings.chat else batch["text"]
    limit = int(settings.held_out * 2**64)
    hashes = (
        hashlib.blake2b((text if isinstance(text, str) else json.dumps(text)).encode(), digest_size=8).digest()
        for text in texts.to_pylist()
    )
    return batch.filter(
        pa.array([(int.from_bytes(h, "big") < limit) == settings.evaluation for h in hashes], pa.bool_())
    )


Row = tuple[int, Any, Any]


def _texts(batch: pa.RecordBatch, job: _Job, counts: Counter[str]) -> Iterator[Row]:
    engine, tokenizer = _engine(job.tokenizer.sha256, job), job.tokenizer
    text, bad = batch["text"], batch["error"].is_valid()
    some = pc.and_(pc.greater(pc.binary_length(text).fill_null(0), 0), pc.invert(bad))
    rows = np.flatnonzero(some.to_numpy(zero_copy_only=False)).tolist()
    errors = int(pc.sum(bad).as_py() or 0)
    counts["unreadable"] += errors
    counts["empty"] += len(text) - len(rows) - errors
    held = text.filter(some)
    found = engine.encode(held if isinstance(engine, Kernel) else held.to_pylist())
    before = np.array([] if tokenizer.bos is None else [tokenizer.bos], np.uint32)
    behind = np.array([tokenizer.eos], np.uint32)
    for i, row in enumerate(rows):
        ids = found.ids[found.offsets[i] : found.offsets[i + 1]]
        yield row, np.concatenate([before, ids, behind]), None


_ENGINES: dict[str, Engine] = {}


def _engine(name: str, job: _Job) -> Engine:
    """The engine of a worker process, made once."""
    if name not in _ENGINES:
        _ENGINES[name] = fast_engine(job.tokenizer, [])[0] if job.fast else HuggingFace(job.tokenizer)
    return _ENGINES[name]


def _chats(batch: pa.RecordBatch, chat: Chat, counts: Counter[str]) -> Iterator[Row]:
    errors = batch["error"].to_pylist()
    for row, messages in enumerate(batch["messages"].to_pylist()):
        if errors[row] is not None or not messages:
            counts["unreadable" if errors[row] is not None else "no conversation"] += 1
            continue
        rendered = chat.render(messages)
        if isinstance(rendered, str):
            counts[rendered] += 1
        else:
            yield row, rendered.ids, rendered.mask


def _published(
    output: Path,
    keys: Sequence[str],
    tokenizer: TextTokenizer,
    settings: TokenizeSettings,
    chat: Chat | None,
    runs: Sequence[dict[str, Any]],
) -> TokenSet:
    """Put the units' files in order under `tokens/`, write the tokenizer and the manifest, forget what is not listed."""
    (output / TOKENS).mkdir(exist_ok=True)
    files, counts = [], Counter[str]()
    for key in dict.fromkeys(keys):
        receipt = read_json(output / UNITS / key / "receipt.json")
        counts.update(receipt["counts"])
        if receipt["blocks"]:
            path = output / TOKENS / f"{key}.arrow"
            if not path.exists() or path.stat().st_size != receipt["bytes"]:
                path.unlink(missing_ok=True)
                _link(output / UNITS / key / "tokens.arrow", path)
            files.append({"path": f"{TOKENS}/{key}.arrow", **{k: receipt[k] for k in ("bytes", "sha256", "blocks")}})
    if not files:
        left = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counts.items())) or "no document was read"
        raise CurateError(
            str(output),
            f"nothing is left to {'evaluate' if settings.evaluation else 'train'} on: {left}",
            "hold out a larger share" if settings.evaluation else "look at the input and at --text or --chat",
        )
    _save_tokenizer(tokenizer, chat, output / TOKENIZER)
    more: dict[str, Any] = {"counts": dict(sorted(counts.items())), "by": settings.by, "runs": list(runs)}
    if settings.held_out:
        more["part"] = {"held_out": settings.held_out, "evaluation": settings.evaluation}
    if chat:
        more["chat"] = chat.facts()
    old = read_json(output / MANIFEST)
    manifest = write_manifest(
        output,
        files,
        tokenizer=tokenizer.facts(),
        width=tokenizer.width,
        masked=chat is not None,
        scored=settings.scores is not None,
        more=more,
    )
    if old is None or old.get("hash") != manifest["hash"]:
        _forget(output, {f"{key}.arrow" for key in keys}, set(keys))
    return TokenSet.open(output)


def _save_tokenizer(tokenizer: TextTokenizer, chat: Chat | None, folder: Path) -> None:
    replace(tokenizer, template=chat.jinja if chat else tokenizer.template).save(folder)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _forget(output: Path, names: set[str], keys: set[str]) -> None:
    for path in (output / TOKENS).iterdir():
        if path.name not in names:
            path.unlink()
    for path in (output / UNITS).iterdir():
        if path.is_dir() and path.name not in keys:
            shutil.rmtree(path)
