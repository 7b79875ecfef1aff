"""Canonical addresses: known cases, a twin in plain Python for any bytes, the Public Suffix List's own package."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.urls import TRACKING, addresses, ascii_host


def canonical(url: str | None, **options: bool) -> str | None:
    found: str | None = addresses(pa.array([url], pa.string()), **options).url[0].as_py()
    return found


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://User:pw@Example.COM:80/a/./b/../c/?b=2&a=1&utm_source=x#top", "http://example.com/a/c?a=1&b=2"),
        ("https://example.com:443", "https://example.com/"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("http://example.com:0080/x/", "http://example.com/x"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com./", "http://example.com/"),
        ("http://example.com/%7euser/%c3%a9/%2f", "http://example.com/~user/%C3%A9/%2F"),
        ("http://example.com/é x", "http://example.com/%C3%A9%20x"),
        ("http://example.com/100%", "http://example.com/100%25"),
        ("http://example.com/%2e%2e/a", "http://example.com/a"),
        ("http://Bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://b%C3%BCcher.example/", "http://xn--bcher-kva.example/"),
        ("http://example.com/a;jsessionid=12AB?x=1", "http://example.com/a?x=1"),
        ("http://example.com/?gclid=1&fbclid=2&UTM_Medium=3&gclids=4", "http://example.com/?gclids=4"),
        ("http://example.com/?&&a&a=&", "http://example.com/?a&a="),
        ("http://example.com/#!/page/1", "http://example.com/#!/page/1"),
        ("http:\\\\example.com\\a", "http:\\\\example.com\\a"),
        ("http://example.com\\a\\b", "http://example.com/a/b"),
        (" http://exa\nmple.com/\ta ", "http://example.com/a"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
        ("//Example.com/a/", "//example.com/a"),
        ("Example.com:80/a", "example.com:80/a"),
        ("/a/../b/?y&x", "/b?x&y"),
        ("mailto:A@B.com?x#y", "mailto:A@B.com?x#y"),
        ("URN:uuid:1", "urn:uuid:1"),
        ("python:site-packages/x", "python:site-packages/x"),
        ("http://", "http:///"),
        ("", ""),
        (None, None),
    ],
)
def test_known_forms(url: str | None, expected: str | None) -> None:
    assert canonical(url) == expected


def test_options() -> None:
    assert canonical("http://www.example.com/a/", strip_www=True, keep_slash=True) == "http://example.com/a/"
    assert canonical("http://www.www.a.com/", strip_www=True) == "http://a.com/"
    assert canonical("http://www.com/", strip_www=True) == "http://www.com/"


def test_batches_slices_and_nulls() -> None:
    urls = pa.array(["x", "http://A.com", None, "http://é.com/?b&a", "http://c.co.uk"])[1:]
    found = addresses(urls)
    assert found.url.to_pylist() == ["http://a.com/", None, "http://xn--9ca.com/?a&b", "http://c.co.uk/"]
    assert found.host.to_pylist() == ["a.com", None, "xn--9ca.com", "c.co.uk"]
    assert found.domain.to_pylist() == ["a.com", None, "xn--9ca.com", "c.co.uk"]
    assert addresses(pa.array([], pa.string())).url.to_pylist() == []


# --- the twin

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}


def _tracking() -> re.Pattern[str]:
    from importlib.resources import files

    lines = (files("curate") / "assets" / TRACKING).read_text().splitlines()
    names = [re.escape(line.rstrip("*")) + (".*" if line.endswith("*") else "") for line in lines if line[:1] != "#"]
    return re.compile("(?:" + "|".join(names) + ")", re.ASCII | re.DOTALL)


def _low(text: str) -> str:
    return "".join(char.lower() if char.isascii() else char for char in text)


def _encode(text: str, allowed: str) -> str:
    out = []
    for part in re.findall(r"%[0-9a-fA-F]{2}|.", text, re.DOTALL):
        if len(part) == 3:
            char = chr(int(part[1:], 16))
            out.append(char if char in UNRESERVED else part.upper())
        else:
            out.append(part if part in allowed else "".join(f"%{byte:02X}" for byte in part.encode()))
    return "".join(out)


def _dots(path: str) -> str:
    out: list[str] = []
    for segment in re.findall(r"^[^/]+|/[^/]*", path):
        last = len(segment)
        if segment == "/.":
            out += []
        elif segment == "/..":
            out = out[:-1]
        else:
            out.append(segment)
            last = 0
        if last:
            tail = segment
    if path.endswith(("/.", "/..")):
        assert tail
        out.append("/")
    return "".join(out)


def twin(url: str, *, strip_www: bool = False, keep_slash: bool = False) -> str:
    """The canonical form step by step, one regular expression a part."""
    url = re.sub("[\t\n\r]", "", re.sub("^[\x00-\x20]+|[\x00-\x20]+$", "", url))
    scheme, bare, relative = "", False, False
    found = re.match("([A-Za-z][A-Za-z0-9+.-]*):", url)
    if found and not ("." in found[1] and re.match(r"[0-9]+([/?#\\]|$)", url[found.end() :])):
        if not url[found.end() :].startswith("//"):
            return _low(found[0]) + url[found.end() :]
        scheme, rest = _low(found[0]) + "//", url[found.end() + 2 :]
    elif url.startswith("//"):
        scheme, rest = "//", url[2:]
    else:
        rest, relative = url, url[:1] in ("", "/", "?", "#", "\\")
        bare = not relative
    host = port = ""
    if not relative:
        authority = re.match(r"[^/?#\\]*", rest)[0]  # type: ignore[index]
        rest = rest[len(authority) :]
        authority = authority.rpartition("@")[2]
        if authority.startswith("["):
            host, bracket, port = authority.rpartition("]")
            host, port = (host + bracket, port) if bracket else (authority, "")
        else:
            host, colon, port = authority.partition(":")
            port = colon + port
        host = host.rstrip(".")
        while host[:1] and (
            host[0] <= " " or strip_www and re.match(r"www\.[^.]*\..*|www\..+\.", _low(host), re.DOTALL)
        ):
            host = host[1 if host[0] <= " " else 4 :]
        host = _low(host)
        if re.fullmatch(":[0-9]*", port):
            port = re.sub("^:0+(?=[0-9])", ":", port)
            port = "" if port in (":", f":{PORTS.get(scheme[:-3])}") else port
    path, query, fragment = re.fullmatch(r"([^?#]*)(\?[^#]*)?(#.*)?", rest, re.DOTALL).groups("")  # type: ignore[union-attr]
    path = _encode(path.replace("\\", "/"), UNRESERVED + "!$&'()*+,;=:@/")
    path = _dots(re.sub("(?i);jsessionid=.*$", "", path))
    path = path if keep_slash else re.sub("(?<=.)/+$", "", path, flags=re.DOTALL) if path.strip("/") else path[:1]
    path = re.sub("^//+", "/", path) if relative or (bare and not host) else path or "/"
    parameters = [_encode(part, UNRESERVED + "!$&'()*+,;=:@/?") for part in query[1:].split("&")]
    tracking = _tracking()
    stay = sorted(p for p in parameters if p and not tracking.fullmatch(_low(p.partition("=")[0])))
    hashbang = "#!" + _encode(fragment[2:], UNRESERVED + "!$&'()*+,;=:@/?") if fragment[:2] == "#!" else ""
    rest = port + path + ("?" + "&".join(stay) if stay else "") + hashbang
    if (not host.isascii() or "%" in host) and (name := ascii_host(unquote(host))) is not None:
        return twin(scheme + name + rest, strip_www=strip_www, keep_slash=keep_slash)
    return scheme + host + rest


PIECES = ["http://", "HTTPS://", "ftp:", "//", "/", "\\", "www.", "WWW.", "a", "B.c", "é", "%c3%a9", "%2E", "%", "%4",
          "..", ".", ":", ":80", ":0443", ":x", "@", "[", "]", "[::1]", "?", "&", "=", "utm_x", "gclid", "fbclid=1", "#",
          "#!", ";jsessionid=1", ";JSESSIONID=", " ", "\t", "\n", "\x00", "日本", "x=1&", "xn--"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=14).map("".join), max_size=4), st.booleans(), st.booleans())
def test_pieces_equal_the_twin(urls: list[str], strip_www: bool, keep_slash: bool) -> None:
    found = addresses(pa.array(urls, pa.string()), strip_www=strip_www, keep_slash=keep_slash)
    assert found.url.to_pylist() == [twin(url, strip_www=strip_www, keep_slash=keep_slash) for url in urls]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(st.characters(codec="utf-8")), st.lists(st.sampled_from(PIECES), max_size=14).map("".join)))
@example("@http://x")
@example(".//a")
@example("@\x080")
def test_any_text_has_one_form(url: str) -> None:
    once = canonical(url)
    assert once == twin(url)
    assert canonical(once) == once


# --- registered domains

HOSTS = ["a.example.com", "example.com", "com", "a.b.example.co.uk", "co.uk", "x.github.io", "github.io", "a.b.c.kawasaki.jp",
         "city.kawasaki.jp", "a.city.kawasaki.jp", "c.kawasaki.jp", "unknown.tld-x", "a.unknown.tld-x", "localhost", "x.ck",
         "www.ck", "a.x.ck", "a.b.x.ck", "食狮.公司.cn", "a.食狮.公司.cn", "bücher.de", "shop.bücher.de"]  # fmt: skip


def test_domains_are_those_of_the_lists_own_package() -> None:
    from publicsuffixlist import PublicSuffixList

    peer = PublicSuffixList()
    hosts = [host if host.isascii() else host.encode("idna").decode() for host in HOSTS]
    suffixes = [s.encode("idna").decode() if not s.isascii() else s for s in _rules()]
    hosts += [part + suffix for suffix in suffixes for part in ("", "a.", "b.a.", "c.b.a.")]
    found = addresses(pa.array([f"http://{host}/" for host in hosts])).domain.to_pylist()
    assert found == [peer.privatesuffix(host) or host for host in hosts]


def _rules() -> list[str]:
    from pathlib import Path

    import publicsuffixlist

    lines = Path(publicsuffixlist.__file__).with_name("public_suffix_list.dat").read_text("utf-8").splitlines()
    return [line.strip().lstrip("!").removeprefix("*.") for line in lines if line.strip() and line[:2] != "//"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", ""])
def test_addresses_of_machines_are_their_own_domain(host: str) -> None:
    assert addresses(pa.array([f"http://{host}/"])).domain.to_pylist() == [host]
