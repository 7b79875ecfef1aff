"""The section of the report about what selectors chose: figures beside baselines, a map, neighbours of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import CurateError
from curate.report.leaks import leaks
from curate.report.markup import bar, code, counted, folded, note, number, section, share, table, text
from curate.report.query import Records
from curate.report.texts import Where, texts
from curate.report.vectors import vectors
from curate.select.choice import Baseline, Choice, Group, Total, choices
from curate.select.projection import plane
from curate.select.selector import Selector

# A cosine from which two documents of the choice are told as near-duplicates.
NEAR = 0.95
# Groups beyond so many are summed up; texts of the target that are shown with so many neighbours each.
MOST, TARGETS, NEIGHBOURS = 12, 3, 3
WIDTH, HEIGHT, EXCERPT = 720, 420, 240

Vectors = npt.NDArray[np.float32]


class Located(NamedTuple):
    """Documents of which the vectors are at hand: (unit, row) and (n, d) float32 of length 1."""

    places: list[Where]
    points: Vectors


def selection(records: Records | None, manifest: Mapping[str, Any], store: Path) -> str:
    """The section, or nothing where no step chooses under a budget."""
    found = choices(records, manifest)
    if not found:
        return ""
    words = (
        "What each selector chose of the documents that came to it. The choice of a smaller budget of the same step is a "
        "part of this one: both are the first of one order."
    )
    return section("selection", "Selection", note(words), *(_one(choice, manifest, store) for choice in found))


def _one(choice: Choice, manifest: Mapping[str, Any], store: Path) -> str:
    chosen, rest = (_located(manifest, store, places) for places in choice.examples)
    aims = _target(choice)
    parts = [
        f"<h3>{text(choice.step)}</h3>", _headline(choice), _totals(choice), _baselines(choice),
        _duplicates(choice, manifest, store), leaks(choice, aims, manifest, store),
        _map(chosen, rest), _neighbours(choice, aims, manifest, store, chosen),
        _groups("source", choice.sources), _groups("language", choice.languages), _smaller(choice),
    ]  # fmt: skip
    return "".join(parts)


def _headline(choice: Choice) -> str:
    tiles = [
        (
            "kept",
            f"{choice.chosen.documents:,}",
            f"documents chosen, {share(choice.chosen.documents, choice.pool.documents)}",
        ),
        ("kept", f"{choice.chosen.tokens:,}", f"tokens chosen, {share(choice.chosen.tokens, choice.pool.tokens)}"),
        ("", f"{choice.pool.documents:,}", "documents came to it"),
        ("", f"{choice.pool.documents - choice.scored:,}", "have no score, and are never chosen"),
    ]
    shown = "".join(
        f'<div class="tile {css}"><b>{text(n)}</b><span>{text(words)}</span></div>' for css, n, words in tiles
    )
    own = {key: value for key, value in choice.settings.items() if key not in ("budget", "as", "rules")}
    own.setdefault("seed", Selector.model_fields["seed"].default)
    listed = ", ".join(f"{key}: {value}" for key, value in own.items())
    told = f"<p>{code(choice.budget)} · {code(f'{choice.kind} {{{listed}}}')}</p>"
    return f'{told}<div class="tiles">{shown}</div>\n'


def _totals(choice: Choice) -> str:
    def row(name: str, total: Total) -> tuple[str, ...]:
        sizes = (number(float(round(size))) for size in (total.mean, total.median, total.most))
        return (name, f"{total.documents:,}", f"{total.tokens:,}", *sizes)

    shift = choice.chosen.mean / choice.pool.mean if choice.pool.mean else 1.0
    rows = [row("pool", choice.pool), row("chosen", choice.chosen)]
    head = ("", "documents", "tokens", "bytes, mean", "median", "90 %")
    counted_by = choice.settings.get("count")
    tokens = (
        f"those of `{counted_by}`" if counted_by else "bytes of text over 4: `count` names a signal that counts them"
    )
    told = note(f"A chosen document is {shift:.2f} times as long as one of the pool, in the mean. Tokens are {tokens}.")
    return "<h4>Length</h4>" + table(head, rows, numbers=range(1, 6)) + told


def _baselines(choice: Choice) -> str:
    def row(found: Baseline) -> tuple[str, ...]:
        return (
            text(found.name), f"{found.documents:,}", f"{found.tokens:,}", number(float(round(found.mean))), f"{found.both:,}",
            share(found.both, choice.chosen.documents),
        )  # fmt: skip

    head = ("order", "documents", "tokens", "bytes, mean", "also chosen", "of the choice")
    words = (
        "What the longest documents first, and documents by chance, would take of the same number of tokens. A choice that "
        "is mostly that of `longest_k` has little to say beyond length."
    )
    return "<h4>Beside the baselines</h4>" + note(words) + table(head, map(row, choice.baselines), numbers=range(1, 6))


def _duplicates(choice: Choice, manifest: Mapping[str, Any], store: Path) -> str:
    first = _located(manifest, store, choice.first)
    same = near = 0
    for start in range(0, len(first.points), 1024):
        block = first.points[start : start + 1024]
        cosines = block @ first.points.T
        # compared with what stands before it in the order
        cosines[np.arange(len(first.points)) >= start + np.arange(len(block))[:, None]] = -1
        best = cosines.max(axis=1, initial=-1)
        near += int((best >= NEAR).sum())
        same += int((best >= 0.99999).sum())
    words = (
        f"Of the first {counted(len(first.points), 'document')} of the choice with a vector, {near:,} have a cosine of {NEAR} or more "
        f"with one before it ({share(near, len(first.points))}), {same:,} the same vector."
    )
    return "<h4>Duplicates inside the choice</h4>" + note(words)


def _located(manifest: Mapping[str, Any], store: Path, places: Sequence[Where]) -> Located:
    """Vectors of the run's step `embed`, or static ones of the texts where it has none."""
    step = _embedder(manifest)
    if step is not None:
        found = vectors(store, manifest, places, step.name)
    else:
        from curate.select.vectors import static_vectors

        held = texts(store, manifest, places)
        made = static_vectors(pa.array(list(held.values()), pa.string()))
        found = dict(zip(held, made, strict=True))
    known = [place for place in places if place in found and found[place].any()]
    if not known:
        return Located([], np.zeros((0, 0), np.float32))
    points = np.array([found[place] for place in known], np.float32)
    return Located(known, points / np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12))


