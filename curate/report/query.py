"""The ledger of one version as a DuckDB view, for the aggregations of the report: nothing is loaded whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# Aggregations over more groups than this holds go to disk.
MEMORY = "512MB"
THREADS = 4

#: a pseudo-random number of the document, the same on every machine: examples are those with the smallest
CHANCE = "md5_number_lower(path || ':' || \"offset\")"
#: DuckDB's names of number types that a histogram can show
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_FLOATS = ("FLOAT", "DOUBLE")


@dataclass(frozen=True)
class Field:
    """A signal as the ledger has it; `type` is `integer`, `float`, `text`, `boolean` or `other`."""

    step: str
    name: str
    type: str

    @property
    def sql(self) -> str:
        """The signal as a column in SQL."""
        return f"{quoted(self.step)}.{quoted(self.name)}"

    @property
    def key(self) -> str:
        """The signal as rules write it."""
        return f"{self.step}.{self.name}"


@dataclass(frozen=True)
class Records:
    """Queries over the view `ledger`: `rows` rows in the Parquet `files`."""

    connection: Any
    files: tuple[Path, ...]
    rows: int
    fields: tuple[Field, ...]

    def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows that `sql` gives, as dicts."""
        cursor = self.connection.execute(sql, list(parameters))
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def records(folder: Path, manifest: Mapping[str, Any]) -> Iterator[Records | None]:
    """The ledger of the version in `folder`; None where there is none, since nothing was read."""
    if not manifest["ledger"]:
        yield None
        return
    import duckdb

    files = tuple(folder / part["path"] for part in manifest["ledger"])
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    with TemporaryDirectory(prefix="curate-report-") as scratch:
        config: dict[str, Any] = {"memory_limit": MEMORY, "threads": THREADS, "temp_directory": scratch}
        with duckdb.connect(config=config) as connection:
            connection.execute(f"CREATE VIEW ledger AS FROM read_parquet([{listed}])")
            rows = sum(part["rows"] for part in manifest["ledger"])
            yield Records(connection, files, rows, _fields(connection))


def _fields(connection: Any) -> tuple[Field, ...]:
    """The signals: the fields of all struct columns but `evidence`."""
    found = []
    view = connection.table("ledger")
    for name, kind in zip(view.columns, view.types, strict=True):
        if kind.id == "struct" and name != "evidence":
            found += [Field(name, field, _type(str(child))) for field, child in kind.children]
    return tuple(found)


def _type(name: str) -> str:
    if name in _NUMBERS:
        return "integer"
    if name in _FLOATS:
        return "float"
    return {"VARCHAR": "text", "BOOLEAN": "boolean"}.get(name, "other")


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
