"""`curate train FILE --check`: all that can be known of a training in seconds, before it costs anything.

Each check looks at the data and settings as they are and says `ok`, `note` or `broken`, with the mend. What must be tried on a
model is tried on the real one, or where that is large on its architecture with two small layers.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from curate.errors import ConfigError, CurateError, MissingAsset
from curate.train.check.finding import Finding, Subject
from curate.train.settings import TrainSettings
from curate.train.start import INSTALL, read_training, refuse_mistakes

# Steps whose batches are looked at.
BATCHES = 4


def check_file(file: str, *, settings: Sequence[str], against: Sequence[str], as_json: bool) -> None:
    """Check and print. Raises ConfigError for bad settings, CurateError where something is broken."""
    chosen, where = read_training(file, output=None, settings=settings)
    try:
        import peft  # noqa: F401
        import torch  # noqa: F401
        from transformers.utils import logging
    except ImportError as error:
        raise MissingAsset(file, f"training needs the package {error.name}", INSTALL) from error
    refuse_mistakes(chosen, where)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    from curate.train.parallel import Parallel

    with tempfile.TemporaryDirectory() as folder, Parallel(chosen) as parallel:
        subject = make_subject(chosen, Path(folder), parallel, against)
        findings = list(checked(subject))
        if as_json:
            print(json.dumps([dataclasses.asdict(finding) for finding in findings], ensure_ascii=False))
        else:
            show(subject, findings)
    broken = [finding.check for finding in findings if finding.state == "broken"]
    if broken:
        raise CurateError(
            chosen.name, f"{len(broken)} broken: {', '.join(broken)}", "mend what is said above, and check again"
        )


def make_subject(settings: TrainSettings, folder: Path, parallel: Any, against: Sequence[str] = ()) -> Subject:
    """Open the data, make the model that is tried, and read the first batches. Raises ConfigError, CurateError."""
    from curate.train.beginning import address
    from curate.train.check.cost import hollow
    from curate.train.check.shrunk import SMALL, shrunk
    from curate.train.loader import Loader
    from curate.train.models import make_model, model_config, parameters
    from curate.train.plan import PlanSettings
    from curate.train.token_set import TokenSet

    sets = [TokenSet.open(path) for path in settings.data_folders]
    facts = sets[0].manifest["tokenizer"]
    vocabulary, eos = int(facts["vocabulary"]), facts.get("eos")
    config = model_config(settings.model, vocabulary=vocabulary, context=settings.context, eos=eos)
    large = parameters(hollow(config, settings))[1] > SMALL
    model = shrunk(config, settings.model, folder / "small") if large else settings.model
    mixture = settings.mixture if not isinstance(settings.mixture.get("graph"), dict) else {"kind": "proportional"}
    # what `freeze` names is of the real layers
    narrowed = large and settings.train_only.get("kind") == "freeze"
    policy = {"kind": "all"} if narrowed else settings.train_only
    small = settings.model_copy(update={"model": model, "mixture": mixture, "train_only": policy})
    plan = PlanSettings(settings.context, settings.rows, settings.seed, settings.packing, settings.long)
    held_out = TokenSet.open(settings.held_out) if settings.held_out else None
    weights, moving = _first_weights(small, sets, held_out)
    if mixture is not settings.mixture:
        moving = "the mixture learns its graph first: sources are counted as large as they are"
    place: dict[str, Any] = {"weights": weights, "vocabulary": vocabulary, "threads": 0}
    loader = Loader(sets, plan, **place)
    batches = [next(loader) for _ in range(min(BATCHES, settings.steps))]
    tried = make_model(
        model, vocabulary=vocabulary, context=settings.context, eos=eos, seed=address(settings.seed, "model")
    )
    return Subject(
        settings, small, large, config, sets, held_out, Loader(sets, plan, **place), batches, tried.to(parallel.device),
        parallel, against, moving,
    )  # fmt: skip


def _first_weights(settings: TrainSettings, sets: Sequence[Any], held_out: Any) -> tuple[dict[str, float] | None, str]:
    """(what the sources weigh at the first step, or None: as much as they have; why they will weigh something else)."""
    from curate.train.mixture import Mixture, make_method

    tokens: dict[str, int] = {}
    for found in sets:
        for name, held in found.sources.items():
            tokens[name] = tokens.get(name, 0) + held["tokens"]
    mixture = Mixture(make_method(settings.mixture, tokens, set(held_out.sources) if held_out else set()))
    if mixture.needs_losses(0):
        return None, "the mixture asks for losses first: sources are counted as large as they are"
    weights = mixture.weights(0, None)
    change = mixture.method.next_step(0)
    last = change is None or change >= settings.steps
    return weights, "" if last else f"the mixture changes from step {change:,} on: its first weights are counted"


def checked(subject: Subject) -> Iterator[Finding]:
    """All findings, in order."""
    from curate.train.check.apart import check_apart
    from curate.train.check.cost import check_memory, check_time
    from curate.train.check.lengths import check_lengths
    from curate.train.check.masks import check_ends, check_rows, check_shares
    from curate.train.check.overlap import check_overlap
    from curate.train.check.resume import check_resume
    from curate.train.objectives.kinds import make_loss

    apart = _tried("documents apart", check_apart, subject)
    yield apart
    yield check_shares(subject)
    yield check_rows(subject.batches, prompts=make_loss(subject.settings.loss).prompt > 0)
    yield check_ends(subject)
    yield _tried("lengths", check_lengths, subject)
    yield _tried("contamination", check_overlap, subject)
    if apart.state == "broken":
        yield Finding("resume", "note", "not tried: a run would not begin while documents attend to each other")
    else:
        yield _tried("resume", check_resume, subject)
    yield _tried("memory", check_memory, subject)
    yield _tried("time", check_time, subject)


def _tried(name: str, check: Callable[[Subject], Finding], subject: Subject) -> Finding:
    """What a check finds; what it fails over is a finding, too."""
    try:
        return check(subject)
    except ConfigError as error:
        return Finding(
            name, "broken", "; ".join(f"{p.where}: {p.what}" for p in error.problems), error.problems[0].hint
        )
    except CurateError as error:
        return Finding(name, "broken", f"{error.where}: {error.what}", error.hint)


def show(subject: Subject, findings: Sequence[Finding]) -> None:
    """The report for people: the beginning of a row in colour, then a line a check."""
    from rich.console import Console
    from rich.markup import escape

    from curate.train.check.masks import decoded, telling_row

    console = Console(highlight=False, soft_wrap=True)
    batch = subject.batches[0]
    row = telling_row(batch)
    text = decoded(batch, subject.sets[0], row=row)
    if text is not None:
        what = "green is learnt, [dim]⟦dim⟧[/] is read and not learnt, [bold red]┃[/] stands between documents"
        console.print(f"[bold]row {row} of step 0[/]: {what}\n")
        console.print(text)
        console.print()
    colours = {"ok": "green", "note": "yellow", "broken": "bold red"}
    width = max(len(finding.check) for finding in findings)
    indent = 6 + 2 + width + 2
    # what is written to a file keeps its lines whole
    most = max(40, console.width - indent) if console.is_terminal else 1 << 20
    for finding in findings:
        first, *rest = textwrap.wrap(finding.what, most)
        state = f"[{colours[finding.state]}]{finding.state:6}[/]"
        console.print(f"{state}  {finding.check:{width}}  {escape(first)}")
        more = [*finding.lines, *([f"mend: {finding.mend}"] if finding.mend else [])]
        rest += [
            f"  {part}" for line in more for part in (textwrap.wrap(line, most - 2) if len(line) > most - 2 else [line])
        ]
        for line in rest:
            console.print(f"{'':{indent}}{escape(line)}")
    console.print()
