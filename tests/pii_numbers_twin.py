"""Numbers of the slow twin of `curate.kernels.pii`: telephones, cards, IBANs and national ids, from a digit on."""

from __future__ import annotations

import re
from collections.abc import Iterator

from curate.kernels.identifiers import IBAN_COUNTRIES
from curate.kernels.nearby import LISTS

Span = tuple[int, int, str]
PHONE, PHONE_AFTER, CARD, SSN, AADHAAR, NHS, NINO, SIN, SECRET, VERSION, IP = range(len(LISTS))
LENGTHS = {entry[:2]: int(entry[2:]) for entry in IBAN_COUNTRIES.split()}


def near(raw: bytes, lo: int, hi: int, chosen: int) -> bool:
    words = b"|".join(re.escape(word.encode()) for word in LISTS[chosen].split())
    pattern = rb"(?<![A-Za-z\x80-\xff])(?:" + words + rb")(?![A-Za-z\x80-\xff])"
    return re.search(pattern, raw[max(0, lo) : hi], re.IGNORECASE) is not None


def told(raw: bytes, i: int, chosen: int) -> bool:
    return near(raw, i - 48, i, chosen)


class Number:
    """The groups of digits from `i` on: their texts, where each ends, and what stands between."""

    def __init__(self, raw: bytes, i: int) -> None:
        self.groups: list[bytes] = []
        self.ends: list[int] = []
        self.gaps: list[str] = []
        opened, at, gap = i > 0 and raw[i - 1 : i] in (b"(", b"+"), i, ""
        while len(self.groups) < 7:
            digits = re.compile(rb"[0-9]+").match(raw, at)
            if digits is None or sum(map(len, self.groups)) + len(digits[0]) > 19:
                break
            if self.groups:
                self.gaps.append(gap)
            self.groups.append(digits[0])
            self.ends.append(digits.end())
            between = re.compile(rb"\)[ -]?(?=[0-9])" if opened else rb"(?!)").match(raw, digits.end())
            gap, opened = ")", False
            if between is None:
                gap, opened = "(", True
                between = re.compile(rb"(?:[ -]|\xc2\xa0)?\((?=[0-9]{1,6}\))").match(raw, digits.end())
                if between is not None and len(re.compile(rb"[0-9]*").match(raw, between.end())[0]) > 6:
                    between = None
            if between is None:
                opened = False
                between = re.compile(rb"(?:[-./ ]|\xc2\xa0)(?=[0-9])").match(raw, digits.end())
                gap = between[0].replace(b"\xc2\xa0", b" ").decode() if between else ""
            if between is None:
                break
            at = between.end()

    def shape(self, *sizes: int) -> bool:
        return [len(group) for group in self.groups[: len(sizes)]] == list(sizes)

    def between(self, count: int) -> str:
        """The first separators, blanks for those that are not there."""
        return "".join(self.gaps)[:count].ljust(count, "_")

    def text(self, count: int) -> bytes:
        return b"".join(self.groups[:count])


def _free_left(raw: bytes, i: int) -> bool:
    return re.search(rb"(?:[0-9A-Za-z_/\\$]|[0-9A-Za-z][-.])\Z", raw[:i]) is None


def _free_right(raw: bytes, i: int) -> bool:
    return re.match(rb"[0-9A-Za-z_]|[-.][0-9]", raw[i:]) is None


