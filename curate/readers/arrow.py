"""Arrow IPC, files and streams, in groups of batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from curate.readers.codecs import open_stored, size_of
from curate.readers.jsonl import missing_columns
from curate.readers.reader import PIECE_BYTES, Piece, ReadSettings, Tally
from curate.readers.tables import Documents, groups, wanted

MAGIC = b"ARROW1"


class ArrowIpc:
    """The format `arrow`. `offset` is the number of the row in the file."""

    raw = False

    def pieces(self, path: str) -> list[Piece]:
        try:
            file = _open(path)
        except pa.ArrowException:
            return [Piece(path)]  # `read` says what is wrong with it
        if file is None:
            return [Piece(path)]
        if not isinstance(file, pa.RecordBatchFileReader):
            return _stream_pieces(path, file)
        # the footer has no sizes; batches of one writer are alike
        count = file.num_record_batches
        return [Piece(path, start, stop) for start, stop in groups([size_of(path) // max(count, 1)] * count)]

    def check(self, path: str, settings: ReadSettings) -> str | None:
        try:
            file = _open(path)
        except pa.ArrowException:
            return None
        return missing_columns(file.schema.names, settings) if file is not None else None

    def read(self, piece: Piece, settings: ReadSettings, tally: Tally) -> Iterator[pa.RecordBatch]:
        try:
            file = _open(piece.path)
        except pa.ArrowException as error:
            yield Documents(piece.path, settings, tally, 0).lost(0, f"not an Arrow file: {error}")
            return
        if file is None:
            return
        columns = wanted(file.schema.names, settings)
        if isinstance(file, pa.RecordBatchFileReader):
            yield from _read_file(file, columns, piece, settings, tally)
        else:
            yield from _read_stream(file, columns, piece, settings, tally)


def _stream_pieces(path: str, stream: Any) -> list[Piece]:
    """Groups of batches; of a mapped file this reads their heads alone. One piece if it is cut off or compressed."""
    size = size_of(path)
    if size <= PIECE_BYTES or "://" in path:
        return [Piece(path)]
    sizes, total = [], 0
    try:
        for batch in stream:
            sizes.append(batch.nbytes)
            total += batch.nbytes
            if total > 2 * size:  # compressed: to go through it is to read it
                return [Piece(path)]
    except (pa.ArrowException, OSError):
        return [Piece(path)]
    return [Piece(path, start, stop) for start, stop in groups(sizes)]


def _read_stream(
    stream: Any, columns: list[str], piece: Piece, settings: ReadSettings, tally: Tally
) -> Iterator[pa.RecordBatch]:
    read = first_row = 0
    documents: Documents | None = None
    try:
        for batch in stream:
            if read == piece.stop:
                return
            if read >= piece.start:
                documents = documents or Documents(piece.path, settings, tally, first_row)
                yield from documents.batches(batch.select(columns))
            read, first_row = read + 1, first_row + batch.num_rows
    except (pa.ArrowException, OSError) as error:
        documents = documents or Documents(piece.path, settings, tally, first_row)
        yield documents.lost(0, f"batch {read} and what follows cannot be read: {error}")


def _read_file(
    file: Any, columns: list[str], piece: Piece, settings: ReadSettings, tally: Tally
) -> Iterator[pa.RecordBatch]:
    stop = file.num_record_batches if piece.stop < 0 else piece.stop
    first_row = sum(_rows(file, index) for index in range(piece.start))
    documents = Documents(piece.path, settings, tally, first_row)
    for index in range(piece.start, stop):
        try:
            batch = file.get_batch(index).select(columns)
        except (pa.ArrowException, OSError) as error:
            yield documents.lost(0, f"batch {index} cannot be read: {error}")
            continue
        yield from documents.batches(batch)


def _rows(file: Any, index: int) -> int:
    """How many rows a batch has; one that cannot be read counts as its one lost row."""
    try:
        return int(file.get_batch(index).num_rows)
    except (pa.ArrowException, OSError):
        return 1


def _open(path: str) -> Any:
    """A reader of the IPC file or stream; None for an empty file."""
    if not size_of(path):
        return None
    source = open_stored(path) if "://" in path else pa.memory_map(path)
    magic = source.read(len(MAGIC))
    source.seek(0)
    return pa.ipc.open_file(source) if magic == MAGIC else pa.ipc.open_stream(source)
