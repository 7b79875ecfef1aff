"""One pass over the bytes of a page: its blocks of text, its elements as a flat table, what its head says.

No tree is built: an element knows its parent, and since blocks come in the order of the page, those of an element are a
range. Blocks part at block-level tags and at double `<br>`; text runs on across inline tags. End tags that are left out
are implied as the HTML standard has it (13.2.6) for p, li, dd, dt, td, th, tr, option, headings and a.
"""

# isort: off
from __future__ import annotations

from typing import Any

import numpy as np

from curate.kernels import entry, inlined, loop
from curate.kernels.html_attributes import (
    CLASS, DATETIME, F_DATE, F_LANG, F_TITLE, FIRST, HIDING, HREF, ID, ITEMPROP, LANG, LAST, NUMBER_FROM, OPEN, ROLE, SHADOW,
    TYPE, VALUE, XML_LANG, contains, hides, read_attributes, read_link, read_linked_data, read_meta, same_word, set_field,
    whole_number,
)  # fmt: skip
from curate.kernels.html_state import (
    CHILDREN, DEPTH, END_BLOCK, FIRST_BLOCK, GROUP, HIDDEN, HOLDER, LAST_CHILD, MEMBERS, PARENT, PATH, PREVIOUS, SIGN,
    TAG, ANCHOR, BEGIN, BLOCKS, BOLD, BREAKS, BY_STYLE, BY_TAG, CELLS, CELL_SIZE, CUR, DEAD, ELEMENT, ELEMENTS, IMAGES,
    INNER, IN_ONE, BY_SCRIPT, LINKED, LINKS, NO_TEXT, ORDINAL, OUT, OWN_TEXT, SPACE, START, STEPS, XHTML, Known, Scratch,
)  # fmt: skip
from curate.kernels.html_tags import (
    ARTICLE, BLOCK, BODY, BR, BREAKS_OUT, CAPTION, CUSTOM, DD, DIALOG, DIR, DL, DT, ENDS_P, FOREIGN, H1, H6, HEAD, HEADING,
    HIDE, HR, HTML, IMG, IN_BOLD, IN_LINK, IN_PRE, INERT, LI, LINK, MATH, MENU, META, OL, OPTION, RAW, SCRIPT, SVG, TABLE,
    TBODY, TD, TEMPLATE, TFOOT, TH, THEAD, TIME, TITLE, TR, UL, VOID, A, NOSCRIPT, P, find_byte, is_space, look_up, read_name,
)  # fmt: skip
from curate.kernels.html_text import append_text, end_block
from curate.kernels.html_words import groups_in
from curate.text import Bytes

#: a `noscript` with as many bytes of text is no note to the reader
MUCH_TEXT = 500


@entry
def scan_page(data: Bytes, start: int, stop: int, known: Known, s: Scratch) -> None:
    """Read the page `data[start:stop]`; never a byte before or behind."""
    _begin(s, data, start, stop)
    i = start
    while i < stop:
        if data[i] != 60:
            i = _text(data, i, stop, known, s)
            continue
        following = np.int64(data[i + 1]) if i + 1 < stop else 0
        if 97 <= (following | 32) <= 122:
            i = _start_tag(data, i + 1, stop, known, s)
        elif following == 47 and i + 2 < stop and 97 <= (data[i + 2] | 32) <= 122:
            i = _end_tag(data, i + 2, stop, known, s)
        elif following == 33 or following == 63 or following == 47:
            i = _comment(data, i, stop)
        else:
            i = _text(data, i, stop, known, s)
    end_block(s.state, s.blocks, s.text)
    _pop(s, 0)
    s.elements[0, END_BLOCK] = s.state[BLOCKS]


@inlined
def _begin(s: Scratch, data: Bytes, start: int, stop: int) -> None:
    s.state[:] = 0
    s.state[BEGIN] = -1
    s.state[ELEMENTS] = 1
    s.opened[:] = 0
    s.elements[0, :] = 0
    s.masks[0, :] = 0
    s.fields[:, 1] = -1
    s.state[XHTML] = contains(data, start, min(stop, start + 400), b"<?xml") >= 0 or (
        contains(data, start, min(stop, start + 400), b"dtd xhtml") >= 0
    )


