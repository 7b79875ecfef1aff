"""Lists for `url_rules`: words and substrings of files or written out, and folders of categories in the layout of UT1."""

from __future__ import annotations

import functools
import hashlib
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from curate.errors import MissingAsset
from curate.readers.codecs import Damaged, codec_of, decompressed, open_stored
from curate.text import buffers
from curate.urls import ascii_host, canonical

if TYPE_CHECKING:
    from curate.kernels.automaton import Automaton
    from curate.kernels.blocklists import Bits, BlockList
    from curate.kernels.keys import Hashes, KeyTable

# The name under which a setting asks for the list that comes with the package.
DEFAULT = "default"
# Bits of an address that is on a list that is no category.
BLOCKED, ALLOWED, CATEGORY = 1, 2, 4
# Files of a category, with their endings.
DOMAINS, PAGES = "domains", "urls"
ENDINGS = ("", ".gz", ".zst")
MOST_CATEGORIES = 60

Entries = tuple[str, ...] | str


def content(where: str, kind: str, path: str) -> bytes:
    """The bytes of the list at `path`, or of ours of this kind. Raises MissingAsset."""
    if path == DEFAULT and kind:
        return (files("curate") / "assets" / "url_words" / f"{kind}.txt").read_bytes()
    try:
        with open_stored(path) as file:
            return b"".join(decompressed(file, codec_of(path)))
    except (OSError, Damaged) as error:
        hint = "paths in a pipeline file are relative to it; a list can also be written out: [a.com, b.org]"
        raise MissingAsset(where, f"the list `{path}` cannot be read: {error}", hint) from error


def entries(where: str, kind: str, given: Entries) -> list[str]:
    """The entries of a list in lower case, each once."""
    if isinstance(given, str):
        given = tuple(
            line.partition("#")[0] for line in content(where, kind, given).decode("utf-8", "replace").split("\n")
        )
    return list(dict.fromkeys(entry for entry in (entry.strip().lower() for entry in given) if entry))


def category_files(where: str, folder: str, chosen: Entries) -> dict[str, dict[str, Path]]:
    """Category -> its files by kind, for the categories chosen, or all. Raises MissingAsset."""
    found = {}
    for place in sorted(Path(folder).iterdir()) if Path(folder).is_dir() else []:
        kinds = {
            kind: path
            for kind in (DOMAINS, PAGES)
            for ending in ENDINGS
            if (path := place / f"{kind}{ending}").is_file()
        }
        if kinds:
            found[place.name] = kinds
    if not found:
        hint = "a folder of folders, each with a file `domains` or `urls`, as the lists of the University of Toulouse"
        raise MissingAsset(where, f"`{folder}` holds no block lists", hint)
    if unknown := [name for name in chosen if name not in found]:
        raise MissingAsset(where, f"no category {', '.join(unknown)} in `{folder}`", f"there are {', '.join(found)}")
    found = {name: kinds for name, kinds in found.items() if not chosen or name in chosen}
    if len(found) > MOST_CATEGORIES:
        what = f"{len(found)} categories in `{folder}`, more than {MOST_CATEGORIES}"
        raise MissingAsset(where, what, "name those that you want: `categories: [adult, gambling]`")
    return found


def category_hashes(where: str, folder: str, chosen: Entries) -> dict[str, str]:
    """File -> the hash of its bytes as stored."""
    return {
        f"{name}/{kind}": hashlib.sha256(path.read_bytes()).hexdigest()
        for name, kinds in category_files(where, folder, chosen).items()
        for kind, path in kinds.items()
    }


