"""Near dedup: known answers on real text, and pure Python over all pairs on small corpora."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curate.dedup.memory import dedup_texts
from curate.dedup.minhash import MinhashDedup
from curate.dedup.step import DUPLICATES, Contributions
from curate.dedup.verify import BUCKET, Verification, least_equal

# 64 bands of one row: a pair at 0.5 shares none with probability 2^-64
CERTAIN = {"ngram": 2, "bands": 64, "rows": 1, "threshold": 0.5}
texts = st.lists(st.sampled_from("abcd"), max_size=9).map(" ".join)
corpora = st.lists(st.lists(texts, max_size=6), max_size=4)


def shingles(text: str, ngram: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    count = max(1, len(words) - ngram + 1)
    return {tuple(words[i : i + ngram]) for i in range(count)} if words else set()


def jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


def brute_force(units: list[list[str]], keep: str, values: list[list[float]], ngram: int, t: float) -> list[list]:
    """Go through all documents in keep order; compare each with every document kept so far."""
    addresses = [(u, r) for u, unit in enumerate(units) for r in range(len(unit))]
    order = {"first": lambda u, r: 0.0, "longest": lambda u, r: -len(units[u][r])}.get(
        keep, lambda u, r: -values[u][r] if values[u][r] == values[u][r] else float("inf")
    )
    kept: list[tuple[int, int, set]] = []
    dropped: list[list] = [[] for _ in units]
    for u, r in sorted(addresses, key=lambda a: (order(*a), a)):
        own = shingles(units[u][r], ngram)
        # of equally similar ones the first in keep order: max takes the first
        best = max(((jaccard(own, other), ku, kr) for ku, kr, other in kept), key=lambda x: x[0], default=(0, 0, 0))
        if own and best[0] >= t:
            dropped[u].append((r, best[1], best[2], float(np.float32(best[0]))))
        else:
            kept.append((u, r, own))
    return [sorted(unit) for unit in dropped]


def run(step: MinhashDedup, units: list[list[str]], **options: object) -> list[list[tuple]]:
    found = dedup_texts(step, [pa.array(unit, pa.string()) for unit in units], **options)  # type: ignore[arg-type]
    assert all(table.schema == DUPLICATES for table in found)
    return [[tuple(row.values()) for row in table.to_pylist()] for table in found]


@pytest.mark.parametrize("keep", ["first", "longest", "quality.score"])
@given(units=corpora, data=st.data())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_agrees_with_all_pairs(keep: str, units: list[list[str]], data: st.DataObject) -> None:
    score = st.sampled_from([0.0, 1.0, 2.0, float("nan")])
    values = [data.draw(st.lists(score, min_size=len(unit), max_size=len(unit))) for unit in units]
    signals = {"quality.score": [np.array(v, np.float64) for v in values]}
    memory = data.draw(st.sampled_from([1, 1 << 30]))
    step = MinhashDedup.model_validate(CERTAIN | {"keep": keep})
    assert run(step, units, signals=signals, memory=memory) == brute_force(units, keep, values, 2, 0.5)


@given(corpus=st.lists(texts, max_size=24), cuts=st.lists(st.integers(0, 24), max_size=4))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_how_documents_are_cut_into_units_changes_nothing(corpus: list[str], cuts: list[int]) -> None:
    step = MinhashDedup.model_validate(CERTAIN)
    ends = [0, *sorted(min(cut, len(corpus)) for cut in cuts), len(corpus)]
    units = [corpus[start:stop] for start, stop in zip(ends[:-1], ends[1:], strict=True)]
    flat = [
        (ends[u] + row, ends[k] + kept, score)
        for u, unit in enumerate(run(step, units))
        for row, k, kept, score in unit
    ]
    assert flat == [(row, kept, score) for row, _, kept, score in run(step, [corpus])[0]]


def test_short_and_empty_texts() -> None:
    corpus = ["One two.", "one, TWO", "one two three", "", "", "...", "...", "two one"]
    assert [drop[0] for drop in run(MinhashDedup(), [corpus])[0]] == [1]
    found = dedup_texts(MinhashDedup(), [pa.array(["a b", None, None, "a  b"])])
    assert found[0]["row"].to_pylist() == [3]


@pytest.mark.parametrize("lang", ["zh", "th", "hi"])
def test_near_duplicates_in_scripts_of_few_or_no_spaces(shared_data: Path, lang: str) -> None:
    """A clause is no word: where one in some thirty is cut, most shingles are still the same."""
    with gzip.open(shared_data / "multilingual" / "xquad_contexts.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["lang"] == lang][:60]
    joined = [" ".join(row["text"] for row in rows[at : at + 4]) for at in range(0, 60, 4)]
    edited = ["".join(f"{c}—" if i % 400 == 399 else c for i, c in enumerate(text)) for text in joined]
    found = run(MinhashDedup(), [joined, edited])
    assert found[0] == [] and [drop[:3] for drop in found[1]] == [(i, 0, i) for i in range(len(joined))]
    # a half of each other paragraph is no duplicate
    halves = [text[: len(text) // 2] + joined[i - 1][len(joined[i - 1]) // 2 :] for i, text in enumerate(joined)]
    assert run(MinhashDedup(), [joined, halves]) == [[], []]


def test_no_chains() -> None:
    """b is like a, c like b, but c is not like a: b leaves for a, and c stays."""
    words = [f"w{i}" for i in range(120)]
    a, b, c = (" ".join(words[i : i + 100]) for i in (0, 9, 18))
    assert run(MinhashDedup(bands=64, rows=2), [[a, b, c]]) == [[(1, 0, 0, pytest.approx(87 / 105))]]
    # the greatest value first: b is kept and stands for both
    signals = {"q.s": [np.array([1.0, 2.0, 1.0])]}
    found = run(MinhashDedup(bands=64, rows=2, keep="q.s"), [[a, b, c]], signals=signals)
    assert [drop[:3] for drop in found[0]] == [(0, 0, 1), (2, 0, 1)]


@pytest.fixture(scope="session")
def documents(shared_data: Path) -> dict[str, str]:
    table = pq.read_table(shared_data / "corpus" / "debian_docs.parquet", columns=["id", "text"])
    return {i: t for i, t in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True) if i < "d004888"}


@pytest.mark.parametrize("memory", [1 << 30, 1 << 16])
@pytest.mark.parametrize("keep", ["first", "longest"])
def test_known_answer_on_real_documents(shared_data: Path, documents: dict[str, str], keep: str, memory: int) -> None:
    oracle = json.loads((shared_data / "corpus/oracle/true_neardup_components_s10.json").read_text())
    shipped = ([i for i in component if i in documents] for component in oracle["components"])
    components = [component for component in shipped if component]
    ids, corpus = list(documents), list(documents.values())
    units = [corpus[start : start + 700] for start in range(0, len(corpus), 700)]
    found = run(MinhashDedup.model_validate({"keep": keep}), units, memory=memory)
    drops = [(ids[700 * u + row], ids[700 * k + kept], s) for u, unit in enumerate(found) for row, k, kept, s in unit]
    dropped = {drop[0] for drop in drops}
    for out, kept, score in drops:
        assert kept not in dropped
        true = jaccard(shingles(documents[out], 5), shingles(documents[kept], 5))
        assert true >= 0.8 and score == pytest.approx(true, abs=1e-6)
    assert 58 <= len(drops) <= 61
    assert len(components) == 56 and all(set(component) - dropped for component in components)


def contribution(step: MinhashDedup, text: pa.Array) -> pa.Table:
    columns = dict(step.collect(pa.RecordBatch.from_arrays([text], names=["text"])))
    return pa.table({"row": pa.array(np.arange(len(text), dtype=np.int32)), **columns})


def verified(
    step: MinhashDedup, corpus: list[str], folder: Path, remembered: Path | None = None
) -> tuple[Verification, int]:
    """Run over one unit: the counters, and how many documents are dropped."""
    text = pa.array(corpus)
    table = contribution(step, text)
    given = Contributions(
        lambda: iter([table]), lambda _, rows: text.take(pa.array(rows)), None, 1 << 30, folder, ("0f" * 8,), remembered
    )
    run_ = Verification(step, given)
    return run_, sum(map(len, run_.verdicts()))


@given(pool=corpora, runs=st.lists(st.lists(st.integers(0, 3), unique=True, max_size=4), min_size=2, max_size=4))
@settings(max_examples=30, deadline=None, derandomize=True)
def test_what_is_remembered_of_other_runs_changes_nothing(
    pool: list[list[str]], runs: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Units come and go, in any order: each run finds what a run from scratch finds."""
    step, folder = MinhashDedup.model_validate(CERTAIN | {"keep": "longest"}), tmp_path_factory.mktemp("runs")
    for number, chosen in enumerate(runs):
        names = [i for i in chosen if i < len(pool)]
        units = [pa.array(pool[i], pa.string()) for i in names]
        found = []
        for remembered in (None, folder / "remembered.arrow"):
            (scratch := folder / f"{number}-{remembered is None}").mkdir()
            tables = [contribution(step, unit) for unit in units]
            given = Contributions(
                lambda t=tables: iter(t), lambda u, rows, texts=units: texts[u].take(pa.array(rows)), None, 1 << 30, scratch,
                tuple(f"{i + 1:016x}" for i in names), remembered,
            )  # fmt: skip
            found.append([table.to_pylist() for table in step.resolve(given)])
        assert found[0] == found[1]


