"""Embeddings as points: blocks of them, the valid ones at length 1, and a sample that no block boundary changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from curate.errors import CurateError

Points = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
# Rows that are worked on at once: 100 MB at 384 dimensions.
BLOCK_ROWS = 1 << 16


def blocks(points: Points | Iterable[Points], rows: int = BLOCK_ROWS) -> Iterator[Points]:
    """(n, d) points, or an iterable of such, as float32 blocks of at most `rows`. Raises CurateError for other shapes."""
    width: int | None = None
    for part in [points] if isinstance(points, np.ndarray) else points:
        if part.ndim != 2:
            raise CurateError("embeddings", f"expected an array of (n, d), got one of shape {part.shape}", "")
        check_width(part, width)
        width = part.shape[1]
        for start in range(0, len(part), rows):
            yield np.ascontiguousarray(part[start : start + rows], np.float32)


def check_width(points: Points, width: int | None) -> None:
    """Raises CurateError unless (n, d) points have `width` dimensions."""
    if width is not None and points.shape[1] != width:
        hint = "embed all documents, targets and queries with the same settings"
        raise CurateError("embeddings", f"dimensions differ: {width} and {points.shape[1]}", hint)


def valid_rows(points: Points) -> Mask:
    """(n, d) -> (n,): whether a row is a point at all: finite, and not the null vector."""
    return _valid(np.einsum("ij,ij->i", points, points))


def unit_points(points: Points) -> tuple[Points, Mask]:
    """(n, d) -> (the valid rows, each divided by its length; (n,) which rows they are)."""
    squares = np.einsum("ij,ij->i", points, points)
    valid = _valid(squares)
    if not valid.all():
        points, squares = points[valid], squares[valid]
    return points / np.sqrt(squares)[:, None], valid


def _valid(squares: npt.NDArray[np.float32]) -> Mask:
    found: Mask = np.isfinite(squares) & (squares > 0)
    return found


def sample_points(points: Points | Iterable[Points], size: int, seed: int) -> Points:
    """At most `size` of the valid rows, in their order: those whose place has the smallest hash under the seed.

    The same rows are taken however they are cut in blocks.
    """
    kept: Sequence[Points] = []
    keys: list[npt.NDArray[np.uint64]] = []
    held, start, bound = 0, 0, np.uint64(np.iinfo(np.uint64).max)
    for block in blocks(points):
        marks = _marks(start, len(block), seed)
        start += len(block)
        chosen = valid_rows(block) & (marks <= bound)
        kept, keys = [*kept, block[chosen]], [*keys, marks[chosen]]
        held += int(chosen.sum())
        if held > 2 * size:
            kept, keys, bound = _smallest(kept, keys, size)
            held = size
    if held > size:
        kept, keys, _ = _smallest(kept, keys, size)
    return np.concatenate(kept) if kept else np.zeros((0, 0), np.float32)


def _smallest(
    kept: Sequence[Points], keys: list[npt.NDArray[np.uint64]], size: int
) -> tuple[list[Points], list[npt.NDArray[np.uint64]], np.uint64]:
    marks = np.concatenate(keys)
    bound = np.partition(marks, size - 1)[size - 1]
    return [np.concatenate(kept)[marks <= bound]], [marks[marks <= bound]], bound


def _marks(start: int, count: int, seed: int) -> npt.NDArray[np.uint64]:
    """A hash (the splitmix64 finaliser, which is one to one) of each place and the seed."""
    with np.errstate(over="ignore"):
        mixed = np.arange(start, start + count, dtype=np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    marks: npt.NDArray[np.uint64] = mixed ^ (mixed >> np.uint64(31))
    return marks


def distinct(points: Points, most: int) -> int:
    """How many different rows (n, d) has, counted up to `most`."""
    weights = np.random.default_rng(0).integers(1, 1 << 63, points.shape[1], np.uint64) | np.uint64(1)
    seen: npt.NDArray[np.uint64] = np.zeros(0, np.uint64)
    for start in range(0, len(points), 4096):
        words = np.ascontiguousarray(points[start : start + 4096]).view(np.uint32)
        with np.errstate(over="ignore"):
            seen = np.union1d(seen, words.astype(np.uint64) @ weights)
        if len(seen) >= most:
            return most
    return len(seen)
