"""What the verbs do: from a file and overrides to a published version, and what is printed on the way."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from curate.checks import check
from curate.config import Overrides, Pipeline, read
from curate.errors import ConfigError, CurateError, Problem
from curate.files import read_json, sweep, write_json
from curate.inputs import InputFile, open_files
from curate.plan import Plan, Sample, make_plan
from curate.settings import parse_share
from curate.startup import arrow_without_pandas
from curate.store import locked


def file_of(file: str) -> str:
    """A pipeline file, given itself or an output folder, which remembers its file. Raises ConfigError."""
    if Path(file).is_dir():
        remembered = read_json(Path(file) / ".store" / "pipeline.json")
        if remembered is None:
            raise ConfigError([Problem(file, "is a folder that no pipeline has written to", "name the file itself")])
        return str(remembered["file"])
    return file


def parse_sample(text: str | None) -> Sample | None:
    """`500` or `5%`. Raises ConfigError."""
    if text is None:
        return None
    try:
        if "%" in text:
            share = parse_share(text)
            if 0 < share <= 1:
                return Sample(share=share)
        elif (count := int(text.replace(",", "").replace("_", ""))) > 0:
            return Sample(count=count)
    except ValueError:
        pass
    raise ConfigError([Problem("--sample", f"`{text}` is not a sample", "write 5% or 10000")])


def prepare(file: str, overrides: Overrides, *, force: bool = False) -> tuple[Pipeline, list[InputFile]]:
    """Load, check and list the input. Raises ConfigError. With `force` the output may belong to anybody."""
    arrow_without_pandas()
    pipeline, problems = read(file_of(file), overrides)
    files = check(pipeline, problems, any_output=force)
    return pipeline, files


def run_file(file: str, overrides: Overrides, *, sample: str | None, force: bool, as_json: bool) -> None:
    """`curate run`. Prints progress to standard error and the result to standard output."""
    from curate.memory import workers_within
    from curate.progress import JsonProgress, LiveProgress, Progress

    chosen = parse_sample(sample)
    pipeline, files = prepare(file, overrides, force=force)
    workers = workers_within(pipeline.executor)
    live = sys.stderr.isatty() and not as_json
    progress = JsonProgress() if as_json else LiveProgress() if live else Progress()
    store = pipeline.folder_out / ".store"
    store.mkdir(parents=True, exist_ok=True)
    with locked(store):
        with progress:
            if force:
                _forget(store)
            sweep(store)
            if workers < pipeline.executor.workers:
                progress.note(f"--memory has room for {workers} of {pipeline.executor.workers} workers")
            write_json(store / "pipeline.json", {"name": pipeline.name, "file": os.path.abspath(pipeline.file)})
            plan = make_plan(pipeline, open_files(files, store), chosen)
            published = _run(plan, workers, progress)
            if pipeline.output.tokens:
                from curate.train.commands import tokenize_run

                tokenize_run(pipeline.output.tokens, pipeline.folder, pipeline.folder_out, workers, progress.note)
        if not as_json:
            print("\n".join(_summary(plan, published)), flush=True)
        trained = _train(pipeline, force, as_json)
    if as_json:
        print(json.dumps(_result(plan, published) | ({"train": trained} if trained else {})))


def _train(pipeline: Pipeline, force: bool, as_json: bool) -> dict[str, Any] | None:
    """The training that follows, if the file asks for one; what it prints goes to standard error beside a JSON result."""
    if pipeline.train is None:
        return None
    from curate.train.start import place_of, train_run, training_of

    settings = training_of(pipeline)
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        try:
            last = train_run(settings, place_of(pipeline), force=force)
        except ConfigError as error:
            # `--force` of a run would empty its store as well
            again = f"`curate train {pipeline.folder_out} --force`"
            raise ConfigError([replace(p, hint=p.hint.replace("--force", again)) for p in error.problems]) from error
    state = read_json(last / "state.json")
    return {"folder": settings.output, "step": state["step"], "held_out": state["held_out"], "data": state["data"]}


def _forget(store: Path) -> None:
    """Empty the store. Published versions stay: they hold links of their own."""
    for entry in store.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


def _run(plan: Plan, workers: int, progress: Any) -> Any:
    from curate.executors import EXECUTORS
    from curate.publish import publish
    from curate.run import check_quarantine, run

    with EXECUTORS[plan.pipeline.executor.kind](workers) as executor:
        result = run(plan, executor, progress)
        check_quarantine(plan, result)
        return publish(plan, result, executor)


def _summary(plan: Plan, published: Any) -> list[str]:
    from curate.select.choice import selectors

    manifest, folder = published.manifest, plan.pipeline.folder_out
    shown = shortest(folder)
    counts = manifest["documents"]
    size = sum(shard["bytes"] for shard in manifest["shards"])
    state = "published" if published.fresh else "nothing changed; the newest is"
    law = f"{counts['in']:,} in = {counts['kept']:,} kept + {counts['dropped']:,} dropped + {counts['quarantined']:,} quarantined"
    return [
        "",
        law,
        f"{state} version {published.number}" + (f" of a sample ({manifest['sample']})" if manifest["sample"] else ""),
        "",
        f"  shards   {shown}/shards/     {len(manifest['shards'])} files, {size / 1e6:,.1f} MB",
        f"  ledger   {shown}/ledger/     one row a document: fate, rules, evidence, every signal",
        f"  report   {shown}/report.html",
        f"  card     {shown}/README.md",
        *([f"  tokens   {shown}/tokens/     for `curate train` and the loader"] if plan.pipeline.output.tokens else []),
        "",
        "next:",
        *([f"  curate report {shown}    # what was chosen, beside baselines"] if selectors(manifest) else []),
        f"  curate sql {shown} \"SELECT step, rule, count(*) FROM ledger WHERE fate = 'dropped' GROUP BY ALL ORDER BY 3 DESC\"",
        f"  curate explain {shown} {_example(folder, manifest)}",
        f"  curate plan {plan.pipeline.file}",
    ]


def shortest(path: Path) -> str:
    """A path as a user would type it here: relative where it lies below the working directory."""
    full = Path(os.path.abspath(path))
    return str(full.relative_to(Path.cwd())) if full.is_relative_to(Path.cwd()) else str(full)


def _example(folder: Path, manifest: dict[str, Any]) -> str:
    """A document worth explaining: a near-duplicate if there is one, else one that was dropped, else any."""
    from curate.ledger import Ledger

    if not manifest["ledger"]:
        return "DOC"
    order = "evidence.similarity < 1 DESC NULLS LAST, fate = 'dropped' DESC, path, \"offset\""
    found = Ledger(folder).connect().execute(f"SELECT id FROM ledger ORDER BY {order} LIMIT 1").fetchone()
    return f"'{found[0]}'" if found and " " in found[0] else found[0] if found else "DOC"


def _result(plan: Plan, published: Any) -> dict[str, Any]:
    manifest = published.manifest
    return {
        "version": published.number, "fresh": published.fresh, "folder": str(plan.pipeline.folder_out),
        "documents": manifest["documents"], "shards": len(manifest["shards"]), "fingerprint": manifest["fingerprint"],
    }  # fmt: skip


def show_plan(file: str, overrides: Overrides, *, sample: str | None, estimate: bool) -> None:
    """`curate plan`."""
    from curate.estimate import estimated
    from curate.preview import lines

    chosen = parse_sample(sample)
    pipeline, files = prepare(file, overrides)
    plan = make_plan(pipeline, open_files(files, pipeline.folder_out / ".store"), chosen)
    for line in lines(plan):
        print(line)
    if estimate:
        for line in estimated(plan):
            print(line)


def show_report(folder: Path) -> None:
    """`curate report`: write the report and the card of the newest version anew, and say where they are."""
    from curate.ledger import Ledger
    from curate.report.card import write_card
    from curate.report.page import write_report
    from curate.report.query import records
    from curate.select.choice import choices, summary

    manifest = Ledger(folder).manifest
    version = folder / "versions" / f"{manifest['version']:06d}"
    write_report(version, manifest, folder / ".store")
    write_card(version, manifest)
    counts = manifest["documents"]
    print(f"version {manifest['version']} of {manifest['name']}: {counts['kept']:,} of {counts['in']:,} documents kept")
    for entry in manifest["steps"]:
        lost = entry["dropped"] + entry["quarantined"]
        print(f"  {entry['name']:20} {entry['in']:>10,} in {lost:>10,} out")
    with records(version, manifest) as ledger:
        for choice in choices(ledger, manifest):
            print(f"  {summary(choice)}")
    print(f"report: {shortest(folder)}/report.html\ncard:   {shortest(folder)}/README.md")


def print_query(folder: Path, query: str, *, as_json: bool) -> None:
    """`curate sql`: a table on a terminal, JSON lines on request. Raises CurateError for bad SQL."""
    import duckdb

    from curate.ledger import Ledger

    try:
        found = Ledger(folder).connect().sql(query)
    except duckdb.Error as error:
        hint = "tables: ledger, documents, shards, quarantine"
        # a column of the ledger, and a keyword
        hint += '; write "offset" in double quotes' if re.search(r'(?<!")\boffset\b(?!")', query, re.IGNORECASE) else ""
        raise CurateError("sql", str(error), hint) from error
    if found is None:
        return
    if as_json:
        for row in found.to_arrow_table().to_pylist():
            print(json.dumps(row, ensure_ascii=False, default=str))
    else:
        found.show(max_width=200, max_rows=200)
