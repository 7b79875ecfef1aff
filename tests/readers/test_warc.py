"""WARC files, sound and damaged: every record is a document, counted as skipped, or named in an error."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.readers import FORMATS, format_of
from curate.readers.http_body import decode, join_chunks
from curate.readers.reader import Piece, ReadSettings, Tally

PACKERS = {".warc": bytes, ".warc.gz": gzip.compress, ".warc.zst": zstandard.compress, ".warc.lz4": lz4.frame.compress}


def read(path: Path, format: str | None = None, **settings: Any) -> tuple[list[dict[str, Any]], Tally]:
    format = format or format_of(str(path)) or "warc"
    tally = Tally()
    batches = FORMATS[format].read(Piece(str(path)), ReadSettings("web", format, **settings), tally)
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["row"] for row in rows] == list(range(len(rows)))
    assert all((row["error"] is None) != (row.get("content") is None and row["text"] is None) for row in rows)
    assert len({row["offset"] for row in rows}) == len(rows)
    return rows, tally


def record(number: int, body: bytes, *, kind: str = "response", length: int | None = None, http: str = "") -> bytes:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{http}\r\n".encode()
        if kind == "response"
        else b""
    )
    block = head + body
    return (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{number}>\r\nWARC-Date: 2020-01-01T00:00:00Z\r\n"
        f"WARC-Target-URI: http://e.com/{number}\r\n"
        f"Content-Type: {'application/http; msgtype=response' if kind == 'response' else 'text/plain'}\r\n"
        f"Content-Length: {len(block) if length is None else length}\r\n\r\n"
    ).encode() + block + b"\r\n\r\n"  # fmt: skip


BODIES = [b"<p>" + bytes([65 + i]) * (500 + i) for i in range(4)]


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["id"].removeprefix("urn:uuid:") for row in rows if row["error"] is None]


def errors(rows: list[dict[str, Any]]) -> list[str]:
    return [row["error"] for row in rows if row["error"] is not None]


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("whole", [False, True])
def test_every_way_to_store_the_same_records(tmp_path: Path, suffix: str, whole: bool) -> None:
    plain = [record(i, body) for i, body in enumerate(BODIES)]
    pack = PACKERS[suffix]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pack(b"".join(plain)) if whole else b"".join(map(pack, plain)))
    rows, tally = read(path)
    assert ids(rows) == ["0", "1", "2", "3"] and not errors(rows) and not tally.skipped
    assert [row["content"] for row in rows] == BODIES
    assert rows[1]["url"] == "http://e.com/1" and rows[1]["date"] == "2020-01-01T00:00:00Z"
    assert (rows[1]["media_type"], rows[1]["charset"]) == ("text/html", "utf-8")
    stored = plain if whole else [pack(part) for part in plain]
    assert [row["offset"] for row in rows] == [sum(map(len, stored[:i])) for i in range(4)]


def test_damage_costs_only_what_it_hits(tmp_path: Path) -> None:
    plain = [record(i, body) for i, body in enumerate(BODIES)]
    packed = [gzip.compress(part) for part in plain]
    flipped = bytearray(packed[1])
    flipped[100] ^= 0xFF
    checksum = bytearray(packed[1])
    checksum[-6] ^= 0xFF
    long, short = record(1, BODIES[1], length=700), record(1, BODIES[1], length=100)
    huge, negative = record(1, BODIES[1], length=10**12), record(1, BODIES[1], length=-5)
    around = {".warc": (plain[0], plain[2] + plain[3]), ".warc.gz": (packed[0], packed[2] + packed[3])}
    cases: list[tuple[str, bytes, list[str], int]] = [
        # what lies between records 0 and 2, which documents are read, where the damage starts
        (".warc.gz", bytes(flipped), ["0", "2", "3"], len(packed[0])),
        (".warc.gz", bytes(checksum), ["0", "2", "3"], len(packed[0])),
        (".warc.gz", b"garbage!!" * 20, ["0", "2", "3"], len(packed[0])),
        (".warc.gz", gzip.compress(b"no record\r\n"), ["0", "2", "3"], len(packed[0])),
        (".warc.gz", packed[1][:-40], ["0", "2", "3"], len(packed[0])),
        (".warc.gz", gzip.compress(long), ["0", "2", "3"], len(packed[0])),
        (".warc.gz", gzip.compress(short), ["0", "2", "3"], len(packed[0])),
        (".warc", long, ["0", "2", "3"], len(plain[0])),
        (".warc", short, ["0", "2", "3"], len(plain[0])),
        (".warc", huge, ["0", "2", "3"], len(plain[0])),
        (".warc", negative, ["0", "2", "3"], len(plain[0])),
        (".warc", b"garbage\r\n" * 5, ["0", "2", "3"], len(plain[0])),
        (".warc", b"\0\1\2" * 700_000, ["0", "2", "3"], len(plain[0])),
    ]
    for number, (suffix, between, readable, at) in enumerate(cases):
        path = tmp_path / f"{number}{suffix}"
        path.write_bytes(around[suffix][0] + between + around[suffix][1])
        rows, _ = read(path)
        assert ids(rows) == readable, number
        assert [row["offset"] for row in rows if row["error"]] == [at], number
        assert f"byte {at}" in errors(rows)[0], number
        assert [row["content"] for row in rows if not row["error"]] == [BODIES[int(name)] for name in readable], number


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_file_that_is_cut_off(tmp_path: Path, suffix: str, cut: int) -> None:
    parts = [PACKERS[suffix](record(i, body)) for i, body in enumerate(BODIES)]
    cut = min(cut, len(parts[3]) - 10)
    path = tmp_path / f"x{suffix}"
    path.write_bytes(b"".join(parts)[:-cut])
    rows, _ = read(path)
    if suffix == ".warc" and cut == 1:  # a line end is missing, the record is whole
        assert ids(rows) == ["0", "1", "2", "3"] and not errors(rows)
        return
    assert ids(rows)[:3] == ["0", "1", "2"] and len(rows) == 4
    assert errors(rows) and rows[3]["offset"] == sum(map(len, parts[:3]))


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(PACKERS)),
    st.booleans(),
    st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=9)), max_size=3),
)
def test_any_damage_is_one_row_and_no_exception(
    tmp_path: Path, suffix: str, whole: bool, damage: list[tuple[float, bytes]]
) -> None:
    plain, pack = [record(i, body) for i, body in enumerate(BODIES)], PACKERS[suffix]
    stored = bytearray(pack(b"".join(plain)) if whole else b"".join(map(pack, plain)))
    for share, new in damage:
        at = int(share * len(stored))
        stored[at : at + len(new)] = new
    path = tmp_path / f"x{suffix}"
    path.write_bytes(bytes(stored))
    rows, tally = read(path)
    assert len(ids(rows)) + tally.skipped.total() <= 5 and len(errors(rows)) <= 8


# file -> (documents, what was skipped, errors)
REAL_FILES: dict[str, tuple[int, dict[str, int], list[str]]] = {
    "allenai__dolma/sample-0000.warc.gz": (24, {"warcinfo": 1, "request": 22, "metadata": 1}, []),
    "built/html_pages_a.warc.gz": (296, {"warcinfo": 1}, []),
    "chatnoir-eu__chatnoir-resiliparse/block-sized-records.warc": (0, {"unknown": 3}, []),
    "chatnoir-eu__chatnoir-resiliparse/warcfile.warc.gz": (16, {"warcinfo": 1, "request": 17, "metadata": 16}, []),
    "chatnoir-eu__chatnoir-resiliparse/warcfile.warc.lz4": (16, {"warcinfo": 1, "request": 17, "metadata": 16}, []),
    "commoncrawl__whirlwind-python/whirlwind.warc.gz": (1, {"warcinfo": 1, "request": 1, "metadata": 1}, []),
    "commoncrawl__whirlwind-python/whirlwind.warc.wat.gz": (0, {"warcinfo": 1, "metadata": 1}, []),
    "commoncrawl__whirlwind-python/whirlwind.warc.wet.gz": (1, {"warcinfo": 1}, []),
    "webrecorder__warcio/bad.arc": (1, {}, [
        "no ARC record at byte 0; reading goes on at byte 202",
        "no ARC record at byte 262; nothing can be read behind it",
    ]),
    "webrecorder__warcio/example-bad-non-chunked.warc.gz": (1, {"warcinfo": 2, "request": 2, "revisit": 1}, []),
    "webrecorder__warcio/example-bad.warc.gz.bad": (
        1, {"warcinfo": 1, "request": 2, "revisit": 1, "response status 302": 1}, []
    ),
    "webrecorder__warcio/example-digest.warc": (0, {"request": 4}, []),
    "webrecorder__warcio/example-iana.org-chunked.warc": (1, {"warcinfo": 1, "request": 1}, []),
    "webrecorder__warcio/example-resource.warc.gz": (1, {"warcinfo": 2}, []),
    "webrecorder__warcio/example-space-in-target-uri.warc.gz": (0, {"warcinfo": 1, "resource type image/png": 1}, []),
    "webrecorder__warcio/example-space-in-url.arc": (
        0, {"filedesc": 1}, ["a record that is cut off at byte 151 after 1579 of 1591 bytes"]
    ),
    "webrecorder__warcio/example-trunc.warc": (0, {"warcinfo": 2, "request": 1}, [
        "a record whose stated length is wrong at byte 1197; reading goes on at byte 2566"
    ]),
    "webrecorder__warcio/example-wget-bad-target-uri.warc.gz": (3, {"warcinfo": 1, "request": 1, "metadata": 1}, []),
    "webrecorder__warcio/example-wrong-chunks.warc.gz": (1, {"request": 1}, []),
    "webrecorder__warcio/example.arc": (1, {"filedesc": 1}, []),
    "webrecorder__warcio/example.arc.gz": (1, {"filedesc": 1}, []),
    "webrecorder__warcio/example.warc": (1, {"warcinfo": 2, "request": 2, "revisit": 1}, []),
    "webrecorder__warcio/example.warc.gz": (1, {"warcinfo": 2, "request": 2, "revisit": 1}, []),
    "webrecorder__warcio/post-test.warc.gz": (0, {"response type application/json": 3, "request": 3}, []),
}  # fmt: skip


def test_every_real_file_is_read(shared_data: Path) -> None:
    found = {}
    for path in sorted(shared_data.glob("warc/*/*")):
        if path.name != "LICENSE":
            rows, tally = read(path)
            name = path.relative_to(shared_data / "warc").as_posix()
            found[name] = len(ids(rows)), dict(tally.skipped), errors(rows)
    assert found == REAL_FILES


def test_the_page_is_the_same_however_it_was_archived(shared_data: Path) -> None:
    folder = shared_data / "warc/webrecorder__warcio"
    names = ("example.warc", "example.warc.gz", "example.arc", "example.arc.gz", "example-wrong-chunks.warc.gz",
             "example-bad-non-chunked.warc.gz", "example-wget-bad-target-uri.warc.gz")  # fmt: skip
    assert len({read(folder / name)[0][0]["content"] for name in names}) == 1
    packed, loose = (
        [(row["id"], row["content"]) for row in read(next(shared_data.glob(f"warc/*/warcfile.warc.{suffix}")))[0]]
        for suffix in ("gz", "lz4")
    )
    assert packed == loose


@pytest.mark.parametrize("compressed", [False, True])
def test_zstd_with_a_dictionary_at_its_head(tmp_path: Path, compressed: bool) -> None:
    plain = [record(i, body) for i, body in enumerate(BODIES)]
    trained = zstandard.train_dictionary(2000, [record(i, bytes([i % 251]) * 400) for i in range(500)])
    packer = zstandard.ZstdCompressor(dict_data=trained)
    stored = zstandard.compress(trained.as_bytes()) if compressed else trained.as_bytes()
    head = b"\x5d\x2a\x4d\x18" + len(stored).to_bytes(4, "little") + stored
    path = tmp_path / "x.warc.zst"
    path.write_bytes(head + b"".join(map(packer.compress, plain)))
    rows, _ = read(path)
    assert [row["content"] for row in rows] == BODIES and not errors(rows)
    assert [row["offset"] for row in rows] == [sum(map(len, plain[:i])) for i in range(4)]
    path.write_bytes(head[: len(head) // 2])
    rows, _ = read(path)
    assert "dictionary" in errors(rows)[0]
    path.write_bytes(head[:8] + b"\x28\xb5\x2f\xfd" + b"\xff" * 20 + head[28:])
    rows, _ = read(path)
    assert "dictionary is corrupt" in errors(rows)[0] and not ids(rows)


def test_what_is_skipped_is_counted_by_kind(shared_data: Path) -> None:
    _, tally = read(shared_data / "warc/webrecorder__warcio/example-bad.warc.gz.bad")
    assert tally.skipped == {"warcinfo": 1, "request": 2, "revisit": 1, "response status 302": 1}
    _, tally = read(shared_data / "warc/webrecorder__warcio/post-test.warc.gz")
    assert tally.skipped == {"request": 3, "response type application/json": 3}


def test_wet_gives_text(shared_data: Path) -> None:
    rows, _ = read(shared_data / "warc/commoncrawl__whirlwind-python/whirlwind.warc.wet.gz", "wet")
    assert rows[0]["text"].startswith("Escopete") and "content" not in rows[0]
    rows, _ = read(shared_data / "warc/commoncrawl__whirlwind-python/whirlwind.warc.wet.gz", "warc")
    assert rows[0]["text"].startswith("Escopete") and rows[0]["content"] is None


def test_arc(shared_data: Path) -> None:
    for name in ("example.arc", "example.arc.gz"):
        rows, tally = read(shared_data / "warc/webrecorder__warcio" / name)
        assert [(row["url"], row["date"], row["offset"]) for row in rows] == [
            ("http://example.com/", "2014-02-16T05:02:21Z", 151)
        ]
        assert b"Example Domain" in rows[0]["content"] and rows[0]["content"].lstrip().startswith(b"<!doctype")
        assert tally.skipped == {"filedesc": 1}


def arc_record(number: int, *, length: str | None = None) -> bytes:
    return f"http://e.com/{number} 1.2.3.4 20200101000000 text/html {length or 509}\r\n".encode() + b"<p>%d" % (
        number % 10
    ) + b"x" * 505 + b"\n"  # fmt: skip


@pytest.mark.parametrize("suffix", [".arc", ".arc.gz"])
def test_a_flaw_in_an_arc_costs_what_it_hits(tmp_path: Path, suffix: str) -> None:
    parts = [arc_record(i) for i in range(4)]
    parts[1] = arc_record(1, length="-1")
    path = tmp_path / f"x{suffix}"
    path.write_bytes(gzip.compress(b"".join(parts)) if suffix == ".arc.gz" else b"".join(parts))
    rows, _ = read(path)
    assert [row["url"] for row in rows] == ["http://e.com/0", None, "http://e.com/2", "http://e.com/3"]
    first, second = len(parts[0]), len(parts[0] + parts[1])
    assert errors(rows) == [f"no ARC record at byte {first}; reading goes on at byte {second}"]


def test_limits(tmp_path: Path) -> None:
    path = tmp_path / "x.warc"
    bomb = gzip.compress(b"<p>" + b"x" * 5_000_000)
    parts = [record(0, b"x" * 30_000), record(1, b"<p>fine"), record(2, bomb, http="Content-Encoding: gzip\r\n")]
    path.write_bytes(b"".join(parts))
    rows, _ = read(path, max_document_bytes=20_000)
    assert ids(rows) == ["1"] and len(errors(rows)) == 2
    assert rows[0]["id"] == "urn:uuid:0" and "30" in rows[0]["error"] and "limit" in rows[2]["error"]


def test_invalid_utf8_in_a_conversion(tmp_path: Path) -> None:
    path = tmp_path / "x.wet"
    path.write_bytes(record(0, b"a\xff\0b", kind="conversion"))
    rows, tally = read(path)
    assert rows[0]["text"] == "a\ufffd\0b" and tally.replaced == 1


def test_empty_and_unreadable(tmp_path: Path) -> None:
    (tmp_path / "x.warc.gz").write_bytes(b"")
    assert read(tmp_path / "x.warc.gz")[0] == []
    with pytest.raises(OSError):
        read(tmp_path / "none.warc.gz")
    (tmp_path / "y.warc").write_bytes(b"<html>this is no archive")
    rows, _ = read(tmp_path / "y.warc")
    assert len(errors(rows)) == 1


def test_bodies() -> None:
    chunked = b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
    assert join_chunks(chunked) == b"abcdefg"
    assert join_chunks(b"<html>never chunked") == b"<html>never chunked"
    assert join_chunks(b"3\r\nabc\r\n10\r\ncut off") == b"abccut off"
    assert decode(gzip.compress(b"abc") + b"junk", "", "gzip", 100) == b"abc"
    assert decode(gzip.compress(b"abc" * 1000)[:30], "", "gzip", 10_000).startswith(b"abc")
    assert decode(b"plain already", "", "gzip", 100) == b"plain already"
    assert decode(zstandard.compress(b"abc"), "", "zstd", 100) == b"abc"
    assert len(decode(gzip.compress(b"a" * 1_000_000), "", "gzip", 100)) == 101
