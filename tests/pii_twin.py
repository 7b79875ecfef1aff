"""What `curate.kernels.pii` finds, said once more in slow Python: regular expressions, `ipaddress`, lists of digits."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator

from pii_numbers_twin import IP, SECRET, VERSION, Span, near, numbers, told

from curate.kernels.pii_kinds import NAMES

PAIR = rb"[\xc3-\xd4][\x80-\xbf]"
LABEL = re.compile(rb"(?:[A-Za-z0-9-]|" + PAIR + rb")+")
SPECIAL = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 "
        "::/7 2001::/23 2001:db8::/32 2002::/16 3fff::/16 fc00::/6"
    ).split()
]


def find(raw: bytes) -> list[Span]:
    """(start, stop, kind) of all that is found in one text, in order."""
    found: list[Span] = []
    taken: set[int] = set()
    candidates = list(_candidates(raw))
    for kind in NAMES:
        last = 0
        for start, stop, name in candidates:
            if name == kind and start >= last:
                last = stop
                if taken.isdisjoint(range(start, stop)):
                    taken |= set(range(start, stop))
                    found.append((start, stop, kind))
    return sorted(found)


def _candidates(raw: bytes) -> Iterator[Span]:
    for finder in (_emails, _ipv4, _ipv6, _credentials, _blocks, _tokens, _assigned):
        yield from finder(raw)
    for match in re.finditer(rb"(?<![0-9])[0-9]", raw):
        yield from numbers(raw, match.start())


def _emails(raw: bytes) -> Iterator[Span]:
    for sign in re.finditer(b"@", raw):
        at = start = sign.start()
        before = re.search(rb"(?:[A-Za-z0-9._%+-]|" + PAIR + rb")*\Z", raw[:at])
        assert before is not None
        for part in reversed(re.findall(rb"[A-Za-z0-9._%+-]|" + PAIR, before[0])):
            if at - start >= 64:
                break
            start -= len(part)
        start += len(raw[start:at]) - len(raw[start:at].lstrip(b".%+-"))
        local = raw[start:at]
        stop = _domain(raw, at + 1)
        if local and not local.endswith(b".") and local != b"git" and stop:
            yield start, stop, "email"


def _domain(raw: bytes, i: int) -> int:
    raw, stop, labels = raw[: i + 253], 0, 0
    while label := LABEL.match(raw, i):
        name = label[0]
        if len(name) > 63 or name.startswith(b"-") or name.endswith(b"-"):
            break
        labels += 1
        top = re.fullmatch(rb"(?:[A-Za-z]|" + PAIR + rb")+", name) or (name.startswith(b"xn-") and len(name) > 4)
        files = (b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"css", b"js", b"html", b"php")
        if labels > 1 and len(name) > 1 and top and name.lower() not in files:
            stop = label.end()
        if raw[label.end() : label.end() + 1] != b".":
            break
        i = label.end() + 1
    return stop


def _ipv4(raw: bytes) -> Iterator[Span]:
    part = rb"(0|[1-9][0-9]{0,2})"
    pattern = rb"(?<![0-9A-Za-z_.-])" + rb"\.".join([part] * 4) + rb"(?![0-9A-Za-z_]|[.-][0-9A-Za-z])"
    for match in re.finditer(pattern, raw):
        values = [int(group) for group in match.groups()]
        if max(values) > 255 or near(raw, match.start() - 10, match.start(), VERSION):
            continue
        if (max(values) >= 100 or told(raw, match.start(), IP)) and _public(match[0].decode()):
            yield match.start(), match.end(), "ipv4"


def _public(text: str) -> bool:
    address = ipaddress.ip_address(text)
    return not any(address in network for network in SPECIAL if network.version == address.version)


def _ipv6(raw: bytes) -> Iterator[Span]:
    group = rb"[0-9A-Fa-f]{1,4}"
    run = group + rb"(?::" + group + rb")*"
    end = rb"(?![0-9A-Za-z_]|:[:0-9A-Za-z])"
    for match in re.finditer(rb"(?<![0-9A-Za-z_:.])(?=" + group + rb":)(" + run + rb")(::(?:" + run + rb")?)?", raw):
        if re.match(end, raw[match.end() :]) is None:
            continue
        parts = re.findall(group, match[0])
        whole = match[2] is None and len(parts) == 8 and max(map(len, parts)) > 2
        short = match[2] is not None and 2 < len(parts) < 8 and int(parts[0], 16) >> 13 == 1
        if (whole or short) and _public(match[0].decode()):
            yield match.start(), match.end(), "ipv6"


def _credentials(raw: bytes) -> Iterator[Span]:
    for match in re.finditer(rb"(?<=[0-9A-Za-z])://", raw):
        allowed = rb"[\x21\x24-\x26\x2a-\x2e\x30-\x3b\x3d\x40-\x5a\x5f\x61-\x7a\x7e]{0,256}"
        info = re.compile(allowed).match(raw, match.end())
        assert info is not None
        colon, stop = info[0].find(b":"), info[0].rfind(b"@")
        after = raw[match.end() + stop + 1 : match.end() + stop + 2]
        if colon > 0 and stop > colon + 1 and re.match(rb"[0-9A-Za-z]", after):
            yield match.end(), match.end() + stop, "url_credentials"


def _blocks(raw: bytes) -> Iterator[Span]:
    for match in re.finditer(rb"(?<!-)-----BEGIN (?=([A-Z ]{0,53}))\1-----", raw):
        if not re.search(rb"PRIVATE KEY(?: BLOCK)?\Z", raw[match.start() + 5 : match.end() - 5]):
            continue
        end = re.compile(rb"-----END (?=([A-Z ]{0,54}))\1-----").match(raw, raw.find(b"-----", match.end()))
        if raw.find(b"-----", match.end()) < 0:
            end = None
        yield match.start(), end.end() if end else match.end(), "private_key"


TOKENS = {
    "aws_key": rb"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9_-])",
    "google_key": rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])",
    "jwt": rb"eyJ[A-Za-z0-9_-]{9,4095}\.eyJ[A-Za-z0-9_-]{6,4093}\.[A-Za-z0-9_-]{0,4096}",
    "slack_token": rb"xox[A-Za-z]-[A-Za-z0-9_-]{16,4096}",
    "gitlab_token": rb"glpat-[A-Za-z0-9_-]{20,4096}",
    "pypi_token": rb"pypi-(?=AgE)[A-Za-z0-9_-]{50,4096}",
    "sk_key": rb"sk-[A-Za-z0-9_-]{20,4096}",
    "github_token": rb"gh[pousr]_[A-Za-z0-9]{36,4096}|github_pat_[A-Za-z0-9_-]{60,4096}",
    "stripe_key": rb"[sr]k_(?:live|test)_[A-Za-z0-9]{16,4096}",
    "huggingface_token": rb"hf_[A-Za-z0-9]{33,4096}",
    "npm_token": rb"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])",
}


def _tokens(raw: bytes) -> Iterator[Span]:
    for kind, pattern in TOKENS.items():
        for match in re.finditer(rb"(?<![A-Za-z0-9_-])(?:" + pattern + rb")", raw):
            body = match[0][3:131]
            mixed = re.search(rb"[0-9]", match[0][3:]) and re.search(rb"[A-Z]", match[0][3:])
            if kind != "sk_key" or (mixed and _bits(body) >= 3.5):
                yield match.start(), match.end(), kind


def _bits(body: bytes) -> float:
    counts = [body.count(byte) for byte in set(body)]
    return math.log2(len(body)) - sum(count * math.log2(count) for count in counts) / len(body) + 1e-6


def _assigned(raw: bytes) -> Iterator[Span]:
    for match in re.finditer(rb"[:=]", raw):
        name = re.search(rb"([A-Za-z0-9_-]*)([ \"']{0,4})\Z", raw[: match.start()])
        assert name is not None
        name_end = match.start() - len(name[2])
        if len(name[2]) == 4 and re.search(rb"[ \"']\Z", raw[:name_end]):
            continue
        between = re.compile(rb"[ \"'=>]{0,5}").match(raw, match.end())
        assert between is not None
        value = re.compile(rb"[A-Za-z0-9_+/=.~-]{0,129}").match(raw, between.end())
        assert value is not None
        body = value[0].rstrip(b".")
        if not 16 <= len(body) <= 128 or body.startswith(b"/"):
            continue
        if not (re.search(rb"[0-9]", body) and re.search(rb"[A-Za-z]", body)):
            continue
        hexadecimal = re.fullmatch(rb"[0-9A-Fa-f]+", body) is not None
        named = name[1] and near(raw, name_end - min(32, len(name[1])), name_end, SECRET)
        if named and _bits(body) >= (3.0 if hexadecimal else 3.5):
            yield between.end(), between.end() + len(body), "assigned_secret"
