"""Numbers with check digits that name an account, a card or a person."""

from __future__ import annotations

import numpy as np

from curate.kernels import inlined, loop
from curate.kernels.digit_groups import BLANK, HYPHEN, STOP, Groups, end_of, gap_of, size_of
from curate.kernels.marks import (
    digits_end,
    is_alnum,
    is_digit,
    is_free_left,
    is_free_right,
    is_upper,
    is_wordy,
    letters_before,
    number_at,
)
from curate.kernels.nearby import AADHAAR_WORDS, CARD_WORDS, NHS_WORDS, NINO_WORDS, SIN_WORDS, SSN_WORDS, Words, is_told
from curate.kernels.pii_kinds import AADHAAR, CN_ID, CODICE_FISCALE, CPF, DNI, IBAN, NHS, NINO, PAN, SIN, SSN
from curate.text import Bytes

# Country -> length of its IBANs (SWIFT's IBAN registry, release 99).
IBAN_COUNTRIES = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18
FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20
LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24
SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30
"""
_IBAN = np.zeros(676, np.uint8)
for _entry in IBAN_COUNTRIES.split():
    _IBAN[(ord(_entry[0]) - 65) * 26 + ord(_entry[1]) - 65] = int(_entry[2:])
_DNI_LETTERS = np.frombuffer(b"TRWAGMYFPDXBNJZSQVHLCKE", np.uint8)
_CN_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_CN_CHECKS = np.frombuffer(b"10X98765432", np.uint8)
# Values of characters at odd places of a codice fiscale, for 0 to 9 and for A to Z (decree of 23 December 1976).
_CF_DIGITS = np.array([1, 0, 5, 7, 9, 13, 15, 17, 19, 21])
_CF_LETTERS = np.array(
    [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
)  # fmt: skip
# Verhoeff (1969): the dihedral group of ten elements, and the powers of a permutation.
_GROUP = np.array([
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 2, 3, 4, 0, 6, 7, 8, 9, 5], [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7], [4, 0, 1, 2, 3, 9, 5, 6, 7, 8], [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2], [7, 6, 5, 9, 8, 2, 1, 0, 4, 3], [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
])  # fmt: skip
_POWERS = np.array([
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 5, 7, 6, 2, 8, 3, 0, 9, 4], [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7], [9, 4, 5, 3, 1, 2, 6, 8, 7, 0], [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5], [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
])  # fmt: skip


@loop
def luhn(data: Bytes, start: int, stop: int) -> bool:
    """Whether the digits of `data[start:stop]` pass Luhn's check (ISO/IEC 7812-1, annex B)."""
    total, double = 0, False
    for i in range(stop - 1, start - 1, -1):
        if is_digit(data[i]):
            digit = np.int64(data[i]) - 48
            if double:
                digit = digit * 2 - 9 if digit > 4 else digit * 2
            total += digit
            double = not double
    return total % 10 == 0


@loop
def verhoeff(data: Bytes, start: int, stop: int) -> bool:
    """Whether the digits of `data[start:stop]` pass Verhoeff's check."""
    check, place = 0, 0
    for i in range(stop - 1, start - 1, -1):
        if is_digit(data[i]):
            check = _GROUP[check, _POWERS[place % 8, np.int64(data[i]) - 48]]
            place += 1
    return check == 0


@inlined
def _value(byte: int) -> int:
    """A digit as itself, a letter in either case as 10 to 35."""
    return np.int64(byte) - 48 if is_digit(byte) else np.int64(byte | 32) - 87