@inlined
def _text(data: Bytes, at: int, stop: int, known: Known, s: Scratch) -> int:
    """The run of text at `at`, into the block that is open or a new one; where it ends."""
    cur = s.state[CUR]
    if s.elements[cur, HIDDEN] & (NO_TEXT | OWN_TEXT):
        return find_byte(data, at + 1, stop, 60)
    before, was_open = s.state[OUT], s.state[BEGIN] >= 0
    i = append_text(data, at, stop, s.elements[cur, PATH] & IN_PRE, known.kinds, known.entities, s.state, s.text)
    if s.state[BEGIN] < 0:
        return i
    block = s.state[BLOCKS]
    if not was_open:
        s.blocks[block, :] = 0
        s.blocks[block, START] = s.state[BEGIN]
        s.blocks[block, ELEMENT] = s.elements[cur, HOLDER]
        s.blocks[block, INNER] = cur
    size = s.state[OUT] - before
    if s.state[ANCHOR]:
        s.blocks[block, LINKED] += size
        if s.blocks[block, LINKS] == 0:
            s.blocks[block, LINKS] = 1
    if s.elements[cur, PATH] & IN_BOLD:
        s.blocks[block, BOLD] += size
    return i


@inlined
def _comment(data: Bytes, at: int, stop: int) -> int:
    """Where the comment, declaration or instruction at `at` ends."""
    if at + 3 < stop and data[at + 1] == 33 and data[at + 2] == 45 and data[at + 3] == 45:
        i = at + 4
        # `<!-->` and `<!--->` are whole
        if i < stop and data[i] == 62:
            return i + 1
        while i < stop:
            i = find_byte(data, i, stop, 62)
            if i < stop and data[i - 1] == 45 and data[i - 2] == 45:
                return i + 1
            if i < stop and data[i - 1] == 33 and data[i - 2] == 45 and data[i - 3] == 45 and i - 3 >= at + 4:
                return i + 1
            i += 1
        return stop
    return min(stop, find_byte(data, at, stop, 62) + 1)


@inlined
def _name(data: Bytes, at: int, stop: int, known: Known) -> tuple[int, Any, int]:
    """The name of a tag at `at`: (where it ends, its hash, its number)."""
    i, value = read_name(data, at, stop)
    number = look_up(known.tags.keys, known.tags.numbers, value)
    if number == 0 and find_byte(data, at, i, 45) < i:
        number = np.int64(CUSTOM)
    return i, value, number


@inlined
def _start_tag(data: Bytes, at: int, stop: int, known: Known, s: Scratch) -> int:
    """The start tag whose name is at `at`; where what is behind it begins."""
    i, value, number = _name(data, at, stop, known)
    name_end = i
    i, present, closed = read_attributes(data, i, stop, known.names.attribute_keys, known.names.attributes, s.values)
    if i > stop:
        return stop
    properties = known.tags.properties[number]
    closed = closed and (s.state[XHTML] != 0 or number in (SVG, MATH))
    inside = s.elements[s.state[CUR], HIDDEN] & NO_TEXT
    if properties & RAW:
        if not closed:
            i = _raw(data, at, name_end, i, stop, number, present, s)
        return i
    around = s.elements[s.state[CUR], TAG]
    if inside and properties & BREAKS_OUT and around == SVG:
        inside = _leave_svg(s)
    if inside:
        # what is inside matters no more than that one of the same name ends with its own end tag
        same = number == around or (number in (SVG, FOREIGN) and around in (SVG, FOREIGN))
        if same and properties & INERT and not closed:
            _push(number, value, known, s)
        return i
    if number == META:
        read_meta(data, present, s.values, known.names, s.fields)
    elif number == LINK:
        read_link(data, present, s.values, s.fields)
    elif number in (HTML, BODY, HEAD):
        if number == HTML:
            for attribute in (LANG, XML_LANG):
                if present >> attribute & 1:
                    set_field(s.fields, F_LANG, s.values[attribute, 0], s.values[attribute, 1], FIRST)
    elif number == BR:
        _break(s)
    elif number == IMG:
        if s.state[BEGIN] >= 0:
            s.blocks[s.state[BLOCKS], IMAGES] += 1
    elif number == HR:
        end_block(s.state, s.blocks, s.text)
    elif properties & VOID == 0:
        _open(data, number, value, properties, present, closed, known, s)
    return i


