"""Addresses of documents: their canonical form, the host, and the registered domain it belongs to."""

from __future__ import annotations

import functools
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.text import Bytes, Offsets, buffers, from_buffers

if TYPE_CHECKING:
    from curate.kernels.keys import KeyTable
    from curate.kernels.urls import Canonical

TRACKING = "url_words/tracking.txt"


class Addresses(NamedTuple):
    """Of n addresses the canonical form, the host and the registered domain: string arrays, null where none is given."""

    url: pa.Array
    host: pa.Array
    domain: pa.Array


def addresses(urls: pa.Array, *, strip_www: bool = False, keep_slash: bool = False) -> Addresses:
    """What is known of n addresses (a string array) by their letters alone."""
    from curate.kernels.domains import registered_domains

    form = canonical(urls, strip_www=strip_www, keep_slash=keep_slash)
    domain = registered_domains(form.data, form.host_start, form.host_stop, public_suffixes())
    found = (
        from_buffers(form.data, form.offsets),
        _slices(form.data, form.host_start, form.host_stop),
        _slices(form.data, domain, form.host_stop),
    )
    return Addresses(*(pc.if_else(urls.is_null(), None, column) for column in found) if urls.null_count else found)


def canonical(urls: pa.Array, *, strip_www: bool = False, keep_slash: bool = False) -> Canonical:
    """The canonical form of n addresses as bytes; a null is an empty one."""
    from curate.kernels.urls import KEEP_SLASH, STRIP_WWW, canonical_urls

    options = STRIP_WWW * strip_www + KEEP_SLASH * keep_slash
    found = canonical_urls(*buffers(urls), tracking_parameters(), options)
    mended = {int(i): url for i in np.flatnonzero(found.odd) if (url := _with_ascii_host(found, int(i)))}
    if not mended:
        return found
    rows = pa.array([i in mended for i in range(len(urls))])
    urls = pc.replace_with_mask(
        from_buffers(found.data, found.offsets), rows, pa.array([*mended.values()], pa.string())
    )
    return canonical_urls(*buffers(urls), tracking_parameters(), options)


def _with_ascii_host(found: Canonical, i: int) -> str | None:
    """Address i with its host in the form of domain names (IDNA 2008, UTS 46); None if it has none."""
    lo, hi = int(found.offsets[i]), int(found.offsets[i + 1])
    start, stop = int(found.host_start[i]), int(found.host_stop[i])
    before, host, after = (found.data[a:b].tobytes().decode() for a, b in ((lo, start), (start, stop), (stop, hi)))
    name = ascii_host(unquote(host))
    return None if name is None else before + name + after


def ascii_host(host: str) -> str | None:
    """A host as it is asked for in the domain name system; None if no host is written so."""
    import idna

    try:
        return idna.encode(host, uts46=True).decode()
    except (idna.IDNAError, UnicodeError):
        return None


def _slices(data: Bytes, start: Offsets, stop: Offsets) -> pa.Array:
    """The strings `data[start[i]:stop[i]]`, which ascend and do not overlap."""
    edges = np.stack([start, stop], axis=1).reshape(-1)
    lengths = stop - start
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    marks = np.zeros(len(data) + 1, np.int8)
    np.add.at(marks, edges[0::2], 1)
    np.add.at(marks, edges[1::2], -1)
    inside = np.cumsum(marks[:-1]).astype(bool)
    return from_buffers(data[inside], offsets)


@functools.cache
def tracking_parameters() -> KeyTable:
    """The names of parameters that a canonical address has not."""
    from curate.kernels.keys import hashes_of, key_table
    from curate.kernels.urls import EXACT, PREFIX

    lines = (files("curate") / "assets" / TRACKING).read_text().splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    bits = np.array([PREFIX if name.endswith("*") else EXACT for name in names], np.int64)
    return key_table(hashes_of(*buffers(pa.array([name.rstrip("*") for name in names])), False), bits)


@functools.cache
def public_suffixes() -> KeyTable:
    """The Public Suffix List as a table of keys read from their ends, with the suffixes of private registries."""
    import publicsuffixlist

    from curate.kernels.domains import EXCEPTION, PUBLIC, WILDCARD
    from curate.kernels.keys import hashes_of, key_table

    text = Path(publicsuffixlist.__file__).with_name("public_suffix_list.dat").read_text("utf-8")
    rules = [line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("//")]
    bits = [EXCEPTION if rule[0] == "!" else WILDCARD if rule.startswith("*.") else PUBLIC for rule in rules]
    names = [rule.removeprefix("!").removeprefix("*.") for rule in rules]
    names = [name if name.isascii() else ascii_host(name) or name for name in names]
    return key_table(hashes_of(*buffers(pa.array(names)), True), np.array(bits, np.int64))


def list_versions() -> dict[str, str]:
    """The versions of the packages whose lists decide hosts and domains."""
    return {name: version(name) for name in ("publicsuffixlist", "idna")}
