"""Stand-ins for personal data: the same value always gets the same one, which looks like it and belongs to nobody.

The stand-in is drawn from a keyed hash (BLAKE2b) of the value: who has not the key cannot go back by trying values.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """The stand-in of a value of this kind (`kernels.pii_kinds`)."""
    draws = _draws(key, kind, value)
    if kind == "email":
        name = "".join(string.ascii_lowercase[next(draws) % 26] for _ in range(10))
        return f"{name}@example.com"
    if kind == "ipv4":  # 10/8 is private (RFC 1918)
        return f"10.{next(draws) % 256}.{next(draws) % 256}.{next(draws) % 256}"
    if kind == "ipv6":  # for documentation (RFC 3849)
        return "2001:db8:" + ":".join(f"{next(draws) % 65536:x}" for _ in range(6))
    if kind == "phone":  # no country has the code 999
        return "+999 " + _like("000 000 0000", draws)
    if kind == "us_ssn":  # none is given out with 9 in front, no taxpayer number has this middle
        return f"9{_like('00', draws)}-0{next(draws) % 9 + 1}-{_like('0000', draws)}"
    if kind == "in_aadhaar":  # none begins with 1
        return "1" + _like(value[1:], draws)
    if kind == "card":  # no network has numbers that begin with 0
        return _with_luhn("0" + _like(value[1:], draws))
    if kind == "iban":
        return _with_mod97(value[:2] + "00" + _like(value[4:], draws))
    if kind == "url_credentials":
        return f"user{next(draws) % 10**6:06}:" + "".join(f"{next(draws) % 16:x}" for _ in range(16))
    if kind == "private_key":
        return "[PRIVATE KEY " + "".join(f"{next(draws) % 16:x}" for _ in range(16)) + "]"
    return _like(value, draws)


def _normal(kind: str, value: str) -> str:
    """What makes two writings of one value the same."""
    if kind == "email":
        return value.lower()
    if kind in ("phone", "card", "iban", "us_ssn", "in_aadhaar", "ipv6"):
        return "".join(char for char in value.lower() if char.isalnum() or (kind == "ipv6" and char == ":"))
    return value


def _draws(key: bytes, kind: str, value: str) -> Iterator[int]:
    """Endless 64-bit numbers that depend on the key, the kind and the value."""
    seed = hashlib.blake2b(f"{kind}\0{_normal(kind, value)}".encode(), key=key, digest_size=32).digest()
    block = 0
    while True:
        digest = hashlib.blake2b(block.to_bytes(8, "big"), key=seed, digest_size=64).digest()
        yield from (int.from_bytes(digest[i : i + 8], "big") for i in range(0, 64, 8))
        block += 1


def _like(value: str, draws: Iterator[int]) -> str:
    """The value with every digit and letter of ASCII drawn anew; marks stay."""
    drawn = []
    for char in value:
        for letters in (string.digits, string.ascii_lowercase, string.ascii_uppercase):
            if char in letters:
                char = letters[next(draws) % len(letters)]
                break
        drawn.append(char)
    return "".join(drawn)


def _with_luhn(value: str) -> str:
    """The number with a last digit that passes Luhn's check."""
    for last in string.digits:
        digits = [int(char) for char in value[:-1] + last if char.isdigit()][::-1]
        if (sum(digits[::2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])) % 10 == 0:
            return value[:-1] + last
    raise AssertionError("one of ten digits passes")


def _with_mod97(value: str) -> str:
    """The IBAN, whose check digits are 00, with the right ones (ISO 7064, mod 97-10)."""
    compact = "".join(char for char in value if char.isalnum())
    number = int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4]))
    return f"{value[:2]}{98 - number % 97:02}{value[4:]}"
