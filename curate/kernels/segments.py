"""Words of scripts that are written without spaces: Chinese, Japanese, Thai, Lao, Khmer, Burmese, by ICU's dictionaries.

The splitter (`words`) leaves a whole clause of such a script as one word. Those words, and no others, are cut again where
ICU's word boundaries (Unicode Standard Annex 29, with dictionaries) are; so is a word with a danda, an Arabic, Urdu,
Armenian, Tibetan or Ethiopic mark inside, as where no space was typed behind a sentence. The splitter says which texts have
such characters. Kernels that find words as they read bytes are told where ICU sees their edges (`word_edges`), for one look
at all bytes.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined
from curate.kernels.ideographs import ideograph_cuts
from curate.kernels.unicode import CODE_POINTS, decode
from curate.text import Bytes, Offsets

if TYPE_CHECKING:
    from curate.kernels.words import Positions, Words

# Alphabets: Thai, Lao, Burmese, Khmer, Tai Le to New Tai Lue, Khmer symbols, Tai Tham, more Burmese.
SPELLED_RANGES = "E01-E5B E81-EDF 1000-109F 1780-17DD 1950-19FF 1A20-1AAD A9E0-A9FE AA60-AADF "
# And kana and ideographs with their marks; compatibility and half-width forms; more kana; more ideographs.
UNSPACED_RANGES = f"""{SPELLED_RANGES}
3005-3007 3021-3029 3031-3035 3041-30FF 31F0-31FF 3400-4DBF 4E00-9FFF F900-FAFF FF66-FF9F 1AFF0-1B16F 20000-323AF
"""
# Marks behind which a space may be missing: Armenian, Arabic, Urdu, danda and double danda, shad, Ethiopic; ideographic full
# stop, ! and ?. Behind the first kind only what is beyond ASCII begins a word: `1۔2` stays whole.
NARROW_RANGES = "589 61F 6D4 964-965 F0D-F12 F14 1362-1368"
WIDE_RANGES = "3002 FF01 FF1F"
# What parts words, or syllables, as a space does, and is no white space: tsheg, the Ethiopic word space, word dividers of ancient
# scripts; and the space of no width, behind unspaced scripts alone (Khmer, Lao and Burmese are typed with it): in others it says
# where a line may end, as in `read\u200b(int)`.
DIVIDER_RANGES = "F0B-F0C 1361 10100-10101 1039F 103D0 1091F"
NO_WIDTH_RANGES = "200B"
# Bits of `unspaced_kinds`.
UNSPACED, SPELLED, _NARROW, _WIDE, DIVIDER, NO_WIDTH = 1, 2, 4, 8, 16, 32
# Bits of `word_edges`.
BEGIN, END = 1, 2
_1 = np.uint64(1)
# so much text goes to ICU at a time
_CHUNK = 1 << 18


@functools.cache
def unspaced_kinds() -> npt.NDArray[np.uint8]:
    """What each code point is: of an unspaced script, of one that is an alphabet, a mark, a divider, none (0); read-only."""
    kinds = np.zeros(CODE_POINTS, np.uint8)
    bits = ((UNSPACED_RANGES, UNSPACED), (SPELLED_RANGES, SPELLED), (NARROW_RANGES, _NARROW), (WIDE_RANGES, _WIDE),
            (DIVIDER_RANGES, DIVIDER), (NO_WIDTH_RANGES, NO_WIDTH))  # fmt: skip
    for ranges, kind in bits:
        for part in ranges.split():
            low, _, high = part.partition("-")
            kinds[int(low, 16) : int(high or low, 16) + 1] |= kind
    kinds.flags.writeable = False
    return kinds


def segmented(data: Bytes, words: Words, texts: npt.NDArray[np.bool_]) -> Words:
    """The words of n texts with those of unspaced scripts cut at ICU's word boundaries; only `texts` (n,) have any."""
    if not texts.any():
        return words
    chosen = np.empty(len(words.start), np.int64)
    chosen = chosen[: _choose(data, *words, unspaced_kinds(), texts, chosen)]
    if not len(chosen):
        return words
    cuts, cut_of = _boundaries(data, words.start[chosen], words.stop[chosen])
    size = len(words.start) + len(cuts)
    start, stop, first = np.empty(size, np.int32), np.empty(size, np.int32), np.empty_like(words.first)
    _merge(*words, chosen, cuts, cut_of, start, stop, first)
    return type(words)(start, stop, first)


