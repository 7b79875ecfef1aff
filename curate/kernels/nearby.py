"""Words that must stand near a number which alone could mean anything: `phone`, `card`, `NHS`."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import inlined, loop
from curate.kernels.marks import is_letter
from curate.text import Bytes

(
    PHONE_WORDS, PHONE_WORDS_AFTER, CARD_WORDS, SSN_WORDS, AADHAAR_WORDS, NHS_WORDS, NINO_WORDS, SIN_WORDS, SECRET_WORDS,
    VERSION_WORDS, IP_WORDS,
) = range(11)  # fmt: skip
# A list by number; matched in either case at the beginning of a word.
LISTS = [
    "phone telephone telefon teléfono téléphone tel mobile mobil cell fax call dial desk contact whatsapp sms "
    "message messages answering handset landline hotline helpline",
    "office fax mobile",
    "card cards credit debit visa mastercard maestro amex cc payment",
    "ssn social taxpayer",
    "aadhaar aadhar uid uidai",
    "nhs",
    "insurance nino",
    "sin insurance",
    "password passwd passphrase pwd secret token apikey api_key api-key access_key access-key auth_key auth-key "
    "private_key client_secret secret_key auth_token access_token credential credentials",
    "version versions release firmware v",
    "ip ips ipv4 address addr host hosts server nameserver dns ping proxy gateway",
]
# so many bytes before the number are looked at, and behind a telephone number
REACH = 48
AFTER = 8


class Words(NamedTuple):
    """All lists one after the other: list k has the words `first[k]` to `first[k + 1]`."""

    letters: Bytes  # lower case, one word after the other
    start: npt.NDArray[np.int32]  # words + 1
    first: npt.NDArray[np.int32]  # lists + 1


@functools.cache
def nearby_words() -> Words:
    """The table of `LISTS`."""
    lists = [[word.encode() for word in line.split()] for line in LISTS]
    words = [word for line in lists for word in line]
    return Words(
        np.frombuffer(b"".join(words), np.uint8),
        np.cumsum([0, *map(len, words)]).astype(np.int32),
        np.cumsum([0, *map(len, lists)]).astype(np.int32),
    )


@inlined
def _is_part(byte: int) -> bool:
    """Letters of ASCII, and all that is beyond it."""
    return byte >= 0x80 or is_letter(byte)


@loop
def is_near(data: Bytes, lo: int, hi: int, near: Words, chosen: int) -> bool:
    """Whether a word of list `chosen` stands in `data[lo:hi]` in either case, letters neither before nor behind it."""
    for i in range(lo, hi):
        if i > lo and _is_part(data[i - 1]):
            continue
        for word in range(near.first[chosen], near.first[chosen + 1]):
            end = i + near.start[word + 1] - near.start[word]
            if end > hi or (end < hi and _is_part(data[end])):
                continue
            at, k = i, near.start[word]
            while at < end and (data[at] | 32 if is_letter(data[at]) else data[at]) == near.letters[k]:
                at, k = at + 1, k + 1
            if at == end:
                return True
    return False


@loop
def is_told(data: Bytes, lo: int, at: int, near: Words, chosen: int) -> bool:
    """Whether a word of list `chosen` stands within `REACH` bytes before `at`."""
    return is_near(data, max(lo, at - REACH), at, near, chosen)
