"""What the report says of a selection, against the same figures from the ledger by hand; the map; odd choices."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from corpora import curate, documents, manifest, pipeline, run_ok, write_jsonl

from curate.errors import MissingAsset
from curate.report.page import write_report
from curate.report.query import records
from curate.report.vectors import vectors
from curate.select.choice import BUDGETS, Choice, choices
from curate.select.projection import plane
from curate.select.vectors import static_vectors

QUESTION = "Which bird waits beside the reeds of the estuary until the water falls and the fish come near?"
STEPS = (
    "[{decontaminate: {against: tests.jsonl, action: report}}, quality, {embed: {dimensions: 64}}, "
    "{choose: {by: quality.unique_word_frac, budget: {tokens: 9K}}}, {got_d: {target: target.jsonl, budget: {share: 50%}}}]"
)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two selectors over two languages, one after the other."""
    folder = tmp_path_factory.mktemp("choice")
    (folder / "in").mkdir()
    made: list[dict[str, Any]] = [{**row, "lang": "en"} for row in documents(1, 90)]
    # a copy of a document and a test example stand in what is chosen first
    words = " ".join(f"{a}{b}" for a in ("alpha", "beta", "gamma", "delta") for b in range(20)) + " the of and to\n"
    made += [{"id": f"copy{i}", "text": words + QUESTION + ".", "lang": "de"} for i in range(2)]
    write_jsonl(folder / "in" / "a.jsonl", made)
    write_jsonl(folder / "tests.jsonl", [{"id": "1", "question": QUESTION}])
    texts = ("the river and the stone, the winter and the house", QUESTION)
    write_jsonl(folder / "target.jsonl", [{"text": text} for text in texts])
    run_ok(pipeline(folder, STEPS), "--workers", 1)
    return folder / "out"


@pytest.fixture(scope="module")
def found(out: Path) -> list[Choice]:
    version = (out / "manifest.json").resolve().parent
    with records(version, manifest(out)) as ledger:
        return choices(ledger, manifest(out))


@pytest.fixture(scope="module")
def pool(out: Path) -> pl.DataFrame:
    """The documents that came to the first selector, with the tokens of each."""
    ledger = pl.read_parquet(out / "ledger" / "*.parquet").filter(pl.col("choose").is_not_null())
    rank = pl.col("choose").struct.field("rank")
    made = ledger.with_columns(rank=rank, n=(pl.col("text_bytes") / 4).ceil().cast(pl.Int64))
    return made.with_columns(chosen=pl.col("choose").struct.field("tokens") <= 9000)


def test_totals_are_those_of_the_ledger(found: list[Choice], pool: pl.DataFrame) -> None:
    choice, chosen = found[0], pool.filter("chosen")
    assert [c.step for c in found] == ["choose", "got_d"] and choice.budget == "choose.tokens <= 9000"
    assert (choice.pool.documents, choice.pool.tokens) == (pool.height, pool["n"].sum())
    assert (choice.chosen.documents, choice.chosen.tokens) == (chosen.height, chosen["n"].sum())
    assert choice.chosen.mean == pytest.approx(chosen["text_bytes"].mean())
    assert choice.pool.median == pool["text_bytes"].median() and 0 < chosen.height < pool.height
    assert found[1].pool.documents == chosen.height, "the second chooses of what the first kept"
    assert found[1].chosen.documents == chosen.height // 2


def test_groups_add_up(found: list[Choice], pool: pl.DataFrame) -> None:
    choice = found[0]
    assert {group.name: (group.documents, group.chosen) for group in choice.languages} == {
        lang: (rows.height, rows["chosen"].sum()) for (lang,), rows in pool.group_by("lang")
    }
    for groups in (choice.sources, choice.languages):
        assert sum(group.tokens for group in groups) == choice.pool.tokens
        assert sum(group.chosen_tokens for group in groups) == choice.chosen.tokens


def test_the_longest_are_those_of_equal_tokens(found: list[Choice], pool: pl.DataFrame) -> None:
    choice = found[0]
    order = pool.sort(["text_bytes", "path", "offset"], descending=[True, False, False])
    longest = order.filter(pl.col("n").cum_sum() <= choice.chosen.tokens)
    baseline = choice.baselines[0]
    assert (baseline.name, baseline.documents, baseline.tokens) == ("longest_k", longest.height, longest["n"].sum())
    assert baseline.both == longest["chosen"].sum()


def test_random_baselines_are_drawn_by_the_name_of_a_document(found: list[Choice], pool: pl.DataFrame) -> None:
    def number(name: str, seed: int) -> int:
        return int.from_bytes(hashlib.md5(f"{seed}:{name}".encode()).digest()[8:], "little")

    choice = found[0]
    for seed, baseline in enumerate(choice.baselines[1:], 1):
        order = pool.sort(pl.Series([number(name, seed) for name in pool["id"]]))
        taken = order.filter(pl.col("n").cum_sum() <= choice.chosen.tokens)
        assert baseline.name == f"random_k, seed {seed}"
        assert (baseline.documents, baseline.tokens) == (taken.height, taken["n"].sum())
        assert baseline.both == taken["chosen"].sum()