@functools.lru_cache(8)
def block_lists(
    where: str, blocked: Entries, allowed: Entries, folder: str, chosen: tuple[str, ...]
) -> tuple[BlockList, BlockList, tuple[str, ...]]:
    """(the domains on any list, the pages on any list, the categories in order of their bits)."""
    from curate.kernels.blocklists import block_list

    domains = [_domains(_lines(where, blocked), BLOCKED), _domains(_lines(where, allowed), ALLOWED)]
    pages: list[tuple[Hashes, Bits]] = []
    categories = category_files(where, folder, chosen) if folder else {}
    for i, kinds in enumerate(categories.values()):
        domains += [_domains(_lines(where, str(kinds[DOMAINS])), CATEGORY << i)] if DOMAINS in kinds else []
        pages += [_pages(_lines(where, str(kinds[PAGES])), CATEGORY << i)] if PAGES in kinds else []
    return block_list(*_joined(domains)), block_list(*_joined(pages)), tuple(categories)


@functools.lru_cache(8)
def words(where: str, hard: Entries, soft: Entries) -> KeyTable:
    """The words of both kinds. Raises MissingAsset where one can stand in no address."""
    from curate.kernels.blocklists import HARD, SOFT
    from curate.kernels.keys import hashes_of, key_table

    lists = [(word, HARD) for word in entries(where, "hard", hard)] + [
        (word, SOFT) for word in entries(where, "soft", soft)
    ]
    check_words(where, [word for word, _ in lists])
    keys = hashes_of(*buffers(pa.array([word for word, _ in lists], pa.string())), False)
    return key_table(keys, np.array([bits for _, bits in lists], np.int16))


def check_words(where: str, found: list[str]) -> None:
    """Raises MissingAsset for words of other characters than a-z and 0-9: an address is cut at them."""
    if wrong := [word for word in found if not (word.isascii() and word.isalnum())]:
        what = f"no words: {', '.join(wrong[:5])}; an address is cut into runs of a-z and 0-9"
        raise MissingAsset(where, what, "list them in `block_urls`, whose entries match anywhere")


@functools.lru_cache(8)
def substrings(where: str, given: Entries) -> Automaton | None:
    """The automaton of the substrings, none for an empty list."""
    from curate.kernels.automaton import automaton

    found = entries(where, "strict", given)
    try:
        return automaton(found, boundaries=False) if found else None
    except ValueError as error:
        raise MissingAsset(where, f"block_urls: {error}", "use a shorter list, or domains") from error


def _lines(where: str, given: Entries) -> pa.Array:
    """The lines of a list as a string array, without a Python object each."""
    if isinstance(given, tuple):
        return pa.array(given, pa.string())
    raw = content(where, "", given)
    data = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(data == 10) + 1
    offsets = np.concatenate([[0], ends, [len(data)] if len(data) and data[-1] != 10 else []]).astype(np.int32)
    lines = pa.BinaryArray.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(raw)])
    try:
        return lines.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([line.decode("utf-8", "replace") for line in lines.to_pylist()], pa.string())


def _domains(lines: pa.Array, bit: int) -> tuple[Hashes, Bits]:
    from curate.kernels.blocklists import domain_keys

    keys = domain_keys(*buffers(lines))
    other = [
        ascii_host(line.as_py().partition("#")[0].strip().lower())
        for line in lines.take(pa.array(np.flatnonzero(keys == 1)))
    ]
    more = domain_keys(*buffers(pa.array([host for host in other if host], pa.string())))
    keys = np.concatenate([keys[keys > 1], more[more > 1]])
    return keys, np.full(len(keys), bit, np.int64)


def _pages(lines: pa.Array, bit: int) -> tuple[Hashes, Bits]:
    from curate.kernels.blocklists import page_keys

    urls = [line.strip() for line in lines.to_pylist()]
    urls = [url if "://" in url else f"http://{url}" for url in urls if url and not url.startswith("#")]
    form = canonical(pa.array(urls, pa.string()), strip_www=True)
    keys = page_keys(form.data, form.offsets, form.host_start)
    return keys, np.full(len(keys), bit, np.int64)


def _joined(parts: list[tuple[Hashes, Bits]]) -> tuple[Hashes, Bits]:
    empty = np.zeros(0, np.uint64), np.zeros(0, np.int64)
    keys, bits = zip(*[empty, *parts], strict=True)
    return np.concatenate(keys), np.concatenate(bits)