def luhn(text: bytes) -> bool:
    digits = [int(chr(byte)) for byte in text if chr(byte).isdigit()][::-1]
    return (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0


def verhoeff(text: bytes) -> bool:
    """By the definition: products in the dihedral group D5, position k through the k-th power of a permutation."""
    check = 0
    for place, char in enumerate(reversed(text.decode())):
        value = int(char)
        for _ in range(place % 8):
            value = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[value]
        a, b = check, value
        turn = (a + b if a < 5 else a - b) % 5
        check = turn + 5 * ((a >= 5) != (b >= 5))
    return check == 0


def numbers(raw: bytes, i: int) -> Iterator[Span]:
    number = Number(raw, i)
    letters = re.search(rb"[A-Za-z]*\Z", raw[:i])
    assert letters is not None
    count = len(letters[0])
    start = i - count
    before = raw[start - 1 : start] if start else b""
    apart = re.match(rb"[0-9A-Za-z_]", before) is None and not (count and before >= b"\x80")
    if count < 7 and apart:
        found = _identifier(raw, start, i, letters[0], number)
        if found:
            yield found
    if end := _card(raw, i, number):
        yield i, end, "card"
    yield from _phone(raw, i, number)


def _identifier(raw: bytes, start: int, i: int, letters: bytes, number: Number) -> Span | None:
    if len(letters) == 1:
        nie = re.compile(rb"[XYZ][0-9]{7}-?([A-Z])(?![0-9A-Za-z_])").match(raw, start)
        if nie and nie[1] == _dni(int(b"%d" % b"XYZ".index(letters) + raw[i : i + 7])):
            return start, nie.end(), "es_dni"
    if len(letters) == 2:
        iban = _iban(raw, start)
        if iban:
            return start, iban, "iban"
        nino = _nino(raw, start)
        return (start, nino, "uk_nino") if nino else None
    if len(letters) == 5:
        pan = re.compile(rb"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z](?![0-9A-Za-z_])").match(raw, start)
        return (start, pan.end(), "in_pan") if pan else None
    if len(letters) == 6:
        code = re.compile(rb"[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z](?![0-9A-Za-z_])").match(raw, start)
        return (start, code.end(), "it_codice_fiscale") if code and _codice(code[0]) else None
    return _plain(raw, i, number) if not letters else None


def _codice(code: bytes) -> bool:
    odd = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
    total = 0
    for place, char in enumerate(code[:15].decode()):
        value = int(char, 36) if char.isdigit() else int(char, 36) - 10
        total += odd[value] if place % 2 == 0 else value
    return total % 26 == code[15] - 65


def _dni(value: int) -> bytes:
    return b"TRWAGMYFPDXBNJZSQVHLCKE"[value % 23 :][:1]


def _iban(raw: bytes, start: int) -> int:
    length = LENGTHS.get(raw[start : start + 2].decode().upper(), 0)
    if not length or not re.match(rb"[0-9]{2}", raw[start + 2 :]):
        return 0
    quads = rb"[ -]?".join([rb"[0-9A-Za-z]{4}"] * (length // 4))
    rest = rb"[ -]?[0-9A-Za-z]{%d}" % (length % 4) if length % 4 else b""
    match = re.compile(quads + rest + rb"(?![0-9A-Za-z_])").match(raw, start)
    if match is None:
        return 0
    compact = re.sub(rb"[ -]", b"", match[0]).decode()
    number = int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4]))
    return match.end() if number % 97 == 1 else 0


def _nino(raw: bytes, start: int) -> int:
    letters = rb"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
    blank = rb"(?: |\xc2\xa0)"
    digits = rb"[0-9]{2}" + blank + rb"[0-9]{2}" + blank + rb"[0-9]{2}(?![0-9]) ?[A-D](?![0-9A-Za-z_])"
    match = re.compile(letters + rb"( ?)" + digits).match(raw, start)
    if match:
        return match.end()
    match = re.compile(letters + rb"[0-9]{6}[A-D](?![0-9A-Za-z_])").match(raw, start)
    return match.end() if match and told(raw, start, NINO) else 0


def _plain(raw: bytes, i: int, number: Number) -> Span | None:
    spaced = re.search(rb"(?<![0-9A-Za-z_])[A-Z]{2} \Z", raw[max(0, i - 4) : i]) and number.between(1) == " "
    if spaced and (nino := _nino(raw, i - 3)):
        return i - 3, nino, "uk_nino"
    if sum(map(len, number.groups)) < 8 or not _free_left(raw, i):
        return None
    for name, finder in (
        ("us_ssn", _ssn), ("in_aadhaar", _aadhaar), ("br_cpf", _cpf), ("cn_resident_id", _cn), ("es_dni", _dni_end),
        ("uk_nhs", _nhs), ("ca_sin", _sin),
    ):  # fmt: skip
        stop = finder(raw, i, number)
        if stop:
            return i, stop, name
    return None


def _parts(number: Number, whole: int, *sizes: int) -> tuple[bytes, int, bool]:
    """(digits, end, whether parted) of a number of this shape, or of as many digits together; no digits if neither."""
    if number.shape(*sizes):
        return number.text(len(sizes)), number.ends[len(sizes) - 1], True
    return (number.groups[0], number.ends[0], False) if number.shape(whole) else (b"", 0, False)


