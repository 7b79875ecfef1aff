"""Reading the ledger of a published run: explain a document, query with SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from curate.errors import CurateError
from curate.files import read_json


def _readable(schema: pa.Schema) -> pa.Schema:
    """The schema with float32 for float16, which DuckDB does not read: columns are cast as they are read."""
    return pa.schema([field.with_type(_single(field.type)) for field in schema])


def _single(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_single(field.type)) for field in kind])
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_single(kind.value_type), kind.list_size)
    return pa.float32() if pa.types.is_float16(kind) else kind


class Ledger:
    """The newest version of a run's output folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manifest: dict[str, Any] = read_json(folder / "manifest.json")
        if self.manifest is None:
            raise CurateError(str(folder), "nothing is published here", "run the pipeline first: curate run FILE")

    def connect(self) -> Any:
        """A DuckDB connection with the views `ledger`, `documents`, `quarantine` and the table `shards`.

        `ledger`: a row for every document ever read. `shards`: the kept documents with text. `documents`: the ledger
        with the text of what was kept. `quarantine`: what could not be read or processed, and why.
        """
        import duckdb

        connection = duckdb.connect()
        files = [str(self.folder / part["path"]) for part in self.manifest["ledger"]]
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        connection.execute(f"CREATE VIEW ledger AS FROM read_parquet([{listed}])")
        connection.execute(
            'CREATE VIEW quarantine AS SELECT id, source, path, "offset", step, evidence.error AS error FROM ledger '
            "WHERE fate = 'quarantined'"
        )
        shards = [str(self.folder / shard["path"]) for shard in self.manifest["shards"]]
        if shards:
            found = ds.dataset(shards, format="ipc")
            connection.register("shards", ds.dataset(shards, format="ipc", schema=_readable(found.schema)))
            connection.execute(
                "CREATE VIEW documents AS SELECT ledger.*, shards.text FROM ledger LEFT JOIN shards "
                'ON ledger.path = shards.path AND ledger."offset" = shards."offset" AND ledger.id = shards.id'
            )
        else:
            connection.execute("CREATE VIEW shards AS SELECT *, NULL::VARCHAR AS text FROM ledger WHERE false")
            connection.execute("CREATE VIEW documents AS SELECT *, NULL::VARCHAR AS text FROM ledger")
        return connection

    def find(self, document: str) -> list[dict[str, Any]]:
        """Every ledger row whose id is `document`, or `path:offset`, or `path`, or the URL; at most 20."""
        path, _, offset = document.rpartition(":")
        query = (
            'SELECT * FROM ledger WHERE id = $doc OR url = $doc OR path = $doc OR (path = $path AND "offset" = $offset)'
        )
        place = {"path": path, "offset": int(offset)} if offset.isdigit() and path else {"path": "", "offset": -1}
        ordered = query + ' ORDER BY path, "offset", row LIMIT 20'
        found: list[dict[str, Any]] = (
            self.connect().sql(ordered, params={"doc": document, **place}).to_arrow_table().to_pylist()
        )
        return found

    def rules(self) -> dict[str, list[tuple[str, str]]]:
        """Step -> (rule, SQL) in order."""
        table: dict[str, list[tuple[str, str]]] = {}
        for entry in self.manifest["rules"]:
            table.setdefault(entry["step"], []).append((entry["rule"], entry["sql"]))
        return table