def test_a_set_that_is_known_is_not_read_again(tmp_path: Path) -> None:
    base = " ".join(f"w{i}" for i in range(300))
    counted = []
    for i in range(2):
        (tmp_path / str(i)).mkdir()
        counted.append(verified(MinhashDedup(), [base, f"{base} a"], tmp_path / str(i), tmp_path / "remembered.arrow"))
    assert [dropped for _, dropped in counted] == [1, 1]
    assert [run_.linked for run_, _ in counted] == [2, 0]


@pytest.mark.parametrize("count", [500, 1000])
def test_a_cluster_costs_one_comparison_a_document(tmp_path: Path, count: int) -> None:
    base = " ".join(f"w{i}" for i in range(300))
    counted, dropped = verified(MinhashDedup(), [f"{base} {i}" for i in range(count)], tmp_path)
    assert (dropped, counted.linked) == (count - 1, count)
    assert counted.looked == counted.compared == count - 1


def test_distinct_documents_are_not_read_again(tmp_path: Path) -> None:
    corpus = [" ".join(f"w{i}x{j}" for j in range(100)) for i in range(500)]
    counted, dropped = verified(MinhashDedup(), corpus, tmp_path)
    assert (dropped, counted.linked, counted.looked, counted.compared) == (0, 0, 0, 0)