def _ssn(raw: bytes, i: int, number: Number) -> int:
    digits, stop, parted = _parts(number, 9, 3, 2, 4)
    valid = re.fullmatch(rb"(?!000|666|9)[0-9]{3}(?!00)[0-9]{2}(?!0000)[0-9]{4}", digits) and _free_right(raw, stop)
    return stop if valid and ((parted and number.between(2) == "--") or told(raw, i, SSN)) else 0


def _aadhaar(raw: bytes, i: int, number: Number) -> int:
    digits, stop, parted = _parts(number, 12, 4, 4, 4)
    gaps = number.between(3)
    if parted and not (gaps[0] == gaps[1] and gaps[0] in " -" and gaps[2] != gaps[0]):
        return 0
    if not digits or digits[:1] < b"2" or not _free_right(raw, stop) or not verhoeff(digits):
        return 0
    return stop if (parted and digits[:2] != b"20") or told(raw, i, AADHAAR) else 0


def _cpf(raw: bytes, i: int, number: Number) -> int:
    if not number.shape(3, 3, 3, 2) or number.between(3) != "..-" or not _free_right(raw, i + 14):
        return 0
    digits = [int(char) for char in number.text(4).decode()]
    checks = [
        sum(a * b for a, b in zip(digits[: 9 + k], range(10 + k, 1, -1), strict=True)) * 10 % 11 % 10 for k in (0, 1)
    ]
    return i + 14 if checks == digits[9:] and len(set(digits)) > 1 else 0


def _cn(raw: bytes, i: int, number: Number) -> int:
    match = re.compile(rb"(?<![0-9])[1-9][0-9]{16}(?:[0-9](?![0-9])|[Xx])").match(raw, i)
    if match is None or not _free_right(raw, match.end()):
        return 0
    code = match[0].decode().upper()
    year, month, day = int(code[6:10]), int(code[10:12]), int(code[12:14])
    if not (1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= 31):
        return 0
    total = sum((10 if char == "X" else int(char)) * 2 ** (17 - place) for place, char in enumerate(code))
    return (
        match.end() if total % 11 == 1 and (code[17] != "X" or code[:17].isdigit()) and code[17] in "0123456789X" else 0
    )


def _dni_end(raw: bytes, i: int, number: Number) -> int:
    match = re.compile(rb"([0-9]{8})-?([A-Z])(?![0-9A-Za-z_])").match(raw, i)
    return match.end() if match and match[2] == _dni(int(match[1])) else 0


def _nhs(raw: bytes, i: int, number: Number) -> int:
    digits, stop, _ = _parts(number, 10, 3, 3, 4)
    if not digits or not _free_right(raw, stop) or not told(raw, i, NHS):
        return 0
    total = sum(
        int(char) * weight for char, weight in zip(digits.decode(), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1], strict=True)
    )
    return stop if total % 11 == 0 else 0


def _sin(raw: bytes, i: int, number: Number) -> int:
    digits, stop, _ = _parts(number, 9, 3, 3, 3)
    valid = digits and digits[:1] not in b"08" and luhn(digits) and _free_right(raw, stop)
    return stop if valid and told(raw, i, SIN) else 0


def _card(raw: bytes, i: int, number: Number) -> int:
    if not number.groups or not _free_left(raw, i):
        return 0
    for sizes in ([4, 4, 4, 4, 3], [4, 4, 4, 4], [4, 6, 5], [4, 6, 4], [len(number.groups[0])]):
        gaps = number.between(len(sizes) - 1)
        if not number.shape(*sizes) or (gaps and gaps not in (" " * len(gaps), "-" * len(gaps))):
            continue
        digits, stop = number.text(len(sizes)), number.ends[len(sizes) - 1]
        if len(digits) < 12 or not _free_right(raw, stop) or not luhn(digits):
            continue
        if (len(digits) > 14 and _network(digits.decode())) or told(raw, i, CARD):
            return stop
    return 0


def _network(digits: str) -> bool:
    size, four = len(digits), int(digits[:4])
    if digits[0] == "4":
        return size in (16, 19)
    if digits[:2] in ("51", "52", "53", "54", "55") or four in range(2221, 2721):
        return size == 16
    if digits[:2] in ("34", "37") or four in (1800, 2131):
        return size == 15
    if four in range(3528, 3590) or digits[:2] in ("36", "38", "39"):
        return size >= 16
    return digits[:2] in ("50", "56", "57", "58") or digits[0] == "6"


