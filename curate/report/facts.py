"""What the ledger says beyond the manifest's counts: rules with examples, duplicates, sources, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from curate.dedup.step import GlobalStep
from curate.report.query import CHANCE, Records
from curate.report.texts import Where, texts
from curate.verdicts import names_in

EXAMPLES = 3
CLUSTERS = 5
EXCERPT = 300
_PLACE = 'id, path, "offset", url, unit, row'
_PACKED = 'struct_pack(id := id, path := path, "offset" := "offset", url := url, unit := unit, "row" := row)'


@dataclass(frozen=True)
class Example:
    """One document to show: where it is from, the signals in question, and the beginning of its text (None if gone)."""

    id: str
    path: str
    offset: int
    url: str | None
    signals: tuple[tuple[str, Any], ...]
    text: str | None


@dataclass(frozen=True)
class Rule:
    """A rule and what it did: `failed` documents of its stage, `decided` the fate of some, of `alone` by itself."""

    step: str
    name: str
    sql: str
    failed: int
    decided: int
    alone: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Cluster:
    """A kept document and what was dropped as its duplicate; similarities are exact: Jaccard, cosine, 1 for the same text."""

    kept: Example
    size: int
    least: float
    most: float
    dropped: tuple[tuple[Example, float], ...]


@dataclass(frozen=True)
class Duplicates:
    """What one step of deduplication found: `clusters` in all, the `largest` of them."""

    step: str
    dropped: int
    clusters: int
    largest: tuple[Cluster, ...]


def rules(records: Records | None, manifest: Mapping[str, Any], store: Path) -> list[Rule]:
    """Every rule of every map step, in order of the pipeline."""
    decided = _decided(records)
    signals = sorted({name for rule in manifest["rules"] for name in names_in(rule["sql"])})
    chosen = [place for *_, examples in decided.values() for place in examples]
    values = _values(records, chosen, signals)
    found = texts(store, manifest, [_where(place) for place in chosen])
    failed = {(step["name"], rule): count for step in manifest["steps"] for rule, count in step["rules"].items()}
    made = []
    for rule in manifest["rules"]:
        key = (rule["step"], rule["rule"])
        count, alone, places = decided.get(key, (0, 0, []))
        names = sorted(names_in(rule["sql"]))
        examples = tuple(_example(place, found, _named(values, place, names)) for place in places)
        made.append(Rule(*key, rule["sql"], failed.get(key, 0), count, alone, examples))
    return made


def _decided(records: Records | None) -> dict[tuple[str, str], tuple[int, int, list[dict[str, Any]]]]:
    """(step, rule) -> documents it dropped, those for no other reason, examples: few reasons first, then by chance."""
    if records is None:
        return {}
    found = records.query(
        f"WITH lost AS (SELECT step, rule, {_PACKED} AS place, len(rule)::HUGEINT << 64 | {CHANCE} AS chance "
        "FROM ledger WHERE fate = 'dropped' AND evidence.kept_path IS NULL) "
        f"SELECT step, one, count(*) AS n, count(*) FILTER (len(rule) = 1) AS alone, min_by(place, chance, {EXAMPLES}) "
        "AS places FROM lost, unnest(rule) AS t(one) GROUP BY step, one"
    )
    return {(row["step"], row["one"]): (row["n"], row["alone"], row["places"]) for row in found}


def _values(
    records: Records | None, places: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[Where, dict[str, Any]]:
    """(unit, row) -> signal -> value, of the chosen documents."""
    if records is None or not places:
        return {}
    fields = [field for field in records.fields if field.key in names]
    listed = "".join(f", {field.sql} AS s{i}" for i, field in enumerate(fields))
    rows = _at(records, f"unit, row{listed}", [_where(place) for place in places])
    return {_where(row): {field.key: row[f"s{i}"] for i, field in enumerate(fields)} for row in rows}


def _at(records: Records, columns: str, places: Sequence[Where]) -> list[dict[str, Any]]:
    units, numbers = [unit for unit, _ in places], [row for _, row in places]
    return records.query(
        f"SELECT {columns} FROM ledger SEMI JOIN (SELECT unnest(?) AS unit, unnest(?) AS row) USING (unit, row)",
        units, numbers,
    )  # fmt: skip


def _where(place: Mapping[str, Any]) -> Where:
    return place["unit"], place["row"]


def _named(
    values: Mapping[Where, Mapping[str, Any]], place: Mapping[str, Any], names: Sequence[str]
) -> tuple[tuple[str, Any], ...]:
    own = values.get(_where(place), {})
    return tuple((name, own[name]) for name in names if name in own)


def _example(
    place: Mapping[str, Any], found: Mapping[Where, str], signals: tuple[tuple[str, Any], ...] = ()
) -> Example:
    text = found.get(_where(place))
    short = None if text is None else text if len(text) <= EXCERPT else text[:EXCERPT] + " …"
    return Example(place["id"], place["path"], place["offset"], place["url"], signals, short)


def deduplication(manifest: Mapping[str, Any]) -> list[str]:
    """The steps that drop documents for others that are kept, in order of the pipeline: of the global ones not selectors."""
    from curate.steps import step_class

    listed = [next(iter(entry.items())) for entry in manifest["pipeline"]["steps"]]
    kinds = {(settings or {}).get("as") or kind: kind for kind, settings in listed}
    steps = [step for stage in manifest["stages"] if stage["kind"] == "global" for step in stage["steps"]]
    return [step for step in steps if cast(type[GlobalStep], step_class(kinds[step])).FINDINGS is None]


def duplicates(records: Records | None, manifest: Mapping[str, Any], store: Path) -> list[Duplicates]:
    """One entry for each step of deduplication, in order of the pipeline."""
    steps = deduplication(manifest)
    if records is None:
        return [Duplicates(step, 0, 0, ()) for step in steps]
    return [_duplicates(records, step, manifest, store) for step in steps]


def _duplicates(records: Records, step: str, manifest: Mapping[str, Any], store: Path) -> Duplicates:
    kept = 'evidence.kept_id AS id, evidence.kept_path AS path, evidence.kept_offset AS "offset"'
    similar = "min(evidence.similarity) AS least, max(evidence.similarity) AS most"
    records.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE clusters AS SELECT {kept}, count(*) AS size, {similar} FROM ledger "
        "WHERE step = ? AND fate = 'dropped' AND evidence.kept_path IS NOT NULL GROUP BY ALL", [step],
    )  # fmt: skip
    total = records.query("SELECT count(*) AS clusters, coalesce(sum(size), 0)::BIGINT AS dropped FROM clusters")[0]
    largest = records.query(f'SELECT * FROM clusters ORDER BY size DESC, path, "offset", id LIMIT {CLUSTERS}')
    keys = [(row["id"], row["path"], row["offset"]) for row in largest]
    places = _kept_places(records, keys)
    members = _members(records, step, keys)
    chosen = [*places.values(), *(member for group in members.values() for member in group)]
    found = texts(store, manifest, [_where(place) for place in chosen])
    clusters = tuple(
        Cluster(
            _example(places[key], found), row["size"], row["least"], row["most"],
            tuple((_example(member, found), member["similarity"]) for member in members[key]),
        )
        for key, row in zip(keys, largest, strict=True)
        if key in places
    )  # fmt: skip
    return Duplicates(step, total["dropped"], total["clusters"], clusters)


_Key = tuple[str, str, int]


def _kept_places(records: Records, keys: Sequence[_Key]) -> dict[_Key, dict[str, Any]]:
    """Where the kept documents of clusters are in the store."""
    rows = records.query(
        f'SELECT {_PLACE} FROM ledger SEMI JOIN (SELECT unnest(?) AS id, unnest(?) AS path, unnest(?) AS "offset") '
        'USING (id, path, "offset") ORDER BY path, "offset", row DESC',
        *_columns(keys),
    )
    return {(row["id"], row["path"], row["offset"]): row for row in rows}


def _members(records: Records, step: str, keys: Sequence[_Key]) -> dict[_Key, list[dict[str, Any]]]:
    """The first documents, in order of place, that were dropped for each kept one."""
    rows = records.query(
        "SELECT " + ", ".join(f"ledger.{name.strip()}" for name in _PLACE.split(",")) + ", "
        "kept.id AS kept_id, kept.path AS kept_path, kept.at AS kept_offset, evidence.similarity AS similarity "
        "FROM ledger JOIN (SELECT unnest(?) AS id, unnest(?) AS path, unnest(?) AS at) AS kept ON evidence.kept_id = "
        "kept.id AND evidence.kept_path = kept.path AND evidence.kept_offset = kept.at WHERE step = ? QUALIFY "
        'row_number() OVER (PARTITION BY kept.id, kept.path, kept.at ORDER BY ledger.path, ledger."offset", row) '
        f'<= {EXAMPLES} ORDER BY ledger.path, ledger."offset", row',
        *_columns(keys), step,
    )  # fmt: skip
    groups: dict[_Key, list[dict[str, Any]]] = {key: [] for key in keys}
    for row in rows:
        groups[row["kept_id"], row["kept_path"], row["kept_offset"]].append(row)
    return groups


def _columns(keys: Sequence[_Key]) -> list[list[Any]]:
    return [[key[i] for key in keys] for i in range(3)]


def sources(records: Records | None) -> list[dict[str, Any]]:
    """source, in, kept, dropped, quarantined, kept_bytes (of text), in order of name."""
    if records is None:
        return []
    counts = ", ".join(f"count(*) FILTER (fate = '{fate}') AS {fate}" for fate in ("kept", "dropped", "quarantined"))
    return records.query(
        f"SELECT source, count(*) AS \"in\", {counts}, coalesce(sum(text_bytes) FILTER (fate = 'kept'), 0)::BIGINT "
        "AS kept_bytes FROM ledger GROUP BY source ORDER BY source"
    )


def errors(records: Records | None, *, limit: int = 20) -> list[dict[str, Any]]:
    """step, error (numbers as `#`, so that like ones are one), n, and the first `places` (path, offset, error)."""
    if records is None:
        return []
    place = 'struct_pack(path := path, "offset" := "offset", error := evidence.error)'
    # in order of place: the key of `min_by` must be one value
    order = "path || chr(0) || lpad(\"offset\"::VARCHAR, 20, '0')"
    return records.query(
        "SELECT step, regexp_replace(coalesce(evidence.error, ''), '[0-9]+', '#', 'g') AS error, count(*) AS n, "
        f"min_by({place}, {order}, {EXAMPLES}) AS places FROM ledger WHERE fate = 'quarantined' "
        f"GROUP BY ALL ORDER BY n DESC, step, error LIMIT {limit}"
    )
