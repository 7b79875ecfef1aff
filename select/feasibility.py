r"""When to pre-train: could sources make a target, and in which mixture? `curate feasibility --source a=GLOB --target GLOB`

The question of W2PGNN (Cao et al. 2023, arXiv 2303.16458) asked of texts: sources span a space of generators, and a target
is worth pre-training for as far as some generator of that space makes it. Here a generator is a mixture of von
Mises-Fisher distributions, one for each cluster of a source's vectors (Banerjee et al. 2005); the weights that explain
the target best are found by expectation maximisation, which has one maximum.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.errors import ConfigError, CurateError, Problem
from curate.select.compare import one_thread
from curate.select.kmeans import kmeans
from curate.select.points import Points, check_width, unit_points

Values = npt.NDArray[np.float64]

# Every HELD_OUT-th document of a source is no part of its clusters: it shows how probable such a document is.
HELD_OUT = 5
# A target document is covered if it is more probable than this share of held-out documents.
QUANTILE = 0.05
# Concentrations beyond this say that a cluster is one point, many times.
MOST = 1e5


@dataclass(frozen=True)
class Feasibility:
    """The answer.

    Attributes:
        feasibility: share of target documents that are more probable under their best mixture than the 5 % least
            probable held-out documents of the sources under theirs, over 95 %; at most 1.
        gap: mean log probability of the target less that of the held-out documents, in nats a document.
        weights: source -> its weight in the target's best mixture; they sum to 1.
        natural: source -> its weight in the best mixture for the held-out documents.
        scores: (m,) float64, log probability of each target document.
    """

    feasibility: float
    gap: float
    weights: Mapping[str, float]
    natural: Mapping[str, float]
    scores: Values


def feasibility(sources: Mapping[str, Points], target: Points, *, clusters: int = 8, seed: int = 0) -> Feasibility:
    """Vectors of sources (n, d) each, and of a target (m, d): could the sources make the target?

    Vectors are compared at length 1; null and not finite ones are left out. Raises CurateError for a source with fewer
    than 2 x HELD_OUT vectors, a target without any, or different dimensions.
    """
    known = {name: unit_points(np.ascontiguousarray(points, np.float32))[0] for name, points in sources.items()}
    wanted = unit_points(np.ascontiguousarray(target, np.float32))[0]
    if not known or not len(wanted):
        raise CurateError("feasibility", "there is no source" if not known else "the target has no vector", "")
    for name, points in known.items():
        check_width(points, wanted.shape[1])
        if len(points) < 2 * HELD_OUT:
            what = f"source `{name}` has {len(points)} vectors, at least {2 * HELD_OUT} are needed"
            raise CurateError("feasibility", what, "name more files for it, or join it with another source")
    held = {name: np.arange(len(points)) % HELD_OUT == HELD_OUT - 1 for name, points in known.items()}
    means, concentrations, owner = [], [], []
    for number, (name, points) in enumerate(known.items()):
        fitted = _fit(points[~held[name]], clusters, seed)
        means.append(fitted[0])
        concentrations.append(fitted[1])
        owner += [number] * len(fitted[1])
    mean, kappa = np.concatenate(means), np.concatenate(concentrations)
    seen = np.concatenate([points[held[name]] for name, points in known.items()])
    with one_thread():
        of_target, of_seen = (log_density(points, mean, kappa) for points in (wanted, seen))
    weights, natural = mixture_weights(of_target), mixture_weights(of_seen)
    scores, usual = (_mixed(log, w) for log, w in ((of_target, weights), (of_seen, natural)))
    covered = float((scores >= np.quantile(usual, QUANTILE)).mean())
    return Feasibility(
        min(1.0, covered / (1 - QUANTILE)),
        float(scores.mean() - usual.mean()),
        _by_source(weights, owner, known),
        _by_source(natural, owner, known),
        scores,
    )


def mixture_weights(log: Values, tolerance: float = 1e-9, iterations: int = 10_000) -> Values:
    """(m, k) log densities of m documents under k distributions -> (k,) the weights of greatest likelihood, by EM.

    The likelihood is concave in the weights: every start finds the maximum. Ends where an iteration gains less than
    `tolerance` nats a document.
    """
    weights = np.full(log.shape[1], 1 / log.shape[1])
    most = log.max(axis=1, keepdims=True)
    density, before = np.exp(log - most), -np.inf
    for _ in range(iterations):
        joint = density * weights
        total = joint.sum(axis=1, keepdims=True)
        weights = (joint / total).mean(axis=0)
        now = float(np.log(total).mean())
        if now - before < tolerance:
            break
        before = now
    return weights


def log_density(points: Points, mean: Points, kappa: Values) -> Values:
    """(n, d) points of length 1 -> (n, k) float64 log densities under von Mises-Fisher distributions.

    `mean` (k, d) are directions, `kappa` (k,) concentrations.
    """
    return (points @ mean.T).astype(np.float64) * kappa + log_norm(kappa, points.shape[1])


def log_norm(kappa: Values, dimensions: int) -> Values:
    """(k,) log of the constant of a von Mises-Fisher density: the order nu = d / 2 - 1 of the Bessel function is large.

    log I_nu by its uniform expansion for large orders (Abramowitz & Stegun 9.7.7), first correction included.
    """
    nu = dimensions / 2 - 1
    root = np.sqrt(nu**2 + kappa**2)
    p = nu / root
    log_bessel = root + nu * np.log(kappa / (nu + root)) - 0.5 * np.log(2 * np.pi * root)
    log_bessel += np.log1p((3 * p - 5 * p**3) / (24 * nu))
    found: Values = nu * np.log(kappa) - (nu + 1) * np.log(2 * np.pi) - log_bessel
    return found


def _fit(points: Points, clusters: int, seed: int) -> tuple[Points, Values]:
    """Clusters of one source as distributions: directions (k, d) and concentrations (k,)."""
    found = kmeans(points, min(clusters, max(1, len(points) // HELD_OUT)), seed=seed)
    labels = found.assign(points)[0]
    means, kappas = [], []
    for cluster in range(len(found.centroids)):
        own = points[labels == cluster]
        if not len(own):  # of the clusters that no document is nearest to nothing is known
            continue
        total = own.sum(axis=0, dtype=np.float64)
        length = float(np.linalg.norm(total)) / len(own)
        # the estimate of Banerjee et al. (2005); one document alone would be a point
        length = min(length, 1 - 1 / (2 * len(own) + 1))
        kappas.append(min(MOST, max(1e-3, length * (points.shape[1] - length**2) / (1 - length**2))))
        means.append((total / max(np.linalg.norm(total), 1e-12)).astype(np.float32))
    return np.stack(means), np.array(kappas)


def _mixed(log: Values, weights: Values) -> Values:
    most = log.max(axis=1)
    mixed: Values = most + np.log(np.exp(log - most[:, None]) @ weights)
    return mixed


def _by_source(weights: Values, owner: list[int], names: Mapping[str, Points]) -> dict[str, float]:
    totals = np.bincount(owner, weights, minlength=len(names))
    return dict(zip(names, totals.tolist(), strict=True))


def of_files(
    sources: Sequence[str], target: Sequence[str], *, text: str = "text", clusters: int = 8, seed: int = 0
) -> tuple[Feasibility, dict[str, int]]:
    """The answer for files: sources as `name=glob`; and how many documents each source and the target has.

    Texts are embedded by the default of the step `embed`. Raises ConfigError with all that is wrong, before any work.
    """
    from curate.corpus import corpus_files, texts
    from curate.select.vectors import static_vectors

    groups: dict[str, list[str]] = {}
    problems = []
    for source in sources:
        name, _, pattern = source.partition("=")
        if not pattern:
            problems.append(Problem("--source", f"expected NAME=GLOB, got `{source}`"))
        groups.setdefault(name, []).append(pattern)
    files = {}
    for name, patterns in [] if problems else [*groups.items(), ("", list(target))]:
        try:
            files[name] = corpus_files(patterns, text=text)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    vectors = {name: np.concatenate([static_vectors(part) for part in texts(found)]) for name, found in files.items()}
    counts = {name: len(points) for name, points in vectors.items()}
    wanted = vectors.pop("")
    return feasibility(vectors, wanted, clusters=clusters, seed=seed), counts


def report(answer: Feasibility, counts: Mapping[str, int]) -> Iterator[str]:
    """The answer in lines, for people."""
    yield f"{'source':<20} {'documents':>10} {'held-out':>9} {'target':>7}"
    for name, weight in sorted(answer.weights.items(), key=lambda entry: -entry[1]):
        yield f"{name:<20} {counts[name]:>10,} {answer.natural[name]:>9.1%} {weight:>7.1%}"
    yield ""
    yield f"feasibility {answer.feasibility:.2f} of {counts['']:,} target documents ({answer.gap:+.1f} nats a document)"
    if answer.feasibility < 0.5:
        yield "most of the target is unlike anything that the sources make: training on them will not prepare for it"