def word_edges(data: Bytes, offsets: Offsets, ideographs: bool = True) -> Bytes:
    """Of each byte, as bits: BEGIN where a word of an unspaced script begins, END at the last character of such words.

    Words of alphabets are ICU's; an ideograph or kana is a word, or none of ours where `ideographs` is False. Empty where
    no text has such a script.
    """
    texts = np.zeros(len(offsets) - 1, np.bool_)
    nothing = np.zeros(0, np.uint8)
    if not _look(data, offsets, texts):
        return nothing
    room = int(offsets[-1] - offsets[0]) // 3 + 1
    start, stop, last = (np.empty(room, np.int32) for _ in range(3))
    edges = np.zeros(len(data), np.uint8)
    runs, alone = _runs(data, offsets, texts, unspaced_kinds(), ideographs, edges, start, stop, last)
    if runs:
        cuts, cut_of = _boundaries(data, start[:runs], stop[:runs])
        edges[start[:runs]] = BEGIN
        edges[np.repeat(start[:runs], np.diff(cut_of)) + cuts] = BEGIN
        edges[last[:runs]] |= END
    return edges if runs or alone else nothing


@entry
def _runs(
    data: Bytes,
    offsets: Offsets,
    texts: npt.NDArray[np.bool_],
    kinds: npt.NDArray[np.uint8],
    ideographs: bool,
    edges: Bytes,
    start: Positions,
    stop: Positions,
    last: Positions,
) -> tuple[int, bool]:
    """The runs of alphabets, and where the last character of each begins; ideographs get their edges here, if any do."""
    count, alone = 0, False
    for text in range(len(texts)):
        i, hi = np.int64(offsets[text]), np.int64(offsets[text + 1])
        within = False
        while texts[text] and i < hi:
            at, kind = i, 0
            if data[i] < 0x80:
                i += 1
            else:
                code, i = decode(data, i, hi)
                kind = kinds[code] & (UNSPACED | SPELLED)
            if kind == UNSPACED and ideographs:
                edges[at] = BEGIN | END
                alone = True
            if kind & SPELLED:
                if not within:
                    start[count] = at
                stop[count], last[count] = i, at
                within = True
            elif within:
                count += 1
                within = False
        count += within
    return count, alone


