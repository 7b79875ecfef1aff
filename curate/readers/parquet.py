"""Parquet: pieces are groups of row groups; a row group that cannot be decoded is one lost row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa

from curate.readers.codecs import open_stored, size_of
from curate.readers.jsonl import missing_columns
from curate.readers.reader import BATCH_ROWS, Piece, ReadSettings, Tally
from curate.readers.tables import Documents, groups, wanted


class Parquet:
    """The format `parquet`. `offset` is the number of the row in the file."""

    raw = False

    def pieces(self, path: str) -> list[Piece]:
        if not size_of(path):
            return [Piece(path)]
        try:
            metadata = _open(path).metadata
        except pa.ArrowException:
            return [Piece(path)]  # `read` says what is wrong with it
        sizes = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
        return [Piece(path, start, stop) for start, stop in groups(sizes)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        if not size_of(path):
            return None
        try:
            return missing_columns(_open(path).schema_arrow.names, settings)
        except pa.ArrowException:
            return None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        if not size_of(piece.path):
            return
        try:
            file = _open(piece.path)
        except pa.ArrowException as error:
            yield Documents(piece.path, settings, tally, 0).lost(0, f"not a Parquet file: {error}")
            return
        counts = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
        first_rows = [0, *accumulate(counts)]
        documents = Documents(piece.path, settings, tally, first_rows[piece.start])
        columns = wanted(file.schema_arrow.names, settings)
        for group in range(piece.start, len(counts) if piece.stop < 0 else piece.stop):
            done = 0
            try:
                for batch in file.iter_batches(BATCH_ROWS, [group], columns, use_threads=False):
                    yield from documents.batches(batch)
                    done += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                yield documents.lost(
                    counts[group] - done, f"row group {group} cannot be read after {done} rows: {error}"
                )


def _open(path: str) -> Any:
    import pyarrow.parquet as pq

    return pq.ParquetFile(path if "://" not in path else open_stored(path))
