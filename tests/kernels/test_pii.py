"""The scanner for personal data against its rules said once more in regular expressions, and on known answers."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pii_numbers_twin import luhn, verhoeff
from pii_twin import find

from curate.kernels.pii import find_pii
from curate.kernels.pii_kinds import KINDS, NAMES, TYPES
from curate.text import buffers

WANTED = np.ones(len(KINDS), np.bool_)


def _found(raws: list[bytes]) -> list[list[tuple[int, int, str]]]:
    data, offsets = buffers(pa.array(raws, pa.binary()))
    found = find_pii(data, offsets, WANTED)
    return [
        [
            (int(found.start[k] - offsets[i]), int(found.stop[k] - offsets[i]), NAMES[found.kind[k]])
            for k in range(found.first[i], found.first[i + 1])
        ]
        for i in range(len(raws))
    ]


def _values(text: str) -> list[tuple[str, str]]:
    raw = text.encode()
    return [(kind, raw[start:stop].decode()) for start, stop, kind in _found([raw])[0]]


# what personal data is made of, so that chance finds the edges of the rules
PIECES = [
    "@", ".", "-", "+", " ", "(", ")", "/", ":", "::", "://", "=", "_", "\n", "x", "\u00e9", "\u0434", "\u6027", "\u00a0",
    "a.b", "mail@example.org", "com", "co.uk", "xn--p1ai", "git@", "png", "0", "1", "00", "12", "255", "905", "674",
    "3793", "0490", "46", "8", "2001:db8", "2a00:1450:4001:81b", "fe80", "8.8.8.8", "10.0.0.1", "203.0.114.7", "127.0.0.1",
    "4111111111111111", "4111 1111 1111 1111", "378282246310005", "6304273733984", "460-89-9847", "666-12-1234",
    "GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "no9386011117947",
    "2341 2341 2346", "ABCPE1234F", "529.982.247-25", "11010519491231002X", "12345678Z", "X1234567L", "AB 12 34 56 C",
    "AB123456C", "RSSMRA85M01H501Q", "943 476 5919", "130 692 544", "AKIAIOSFODNN7EXAMPLE", "AKIA", "ghp_", "xoxb-",
    "aB3dE5gH7jK9mN1pQ3sT5vX7zA9cD1fG3hI5", "eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0In0", "sk-", "hf_", "npm_", "sk_live_",
    "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----", "-----", "user:pass@host", "https", "password",
    "phone", "call ", "fax", "card ", "ssn ", "aadhaar ", "nhs ", "insurance ", "sin ", "api_key", "version ", "server ",
    "\"", "'", " ext. 12", "x123", "19", "2004",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=3))
@example(["+1 (617) 573-5591/3747"])
@example(["2001::1:2:12345 "])
@example(["call 4111 1111 1111 1111 460-89-9847"])
def test_what_is_found_is_what_the_rules_say(texts: list[str]) -> None:
    raws = [text.encode() for text in texts]
    assert _found(raws) == [find(raw) for raw in raws]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=30), TEXTS.map(str.encode)), max_size=6).map(b"".join))
def test_any_bytes_may_come_in(raw: bytes) -> None:
    assert _found([raw[:7], raw, b""]) == [find(raw[:7]), find(raw), []]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Mail a.b+c@sub.example.co.uk.", [("email", "a.b+c@sub.example.co.uk")]),
        ("josé@пример.рф", [("email", "josé@пример.рф")]),
        ("logo@2x.png git@github.com:a/b foo@bar @home user@localhost", []),
        ("from 93.184.216.34:80, not 192.168.1.1, 10.1.2.3 or 999.1.1.200", [("ipv4", "93.184.216.34")]),
        ("see 4.1.2.7, version 6.0.0.101; nameserver 8.8.4.4", [("ipv4", "8.8.4.4")]),
        ("2606:2800:220:1:248:1893:25c8:1946 ::1 fe80::1:2 std::dec", [("ipv6", "2606:2800:220:1:248:1893:25c8:1946")]),
        ("at 12:30:45 2004:: 00:1b:44:11:3a:b7:00:01", []),
        ("IBAN DE89 3704 0044 0532 0130 00.", [("iban", "DE89 3704 0044 0532 0130 00")]),
        ("IBAN DE88370400440532013000", []),
        ("4111-1111-1111-1111 and 4111-1111-1111-1112", [("card", "4111-1111-1111-1111")]),
        ("my card 4222222222222, part 4222222222222222", [("card", "4222222222222")]),
        ("0.4111111111111111 /4111111111111111", []),
        ("SSN 078-05-1120 000-12-3456 900-12-3456", [("us_ssn", "078-05-1120")]),
        ("Aadhaar 2341 2341 2346, 2341 2341 2345", [("in_aadhaar", "2341 2341 2346")]),
        ("PAN ABCPE1234F, ABCDE1234F", [("in_pan", "ABCPE1234F")]),
        ("CPF 529.982.247-25, 529.982.247-26", [("br_cpf", "529.982.247-25")]),
        ("11010519491231002X", [("cn_resident_id", "11010519491231002X")]),
        ("DNI 12345678Z 12345678A, NIE X1234567L", [("es_dni", "12345678Z"), ("es_dni", "X1234567L")]),
        ("RSSMRA85M01H501Q", [("it_codice_fiscale", "RSSMRA85M01H501Q")]),
        ("NI AB 12 34 56 C; disk ST380021A", [("uk_nino", "AB 12 34 56 C")]),
        ("NHS 943 476 5919", [("uk_nhs", "943 476 5919")]),
        ("SIN: 130 692 544", [("ca_sin", "130 692 544")]),
        ("905-674-3793 (602)272-9781x036", [("phone", "905-674-3793"), ("phone", "(602)272-9781x036")]),
        ("+46 (0)8 928 571 38, 001-253-366-9781", [("phone", "+46 (0)8 928 571 38"), ("phone", "001-253-366-9781")]),
        ("03.93.92.16.85, 07700 063 966", [("phone", "03.93.92.16.85"), ("phone", "07700 063 966")]),
        ("call 467 3395", [("phone", "467 3395")]),
        ("467 3395 apples were sold", []),
        ("call in 2004 1998 2001, on 2001-02-03 or 01.02.2003", []),
        ("1,234,567.89 60000-10800 3.14159265 1011 0010 1100 0110", []),
        ("https://ann:s3cret@host/x http://host:80/@x ftp://{user}:{pass}@h", [("url_credentials", "ann:s3cret")]),
        ("key AKIAIOSFODNN7EXAMPLE", [("aws_key", "AKIAIOSFODNN7EXAMPLE")]),
        ("api_key = 'x8Kd92LmQpZ47RtYw1', token: aaaaaaaaaaaaaaaa1", [("assigned_secret", "x8Kd92LmQpZ47RtYw1")]),
        ("pwd=/usr/share/doc/x86-64-abi-1.0/index", []),
        ("-----BEGIN EC PRIVATE KEY-----\nAb1\n-----END EC PRIVATE KEY-----.", [
            ("private_key", "-----BEGIN EC PRIVATE KEY-----\nAb1\n-----END EC PRIVATE KEY-----")]),
    ],
)  # fmt: skip
def test_known_answers(text: str, expected: list[tuple[str, str]]) -> None:
    assert _values(text) == expected


def test_tokens_are_found_by_their_prefix() -> None:
    rng = random.Random(3)
    body = "".join(rng.choice("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(100))
    made = {
        "github_token": "ghp_" + body[:36], "gitlab_token": "glpat-" + body[:20], "slack_token": "xoxb-" + body[:24],
        "google_key": "AIza" + body[:35], "stripe_key": "sk_live_" + body[:24], "sk_key": "sk-" + body[:48],
        "huggingface_token": "hf_" + body[:34], "npm_token": "npm_" + body[:36], "pypi_token": "pypi-AgE" + body[:60],
        "jwt": f"eyJ{body[:20]}.eyJ{body[:30]}.{body[:43]}",
    }  # fmt: skip
    for kind, token in made.items():
        assert _values(f'"{token}",') == [(kind, token)]
        assert _values(f"x{token[:12]} {token[:12]}") == []


@pytest.mark.parametrize(("kind", "check"), [("card", luhn), ("in_aadhaar", verhoeff)])
def test_of_ten_last_digits_one_passes(kind: str, check: object) -> None:
    rng = random.Random(1)
    for _ in range(200):
        stem = f"{rng.randrange(3 * 10**10, 9 * 10**10)}" if kind == "in_aadhaar" else f"4{rng.randrange(10**14):014}"
        word = {"card": "card ", "in_aadhaar": "aadhaar "}[kind]
        found = [digit for digit in "0123456789" if _values(f"{word}{stem}{digit}") == [(kind, f"{stem}{digit}")]]
        assert found == [digit for digit in "0123456789" if check(f"{stem}{digit}".encode())]  # type: ignore[operator]
        assert len(found) == 1


def test_kinds_that_are_not_wanted_are_not_found() -> None:
    data, offsets = buffers(pa.array(["a@b.org 905-674-3793"]))
    only = np.array([name == "phone" for name in NAMES])
    assert find_pii(data, offsets, only).start.tolist() == [8]
    assert set(KINDS.values()) == set(TYPES)