@loop
def card_at(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """Where the payment card number that starts at `i` ends, or 0.

    12 to 19 digits together, or parted as cards are, that pass Luhn's check and begin as a network's do; fewer than 15
    digits, or another beginning, only near a word such as `card`.
    """
    k = _card_groups(groups)
    if k < 0 or not is_free_left(data, lo, i):
        return 0
    stop = _card_end(data, lo, i, hi, groups, near, k)
    # sixteen digits, and three that do not belong to them
    return _card_end(data, lo, i, hi, groups, near, 3) if stop == 0 and k == 4 else stop


@loop
def _card_end(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words, k: int) -> int:
    """Where the card number ends whose last group is k, or 0."""
    stop, digits = i + end_of(groups, k), 0
    for group in range(k + 1):
        digits += size_of(groups, group)
    if digits < 12 or not is_free_right(data, stop, hi) or not luhn(data, i, stop):
        return 0
    if digits >= 15 and _is_network(number_at(data, i, i + 4), digits):
        return stop
    return stop if is_told(data, lo, i, near, CARD_WORDS) else 0


@loop
def _card_groups(groups: Groups) -> int:
    """The last group of a card number that begins with the first: 4-4-4-4(-3), 4-6-5, 4-6-4 or one; -1 if none."""
    if groups.count == 0:
        return -1
    first, gap = size_of(groups, 0), gap_of(groups, 0)
    if first >= 12:
        return 0
    if first != 4 or (gap != BLANK and gap != HYPHEN) or gap_of(groups, 1) != gap:
        return -1
    if size_of(groups, 1) == 6:
        return 2 if size_of(groups, 2) == 5 or size_of(groups, 2) == 4 else -1
    if not (size_of(groups, 1) == 4 and size_of(groups, 2) == 4 and size_of(groups, 3) == 4):
        return -1
    if gap_of(groups, 2) != gap:
        return -1
    return 4 if gap_of(groups, 3) == gap and size_of(groups, 4) == 3 else 3


@loop
def _is_network(first: int, digits: int) -> bool:
    """Whether a card of so many digits (15 or more) may begin with these four: ISO/IEC 7812 ranges of networks."""
    two = first // 100
    if first // 1000 == 4:
        return digits == 16 or digits == 19
    if 51 <= two <= 55 or 2221 <= first <= 2720:
        return digits == 16
    if two == 34 or two == 37 or first == 1800 or first == 2131:
        return digits == 15
    if 3528 <= first <= 3589 or two == 36 or two == 38 or two == 39:
        return digits >= 16
    return two == 50 or 56 <= two <= 58 or first // 1000 == 6


@loop
def identifier_at(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> tuple[int, int, int]:
    """The IBAN or national identity number whose first digit is at `i`: (kind, start, stop), kind -1 if none."""
    letters = letters_before(data, lo, i, 7)
    start = i - letters
    if letters == 7 or (start > lo and (is_wordy(data[start - 1]) or data[start - 1] >= 0x80 and letters > 0)):
        return -1, 0, 0
    if letters == 0:
        return _plain(data, lo, i, hi, groups, near)
    if letters == 1:
        stop = _nie(data, start, i, hi)
        return (DNI, start, stop) if stop else (-1, 0, 0)
    if letters == 2:
        stop = iban_end(data, start, hi)
        if stop:
            return IBAN, start, stop
        stop = _nino(data, lo, start, i, hi, groups, near)
        return (NINO, start, stop) if stop else (-1, 0, 0)
    if letters == 5:
        stop = _pan(data, start, i, hi)
        return (PAN, start, stop) if stop else (-1, 0, 0)
    if letters == 6:
        stop = _codice_fiscale(data, start, hi)
        return (CODICE_FISCALE, start, stop) if stop else (-1, 0, 0)
    return -1, 0, 0


@loop
def _plain(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> tuple[int, int, int]:
    """The identity number that begins with the digit at `i`: (kind, start, stop), kind -1 if none."""
    if i - 3 >= lo and data[i - 1] == ord(" ") and is_upper(data[i - 2]) and is_upper(data[i - 3]):
        spaced = gap_of(groups, 0) == BLANK and (i - 3 == lo or not is_wordy(data[i - 4]))
        stop = _nino(data, lo, i - 3, i, hi, groups, near) if spaced else 0
        if stop:
            return NINO, i - 3, stop
    if groups.total < 8 or not is_free_left(data, lo, i):
        return -1, 0, 0
    stop = _ssn(data, lo, i, hi, groups, near)
    if stop:
        return SSN, i, stop
    stop = _aadhaar(data, lo, i, hi, groups, near)
    if stop:
        return AADHAAR, i, stop
    stop = _cpf(data, i, hi, groups)
    if stop:
        return CPF, i, stop
    stop = _cn_id(data, i, hi, groups)
    if stop:
        return CN_ID, i, stop
    stop = _letter_end(data, i, 8, hi, 0) if size_of(groups, 0) == 8 else 0
    if stop:
        return DNI, i, stop
    stop = _nhs(data, lo, i, hi, groups, near)
    if stop:
        return NHS, i, stop
    stop = _sin(data, lo, i, hi, groups, near)
    return (SIN, i, stop) if stop else (-1, 0, 0)


@loop
def iban_end(data: Bytes, start: int, hi: int) -> int:
    """Where the IBAN that starts at `start` ends, or 0: length of its country, groups of four or none, mod 97 (ISO 7064)."""
    length = _IBAN[(np.int64(data[start] | 32) - 97) * 26 + np.int64(data[start + 1] | 32) - 97]
    if length == 0 or start + length > hi or not (is_digit(data[start + 2]) and is_digit(data[start + 3])):
        return 0
    rest, i = 0, start
    for count in range(length):
        if count and count % 4 == 0 and i < hi and (data[i] == ord(" ") or data[i] == ord("-")):
            i += 1
        if i >= hi or not is_alnum(data[i]):
            return 0
        if count >= 4:
            value = _value(data[i])
            rest = (rest * (10 if value < 10 else 100) + value) % 97
        i += 1
    for k in range(4):
        value = _value(data[start + k])
        rest = (rest * (10 if value < 10 else 100) + value) % 97
    return i if rest == 1 and (i >= hi or not is_wordy(data[i])) else 0


@loop
def _ssn(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """US social security number 3-2-4: no area 000, 666, 9xx, no group 00, no serial 0000; as one only beside a word."""
    parted = size_of(groups, 0) == 3 and size_of(groups, 1) == 2 and size_of(groups, 2) == 4
    hyphens = gap_of(groups, 0) == HYPHEN and gap_of(groups, 1) == HYPHEN
    if not parted and size_of(groups, 0) != 9:
        return 0
    stop = i + (end_of(groups, 2) if parted else 9)
    number = number_at(data, i, stop)
    area = number // 1_000_000
    if area == 0 or area == 666 or area >= 900 or number // 10_000 % 100 == 0 or number % 10_000 == 0:
        return 0
    if not is_free_right(data, stop, hi):
        return 0
    return stop if (parted and hyphens) or is_told(data, lo, i, near, SSN_WORDS) else 0


@loop
def _aadhaar(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """Indian Aadhaar 4-4-4, first digit 2 to 9, Verhoeff; as one, or of years, only beside a word."""
    parted = size_of(groups, 0) == 4 and size_of(groups, 1) == 4 and size_of(groups, 2) == 4
    gap = gap_of(groups, 0)
    parted = parted and gap == gap_of(groups, 1) and (gap in (BLANK, HYPHEN)) and gap_of(groups, 2) != gap
    if (not parted and size_of(groups, 0) != 12) or data[i] < ord("2"):
        return 0
    stop = i + (end_of(groups, 2) if parted else 12)
    if not is_free_right(data, stop, hi) or not verhoeff(data, i, stop):
        return 0
    years = parted and data[i] == ord("2") and data[i + 1] == ord("0")
    return stop if (parted and not years) or is_told(data, lo, i, near, AADHAAR_WORDS) else 0


@loop
def _cpf(data: Bytes, i: int, hi: int, groups: Groups) -> int:
    """Brazilian CPF 123.456.789-09 with its two check digits; not eleven times the same digit."""
    sizes = size_of(groups, 0) == 3 and size_of(groups, 1) == 3 and size_of(groups, 2) == 3 and size_of(groups, 3) == 2
    gaps = gap_of(groups, 0) == STOP and gap_of(groups, 1) == STOP and gap_of(groups, 2) == HYPHEN
    stop = i + 14
    if not sizes or not gaps or not is_free_right(data, stop, hi):
        return 0
    number = number_at(data, i, stop)
    if number % 11_111_111_111 == 0:
        return 0
    for check in range(2):
        total, power = 0, number // (10 ** (2 - check))
        for weight in range(2, 11 + check):
            total += power % 10 * weight
            power //= 10
        if total * 10 % 11 % 10 != number // (10 ** (1 - check)) % 10:
            return 0
    return stop


@loop
def _cn_id(data: Bytes, i: int, hi: int, groups: Groups) -> int:
    """Chinese resident identity number (GB 11643): region, date of birth, serial, check by mod 11-2."""
    stop = i + 18
    if stop > hi or (size_of(groups, 0) != 18 and not (size_of(groups, 0) == 17 and (data[i + 17] | 32) == ord("x"))):
        return 0
    year, month, day = number_at(data, i + 6, i + 10), number_at(data, i + 10, i + 12), number_at(data, i + 12, i + 14)
    if data[i] == ord("0") or year < 1900 or year > 2099 or month < 1 or month > 12 or day < 1 or day > 31:
        return 0
    total = 0
    for k in range(17):
        total += (np.int64(data[i + k]) - 48) * _CN_WEIGHTS[k]
    last = data[i + 17] if is_digit(data[i + 17]) else ord("X")
    return stop if last == _CN_CHECKS[total % 11] and is_free_right(data, stop, hi) else 0


@loop
def _letter_end(data: Bytes, i: int, digits: int, hi: int, lead: int) -> int:
    """Where a Spanish DNI or NIE ends, or 0: so many digits from `i`, perhaps a hyphen, the letter that they give."""
    at = i + digits
    if at < hi and data[at] == ord("-"):
        at += 1
    if at >= hi or (at + 1 < hi and is_wordy(data[at + 1])):
        return 0
    return at + 1 if data[at] == _DNI_LETTERS[(lead * 10**7 + number_at(data, i, i + digits)) % 23] else 0


@loop
def _nie(data: Bytes, start: int, i: int, hi: int) -> int:
    """Spanish NIE: X, Y or Z, seven digits and their letter."""
    lead = np.int64(data[start]) - ord("X")
    if lead < 0 or lead > 2 or digits_end(data, i, min(hi, i + 8)) != i + 7:
        return 0
    return _letter_end(data, i, 7, hi, lead)


@loop
def _nhs(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """NHS number of England beside its name: 3-3-4 or ten digits, mod 11."""
    parted = size_of(groups, 0) == 3 and size_of(groups, 1) == 3 and size_of(groups, 2) == 4
    if not parted and size_of(groups, 0) != 10:
        return 0
    stop = i + (end_of(groups, 2) if parted else 10)
    number, total = number_at(data, i, stop), 0
    power = number // 10
    for weight in range(2, 11):
        total += power % 10 * weight
        power //= 10
    check = (11 - total % 11) % 11
    right = check == number % 10 and is_free_right(data, stop, hi)
    return stop if right and is_told(data, lo, i, near, NHS_WORDS) else 0


@loop
def _sin(data: Bytes, lo: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """Canadian social insurance number beside its name: 3-3-3 or nine digits, Luhn."""
    parted = size_of(groups, 0) == 3 and size_of(groups, 1) == 3 and size_of(groups, 2) == 3
    if not parted and size_of(groups, 0) != 9:
        return 0
    stop = i + (end_of(groups, 2) if parted else 9)
    right = data[i] != ord("0") and data[i] != ord("8") and is_free_right(data, stop, hi) and luhn(data, i, stop)
    return stop if right and is_told(data, lo, i, near, SIN_WORDS) else 0


@loop
def _nino(data: Bytes, lo: int, start: int, i: int, hi: int, groups: Groups, near: Words) -> int:
    """UK national insurance number: two letters, digits 2-2-2, a letter A to D (HMRC manual NIM39110).

    With its digits together only beside its name: parts of machines are called so as well.
    """
    first, second = data[start], data[start + 1]
    pairs = size_of(groups, 0) == 2 and size_of(groups, 1) == 2 and size_of(groups, 2) == 2
    pairs = pairs and gap_of(groups, 0) == BLANK and gap_of(groups, 1) == BLANK
    if not (is_upper(first) and is_upper(second)) or not (pairs or size_of(groups, 0) == 6):
        return 0
    if not pairs and not is_told(data, lo, start, near, NINO_WORDS):
        return 0
    for letter in b"DFIQUV":
        if first == letter or second == letter:
            return 0
    pair = np.int64(first) << 8 | np.int64(second)
    # BG GB KN NK NT TN ZZ are not given out
    for banned in (0x4247, 0x4742, 0x4B4E, 0x4E4B, 0x4E54, 0x544E, 0x5A5A):
        if pair == banned:
            return 0
    at = i + (end_of(groups, 2) if pairs else 6)
    if at < hi and data[at] == ord(" ") and pairs:
        at += 1
    suffix = at < hi and ord("A") <= data[at] <= ord("D") and second != ord("O")
    return at + 1 if suffix and (at + 1 >= hi or not is_wordy(data[at + 1])) else 0


@loop
def _pan(data: Bytes, start: int, i: int, hi: int) -> int:
    """Indian PAN: five capitals, the fourth a kind of holder, four digits, a capital."""
    if digits_end(data, i, min(hi, i + 5)) != i + 4 or i + 4 >= hi or not is_upper(data[i + 4]):
        return 0
    for k in range(5):
        if not is_upper(data[start + k]):
            return 0
    holder = False
    for letter in b"ABCFGHJLPT":
        holder |= data[start + 3] == letter
    return i + 5 if holder and (i + 5 >= hi or not is_wordy(data[i + 5])) else 0


@loop
def _codice_fiscale(data: Bytes, start: int, hi: int) -> int:
    """Italian codice fiscale: LLLLLL00L00L000 in capitals and its check letter."""
    stop = start + 16
    if stop > hi or (stop < hi and is_wordy(data[stop])):
        return 0
    total = 0
    for k in range(16):
        byte = data[start + k]
        letter = k < 6 or k == 8 or k == 11 or k == 15
        if not (is_upper(byte) if letter else is_digit(byte)):
            return 0
        if k == 15:
            return stop if total % 26 == np.int64(byte) - 65 else 0
        value = np.int64(byte) - (65 if letter else 48)
        if k % 2 == 0:
            value = _CF_LETTERS[value] if letter else _CF_DIGITS[value]
        total += value
    return 0
