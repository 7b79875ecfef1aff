"""Lists that steps read from files: stop words of a language, and domains by category."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from curate.errors import MissingAsset

# The name under which a setting asks for the lists of the package `stopwordsiso`.
STOPWORDSISO = "stopwordsiso"


def stop_word_file(where: str, source: str) -> Path:
    """The file of a list of stop words: a path, or that of the package `stopwordsiso`. Raises MissingAsset."""
    path = Path(source)
    if source == STOPWORDSISO:
        try:
            import stopwordsiso
        except ImportError as error:
            hint = 'pip install "curate[stopwords]", or name a file with a word a line'
            raise MissingAsset(where, "the package `stopwordsiso` is not installed", hint) from error
        path = Path(stopwordsiso.__file__).parent / "stopwords-iso.json"
    if not path.is_file():
        hint = f"write words out, or name `{STOPWORDSISO}`, a file with a word a line, or JSON: language -> words"
        raise MissingAsset(where, f"no list of stop words at `{source}`", hint)
    return path


@functools.lru_cache(16)
def stop_words(where: str, source: str, language: str) -> tuple[str, ...]:
    """The stop words of a language from a list with a word a line, or from JSON: language -> words. As they stand."""
    by_language = _lists(where, source)
    if isinstance(by_language, list):
        return tuple(by_language)
    if language not in by_language:
        raise MissingAsset(where, f"`{source}` has no stop words for {language}", f"it has {', '.join(by_language)}")
    return tuple(by_language[language])


def stop_word_lists(where: str, source: str) -> list[str] | dict[str, list[str]]:
    """Stop words in lower case: one list for all languages, or language -> words. Raises MissingAsset."""
    found = _lists(where, source)
    if isinstance(found, list):
        return [word.lower() for word in found]
    return {code: [word.lower() for word in words] for code, words in found.items()}


def _lists(where: str, source: str) -> list[str] | dict[str, list[str]]:
    path = stop_word_file(where, source)
    try:
        content = path.read_text("utf-8")
        found: list[str] | dict[str, list[str]] = json.loads(content) if path.suffix == ".json" else content.split()
    except ValueError as error:
        raise MissingAsset(where, f"`{path}` cannot be read: {error}", "a list is UTF-8 text, or JSON") from error
    return found


class Domains(NamedTuple):
    """Domains and their categories: sorted 64-bit hashes, and of each the place of its category in `names`."""

    hashes: npt.NDArray[np.uint64]
    category: npt.NDArray[np.uint8]
    names: tuple[str, ...]

    def categories(self, url: str) -> list[str]:
        """Those of the host of an address, or else of the nearest domain above it that is listed."""
        try:
            host = (urlsplit(url if "//" in url else f"//{url}").hostname or "").rstrip(".")
        except ValueError:  # a bracket without its partner
            return []
        while host:
            value = _hash(host)
            places = range(*(int(np.searchsorted(self.hashes, value, side)) for side in ("left", "right")))
            if places:
                return sorted(self.names[self.category[place]] for place in places)
            host = host.partition(".")[2]
        return []


def _hash(domain: str) -> np.uint64:
    from curate.kernels.word_set import word_hash

    return np.uint64(word_hash(domain.encode()))


def domain_files(where: str, folder: str) -> list[Path]:
    """The files `CATEGORY/domains` of a folder, as the lists of the University of Toulouse are packed."""
    found = sorted(Path(folder).glob("*/domains"))
    if not found:
        hint = "unpack blacklists.tar.gz of dsi.ut-capitole.fr/blacklists and name its folder"
        raise MissingAsset(where, f"no lists of domains in `{folder}`: no file CATEGORY/domains", hint)
    if len(found) > 255:
        raise MissingAsset(where, f"`{folder}` has {len(found)} categories, more than 255", "leave some out")
    return found


@functools.lru_cache(4)
def domains(where: str, folder: str) -> Domains:
    """The domains of all categories of a folder; 9 bytes for each. Raises MissingAsset."""
    from curate.kernels.word_set import line_hashes

    files = domain_files(where, folder)
    parts = [line_hashes(np.frombuffer(path.read_bytes().lower(), np.uint8)) for path in files]
    hashes = np.concatenate(parts)
    category = np.repeat(np.arange(len(parts), dtype=np.uint8), [len(part) for part in parts])
    order = np.argsort(hashes, kind="stable")
    return Domains(hashes[order], category[order], tuple(path.parent.name for path in files))


def content_hash(paths: Sequence[Path]) -> str:
    """SHA-256 of files, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(path.parent.name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
