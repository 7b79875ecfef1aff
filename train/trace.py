"""`curate trace DIR --step N [--around N|spike]`: from steps of training back to the documents they were made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, CurateError, Problem
from curate.files import read_json
from curate.train import checkpoint
from curate.train.guard import SPIKE
from curate.train.sources import Sources
from curate.train.step_log import steps
from curate.train.token_set import TokenSet


def trace(output: Path, step: int | None, *, around: str, as_json: bool) -> None:
    """Print a line a document: of the steps `around` `step`, or of spikes. Raises ConfigError, CurateError."""
    output = _output(output)
    if around == "spike":
        told = spikes(output, step)
        for number, event in told.items():
            if not as_json:
                print(f"step {number}: {event}")
            _print(traced(output, number), as_json)
        return
    if not around.isdecimal():
        raise ConfigError([Problem("--around", f"expected a number of steps, or spike, got {around}")])
    if step is None:
        raise ConfigError(
            [Problem("--step", "is missing", "--step N, or --around spike for those that the guard noted")]
        )
    _print(traced(output, step, around=int(around)), as_json)


def _print(entries: Iterator[dict[str, Any]], as_json: bool) -> None:
    for entry in entries:
        print(json.dumps(entry) if as_json else _line(entry))


def _output(folder: Path) -> Path:
    """The output folder of a run, named by itself or by one of its checkpoints."""
    return folder.resolve().parent.parent if (folder / checkpoint.STATE).is_file() else folder


def spikes(output: Path, step: int | None = None) -> dict[int, str]:
    """Step -> what the guard said, of the spikes whose documents are on record; of `step`, the nearest alone. Raises CurateError."""
    path = output / "metrics.jsonl"
    entries = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    last = _state(output)["step"]
    told = {e["step"]: e["event"] for e in entries if SPIKE in e.get("event", "") and e["step"] < last}
    if not told:
        what = f"has no spike in its steps 0 to {last - 1}"
        raise CurateError(
            str(output), what, "`guard: {spike: 6}` is how many deviations above the running mean are one"
        )
    return told if step is None else dict([min(told.items(), key=lambda entry: abs(entry[0] - step))])


def _state(output: Path) -> dict[str, Any]:
    found = checkpoint.checkpoints(output)
    if not found:
        raise CurateError(str(output), "holds no checkpoint of a training run", "name the `output` of a training file")
    return checkpoint.state_of(found[-1])


def traced(output: Path, step: int, *, around: int = 0) -> Iterator[dict[str, Any]]:
    """The documents of the steps from `step - around` to `step + around`, in order of step and row.

    Each with `step`, `row`, `source`, `id`, `path`, `offset`, the tokens used (`start`, `length`), and from the ledger of
    the run that made the shards, where that is at hand, `url` and signals. Raises CurateError for a step that is not on record.
    """
    output = _output(output)
    state = _state(output)
    rows = steps(output, step - around, step + around).to_pylist()
    if not rows:
        raise CurateError(
            f"step {step}", f"is not on record; {output} has the steps 0 to {state['step'] - 1}",
            "steps are recorded with the checkpoint that follows them",
        )  # fmt: skip
    sets = _open(state)
    sources = Sources(sets, state["settings"]["seed"])
    ledgers: dict[str, dict[tuple[str, int], dict[str, Any]]] = {}
    for row in rows:
        held, block, number = sources.place(row["source"], row["document"])
        columns = held.batch(block)
        place = {key: columns[key][number].as_py() for key in ("id", "path", "offset")}
        known = ledgers.setdefault(str(held.folder), _ledger(held, rows, sources))
        more = known.get((place["path"], place["offset"]), {})
        used = {"start": row["start"], "length": row["length"]}
        yield {"step": row["step"], "row": row["row"], "source": sources.names[row["source"]], **place, **used, **more}


def _open(state: Mapping[str, Any]) -> list[TokenSet]:
    """The sets of the run, which must be those that it was trained on."""
    sets = []
    for entry in state["data"]:
        opened = TokenSet.open(entry["folder"])
        if opened.hash != entry["hash"]:
            raise CurateError(entry["folder"], "is not the set that the run was trained on: its hash is another")
        sets.append(opened)
    return sets


def _ledger(held: TokenSet, rows: list[dict[str, Any]], sources: Sources) -> dict[tuple[str, int], dict[str, Any]]:
    """(path, offset) -> url and signals of the documents of `rows`, from the runs that the set was made of."""
    runs = [held.folder / run["folder"] for run in held.runs]
    runs = [run for run in runs if (run / "ledger").exists() and read_json(run / "manifest.json") is not None]
    if not runs:
        return {}
    from curate.ledger import Ledger

    wanted = set()
    for row in rows:
        found, block, number = sources.place(row["source"], row["document"])
        if found is held:
            columns = found.batch(block)
            wanted.add((columns["path"][number].as_py(), columns["offset"][number].as_py()))
    left_out = {"id", "source", "path", "offset", "fate", "step", "rule", "evidence", "null_rules", "row"}
    known = {}
    for run in runs:
        connection = Ledger(run).connect()
        connection.execute('CREATE TEMP TABLE wanted (path VARCHAR, "offset" BIGINT)')
        connection.executemany("INSERT INTO wanted VALUES (?, ?)", sorted(wanted))
        answer = connection.sql('SELECT ledger.* FROM ledger JOIN wanted USING (path, "offset")').to_arrow_table()
        for entry in answer.to_pylist():
            known[entry["path"], entry["offset"]] = {key: value for key, value in entry.items() if key not in left_out}
    return known


def _line(entry: Mapping[str, Any]) -> str:
    url = f"  {entry['url']}" if entry.get("url") else ""
    stop = entry["start"] + entry["length"]
    return (
        f"step {entry['step']}  row {entry['row']:>3}  {entry['source']}  {entry['path']} at {entry['offset']}  "
        f"tokens {entry['start']}-{stop}  {entry['id']}{url}"
    )