def _embedder(manifest: Mapping[str, Any]) -> Any:
    from curate.select.embed import Embed

    listed = [entry["embed"] or {} for entry in manifest["pipeline"]["steps"] if "embed" in entry]
    return Embed.model_validate(listed[0]) if listed else None


def _map(chosen: Located, rest: Located) -> str:
    if len(chosen.places) + len(rest.places) < 3 or not len(chosen.places):
        return ""
    parts = [found.points for found in (rest, chosen) if len(found.points)]
    points, shown = plane(np.concatenate(parts))
    circles = []
    for i, (x, y) in enumerate(points):
        css = "rest" if i < len(rest.places) else "chosen"
        circles.append(
            f'<circle class="{css}" cx="{8 + x * (WIDTH - 16):.1f}" cy="{8 + (1 - y) * (HEIGHT - 16):.1f}" r="3"/>'
        )
    legend = (
        f'<p><span class="key kept"></span>{len(chosen.places):,} of the chosen<span class="key quiet"></span>'
        f"{len(rest.places):,} of the others</p>"
    )
    label = "map of vectors: chosen documents among others of the pool"
    drawn = f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(circles)}</svg>'
    words = f"Taken by chance. The first two principal components of the vectors: {100 * (shown or 0):.0f} % of the variance."
    return f"<h4>Map</h4>{legend}<figure>{drawn}<figcaption>{text(words)}</figcaption></figure>\n"


def _neighbours(
    choice: Choice, target: Sequence[str], manifest: Mapping[str, Any], store: Path, chosen: Located
) -> str:
    """Some texts of the target, each with the chosen documents nearest to it, of those whose vectors are at hand."""
    if not target or not len(chosen.places):
        return ""
    aims = [target[i] for i in np.linspace(0, len(target) - 1, min(TARGETS, len(target))).astype(int)]
    from curate.select.embed import Embed

    step = _embedder(manifest) or Embed()
    near = step.vectors(pa.array(aims, pa.string())) @ chosen.points.T
    best = np.argsort(-near, axis=1, kind="stable")[:, :NEIGHBOURS]
    found = texts(store, manifest, [chosen.places[i] for i in best.ravel()])
    shown = []
    for aim, row, cosines in zip(aims, best, near, strict=True):
        inside = _excerpt("target", aim, "")
        for i in row:
            inside += _excerpt(f"cosine {cosines[i]:.3f}", found.get(chosen.places[i], ""), "kept")
        shown.append(folded(_short(" ".join(aim.split()), 80), inside))
    some = "" if len(chosen.places) == choice.chosen.documents else " taken by chance"
    words = f"Texts of the target, and the nearest of {counted(len(chosen.places), 'chosen document')}{some}."
    return "<h4>Nearest to the target</h4>" + note(words) + "".join(shown)


def _target(choice: Choice) -> list[str]:
    """The texts of the selector's target; none where it has no target, or its files are gone."""
    from curate.steps import step_class

    step: Any = step_class(choice.kind).model_validate(choice.settings)
    if not hasattr(step, "target_texts"):
        return []
    try:
        return [str(words) for words in step.target_texts().to_pylist()]
    except CurateError:
        return []


def _excerpt(name: str, words: str, css: str) -> str:
    short = text(_short(words, EXCERPT))
    return f'<div class="example {css}"><p><b>{text(name)}</b></p><pre dir="auto">{short}</pre></div>\n'


def _short(words: str, most: int) -> str:
    return words if len(words) <= most else words[:most] + " …"


def _groups(one: str, groups: Sequence[Group]) -> str:
    if len(groups) < 2:
        return ""
    rest = groups[MOST:]
    shown = list(groups[:MOST])
    if rest:
        sums = (
            sum(getattr(group, key) for group in rest) for key in ("documents", "tokens", "chosen", "chosen_tokens")
        )
        shown.append(Group(f"{len(rest):,} others", *sums))
    whole = max((group.tokens for group in shown), default=0)
    pool, taken = (sum(getattr(group, key) for group in groups) for key in ("tokens", "chosen_tokens"))
    rows = [
        (
            text(group.name), f"{group.documents:,}", f"{group.chosen:,}", share(group.tokens, pool),
            share(group.chosen_tokens, taken),
            bar([("kept", group.chosen_tokens), ("rest", group.tokens - group.chosen_tokens)], whole),
        )
        for group in shown
    ]  # fmt: skip
    head = (one, "documents", "chosen", "of the pool's tokens", "of the choice's", "")
    return f"<h4>By {one}</h4>" + table(head, rows, numbers=(1, 2, 3, 4))


def _smaller(choice: Choice) -> str:
    rows = [
        (
            f"{found.share:.0%} of the tokens", f"{found.documents:,}", f"{found.tokens:,}", number(float(round(found.mean))),
            number(found.least),
        )
        for found in choice.smaller
    ]  # fmt: skip
    head = ("budget", "documents", "tokens", "bytes, mean", "score of the last")
    words = "What other budgets of this step would choose: to take one, change `budget`; nothing is computed again."
    return "<h4>Other budgets</h4>" + note(words) + table(head, rows, numbers=range(1, 5))
