"""The store: what was computed for each unit, committed whole, keyed by content and settings.

    .store/<stage fingerprint>/<unit fingerprint>/<entry>/documents.arrow, signals.arrow, receipt.json
                                                         rules.arrow, verdict-<rules>.arrow
    .store/<collect fingerprint>/<unit fingerprint>/<entry>/contribution.arrow, receipt.json
    .store/resolve/<key>/duplicates.arrow, findings.arrow (a batch for each unit), receipt.json
    .store/resolve/remembered-<settings>.arrow, .store/report/<content>.json: what serves later runs, and may be missing
    .store/published/<key>/{shard.arrow | ledger.parquet}, receipt.json

`entry` names the set of rows that entered and, behind a global step that applies, what was found for them. When a
changed rule lets other rows in, only the rows that no committed entry holds are computed: the new entry's receipt lists
the entries (`parts`) that together hold its rows. `documents.arrow` is what the next stage reads, batch by batch;
`signals.arrow` has all but texts in few large batches, for what looks at every row: verdicts, ledger.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.errors import CurateError
from curate.files import read_json

Rows = npt.NDArray[np.int32]

VERSION = 3
# the entry of the first stage: every document of the unit
ALL = "all"
FAST = pa.ipc.IpcWriteOptions(compression="lz4")


def rows_key(rows: Rows) -> str:
    """The name of a set of rows (ascending)."""
    return hashlib.blake2b(rows.astype("<i4").tobytes(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Place:
    """Where one unit's result of one stage (or collect) is kept."""

    store: str
    fingerprint: str
    unit: str

    @property
    def folder(self) -> Path:
        """The folder of all entries of this unit."""
        return Path(self.store, self.fingerprint[:20], self.unit[:20])

    def receipt(self, entry: str) -> Any:
        """The receipt of a committed entry, or None."""
        return read_json(self.folder / entry / "receipt.json")

    def entries(self, findings: str = "") -> list[str]:
        """All committed entries made with these findings, in order of name."""
        if not self.folder.is_dir():
            return []
        names = [p.name for p in self.folder.iterdir() if not p.name.startswith(".")]
        return sorted(name for name in names if name.partition("-")[2] == findings)

    def files(self, entry: str, name: str) -> list[Path]:
        """The files called `name` that together hold the rows of `entry`."""
        return [self.folder / part / name for part in self.receipt(entry)["parts"]]


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """One run at a time for an output folder."""
    with (store / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CurateError(
                str(store.parent), "another run is at work here", "wait for it, or choose another --output"
            ) from error
        yield


def batches(files: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The batches of Arrow files, one file after the other, only the named columns (in that order) read from disk."""
    for path in files:
        with pa.OSFile(str(path)) as source:
            reader = pa.ipc.open_file(source)
            if columns is not None:
                present = [name for name in columns if name in reader.schema.names]
                options = pa.ipc.IpcReadOptions(included_fields=[reader.schema.get_field_index(n) for n in present])
                reader = pa.ipc.open_file(source, options=options)
            for i in range(reader.num_record_batches):
                batch = reader.get_batch(i)
                yield batch if columns is None else batch.select(present)


def schema(file: Path) -> pa.Schema:
    """The schema of an Arrow file."""
    with pa.OSFile(str(file)) as source:
        return pa.ipc.open_file(source).schema


def table(files: Sequence[Path], columns: Sequence[str], rows: Rows | None = None) -> pa.Table:
    """The named columns of `rows` (all if None), in order of row. `columns` must begin with `row`.

    Reads batch by batch, so that memory holds the chosen rows and one batch more.
    """
    chosen = [batch if rows is None else chosen_rows(batch, rows) for batch in batches(files, columns)]
    made = pa.Table.from_batches(chosen, chosen[0].schema if chosen else _fields(files, columns))
    return made.sort_by("row") if len(files) > 1 else made


class RowReader:
    """The named columns of Arrow files, taken in ascending runs of rows: memory holds a run and a batch, not a file.

    Several files hold their rows interleaved and are loaded whole.
    """

    def __init__(self, files: Sequence[Path], columns: Sequence[str]) -> None:
        self._fields = _fields(files, columns)
        self._batches = batches(files, columns) if len(files) == 1 else iter(table(files, columns).to_batches())
        self._held: list[pa.RecordBatch] = []

    def take(self, rows: Rows) -> pa.Table:
        """The rows asked for, ascending; each call must ask for rows above the last call's."""
        while not self._held or self._last() < rows[-1]:
            batch = next(self._batches, None)
            if batch is None:
                break
            if batch.num_rows:
                self._held.append(batch)
        chosen = [chosen_rows(batch, rows) for batch in self._held]
        self._held = [batch for batch in self._held if batch["row"][-1].as_py() > rows[-1]]
        return pa.Table.from_batches(chosen, self._fields)

    def _last(self) -> int:
        last: int = self._held[-1]["row"][-1].as_py()
        return last


def _fields(files: Sequence[Path], columns: Sequence[str]) -> pa.Schema:
    found = schema(files[0])
    return pa.schema([found.field(name) for name in columns if found.get_field_index(name) >= 0])


def chosen_rows(batch: pa.RecordBatch, rows: Rows) -> pa.RecordBatch:
    """Those rows of a batch whose column `row` is in `rows` (ascending)."""
    mask = isin(batch["row"].to_numpy(), rows)
    return batch if mask.all() else batch.filter(pa.array(mask))


def isin(rows: npt.NDArray[np.int32], among: Rows) -> npt.NDArray[np.bool_]:
    """For each of `rows` whether it is in `among`, which is ascending."""
    if not len(among):
        return np.zeros(len(rows), np.bool_)
    places = np.minimum(np.searchsorted(among, rows), len(among) - 1)
    found: npt.NDArray[np.bool_] = among[places] == rows
    return found