@loop
def _leave_svg(s: Scratch) -> int:
    """Close the `svg` that is open, and those around it; whether what is around holds no text either."""
    last = s.state[CUR]
    while s.elements[s.elements[last, PARENT], TAG] == SVG:
        last = np.int64(s.elements[last, PARENT])
    _pop(s, last)
    return np.int64(s.elements[s.state[CUR], HIDDEN] & NO_TEXT)


@inlined
def _raw(data: Bytes, name: int, name_end: int, at: int, stop: int, number: int, present: int, s: Scratch) -> int:
    """Where what is behind the end tag of an element without markup begins; its content starts at `at`."""
    i = at
    size = name_end - name
    while True:
        i = find_byte(data, i, stop, 60)
        if i + size + 2 > stop:
            # never closed: of a script to the end of the page, of others nothing is content
            return stop if number == SCRIPT else at
        if data[i + 1] == 47:
            same = True
            for k in range(size):
                same &= (data[i + 2 + k] | 32) == (data[name + k] | 32)
            after = data[i + 2 + size] if i + 2 + size < stop else np.uint8(62)
            if same and (is_space(after) or after == 62 or after == 47):
                break
        i += 1
    if number == TITLE and s.elements[s.state[CUR], HIDDEN] & NO_TEXT == 0:
        set_field(s.fields, F_TITLE, at, i, FIRST)
    elif number == SCRIPT and present >> TYPE & 1:
        first, last = s.values[TYPE, 0], s.values[TYPE, 1]
        if same_word(data, first, last, b"application/ld+json"):
            read_linked_data(data, at, i, s.fields)
    return min(stop, find_byte(data, i, stop, 62) + 1)


@inlined
def _break(s: Scratch) -> None:
    """A `<br>`: a line end, and with another before it the end of the block."""
    if s.state[BEGIN] < 0:
        return
    if s.state[SPACE] == 2:
        end_block(s.state, s.blocks, s.text)
    else:
        s.state[SPACE] = 2
        s.blocks[s.state[BLOCKS], BREAKS] += 1


@inlined
def _scope(s: Scratch) -> int:
    """The innermost open cell, caption or table: what is before it is out of reach."""
    opened = s.opened
    return max(max(opened[TD], opened[TH]), max(opened[CAPTION], opened[TABLE]))


@inlined
def _implied(number: int, properties: int, s: Scratch) -> int:
    """The outermost element that a start tag of this number closes, or 0."""
    opened, last = s.opened, np.int64(0)
    if number == LI:
        lists = max(max(opened[UL], opened[OL]), max(opened[MENU], opened[DIR]))
        last = opened[LI] if opened[LI] > max(lists, _scope(s)) else last
    elif number in (DD, DT):
        term = max(opened[DD], opened[DT])
        last = term if term > max(opened[DL], _scope(s)) else last
    elif number in (TD, TH, TR, TBODY, THEAD, TFOOT):
        last = opened[CAPTION]
        if number != TD and number != TH:
            last = max(last, opened[TR])
            if number != TR:
                last = max(max(last, opened[TBODY]), max(opened[THEAD], opened[TFOOT]))
        if last <= opened[TABLE]:
            last = np.int64(0)
        cell = max(opened[TD], opened[TH])
        if cell > opened[TABLE] and (last == 0 or cell < last):
            last = cell
    elif number == OPTION:
        last = opened[OPTION]
    elif properties & HEADING and H1 <= s.elements[s.state[CUR], TAG] <= H6:
        last = s.state[CUR]
    if properties & ENDS_P and opened[P] > _scope(s) and (last == 0 or opened[P] < last):
        last = opened[P]
    return last


