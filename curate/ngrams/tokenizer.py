"""Texts -> lines of tokens, for n-gram models: words, what stands between spaces, or SentencePiece pieces."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa

from curate.errors import MissingAsset
from curate.kernels.ngrams import Ids, Places
from curate.kernels.tokens import normalized, split_lines
from curate.ngrams.vocabulary import Vocabulary
from curate.text import Bytes, buffers

Kind = Literal["words", "spaces", "pieces"]
INSTALL = "pip install 'curate[perplexity]'"


class Encoded(NamedTuple):
    """Token ids of n texts: line k has `first[k]` to `first[k + 1]`, text i the lines `texts[i]` to `texts[i + 1]`."""

    ids: Ids
    first: Places
    texts: Places


@dataclass(frozen=True)
class Tokenizer:
    """How the texts of one model are cut. A text is cut at line feeds; lines without a token are left out.

    Attributes:
        kind: `words`: runs of letters and digits, every other visible character by itself; `spaces`: what stands
            between white space; `pieces`: those of the SentencePiece model `pieces`.
        normal: whether texts are first brought into CCNet's form (lower case, no accents, digits 0, plain punctuation).
    """

    kind: Kind = "words"
    normal: bool = True
    pieces: str = ""

    def encode(self, text: pa.Array, vocabulary: Vocabulary, *, grow: bool = False) -> Encoded:
        """The tokens of n texts as numbers of `vocabulary`, which takes up new tokens if it may `grow`."""
        if self.kind == "pieces":
            return self._encode_pieces(text, vocabulary)
        data, offsets = self._form(text)
        lines = split_lines(data, offsets, words=self.kind == "words")
        ids = vocabulary.add(data, lines) if grow else vocabulary.look_up(lines.hashes)
        return Encoded(ids, lines.first, lines.texts)

    def vocabulary(self) -> Vocabulary:
        """What there is before the first text: the pieces of SentencePiece, else nothing."""
        if self.kind != "pieces":
            return Vocabulary()
        model = processor(self.pieces)
        return Vocabulary([model.id_to_piece(i) for i in range(model.get_piece_size()) if not _is_special(model, i)])

    def lines(self, text: pa.Array) -> Iterator[list[str]]:
        """For each text its lines, each as its tokens with a blank between two: what KenLM reads."""
        data, offsets = self._form(text)
        if self.kind == "pieces":
            model = processor(self.pieces)
            for parts in _raw_lines(data, offsets):
                cut = model.encode(parts, out_type=str, num_threads=1) if parts else []
                yield [" ".join(tokens) for tokens in cut if tokens]
            return
        found = split_lines(data, offsets, words=self.kind == "words")
        start, stop, first = found.start.tolist(), found.stop.tolist(), found.first.tolist()
        for a, b in pairwise(found.texts.tolist()):
            yield [
                " ".join(data[start[t] : stop[t]].tobytes().decode() for t in range(first[k], first[k + 1]))
                for k in range(a, b)
            ]

    def _form(self, text: pa.Array) -> tuple[Bytes, Places]:
        data, offsets = buffers(text)
        return normalized(data, offsets) if self.normal else (data, offsets.astype(np.int64))

    def _encode_pieces(self, text: pa.Array, vocabulary: Vocabulary) -> Encoded:
        model, numbers = processor(self.pieces), _piece_numbers(self.pieces, vocabulary)
        ids: list[int] = []
        first, texts = [0], [0]
        for parts in _raw_lines(*self._form(text)):
            for tokens in model.encode(parts, out_type=int, num_threads=1) if parts else []:
                if tokens:
                    ids += tokens
                    first.append(len(ids))
            texts.append(len(first) - 1)
        return Encoded(numbers[np.array(ids, np.int64)], np.array(first), np.array(texts))


def _raw_lines(data: Bytes, offsets: Places) -> Iterator[list[str]]:
    """The lines of each text that are not blank."""
    whole = data.tobytes()
    for a, b in pairwise(offsets.tolist()):
        yield [line for line in whole[a:b].decode().split("\n") if line and not line.isspace()]


def _is_special(model: Any, piece: int) -> bool:
    return bool(model.is_unknown(piece) or model.is_control(piece))


def _piece_numbers(path: str, vocabulary: Vocabulary) -> Ids:
    """SentencePiece's id -> the number of the piece in the vocabulary."""
    model = processor(path)
    known = {word: number for number, word in enumerate(vocabulary.words)}
    return np.array(
        [0 if _is_special(model, i) else known.get(model.id_to_piece(i), 0) for i in range(model.get_piece_size())],
        np.int32,
    )


@functools.lru_cache(16)
def processor(path: str) -> Any:
    """The SentencePiece model of a file. Raises MissingAsset."""
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingAsset("sentencepiece", "is not installed", INSTALL) from error
    if not Path(path).is_file():
        raise MissingAsset("sentencepiece", f"there is no model `{path}`", "name the .model file of a trained model")
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.LoadFromSerializedProto(Path(path).read_bytes())
    except RuntimeError as error:
        raise MissingAsset("sentencepiece", f"`{path}` is no SentencePiece model", "train one again") from error
    return model
