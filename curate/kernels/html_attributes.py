"""The inside of a start tag: attributes found, what hides an element, and what the head of a page says about it."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.html_tags import find_byte, is_space, look_up, lower, name_table, read_name
from curate.text import Bytes

Integers = npt.NDArray[np.int32]
#: (start, stop) in the page of the value of each attribute of one tag
Values = npt.NDArray[np.int64]
#: (start, stop, rank) in the page of each of FIELDS; stop is -1 while there is none
Fields = npt.NDArray[np.int64]

ATTRIBUTES = """class id role itemprop style hidden aria-hidden href rel content name property datetime lang xml:lang
http-equiv type xmlns alt start value shadowrootmode open""".split()
CLASS, ID, ROLE, ITEMPROP, STYLE, HIDDEN, ARIA_HIDDEN, HREF, REL, CONTENT, NAME, PROPERTY, DATETIME, LANG = range(1, 15)
XML_LANG, HTTP_EQUIV, TYPE, XMLNS, ALT, NUMBER_FROM, VALUE, SHADOW, OPEN = range(15, 24)
#: bits of those that may hide an element
HIDING = 1 << HIDDEN | 1 << ARIA_HIDDEN | 1 << STYLE

FIELDS = ("title", "lang", "date", "author", "canonical", "license")
F_TITLE, F_LANG, F_DATE, F_AUTHOR, F_CANONICAL, F_LICENSE = range(6)
#: name, property or itemprop of a `meta` element -> field; of those that a page has the first in this order counts
_META = (
    ("date", "article:published_time datepublished date dcterms.date dc.date.issued dcterms.created dc.date pubdate"
     " publishdate publish-date publication_date article:published parsely-pub-date sailthru.date"
     " og:article:published_time og:published_time citation_publication_date datecreated"),
    ("author", "author dc.creator dcterms.creator parsely-author sailthru.author byl citation_author article:author"),
    ("title", "og:title dc.title dcterms.title twitter:title"),
    ("canonical", "og:url"),
    ("license", "dcterms.license dc.rights.uri dcterms.rights dc.rights copyright"),
    ("lang", "content-language dc.language dcterms.language og:locale"),
)  # fmt: skip
#: ranks of what stands in no `meta` element: before all of them, behind all of them
FIRST, LAST = 0, 1000


class Names(NamedTuple):
    """Open tables (see `html_tags.look_up`) of attributes and of what `meta` elements are called."""

    attribute_keys: npt.NDArray[np.uint64]
    attributes: Integers
    meta_keys: npt.NDArray[np.uint64]
    metas: Integers  # field * 2 * LAST + rank


@functools.cache
def names() -> Names:
    """The tables of names; read-only."""
    metas = {
        name: FIELDS.index(field) * 2 * LAST + 1 + rank
        for field, listed in _META
        for rank, name in enumerate(listed.split())
    }
    attributes = {name: place + 1 for place, name in enumerate(ATTRIBUTES)}
    made = Names(*name_table(attributes), *name_table(metas))
    for array in made:
        array.flags.writeable = False
    return made


@loop
def read_attributes(
    data: Bytes, at: int, stop: int, keys: npt.NDArray[np.uint64], numbers: Integers, values: Values
) -> tuple[int, int, bool]:
    """The attributes of the tag whose name ends at `at`.

    (Where the tag ends, bits of the known ones that it has, whether it closes itself.) An end of `stop` + 1 is no end.
    """
    i, present = at, np.int64(0)
    while i < stop:
        byte = data[i]
        if byte == 62:
            return i + 1, present, data[i - 1] == 47
        if is_space(byte) or byte == 47:
            i += 1
            continue
        i, value = read_name(data, i, stop)
        while i < stop and is_space(data[i]):
            i += 1
        start = end = i
        if i < stop and data[i] == 61:
            i += 1
            while i < stop and is_space(data[i]):
                i += 1
            start, end, i = _value(data, i, stop)
        number = look_up(keys, numbers, value)
        if number > 0 and present >> number & 1 == 0:
            present |= 1 << number
            values[number, 0], values[number, 1] = start, end
    return stop + 1, present, False


@inlined
def _value(data: Bytes, at: int, stop: int) -> tuple[int, int, int]:
    """(Where the value of an attribute begins, where it ends, what is behind it); `at` is behind the `=` and white space."""
    if at < stop and (data[at] == 34 or data[at] == 39):
        end = find_byte(data, at + 1, stop, data[at])
        return at + 1, end, end + 1
    i = at
    while i < stop and not is_space(data[i]) and data[i] != 62:
        i += 1
    return at, i, i


@inlined
def same_word(data: Bytes, start: int, stop: int, word: Any) -> bool:
    """Whether `data[start:stop]`, in lower case, is the bytes `word`."""
    if stop - start != len(word):
        return False
    for k in range(len(word)):  # noqa: SIM110
        if lower(np.int64(data[start + k])) != word[k]:
            return False
    return True


@loop
def whole_number(data: Bytes, start: int, stop: int) -> int:
    """The number of up to nine digits that `data[start:stop]` is, or -1."""
    number = np.int64(0)
    for i in range(start, stop):
        if not 48 <= data[i] <= 57:
            return np.int64(-1)
        number = 10 * number + np.int64(data[i]) - 48
    return number if 0 < stop - start <= 9 else np.int64(-1)


@loop
def contains(data: Bytes, start: int, stop: int, word: Any) -> int:
    """Where the bytes `word` (lower case) end in `data[start:stop]` for the first time, in either case; else -1."""
    for i in range(start, stop - len(word) + 1):
        if (data[i] | 32) == word[0] | 32 and same_word(data, i, i + len(word), word):
            return i + len(word)
    return -1


@loop
def style_hides(data: Bytes, start: int, stop: int) -> bool:
    """Whether a style has `display: none` or `visibility: hidden`."""
    for property_name, value in ((b"display", b"none"), (b"visibility", b"hidden")):
        i = contains(data, start, stop, property_name)
        if i < 0:
            continue
        while i < stop and (is_space(data[i]) or data[i] == 58):
            i += 1
        if i + len(value) <= stop and same_word(data, i, i + len(value), value):
            return True
    return False


@loop
def hides(data: Bytes, present: int, values: Values) -> bool:
    """Whether attributes hide an element: `hidden`, `aria-hidden`, or its style."""
    if present >> HIDDEN & 1 and not same_word(data, values[HIDDEN, 0], values[HIDDEN, 1], b"until-found"):
        return True
    if present >> ARIA_HIDDEN & 1 and same_word(data, values[ARIA_HIDDEN, 0], values[ARIA_HIDDEN, 1], b"true"):
        return True
    return bool(present >> STYLE & 1) and style_hides(data, values[STYLE, 0], values[STYLE, 1])


@inlined
def set_field(fields: Fields, field: int, start: int, stop: int, rank: int) -> None:
    """Note a value for a field, unless one of a lower or the same rank is known or it is empty."""
    if stop > start and (fields[field, 1] < 0 or rank < fields[field, 2]):
        fields[field, 0], fields[field, 1], fields[field, 2] = start, stop, rank


@loop
def read_meta(data: Bytes, present: int, values: Values, table: Names, fields: Fields) -> None:
    """What a `meta` element says."""
    if present >> CONTENT & 1 == 0:
        return
    for attribute in (PROPERTY, NAME, ITEMPROP, HTTP_EQUIV):
        if present >> attribute & 1 == 0:
            continue
        end, value = read_name(data, values[attribute, 0], values[attribute, 1])
        found = look_up(table.meta_keys, table.metas, value)
        if found and end == values[attribute, 1]:
            field, rank = found // (2 * LAST), found % (2 * LAST)
            set_field(fields, field, values[CONTENT, 0], values[CONTENT, 1], rank)


@loop
def read_link(data: Bytes, present: int, values: Values, fields: Fields) -> None:
    """What a `link` or `a` element says: its canonical address, its licence, its author."""
    if present >> HREF & 1 == 0:
        return
    start, stop = values[HREF, 0], values[HREF, 1]
    if present >> REL & 1:
        first, last = values[REL, 0], values[REL, 1]
        if same_word(data, first, last, b"canonical"):
            set_field(fields, F_CANONICAL, start, stop, FIRST)
        elif contains(data, first, last, b"license") >= 0:
            set_field(fields, F_LICENSE, start, stop, FIRST)
    site = b"creativecommons.org/"
    for i in range(start, min(stop - len(site), start + 14)):
        if data[i] == 99 and same_word(data, i, i + len(site), site):
            set_field(fields, F_LICENSE, start, stop, LAST)


@loop
def read_linked_data(data: Bytes, start: int, stop: int, fields: Fields) -> None:
    """The date of publication that a script of JSON-LD states."""
    i = contains(data, start, stop, b'"datepublished"')
    if i < 0:
        return
    while i < stop and (is_space(data[i]) or data[i] == 58):
        i += 1
    if i < stop and data[i] == 34:
        end = find_byte(data, i + 1, min(stop, i + 60), 34)
        set_field(fields, F_DATE, i + 1, end, LAST - 1)