@inlined
def _open(
    data: Bytes, number: int, value: Any, properties: int, present: int, closed: bool, known: Known, s: Scratch
) -> None:
    """An element begins."""
    if properties & BLOCK:
        end_block(s.state, s.blocks, s.text)
    last = _implied(number, properties, s)
    if last > 0:
        _pop(s, last)
    elif number == A and s.opened[A] > _scope(s):
        _retire(s, s.opened[A])
    cur = _push(number, value, known, s)
    elements, values = s.elements, s.values
    own, sign = np.uint64(0), np.uint64(number)
    for attribute in (CLASS, ID, ROLE, ITEMPROP):
        if present >> attribute & 1:
            bits, letters = groups_in(data, values[attribute, 0], values[attribute, 1], known.words)
            own |= bits
            if attribute == CLASS:
                sign ^= letters
    s.masks[cur, 0] = own
    s.masks[cur, 1] = own | s.masks[elements[cur, PARENT], 1]
    _count_sibling(cur, np.int64((sign ^ sign >> np.uint64(31)) & np.uint64(0x7FFFFFFF)), s)
    if present & HIDING and hides(data, present, values):
        elements[cur, HIDDEN] |= BY_STYLE if properties & BLOCK else OWN_TEXT
    if number == A:
        if present >> HREF & 1:
            s.state[ANCHOR] = cur
            elements[cur, PATH] |= IN_LINK
            read_link(data, present, values, s.fields)
            if s.state[BEGIN] >= 0:
                s.blocks[s.state[BLOCKS], LINKS] += 1
    elif number == TIME and present >> DATETIME & 1:
        set_field(s.fields, F_DATE, values[DATETIME, 0], values[DATETIME, 1], LAST)
    elif number == OL and present >> NUMBER_FROM & 1:
        stated = whole_number(data, values[NUMBER_FROM, 0], values[NUMBER_FROM, 1])
        elements[cur, CHILDREN] = stated - 1 if stated >= 0 else 0
    elif number == LI and present >> VALUE & 1:
        stated = whole_number(data, values[VALUE, 0], values[VALUE, 1])
        if stated >= 0:
            elements[cur, ORDINAL] = elements[elements[cur, PARENT], CHILDREN] = stated
    elif number == TEMPLATE and present >> SHADOW & 1:
        # what it holds is shown in place of what is around it
        elements[cur, HIDDEN] &= ~NO_TEXT
    elif number == DIALOG and present >> OPEN & 1 == 0:
        elements[cur, HIDDEN] |= BY_TAG
    if closed:
        if properties & BLOCK:
            end_block(s.state, s.blocks, s.text)
        _pop(s, cur)


@inlined
def _push(number: int, value: Any, known: Known, s: Scratch) -> int:
    """A new element, child of the current one; its place."""
    elements, parent, cur = s.elements, s.state[CUR], s.state[ELEMENTS]
    properties = known.tags.properties[number]
    elements[cur, PARENT] = parent
    elements[cur, TAG] = number
    elements[cur, PREVIOUS] = s.opened[number]
    elements[cur, HOLDER] = cur if properties & BLOCK else elements[parent, HOLDER]
    elements[cur, FIRST_BLOCK] = s.state[BLOCKS]
    hidden = elements[parent, HIDDEN]
    if properties & BLOCK and hidden & OWN_TEXT:
        hidden = hidden & ~OWN_TEXT | BY_STYLE
    if properties & HIDE:
        hidden |= BY_TAG
    if number == NOSCRIPT:
        hidden |= BY_SCRIPT
    if properties & INERT:
        hidden |= NO_TEXT
    elements[cur, HIDDEN] = hidden
    elements[cur, PATH] = elements[parent, PATH] | known.tags.paths[number]
    elements[cur, DEPTH] = elements[parent, DEPTH] + 1
    elements[cur, SIGN] = np.int64(value & np.uint64(0x7FFFFFFF))
    elements[cur, GROUP] = cur
    for field in (MEMBERS, LAST_CHILD, CHILDREN, DEAD, ORDINAL, CELLS, CELL_SIZE):
        elements[cur, field] = 0
    elements[cur, IN_ONE] = cur if number == ARTICLE else elements[parent, IN_ONE]
    if number in (LI, TD, TH):
        elements[parent, CHILDREN] += 1
        elements[cur, ORDINAL] = elements[parent, CHILDREN]
    s.opened[number] = cur
    s.state[CUR] = cur
    s.state[ELEMENTS] = cur + 1
    return cur


