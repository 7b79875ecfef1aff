"""What can be known to be wrong with a training beyond its types: from the settings alone, and from the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from curate.contamination.sets import set_files
from curate.errors import ConfigError, CurateError, MissingAsset, Problem
from curate.select.weights.kinds import KINDS
from curate.steps.causal_model import find_model
from curate.train.evaluation.tasks import read_tasks
from curate.train.mixture import make_method
from curate.train.models import INSTALL, PRESETS
from curate.train.objectives.dft import Dft
from curate.train.objectives.kinds import LOSSES, make_loss
from curate.train.objectives.masked_thought import MaskedThought
from curate.train.policies.kinds import make_policy
from curate.train.settings import TrainSettings
from curate.train.text_tokenizer import load_tokenizer
from curate.train.token_set import TOKENIZER, TokenSet
from curate.train.trackers import INSTALL as INSTALL_TRACKERS
from curate.train.trackers import is_installed
from curate.yaml_source import Path as Key
from curate.yaml_source import nearest

# Share of the ids that may stand for other tokens than the model's: names that were given to reserved tokens.
RENAMED = 0.01

#: key path -> `file:line:col key.path`
Where = Callable[[Key], str]


def setting_problems(settings: TrainSettings, where: Where, *, held_out: bool) -> list[Problem]:
    """What is wrong whatever the data hold; `held_out` says whether they come with documents to evaluate on."""
    problems = []
    preset = settings.model.preset
    if preset is not None and preset not in PRESETS:
        problems.append(
            Problem(where(("model", "preset")), f"unknown preset `{preset}`", f"allowed: {', '.join(PRESETS)}")
        )
    if settings.rows % settings.micro_rows and settings.rows > settings.micro_rows:
        what = f"{settings.rows} rows are not a multiple of micro_rows, {settings.micro_rows}"
        problems.append(Problem(where(("micro_rows",)), what, "choose a divisor of rows"))
    if (kind := str(settings.mixture.get("kind"))) not in KINDS:
        problems.append(Problem(where(("mixture", "kind")), f"unknown kind `{kind}`", nearest(kind, KINDS)))
    problems += _recipe_problems(settings, where)
    if Path(settings.output).is_file():
        problems.append(Problem(where(("output",)), f"`{settings.output}` is a file", "name a folder"))
    problems += _task_problems(settings, where)
    problems += [
        Problem(where(("trackers", number)), f"the package {name} is not installed", INSTALL_TRACKERS)
        for number, name in enumerate(settings.trackers)
        if not is_installed(name)
    ]
    schedule = settings.schedule
    if schedule.kind == "wsd" and schedule.warmup + schedule.decay > 1:
        what = f"warmup {schedule.warmup:.0%} and decay {schedule.decay:.0%} are more than the run"
        problems.append(Problem(where(("schedule",)), what, "lower one of them"))
    if settings.evaluate and not settings.held_out and not held_out and not settings.evaluate.tasks:
        hint = (
            "evaluate: {data: FOLDER}, or hold documents out: `curate tokenize --held-out 2%`, `tokens: {held_out: 2%}`"
        )
        problems.append(Problem(where(("evaluate",)), "there is nothing to evaluate on", hint))
    elif settings.evaluate and settings.evaluate.before and not settings.held_out and not held_out:
        what = "before and after are of held-out documents, and there are none"
        problems.append(Problem(where(("evaluate", "before")), what, "evaluate: {data: FOLDER}, or leave it out"))
    return problems


def start_problems(settings: TrainSettings, where: Where) -> list[Problem]:
    """What is wrong with the models that a training begins with: they are not there, or the packages that read them."""
    missing = [
        name for name in ("torch", "transformers", *(["peft"] if settings.adapter else [])) if find_spec(name) is None
    ]
    problems = [Problem(where(()), f"training needs the package {name}", INSTALL) for name in missing]
    if settings.model.start and not missing:
        try:
            find_model("model.from", settings.model.start)
        except MissingAsset as error:
            own = Path(settings.model.start) / "model"
            hint = f"name its model, {own}" if (own / "config.json").is_file() else error.hint
            problems.append(Problem(where(("model", "from")), error.what, hint))
    teachers = settings.loss.get("teachers")
    for number, folder in enumerate(teachers if isinstance(teachers, list) else []):
        if not (Path(str(folder)) / "config.json").is_file():
            place = where(("loss", "teachers", number))
            problems.append(Problem(place, f"`{folder}` is no model", "name the folder `model` of a run"))
    return problems


def early_problems(settings: TrainSettings, where: Where, *, held_out: bool) -> list[Problem]:
    """What is wrong with the training of a pipeline before its tokens are there: its settings, packages, what it names."""
    problems = [*setting_problems(settings, where, held_out=held_out), *start_problems(settings, where)]
    if settings.held_out:
        _opened(settings.held_out, where(("evaluate", "data")), problems)
    if settings.ewc:
        _opened(settings.ewc.data, where(("ewc", "data")), problems)
    return problems


def data_problems(settings: TrainSettings, where: Where) -> list[Problem]:
    """What is wrong with the sets, or with the settings for these sets."""
    if not settings.data_folders:
        return [Problem(where(("data",)), "names no folder", "curate tokenize SHARDS --output FOLDER makes one")]
    problems: list[Problem] = []
    sets = [_opened(folder, where(("data",)), problems) for folder in settings.data_folders]
    held = _opened(settings.held_out, where(("evaluate", "data")), problems) if settings.held_out else None
    if problems:
        return problems
    tokens: dict[str, int] = {}
    for found in sets:
        for name, facts in found.sources.items() if found else ():
            tokens[name] = tokens.get(name, 0) + facts["tokens"]
    if held and sets[0] and held.manifest["tokenizer"]["sha256"] != sets[0].manifest["tokenizer"]["sha256"]:
        what = f"has another tokenizer, {held.manifest['tokenizer']['name']}, than the data"
        problems.append(Problem(where(("evaluate", "data")), what, "tokenise both with one"))
    problems += _vocabulary_problems(settings, sets[0], where) if sets[0] else []
    problems += _loss_problems(settings, [found for found in sets if found], where)
    if settings.ewc:
        old = _opened(settings.ewc.data, where(("ewc", "data")), problems)
        if old and sets[0] and old.manifest["tokenizer"]["sha256"] != sets[0].manifest["tokenizer"]["sha256"]:
            what = f"has another tokenizer, {old.manifest['tokenizer']['name']}, than the data"
            problems.append(Problem(where(("ewc", "data")), what, "tokenise both with one"))
    if not isinstance(settings.mixture.get("graph"), dict) and str(settings.mixture.get("kind")) in KINDS:
        problems += _mixture(settings, tokens, set(held.sources) if held else set(), where)
    return problems


def _recipe_problems(settings: TrainSettings, where: Where) -> list[Problem]:
    """What is wrong with the objective and the policy, as far as can be told without a model."""
    problems = []
    for make, given in ((make_loss, settings.loss), (make_policy, settings.train_only)):
        try:
            make(given)
        except ConfigError as error:
            problems += [Problem(where(tuple(p.where.split("."))), p.what, p.hint) for p in error.problems]
    if settings.adapter and settings.train_only != {"kind": "all"}:
        what = "with adapters nothing but them is trained"
        problems.append(Problem(where(("train_only",)), what, "leave out one of the two"))
    kind = str(settings.loss.get("kind"))
    if settings.adapter and settings.adapter.kind == "corda" and kind in LOSSES and LOSSES[kind].reads_start:
        what = f"`{kind}` reads the model without its adapters, and without those of corda it is not the start"
        problems.append(Problem(where(("adapter", "kind")), what, "choose lora or dora"))
    if settings.ewc and settings.adapter:
        what = "holds the model's own weights near the start, and with adapters they do not move"
        problems.append(Problem(where(("ewc",)), what, "leave out one of the two"))
    return problems


def _task_problems(settings: TrainSettings, where: Where) -> list[Problem]:
    """What is wrong with the test sets: none is there, or they cannot be read."""
    problems: list[Problem] = []
    tasks = settings.evaluate.tasks if settings.evaluate else []
    for number, path in enumerate(tasks):
        try:
            set_files([path])
        except ConfigError as error:
            place = where(("evaluate", "tasks", number))
            problems += [Problem(place, p.what, p.hint) for p in error.problems]
    if tasks and settings.evaluate and not problems:
        try:
            read_tasks(tasks, settings.evaluate.examples)
        except ConfigError as error:
            place = where(("evaluate", "tasks"))
            problems += [Problem(place, f"`{p.where}` {p.what}", p.hint) for p in error.problems]
    return problems


def _loss_problems(settings: TrainSettings, sets: Sequence[TokenSet], where: Where) -> list[Problem]:
    """What is wrong with the objective for these sets."""
    try:
        loss = make_loss(settings.loss)
    except ConfigError:
        return []  # told with the settings
    problems = []
    if loss.reads_scores and not all(found.scored for found in sets):
        what = f"`{loss.kind}` reads scores of tokens, and the data has none"
        hint = "curate tokenize SHARDS --scores tag, behind a step `tag: {insert: false}`"
        problems.append(Problem(where(("loss",)), what, hint))
    if isinstance(loss, Dft) and not loss.p_floor and not all(found.masked for found in sets):
        what = f"`{loss.kind}` cannot teach what the model gives no probability, as plain text does"
        problems.append(
            Problem(where(("loss",)), what, f"loss: {{kind: {loss.kind}, p_floor: 0.1}}, or conversations alone")
        )
    vocabulary = int(sets[0].manifest["tokenizer"]["vocabulary"])
    if isinstance(loss, MaskedThought) and loss.fill != "random" and not 0 <= loss.fill < vocabulary:
        what = f"{loss.fill} is no token: the data's tokenizer has {vocabulary:,}"
        problems.append(Problem(where(("loss", "fill")), what, "the id of a token that stands for a hole, or random"))
    return problems


def _vocabulary_problems(settings: TrainSettings, found: TokenSet, where: Where) -> list[Problem]:
    """The ids of the data mean to the model that it begins with what they mean in the data; more tokens are no mistake."""
    start, name = settings.model.start, found.manifest["tokenizer"]["name"]
    if start is None or start == name or not (found.folder / TOKENIZER).is_dir():
        return []
    try:
        own, data = load_tokenizer(start), load_tokenizer(str(found.folder / TOKENIZER))
    except (ConfigError, MissingAsset):
        return []  # a model that comes without a tokenizer
    if own.sha256 == data.sha256:
        return []
    known, used = own.tokens(), data.tokens()
    others = sorted(number for number, token in used.items() if known.get(number, token) != token)
    if len(others) <= RENAMED * len(used):
        return []
    first = others[len(others) // 2]
    what = f"is of the tokenizer {name}, and that of {start} has other tokens for {len(others):,} of its {len(used):,} ids: "
    what += f"{first} is {used[first]!r}, not {known[first]!r}"
    return [Problem(where(("data",)), what, f"curate tokenize SHARDS --tokenizer {start}")]


def _opened(folder: str, place: str, problems: list[Problem]) -> TokenSet | None:
    try:
        return TokenSet.open(folder)
    except ConfigError as error:
        problems += [Problem(place, f"`{p.where}` {p.what}", p.hint) for p in error.problems]
    except CurateError as error:
        problems.append(Problem(place, f"`{error.where}` {error.what}", error.hint))
    return None


def _mixture(settings: TrainSettings, tokens: dict[str, int], held_out: set[str], where: Where) -> Sequence[Problem]:
    try:
        make_method(settings.mixture, tokens, held_out)
    except ConfigError as error:
        return [Problem(where(tuple(p.where.split("."))), p.what, _hint(p, tokens)) for p in error.problems]
    return []


def _hint(problem: Problem, tokens: dict[str, int]) -> str:
    """The problem's own mend; for a name that is none of the sources, the nearest of them."""
    _, _, last = problem.where.rpartition(".")
    return problem.hint or (nearest(last, tokens) if last not in tokens and "source" in problem.what else "")
