"""Words that the general rules of the splitter would get wrong: contractions, abbreviations, emoticons, units.

A special is looked up by the 64-bit hash of its bytes, in an open table behind a sieve of 2 kB. The splits agree with spaCy 3.8's English tables (lang/en/tokenizer_exceptions.py, MIT) for words seen in text.
"""

from __future__ import annotations

import functools
from itertools import product

import numpy as np

from curate.kernels import inlined, loop
from curate.kernels.groups import Hashes, hash_range
from curate.text import Bytes

# No special is longer, in bytes.
LONGEST = 15
SLOTS = 4096

# Stems and the endings that part from them, with an apostrophe and without: they'll, theyll -> they 'll
ENDINGS = (
    ("i", ("m", "ll", "d", "ve")),
    ("you we they", ("ll", "d", "ve", "re")),
    ("he she it", ("ll", "d", "s")),
    ("who what when where why how there", ("s", "ll", "re", "ve", "d")),
    ("that", ("s", "ll", "d")),
    ("this", ("s", "ll", "re", "ve", "d")),
    ("these those", ("ll", "re", "ve", "d")),
    ("could might must should would", ("ve",)),
    ("not", ("ve",)),
)
NEGATED = (
    "ca could do does did had may might must need ought sha should wo would ai are is was were have has dare"
)  # fmt: skip
# Words that look like a contraction without its apostrophe and are none.
WHOLE = ["ill", "its", "hell", "shell", "shed", "were", "well"]
OPEN_COMPOUNDS = {"cannot": 3, "gonna": 3, "gotta": 3, "let's": 3, "c'mon": 3, "y'all": 2, "yall": 1}
ABBREVIATIONS = """
'd 's 'S 're 'em 'll 'nuff 'cause 'Cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout '' and/or w/o ma'am Ma'am o'clock O'clock
doin' goin' nothin' nuthin' ol' somethin' lovin' havin' Doin' Goin' Nothin' Nuthin' Ol' Somethin' Lovin' Havin'
Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun. Kan. Kans.
Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla. Ore. Pa. S.C. Sep.
Sept. Tenn. Va. Wash. Wis. a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen. Gov. i.e. I.e. I.E. Inc. Jr.
Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. C++ ä. ö. ü.
"""
EMOTICONS = """
:) :-) :( :-( ;) ;-) :] :[ [: :} =) (= =( =] ]= =[ [= (: (; ): )-: 8) 8-) :o :-o :O :0 :D :-D ;D :P :-P :p :-p :/ :-/
:| :1 :3 :* :> :x :X :')  :'( >:( <3 </3 =/ =| =3 =D xD XD 8D ^_^ -_- ._. o_o O_O 0_0 o.O O.o o.o O.O 0.0 o.0 0.o v.v
"""
UNITS = """
km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa mbar mb
MB kb KB gb GB tb TB T G M K
"""


# Where the parts of the table lie: hashes of special words, their values, a sieve of one bit for some bits of a hash,
# hashes of units. One array, for every array that a kernel hands on costs a call seven words.
VALUES = SLOTS
SIEVE = VALUES + SLOTS
SIEVE_WORDS = 256
UNIT_HASHES = SIEVE + SIEVE_WORDS
UNIT_SLOTS = 256


@functools.cache
def specials() -> Hashes:
    """The table of all special words and units. A value is the split points of the word, a byte each; 0 keeps it."""
    table = np.zeros(UNIT_HASHES + UNIT_SLOTS, np.uint64)
    for word, cuts in _splits().items():
        slot = _free_slot(table[:SLOTS], _hash(word))
        table[slot] = _hash(word)
        table[VALUES + slot] = sum(len(word[:cut].encode()) << (8 * place) for place, cut in enumerate(cuts))
        table[SIEVE + (_hash(word) >> 6) % SIEVE_WORDS] |= np.uint64(1 << _hash(word) % 64)
    units = table[UNIT_HASHES:]
    for unit in UNITS.split():
        units[_free_slot(units, _hash(unit))] = _hash(unit)
    table.flags.writeable = False
    return table


def _splits() -> dict[str, tuple[int, ...]]:
    """Every special word -> where it is cut, in characters."""
    found: dict[str, tuple[int, ...]] = {}
    for stems, endings in ENDINGS:
        for stem, ending in product(stems.split(), endings):
            found |= {f"{stem}'{ending}": (len(stem),), f"{stem}{ending}": (len(stem),)}
            if ending in ("ll", "d"):
                for mark in ("'", ""):
                    first = len(stem) + len(mark) + len(ending)
                    found[f"{stem}{mark}{ending}{mark}ve"] = (len(stem), first)
    for stem in NEGATED.split():
        found |= {f"{stem}n't": (len(stem),), f"{stem}nt": (len(stem),)}
    found |= {word: (cut,) for word, cut in OPEN_COMPOUNDS.items()}
    found |= {word.title() if "'" not in word else word.capitalize(): cuts for word, cuts in found.items()}
    for hour, half in product(range(1, 13), ("am", "pm", "a.m.", "p.m.")):
        found[f"{hour}{half}"] = (len(str(hour)),)
    found |= dict.fromkeys(f"{ABBREVIATIONS} {EMOTICONS}".split(), ())
    found |= {f"{letter}.": () for letter in "abcdefghijklmnopqrstuvwxyz"}
    found |= {word.replace("'", "’"): cuts for word, cuts in found.items() if "'" in word}
    whole = {*WHOLE, *(word.title() for word in WHOLE)}
    return {word: cuts for word, cuts in found.items() if word not in whole and len(word.encode()) <= LONGEST}


def _hash(word: str) -> int:
    raw = np.frombuffer(word.encode(), np.uint8)
    return int(hash_range(raw, 0, len(raw)))


def _free_slot(hashes: Hashes, value: int) -> int:
    slot = value & (len(hashes) - 1)
    while hashes[slot] not in (0, value):
        slot = (slot + 1) & (len(hashes) - 1)
    return slot


@loop
def _find(special: Hashes, base: int, slots: int, value: np.uint64) -> int:
    """The slot of a hash in the open table of `slots` (a power of two) at `base`, or -1."""
    slot = np.int64(value & np.uint64(slots - 1))
    while special[base + slot] != np.uint64(0):
        if special[base + slot] == value:
            return slot
        slot = (slot + 1) & (slots - 1)
    return -1


@inlined
def find_special(data: Bytes, start: int, stop: int, special: Hashes) -> int:
    """The split points of `data[start:stop]` if it is a special word (0: keep it whole), else -1."""
    if start >= stop or stop - start > LONGEST:
        return -1
    value = hash_range(data, start, stop)
    # one word in fifteen passes
    sieve = special[SIEVE + np.int64((value >> np.uint64(6)) & np.uint64(SIEVE_WORDS - 1))] >> (value & np.uint64(63))
    if sieve & np.uint64(1) == np.uint64(0):
        return -1
    slot = _find(special, 0, SLOTS, value)
    return np.int64(special[VALUES + slot]) if slot >= 0 else -1


@loop
def is_unit(data: Bytes, start: int, stop: int, special: Hashes) -> bool:
    """Whether `data[start:stop]` is a unit of measure."""
    return _find(special, UNIT_HASHES, UNIT_SLOTS, hash_range(data, start, stop)) >= 0