def _phone(raw: bytes, i: int, number: Number) -> Iterator[Span]:
    sizes, gaps = [len(group) for group in number.groups], [*number.gaps, ""]
    plus, inside = raw[:i].endswith(b"+"), raw[:i].endswith(b"(")
    opened = inside and gaps[0] == ")"
    start = i - (plus or opened)
    if sum(sizes) < 7 or not _free_left(raw, i - (plus or inside)):
        return
    row = re.search(rb"[0-9] \Z", raw[:i]) is not None
    if plus:
        stop = _international(raw, i, number)
    elif raw[i : i + 2] == b"00":
        stop = (0 if row else _prefixed(raw, i, number)) or _named(raw, i, number)
    else:
        stop = _american(raw, i, number)
        if not stop and raw[i : i + 1] == b"0" and not row:
            stop = _national(raw, number, opened)
        stop = stop or _named(raw, i, number)
    if stop and re.search(rb"[2-9]", raw[i:stop]):
        yield start, stop, "phone"


def _extended(raw: bytes, stop: int) -> int:
    match = re.compile(rb" ?(?:ext\.? ?|x)[0-9]{1,6}", re.IGNORECASE).match(raw, stop)
    return match.end() if match else stop


def _international(raw: bytes, i: int, number: Number) -> int:
    if raw[i : i + 1] == b"0":
        return 0
    if number.groups[0] == b"1" and [len(group) for group in number.groups[1:4]] == [3, 3, 4]:
        stop = _extended(raw, number.ends[3])
        return stop if _free_right(raw, stop) else 0
    best = 0
    for k in range(len(number.groups)):
        total = len(number.text(k + 1))
        if total > 15 or (k > 1 and len(number.groups[k]) == 1 and number.gaps[k - 1] not in "()"):
            break
        if total >= (8 if k else 10) and _free_right(raw, number.ends[k]):
            best = number.ends[k]
    return best


def _prefixed(raw: bytes, i: int, number: Number) -> int:
    if not 3 <= len(number.groups[0]) <= 5 or raw[i + 2 : i + 3] == b"0":
        return 0
    for k in range(len(number.groups)):
        total = len(number.text(k + 1))
        last = k + 1 == len(number.groups) or len(number.text(k + 2)) > 15
        if last and k >= 2 and 11 <= total <= 15:
            stop = _extended(raw, number.ends[k])
            return stop if _free_right(raw, stop) else 0
    return 0


def _american(raw: bytes, i: int, number: Number) -> int:
    k = int(number.groups[0] == b"1")
    groups, gaps = number.groups[k : k + 3], [*number.gaps[k : k + 2]]
    if [len(group) for group in groups] != [3, 3, 4] or groups[0] < b"2":
        return 0
    if "/" in gaps or gaps[1] == ")" or (gaps[0] != ")" and gaps[0] != gaps[1]):
        return 0
    stop = _extended(raw, number.ends[k + 2])
    if not _free_right(raw, stop) or (gaps == [" ", " "] and not _is_named(raw, i, stop)):
        return 0
    return stop


def _year(group: bytes) -> bool:
    return len(group) == 4 and group[:2] in (b"19", b"20")


def _national(raw: bytes, number: Number, opened: bool) -> int:
    if not 2 <= len(number.groups[0]) <= 5:
        return 0
    best = 0
    for k in range(1, len(number.groups)):
        group, gap, first = number.groups[k], number.gaps[k - 1], number.gaps[0]
        total = len(number.text(k + 1))
        strange = k > 1 and (gap != number.gaps[1] or (gap != first and first in " ."))
        if len(group) < 2 or strange or _year(group) or total > 11:
            if gap == ([*number.gaps, "", ""][1]):
                best = 0
            break
        marked = opened or (first in "-/" and len(number.groups[1]) >= 5)
        if total >= 9 and (k >= 2 or marked) and _free_right(raw, number.ends[k]):
            best = number.ends[k]
    return best


def _named(raw: bytes, i: int, number: Number) -> int:
    best = 0
    for k, group in enumerate(number.groups):
        total = len(number.text(k + 1))
        if len(group) < 2 or _year(group) or total > 12:
            break
        if total >= 7 and _free_right(raw, number.ends[k]):
            best = number.ends[k]
    return best if best and _is_named(raw, i, best) else 0


def _is_named(raw: bytes, i: int, stop: int) -> bool:
    return told(raw, i, PHONE) or near(raw, stop, stop + 8, PHONE_AFTER)