def _boundaries(data: Bytes, start: Positions, stop: Positions) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Where the words `data[start:stop]` are cut inside: (bytes, from the word's start; n + 1 places of each word's cuts)."""
    cuts, counts = ideograph_cuts(data, start, stop)
    rest = np.flatnonzero(counts < 0)
    if len(rest):
        own = np.repeat(np.arange(len(counts)), np.maximum(counts, 0))
        more, counts[rest] = _icu_cuts(data, start[rest], stop[rest])
        order = np.argsort(np.concatenate([own, np.repeat(rest, counts[rest])]), kind="stable")
        cuts = np.concatenate([cuts, more])[order]
    return cuts, np.concatenate([[0], np.cumsum(counts)])


def _icu_cuts(data: Bytes, start: Positions, stop: Positions) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """As `ideograph_cuts`, of any words, by ICU itself."""
    sizes = (stop - start).astype(np.int64)
    # each word and a line feed behind it
    ends = np.cumsum(sizes + 1)
    bounds = np.searchsorted(ends, np.arange(_CHUNK, ends[-1] + _CHUNK, _CHUNK), side="right")
    cuts, counts, low = [], np.zeros(len(sizes), np.int64), 0
    for high in np.unique(np.append(np.maximum(bounds, 1), len(sizes))).tolist():
        room = int(sizes[low:high].sum()) + high - low
        gathered = np.empty(room, np.uint8)
        _gather(data, start[low:high], stop[low:high], gathered)
        places = np.empty(room, np.int32)
        inside = places[: _inside(gathered, _word_starts(gathered), places, counts[low:high])]
        cuts.append(inside.copy())
        low = high
    return np.concatenate(cuts), counts


def _word_starts(text: Bytes) -> npt.NDArray[np.int64]:
    """Where ICU begins a word, ascending, counted as ICU counts: a character beyond U+FFFF is two units."""
    from icu4py.breakers import WordBreaker

    # the locale makes no difference to words
    breaker = WordBreaker(text.tobytes().decode("utf-8", "replace"), "en")
    return np.fromiter((begin for begin, _ in breaker.segments()), np.int64)


@entry
def _look(data: Bytes, offsets: Offsets, texts: npt.NDArray[np.bool_]) -> bool:
    """Mark the texts whose bytes may be of unspaced scripts; whether there is one."""
    some = False
    for text in range(len(texts)):
        found, wide = np.uint8(0), np.uint8(0)
        lo, hi = np.uint64(offsets[text]), np.uint64(offsets[text + 1])
        # comparisons alone: the compiler looks at many bytes at a time
        for i in range(lo, hi):
            wide |= np.uint8(data[i] >= 0xE0)
        if not wide:
            continue
        for i in range(lo, max(hi, lo + _1) - _1):
            found |= _may_be_unspaced(data[i], data[i + _1])
        texts[text] = found != 0
        some = some or found != 0
    return some


@inlined
def _may_be_unspaced(first: int, second: int) -> np.uint8:
    """Whether two bytes may begin a character of an unspaced script."""
    thai_lao = (first == 0xE0) & (second >= 0xB8)
    burmese_khmer_tai = (first == 0xE1) & ((second <= 0x82) | ((second >= 0x9E) & (second <= 0x9F)) | (second >= 0xA5))
    return np.uint8(thai_lao | burmese_khmer_tai | ((first >= 0xE3) & (first < 0xFF)))


@entry
def _choose(
    data: Bytes,
    start: Positions,
    stop: Positions,
    first: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    texts: npt.NDArray[np.bool_],
    chosen: npt.NDArray[np.int64],
) -> int:
    """The words of more than one character that have one of an unspaced script, or a mark before another character."""
    count = 0
    for text in range(len(texts)):
        if not texts[text]:
            continue
        for word in range(first[text], first[text + 1]):
            i, hi = np.int64(start[word]), np.int64(stop[word])
            if data[i] < 0x80 and data[hi - 1] < 0x80 and hi - i < 3:
                continue
            wide, characters = False, 0
            while i < hi and not (wide and characters > 1):
                if data[i] < 0x80:
                    i += 1
                else:
                    code, i = decode(data, i, hi)
                    kind = kinds[code]
                    inside = kind == _WIDE or (kind == _NARROW and i < hi and data[i] >= 0x80)
                    wide = wide or kind & UNSPACED != 0 or (inside and i < hi)
                characters += 1
            if wide and (characters > 1 or i < hi):
                chosen[count] = word
                count += 1
    return count


@entry
def _gather(data: Bytes, start: Positions, stop: Positions, out: Bytes) -> None:
    """Write the words one behind the other, a line feed behind each."""
    size = 0
    for word in range(len(start)):
        for i in range(start[word], stop[word]):
            out[size] = data[i]
            size += 1
        out[size] = 10
        size += 1


@entry
def _inside(text: Bytes, begins: npt.NDArray[np.int64], places: Positions, counts: npt.NDArray[np.int64]) -> int:
    """The bytes, from the start of its line, at which each of `begins` (in UTF-16 units) inside of a line stands."""
    found, units, at, line, latest = 0, 0, 0, 0, 0
    origin = 0
    for begin in begins:
        while units < begin and at < len(text):
            if text[at] == 10:
                line += 1
                origin = latest = at + 1
            code, at = decode(text, at, len(text))
            units += 1 + (code > 0xFFFF)
        # a line feed inside of what is no UTF-8 is none of ours
        if latest < at < len(text) and text[at] != 10 and line < len(counts):
            places[found] = at - origin
            latest = at
            counts[line] += 1
            found += 1
    return found


@entry
def _merge(
    start: Positions,
    stop: Positions,
    first: npt.NDArray[np.int64],
    chosen: npt.NDArray[np.int64],
    cuts: Positions,
    cut_of: npt.NDArray[np.int64],
    new_start: Positions,
    new_stop: Positions,
    new_first: npt.NDArray[np.int64],
) -> None:
    count, place = 0, 0
    for text in range(len(first) - 1):
        new_first[text] = count
        word, last = first[text], first[text + 1]
        while word < last:
            # words that stay are copied together
            some = place < len(chosen) and chosen[place] < last
            until = chosen[place] if some else last
            for k in range(until - word):
                new_start[count + k], new_stop[count + k] = start[word + k], stop[word + k]
            count += until - word
            word = until
            if some:
                left = start[word]
                for k in range(cut_of[place], cut_of[place + 1]):
                    new_start[count], new_stop[count] = left, start[word] + cuts[k]
                    left = start[word] + cuts[k]
                    count += 1
                new_start[count], new_stop[count] = left, stop[word]
                count += 1
                place += 1
                word += 1
    new_first[len(first) - 1] = count