def test_other_budgets_are_prefixes_of_one_order(found: list[Choice], pool: pl.DataFrame) -> None:
    order = pool.filter(pl.col("rank").is_not_null()).sort("rank")
    for smaller, share in zip(found[0].smaller, BUDGETS, strict=True):
        taken = order.filter(pl.col("n").cum_sum() <= share * pool["n"].sum())
        assert (smaller.documents, smaller.tokens) == (taken.height, taken["n"].sum())
        if taken.height:
            assert smaller.least == pytest.approx(taken["choose"].struct.field("score")[-1])


def test_test_examples_in_the_choice_are_counted(found: list[Choice]) -> None:
    assert found[0].leaks == (2, "decontaminate")


def test_the_section_shows_all_of_it(out: Path) -> None:
    page = (out / "report.html").read_text()
    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page[page.index('id="selection"') :]))
    for words in (
        "2 documents of the choice hold examples of test sets", "1 of 2 texts of the target holds examples of test sets",
        "Of the 2 texts of the target: 2 of the first 23 documents of the choice hold one", "longest_k", "random_k, seed 2", "By language", "Tokens are bytes of text over 4",
        "Nearest to the target", "the winter and the house", "Other budgets", "Duplicates inside the choice",
        "principal components", "choose {by: quality.unique_word_frac, seed: 0}",
    ):  # fmt: skip
        assert words in shown, words
    told = re.search(
        r"(\d+) have a cosine of 0.95 or more with one before it \([\d.]+ %\), (\d+) the same vector", shown
    )
    assert told and int(told[1]) >= int(told[2]) >= 1
    circles = page.count('<circle class="chosen"')
    assert circles > 0 and '<circle class="rest"' in page
    said = curate("report", out)
    assert said.returncode == 0 and "choose chose" in said.stdout and "2 with test examples" in said.stdout


def test_the_card_tells_of_every_column_of_the_shards(out: Path) -> None:
    card = (out / "README.md").read_text()
    for field in pa.ipc.open_file(next((out / "shards").iterdir())).schema:
        parts = [f".{part.name}" for part in field.type] if pa.types.is_struct(field.type) else [""]
        assert all(f"`{field.name}{part}`" in card for part in parts), field.name


def test_vectors_of_any_document_come_from_the_store(out: Path, found: list[Choice], pool: pl.DataFrame) -> None:
    places = [*found[0].examples[0], *found[0].examples[1]]
    made = vectors(out / ".store", manifest(out), [*places, ("nowhere", 3)], "embed")
    assert set(made) == set(places) and len(places) == pool.height


def test_a_selection_without_vectors_and_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    write_jsonl(tmp_path / "in" / "a.jsonl", documents(2, 20))
    file = pipeline(tmp_path, "[{longest_k: {budget: {documents: 5}}}, {random_k: {budget: {tokens: 0}}}]")
    run_ok(file, "--workers", 1)
    version = (tmp_path / "out" / "manifest.json").resolve().parent
    page = (version / "report.html").read_text()
    assert page.count('<circle class="chosen"') == 5, "static vectors of the texts make the map where no step embeds"
    with records(version, manifest(tmp_path / "out")) as ledger:
        longest, nothing = choices(ledger, manifest(tmp_path / "out"))
    card = (version / "README.md").read_text()
    assert 'id="duplicates"' not in page and "Duplicates were not looked for." in card, "a selector is no deduplication"
    assert longest.leaks is None and longest.baselines[0].both == 5
    assert nothing.chosen.documents == nothing.chosen.tokens == 0
    write_report(version, manifest(tmp_path / "out"), tmp_path / "gone")
    assert "Selection" in (version / "report.html").read_text(), "the store may be deleted"


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_the_plane_is_the_unit_square(count: int) -> None:
    texts = pa.array([row["text"] for row in documents(3, max(count, 1))][:count], pa.string())
    points, shown = plane(static_vectors(texts, 32))
    assert points.shape == (count, 2) and np.isfinite(points).all() and shown is not None and 0 <= shown <= 1.000001
    assert count < 3 or (points.min(axis=0).tolist() == [0, 0] and points.max(axis=0).tolist() == [1, 1])


def test_principal_components_are_those_of_the_singular_values() -> None:
    made = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32) * np.array(
        [5, 3, 1, 1, 1, 1], np.float32
    )
    _, values, axes = np.linalg.svd(made - made.mean(axis=0), full_matrices=False)
    points, shown = plane(made)
    wanted = (made - made.mean(axis=0)) @ axes[:2].T
    for i in range(2):
        assert abs(np.corrcoef(points[:, i], wanted[:, i])[0, 1]) > 0.9999
    assert shown == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), rel=1e-4)


def test_umap_that_is_not_installed_is_told() -> None:
    pytest.importorskip("sklearn")
    try:
        import umap  # noqa: F401
    except ImportError:
        with pytest.raises(MissingAsset, match="umap-learn"):
            plane(np.eye(5, dtype=np.float32), "umap")
