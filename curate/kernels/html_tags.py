"""The elements of HTML as the page scanner sees them: numbers, properties, and a table to look names up in.

Properties follow the HTML standard (13.1.2 elements, 13.2.6 tree construction) as far as they decide which text stands
in which block; what a browser draws is not followed.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import entry, inlined
from curate.kernels.groups import eight_bytes
from curate.kernels.vectors import WIDTH, bytes_before, name_length
from curate.text import Bytes

Integers = npt.NDArray[np.int32]

# Bits of `Tags.properties`.
BLOCK = 1 << 0  # its text stands apart from what is before and behind
VOID = 1 << 1  # has no content
RAW = 1 << 2  # its content is no markup and is left out
INERT = 1 << 3  # whatever it holds is no text of the page
HIDE = 1 << 4  # seldom holds main text: left out unless little else is there; so is a short `noscript`
ENDS_P = 1 << 5  # an open paragraph ends where it begins
SCOPE = 1 << 6  # end tags inside do not reach beyond it
HEADING = 1 << 7
BREAKS_OUT = 1 << 8  # begins behind an `svg` that was not closed

# Bits of an element's path: which of these it is or stands in.
IN_ARTICLE, IN_MAIN, IN_ASIDE, IN_HEADER, IN_FORM, IN_TABLE, IN_LIST, IN_FIGURE = (1 << k for k in range(8))
IN_QUOTE, IN_DEFINITIONS, IN_SECTION, IN_DETAILS, IN_PRE, IN_ADDRESS, IN_HEADING, IN_CAPTION = (
    1 << k for k in range(8, 16)
)
IN_LINK, IN_BOLD = 1 << 16, 1 << 17

_BLOCKS = """address article aside blockquote body center dd details dialog dir div dl dt fieldset figcaption figure
footer form h1 h2 h3 h4 h5 h6 header hgroup hr html li main menu nav ol p pre section summary search table tbody td
tfoot th thead tr ul caption legend option optgroup select button noscript template frameset colgroup object video audio
canvas datalist marquee"""
_ENDS_P = """address article aside blockquote center details dialog dir div dl dd dt fieldset figcaption figure footer
form h1 h2 h3 h4 h5 h6 header hgroup hr li main menu nav ol p pre section summary search table ul"""
_INLINE = """a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark meter output progress q
rp rt ruby s samp slot small span strike strong sub sup time tt u var nobr math annotation svg head map picture
annotation-xml foreignobject"""
_VOID = "area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr"
_RAW = "script style xmp iframe noembed noframes textarea title"
_INERT = "svg template annotation annotation-xml foreignobject"
# 13.2.6.5 of the standard
_BREAKS_OUT = """b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li menu meta nobr
ol p pre ruby s small span strong strike sub sup table tt u ul var"""
_HIDE = "nav footer button select option optgroup datalist canvas object audio video"
_SCOPE = "table td th caption"
_HEADINGS = "h1 h2 h3 h4 h5 h6"
_PATHS = {
    IN_ARTICLE: "article", IN_MAIN: "main", IN_ASIDE: "aside", IN_HEADER: "header hgroup",
    IN_FORM: "form fieldset label legend", IN_TABLE: "table", IN_LIST: "ul ol menu dir", IN_FIGURE: "figure",
    IN_QUOTE: "blockquote q", IN_DEFINITIONS: "dl", IN_SECTION: "section", IN_DETAILS: "details dialog", IN_PRE: "pre",
    IN_ADDRESS: "address", IN_HEADING: "h1 h2 h3 h4 h5 h6", IN_CAPTION: "figcaption caption", IN_BOLD: "b strong",
}  # fmt: skip

#: numbered from 2; 0 is any other name, 1 any other name with a hyphen (a custom element, taken for a block)
NAMES = tuple(dict.fromkeys(" ".join((_BLOCKS, _INLINE, _VOID, _RAW)).split()))
CUSTOM = 1
NUMBER = {name: place + 2 for place, name in enumerate(NAMES)}
COUNT = len(NAMES) + 2

A, BR, P, LI, UL, OL, DD, DT, DL = (NUMBER[name] for name in "a br p li ul ol dd dt dl".split())
TD, TH, TR, TABLE, CAPTION = (NUMBER[name] for name in "td th tr table caption".split())
TBODY, THEAD, TFOOT, OPTION = (NUMBER[name] for name in "tbody thead tfoot option".split())
PRE, TITLE, META, LINK, TIME, HTML, BODY, HEAD = (
    NUMBER[name] for name in "pre title meta link time html body head".split()
)
IMG, HR, SCRIPT, SVG, NOSCRIPT, MENU, DIR = (NUMBER[name] for name in "img hr script svg noscript menu dir".split())
MATH, FOREIGN, TEMPLATE, DIALOG = (NUMBER[name] for name in "math foreignobject template dialog".split())
H1, H6, CODE, BLOCKQUOTE, DIV, SPAN = (NUMBER[name] for name in "h1 h6 code blockquote div span".split())
FIGCAPTION, ARTICLE = NUMBER["figcaption"], NUMBER["article"]

SLOTS = 512
_PRIME, _SHIFT, _0, _1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(55), np.uint64(0), np.uint64(1)
_LAST, _ALL, _HALF = np.uint64(SLOTS - 1), np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(32)
_SMALL = np.uint64(0x2020202020202020)


class Tags(NamedTuple):
    """An open table of names by hash, and what is known of each number."""

    keys: npt.NDArray[np.uint64]  # SLOTS; 0 where empty
    numbers: Integers  # SLOTS
    properties: Integers  # COUNT: the bits above
    paths: Integers  # COUNT: the bit of the path, or 0


@inlined
def _eight_or_less(data: Bytes, at: int, stop: int) -> Any:
    """The eight bytes from `at`, first lowest; `>` for those from `stop` on."""
    if at + 8 <= stop:
        return eight_bytes(data, at)
    value = np.uint64(0)
    for k in range(8):
        byte = np.uint64(data[at + k]) if at + k < stop else np.uint64(62)
        value |= byte << np.uint64(8 * k)
    return value


@entry
def read_name(data: Bytes, at: int, stop: int) -> tuple[int, Any]:
    """The name of a tag or an attribute at `at`: (where it ends, its hash in lower case)."""
    i, value = at, _0
    while True:
        eight = _eight_or_less(data, i, stop)
        size = name_length(eight)
        if size < 8:
            mask = (_1 << np.uint64(8 * size)) - _1
            return i + size, _mixed(value, (eight | _SMALL) & mask)
        value = _mixed(value, eight | _SMALL)
        i += 8


@inlined
def _mixed(value: Any, eight: Any) -> Any:
    value = (value ^ eight) * _PRIME
    return value ^ value >> _HALF


@inlined
def look_up(keys: npt.NDArray[np.uint64], numbers: Integers, value: Any) -> Any:
    """The number under a hash in an open table of SLOTS slots, or 0."""
    slot = value * _PRIME >> _SHIFT
    while keys[slot] != _0:
        if keys[slot] == value:
            return np.int64(numbers[slot])
        slot = (slot + _1) & _LAST
    return np.int64(0)


def hash_name(name: str) -> int:
    """As `read_name` of a name, in Python."""
    encoded, value, mask = name.encode(), 0, int(_ALL)
    for first in range(0, len(encoded) + 1, 8):
        part = bytes(byte | 32 for byte in encoded[first : first + 8])
        value = (value ^ int.from_bytes(part, "little")) * int(_PRIME) & mask
        value ^= value >> 32
    return value


def slot_of(value: int, shift: int) -> int:
    """Where the search for a hash begins in an open table of 2**(64 - shift) slots, in Python."""
    return value * int(_PRIME) % (1 << 64) >> shift


def name_table(numbers: dict[str, int]) -> tuple[npt.NDArray[np.uint64], Integers]:
    """The open table of names that `look_up` reads."""
    keys, values = np.zeros(SLOTS, np.uint64), np.zeros(SLOTS, np.int32)
    for name, number in numbers.items():
        value = hash_name(name)
        slot = slot_of(value, int(_SHIFT))
        while keys[slot]:
            if keys[slot] == value:
                raise ValueError(f"two names have the same hash, one is {name}")
            slot = (slot + 1) % SLOTS
        keys[slot], values[slot] = value, number
    return keys, values


@functools.cache
def tags() -> Tags:
    """The table of all elements; read-only."""
    properties, paths = np.zeros(COUNT, np.int32), np.zeros(COUNT, np.int32)
    properties[CUSTOM] = BLOCK
    bits = {
        BLOCK: _BLOCKS, VOID: _VOID, RAW: _RAW, INERT: _INERT, HIDE: _HIDE, ENDS_P: _ENDS_P, SCOPE: _SCOPE,
        HEADING: _HEADINGS, BREAKS_OUT: _BREAKS_OUT,
    }  # fmt: skip
    for table, known in ((properties, bits), (paths, _PATHS)):
        for bit, names in known.items():
            for name in names.split():
                table[NUMBER[name]] |= bit
    made = Tags(*name_table(NUMBER), properties, paths)
    for array in made:
        array.flags.writeable = False
    return made


@inlined
def lower(byte: Any) -> Any:
    """An ASCII byte in lower case, as a number."""
    return byte + 32 if 65 <= byte <= 90 else byte


@inlined
def is_space(byte: Any) -> bool:
    """Whether a byte parts words inside a tag: white space, and control characters, which no tag should have."""
    return byte <= 32


@entry
def find_byte(data: Bytes, at: int, stop: int, wanted: int) -> int:
    """Where `wanted` is next in `data[at:stop]`, or `stop`."""
    i, byte = at, np.uint8(wanted)
    while i + WIDTH <= stop:
        before = bytes_before(data, i, byte)
        # what is next must not wait for `before`: a processor reads on while it is being found
        if before < WIDTH:
            return i + before
        i += WIDTH
    while i < stop and data[i] != byte:
        i += 1
    return i


@entry
def has_byte(data: Bytes, start: int, stop: int, wanted: int) -> bool:
    """Whether `wanted` is in `data[start:stop]`."""
    return find_byte(data, start, stop, wanted) < stop
