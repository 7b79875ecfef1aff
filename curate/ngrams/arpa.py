"""ARPA files: the text form of back-off models that KenLM, SRILM and IRSTLM read and write."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv

from curate.errors import MissingAsset
from curate.kernels.ngrams import BEGIN, MOST_ORDER, Ids, Table, empty_table, fill_table
from curate.kernels.tokens import hashes_of
from curate.ngrams.model import NgramModel, logs_of, tokens_of
from curate.ngrams.smoothing import Smoothed
from curate.ngrams.tokenizer import Tokenizer
from curate.ngrams.vocabulary import SPECIAL, Vocabulary
from curate.text import buffers

# n-grams written at a time
CHUNK = 1 << 20


def write(path: Path, levels: Sequence[Smoothed], words: Sequence[str]) -> None:
    """Write the n-grams of orders 1 to N, log10 probabilities as float32, back-offs where there is a longer n-gram."""
    texts = pa.array(words, pa.string())
    with path.open("wb") as file:
        file.write(b"\\data\\\n")
        file.writelines(b"ngram %d=%d\n" % (n, len(level.token)) for n, level in enumerate(levels, 1))
        for n, level in enumerate(levels):
            file.write(b"\n\\%d-grams:\n" % (n + 1))
            tokens = tokens_of(levels, n)
            for start in range(0, len(tokens), CHUNK):
                rows = slice(start, start + CHUNK)
                columns = [_shown(level.probability[rows]), _joined(texts, tokens[rows])]
                if n < len(levels) - 1:
                    columns.append(_shown(level.backoff[rows]))
                lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*columns, "\t"), "", "\n")
                file.write(buffers(lines)[0].tobytes())
        file.write(b"\n\\end\\\n")


def _shown(values: Any) -> pa.Array:
    return pa.array(logs_of(values)).cast(pa.string())


def _joined(texts: pa.Array, tokens: Ids) -> pa.Array:
    columns = [texts.take(pa.array(tokens[:, j])) for j in range(tokens.shape[1])]
    return pc.binary_join_element_wise(*columns, " ")


def read(path: Path, tokenizer: Tokenizer) -> NgramModel:
    """The model of an ARPA file. Raises MissingAsset if it is none."""
    data = path.read_bytes()
    counts = [int(count) for count in re.findall(rb"(?m)^ngram\s+\d+\s*=\s*(\d+)\s*$", data[:4096])]
    if not counts or len(counts) > MOST_ORDER:
        raise MissingAsset("", f"`{path}` is no ARPA file of up to {MOST_ORDER}-grams", "name a model that is")
    try:
        sections = [_section(data, n, count, last=n == len(counts)) for n, count in enumerate(counts, 1)]
    except (pa.ArrowInvalid, ValueError) as error:
        raise MissingAsset("", f"`{path}` is a broken ARPA file: {error}", "write it again") from error
    words, first, ranks = _unigrams(sections[0])
    vocabulary = Vocabulary(words)
    grams = empty_table(sum(counts[1:]))
    for n, section in enumerate(sections[1:], 2):
        for start in range(0, len(section), CHUNK):
            part = section.slice(start, CHUNK).combine_chunks()
            tokens = pc.split_pattern(part["tokens"].combine_chunks(), " ").values
            numbers = _numbers(tokens, vocabulary).reshape(-1, n)
            fill_table(grams, numbers, part["log"].to_numpy(), part["backoff"].to_numpy())
    table = Table(len(counts), first["log"].to_numpy()[ranks], first["backoff"].to_numpy()[ranks], grams)
    return NgramModel(vocabulary, table, tokenizer, {"counts": counts})


def _section(data: bytes, n: int, count: int, *, last: bool) -> pa.Table:
    """The `count` n-grams of order n: columns `log`, `tokens`, `backoff`."""
    head = data.find(b"\\%d-grams:" % n)
    if head < 0:
        raise ValueError(f"no {n}-grams")
    start = data.index(b"\n", head) + 1
    stop = data.find(b"\n\\", start - 1)
    rows = data[start : stop if stop >= 0 else len(data)].rstrip()
    if not last and rows.count(b"\t") < 2 * count:
        # some writers leave out back-offs of 0
        rows = re.sub(rb"(?m)^([^\t\n]+\t[^\t\n]+)$", rb"\1\t0", rows)
    columns = {"log": pa.float32(), "tokens": pa.string()} | ({} if last else {"backoff": pa.float32()})
    table = csv.read_csv(
        io.BytesIO(rows),
        csv.ReadOptions(column_names=list(columns)),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types=columns, strings_can_be_null=False),
    )  # fmt: skip
    if last:
        table = table.append_column("backoff", pa.array(np.zeros(len(table), np.float32)))
    if len(table) != count:
        raise ValueError(f"{len(table):,} {n}-grams where the head says {count:,}")
    return table


def _unigrams(section: pa.Table) -> tuple[list[str], pa.Table, Any]:
    """(the words that are not special, the unigrams, the row of each number of the vocabulary)."""
    names = section["tokens"].to_pylist()
    rows = {name.lower() if name.lower() in SPECIAL else name: row for row, name in enumerate(names)}
    if missing := [name for name in SPECIAL if name not in rows]:
        raise MissingAsset("", f"an ARPA file without {', '.join(missing)}", "train with an open vocabulary")
    words = [name for name in rows if name not in SPECIAL]
    return words, section, np.array([rows[name] for name in (*SPECIAL, *words)])


def _numbers(tokens: pa.Array, vocabulary: Vocabulary) -> Ids:
    """The number of each token of an n-gram, special ones included."""
    ids = vocabulary.look_up(hashes_of(*buffers(tokens)))
    for number, name in enumerate(SPECIAL):
        if number >= BEGIN:
            ids[pc.equal(tokens, name).to_numpy(zero_copy_only=False)] = number
    return ids