@inlined
def _count_sibling(cur: int, sign: int, s: Scratch) -> None:
    """Count an element with its elder siblings of the same tag and class."""
    elements = s.elements
    parent = elements[cur, PARENT]
    elder = elements[parent, LAST_CHILD]
    if elements[cur, TAG] > CUSTOM:
        elements[cur, SIGN] = sign
    if elder and elements[elder, SIGN] == elements[cur, SIGN]:
        elements[cur, GROUP] = elements[elder, GROUP]
    elements[parent, LAST_CHILD] = cur
    elements[elements[cur, GROUP], MEMBERS] += 1


@loop
def _show_without_script(s: Scratch, element: int, end: int) -> None:
    """A `noscript` that holds much text holds the page's: what is in it is no longer hidden by it."""
    first = np.int64(s.elements[element, FIRST_BLOCK])
    # of nested ones the outermost, or the work would grow with the square of the page
    if s.elements[element, PREVIOUS] or first == end or s.state[OUT] - s.blocks[first, START] < MUCH_TEXT:
        return
    for inside in range(element, s.state[ELEMENTS]):
        s.elements[inside, HIDDEN] &= ~BY_SCRIPT


@inlined
def _pop(s: Scratch, last: int) -> None:
    """Close every open element down to `last`, which stays open only if it is the page itself."""
    elements, state = s.elements, s.state
    cur = state[CUR]
    end = state[BLOCKS] + (state[BEGIN] >= 0)
    while cur > 0 and cur >= last:
        elements[cur, END_BLOCK] = end
        if elements[cur, TAG] == NOSCRIPT:
            _show_without_script(s, cur, end)
        if elements[cur, DEAD] == 0:
            s.opened[elements[cur, TAG]] = elements[cur, PREVIOUS]
        if cur == state[ANCHOR]:
            state[ANCHOR] = 0
        cur = np.int64(elements[cur, PARENT])
        state[STEPS] += 1
    state[CUR] = cur


@inlined
def _retire(s: Scratch, element: int) -> None:
    """Close an element that is not the current one, and none of those inside it."""
    s.elements[element, DEAD] = 1
    s.opened[s.elements[element, TAG]] = s.elements[element, PREVIOUS]
    if element == s.state[ANCHOR]:
        s.state[ANCHOR] = 0


@inlined
def _close(number: int, value: Any, s: Scratch) -> None:
    """An end tag of this number."""
    elements = s.elements
    last = s.opened[number]
    if H1 <= number <= H6:
        for heading in range(H1, H6 + 1):
            last = max(last, s.opened[heading])
    if number <= CUSTOM:
        sign, steps = np.int64(np.uint64(value) & np.uint64(0x7FFFFFFF)), 0
        # names that are not known share a chain: look for the same one, not far
        while last and elements[last, SIGN] != sign and steps < 16:
            last = np.int64(elements[last, PREVIOUS])
            steps += 1
        if last and elements[last, SIGN] != sign:
            last = np.int64(0)
    in_table = number in (TD, TH, TR, TBODY, THEAD, TFOOT)
    bound = s.opened[TABLE] if in_table else np.int64(0) if number == TABLE else _scope(s)
    if number == CAPTION:
        bound = s.opened[TABLE]
    if last == 0 or last < bound:
        return
    if elements[s.state[CUR], HOLDER] > last and elements[last, HOLDER] != last:
        # an inline element closed inside a block that it holds
        _retire(s, last)
        return
    _pop(s, last)


@inlined
def _end_tag(data: Bytes, at: int, stop: int, known: Known, s: Scratch) -> int:
    """The end tag whose name is at `at`; where what is behind it begins."""
    i, value, number = _name(data, at, stop, known)
    i = min(stop, find_byte(data, i, stop, 62) + 1)
    around = s.elements[s.state[CUR], TAG]
    if s.elements[s.state[CUR], HIDDEN] & NO_TEXT and number != around and not (number == SVG and around == FOREIGN):
        return i
    if number == BR:
        _break(s)
        return i
    properties = known.tags.properties[number]
    if properties & BLOCK:
        end_block(s.state, s.blocks, s.text)
    if properties & VOID == 0:
        _close(number, value, s)
    return i