def test_work_on_a_template_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents that share two thirds of their words are kept, at a bounded number of looks each."""
    monkeypatch.setattr("curate.dedup.verify.BUCKET", 20)
    monkeypatch.setattr("curate.dedup.verify.COMPARISONS", 5)
    template, step = " ".join(f"t{i}" for i in range(200)), MinhashDedup(ngram=1, bands=14, rows=2)
    corpus = [template + " " + " ".join(f"w{i}x{j}" for j in range(100)) for i in range(300)]
    # behind all of them, near-duplicates of the last ten
    corpus += [text + " more" for text in corpus[-10:]]
    counted, dropped = verified(step, corpus, tmp_path)
    assert dropped >= 9
    assert counted.looked <= len(corpus) * 14 * 20 and counted.compared <= len(corpus) * 5
    assert BUCKET == 1024


def test_estimate_is_safe() -> None:
    assert 65 <= least_equal(112, 0.8) <= 75
    assert least_equal(112, 1.0) == 112
    assert least_equal(1, 0.5) == 0


def test_settings() -> None:
    assert MinhashDedup(threshold=0.7, keep="longest").fingerprint() == MinhashDedup().fingerprint()
    assert MinhashDedup(seed=2).fingerprint() != MinhashDedup().fingerprint()
    with pytest.raises(ValidationError, match="unknown order"):
        MinhashDedup(keep="shortest")
    with pytest.raises(ValidationError):
        MinhashDedup(threshold=1.5)


def test_no_units_and_no_rows() -> None:
    assert dedup_texts(MinhashDedup(), []) == []
    assert [len(table) for table in dedup_texts(MinhashDedup(), [pa.array([], pa.string())] * 2)] == [0, 0]


def test_importing_the_steps_is_light() -> None:
    code = "import curate.dedup.exact, curate.dedup.minhash, curate.dedup.verify, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
